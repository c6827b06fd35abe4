/* SPDX-License-Identifier: ISC */
#include "proto/addr_field.h"
#include "proto/addr.h"

enum { FOLD_COLUMN = 70 };

static const struct { struct str name; enum addr_role role; } fields[] = {
    { STR_INIT("From"), ADDR_ROLE_SENDER }, { STR_INIT("Sender"), ADDR_ROLE_SENDER }, { STR_INIT("Reply-To"), ADDR_ROLE_SENDER },
    { STR_INIT("Resent-From"), ADDR_ROLE_SENDER }, { STR_INIT("Resent-Sender"), ADDR_ROLE_SENDER }, { STR_INIT("Resent-Reply-To"), ADDR_ROLE_SENDER },
    { STR_INIT("Errors-To"), ADDR_ROLE_SENDER }, { STR_INIT("Return-Receipt-To"), ADDR_ROLE_SENDER },
    { STR_INIT("Disposition-Notification-To"), ADDR_ROLE_SENDER }, { STR_INIT("Mail-Followup-To"), ADDR_ROLE_SENDER },
    { STR_INIT("To"), ADDR_ROLE_RECIPIENT }, { STR_INIT("Cc"), ADDR_ROLE_RECIPIENT }, { STR_INIT("Apparently-To"), ADDR_ROLE_RECIPIENT },
    { STR_INIT("Resent-To"), ADDR_ROLE_RECIPIENT }, { STR_INIT("Resent-Cc"), ADDR_ROLE_RECIPIENT },
};

enum addr_role addr_field_role(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(fields); i++)
        if (name.n == fields[i].name.n && str_ieq(name, fields[i].name))
            return fields[i].role;
    return ADDR_ROLE_NONE;
}

/* ---- pieces of text ---- */

/* Length of the comment that s begins with; comments nest. */
static size_t comment_len(struct str s)
{
    size_t depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '(')
            depth++;
        else if (s.p[i] == ')' && --depth == 0)
            return i + 1;
    }
    return s.n;
}

static size_t closed_len(struct str s, char close)
{
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == close)
            return i + 1;
    }
    return s.n;
}

/* Length of what s begins with: a quoted string, a comment, a domain literal, or a single character. */
static size_t piece_len(struct str s)
{
    switch (s.p[0]) {
    case '"': return closed_len(s, '"');
    case '[': return closed_len(s, ']');
    case '(': return comment_len(s);
    default: return 1;
    }
}

/*
 * What stands between two of "," ":" ";", and the one that ends it ('\0': the
 * end of the field). odd: with a backslash that quotes nothing, where nobody
 * knows any more what is a separator.
 */
struct member { struct str text; char end; bool odd; };

static struct member next_member(struct str *rest)
{
    struct str s = *rest;
    bool angle = false, odd = false;
    size_t i = 0;
    while (i < s.n) {
        char c = s.p[i];
        if (c == '<' || c == '>')
            angle = c == '<';
        else if (c == '\\')
            odd = true;
        else if (c == ';' || (!angle && (c == ',' || c == ':')))
            break;
        i += piece_len(str_skip(s, i));
    }
    *rest = str_skip(s, i + 1);
    return (struct member){ str_trim(str_head(s, i)), i < s.n ? s.p[i] : '\0', odd };
}

static bool find_angle(struct str s, size_t start, size_t *ret_start, size_t *ret_end)
{
    size_t i = start;
    while (i < s.n && s.p[i] != '>')
        i += piece_len(str_skip(s, i));
    *ret_start = start;
    *ret_end = i;
    return i < s.n && i > start;
}

/* Where the address is: its first and last byte, without white space and comments around it. False: there is none. */
static bool find_spec(struct str s, size_t *ret_start, size_t *ret_end)
{
    size_t start = s.n, end = 0;
    for (size_t i = 0, n; i < s.n; i += n) {
        n = piece_len(str_skip(s, i));
        if (s.p[i] == '(' || ascii_is_space(s.p[i]))
            continue;
        if (s.p[i] == '>')
            return false;
        if (s.p[i] == '<')
            return find_angle(s, i + 1, ret_start, ret_end);
        start = MIN(start, i);
        end = i + n;
    }
    *ret_start = start;
    *ret_end = MIN(end, s.n);
    return start < end;
}

static void put_comments(struct buf *out, struct str s)
{
    for (size_t i = 0, n; i < s.n; i += n) {
        n = piece_len(str_skip(s, i));
        if (s.p[i] != '(')
            continue;
        buf_putc(out, ' ');
        buf_add(out, str_head(str_skip(s, i), n));
    }
}

/* ---- one address ---- */

struct work {
    addr_map map;
    void *arg;
    struct buf item;            /* the member as it is going to be */
    struct buf address;
    bool changed, odd;
};

/* Words with nothing but white space between them are not one local part. */
static bool is_one_word(struct str s)
{
    bool gap = false, joined = true;
    for (size_t i = 0, n; i < s.n; i += n) {
        n = piece_len(str_skip(s, i));
        if (s.p[i] == '(' || ascii_is_space(s.p[i])) {
            gap = true;
            continue;
        }
        if (gap && !joined && s.p[i] != '.')
            return false;
        joined = s.p[i] == '.';
        gap = false;
    }
    return true;
}

/* Into w->address. False: not one good address. A name without a domain is one. */
static bool take_address(struct work *w, struct str spec)
{
    struct addr_parser p = addr_parser_make(spec);
    struct addr a;
    buf_reset(&w->address);
    bool good = str_chr(spec, '\0') < 0 && addr_next(&p, &a) && a.kind == ADDR_MAILBOX && !a.angle && !a.cut && a.local.n > 0 && a.route.n == 0;
    if (good) {
        buf_add(&w->address, a.local);
        if (a.domain.n > 0)
            buf_printf(&w->address, "@%.*s", STR_FMT(a.domain));
        good = a.domain.n > 0 ? !a.bad : str_chr(spec, '@') < 0 && is_one_word(spec);
        good = good && !addr_next(&p, &a);
    }
    addr_parser_done(&p);
    return good;
}

static void put_address(struct buf *out, struct str address)
{
    ptrdiff_t at = str_rchr(address, '@');
    addr_put_local(out, at < 0 ? address : str_head(address, (size_t)at));
    if (at >= 0)
        buf_add(out, str_skip(address, (size_t)at));
}

/* A source route is cut off before the parser sees the rest: "@a,@b:user@domain". */
static struct str cut_route(struct str spec, bool *ret_routed)
{
    ptrdiff_t colon = spec.n > 0 && spec.p[0] == '@' ? str_chr(spec, ':') : -1;
    *ret_routed = colon > 0;
    return colon > 0 ? str_skip(spec, (size_t)colon + 1) : spec;
}

static enum addr_verdict rewrite_member(struct work *w, struct str text)
{
    size_t start, end;
    bool routed;
    struct str now;
    buf_reset(&w->item);
    buf_add(&w->item, text);
    if (!find_spec(text, &start, &end))
        return ADDR_SAME;
    struct str spec = str_head(str_skip(text, start), end - start), plain = cut_route(spec, &routed);
    if (!take_address(w, plain))
        return ADDR_SAME;
    enum addr_verdict v = w->map(w->arg, buf_str(&w->address), &now);
    if (v == ADDR_SAME && routed) {
        now = buf_str(&w->address);
        v = ADDR_CHANGED;
    }
    if (v != ADDR_CHANGED)
        return v;
    buf_reset(&w->item);
    buf_add(&w->item, str_head(text, start));
    put_address(&w->item, now);
    struct str after = str_skip(text, end);
    if (str_starts(after, STR(">"))) {
        buf_putc(&w->item, '>');
        after = str_skip(after, 1);
    }
    put_comments(&w->item, spec);
    if (str_starts(after, STR("(")))
        buf_putc(&w->item, ' ');
    buf_add(&w->item, after);
    w->changed = true;
    return ADDR_CHANGED;
}

/* ---- the list ---- */

/* Lines within a member were folded where they are not any more. */
static void put_unfolded(struct buf *out, struct str item)
{
    for (size_t i = 0; i < item.n; i++) {
        if (item.p[i] != '\n' && item.p[i] != '\r')
            buf_putc(out, item.p[i]);
        else if (i + 1 >= item.n || !ascii_is_space(item.p[i + 1]))
            buf_putc(out, ' ');
    }
}

static void put_member(struct buf *out, struct str item, char before, char end, size_t *line)
{
    bool ends = end != '\0' && end != ';';
    if (before == ',' && out->n - *line + 1 + item.n + ends >= FOLD_COLUMN) {
        buf_putc(out, '\n');
        *line = out->n;
        buf_putc(out, '\t');
    } else if (item.n > 0 || before == ',') {
        buf_putc(out, ' ');
    }
    put_unfolded(out, item);
    if (end != '\0')
        buf_putc(out, end);
}

/* A backslash at the end of a line would quote something else once the field is folded anew. */
static bool quotes_fold(struct str s)
{
    for (size_t i = 1; i < s.n; i++)
        if (s.p[i - 1] == '\\' && (s.p[i] == '\n' || s.p[i] == '\r'))
            return true;
    return false;
}

enum addr_verdict addr_field_rewrite(struct str name, struct str value, addr_map map, void *arg, struct buf *out)
{
    struct work w = { .map = map, .arg = arg, .item = buf_make(0), .address = buf_make(0), .odd = quotes_fold(value) };
    enum addr_verdict v = ADDR_SAME;
    char before = '\0';
    size_t line = out->n;
    buf_printf(out, "%.*s:", STR_FMT(name));
    while (value.n > 0 && v != ADDR_STOP) {
        struct member m = next_member(&value);
        w.odd |= m.odd;
        if (m.end == ':') {
            buf_reset(&w.item);
            buf_add(&w.item, m.text);
        } else {
            v = rewrite_member(&w, m.text);
        }
        bool last = m.end == '\0' && m.text.n == 0;
        if (v != ADDR_STOP && !last)
            put_member(out, buf_str(&w.item), before, m.end, &line);
        before = m.end;
    }
    bool changed = w.changed && !w.odd;
    buf_done(&w.item);
    buf_done(&w.address);
    return v == ADDR_STOP ? ADDR_STOP : changed ? ADDR_CHANGED : ADDR_SAME;
}
