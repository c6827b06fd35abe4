/* SPDX-License-Identifier: ISC */
#include "proto/addr.h"

enum token_kind { TOK_END, TOK_ATOM, TOK_QUOTED, TOK_LITERAL, TOK_SPECIAL };
struct token {
    enum token_kind kind;
    bool spaced;        /* white space or a comment stood before it */
    char special;
    struct str text;    /* raw; a quoted string without its quotes */
};

/* What one list member has shown so far. */
struct member {
    bool words;         /* something before '@' or '<' */
    bool gap;           /* two words with neither a dot nor an '@' between them */
    bool dot_last, at;
};

static bool is_special(char c)
{
    return c == '<' || c == '>' || c == '@' || c == ',' || c == ';' || c == ':' || c == '.';
}

static bool ends_atom(char c)
{
    return is_special(c) || c == '(' || c == '"' || c == '[' || ascii_is_space(c);
}

/* *rest is behind the opening quote; the end of the text closes what is open. */
static struct str take_quoted(struct str *rest, char close)
{
    struct str s = *rest;
    size_t i = 0;
    while (i < s.n && s.p[i] != close)
        i += s.p[i] == '\\' && i + 1 < s.n ? 2 : 1;
    *rest = str_skip(s, i + 1);
    return str_head(s, i);
}

static void put_unquoted(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\r' || s.p[i] == '\n')
            continue;
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        buf_putc(out, s.p[i]);
    }
}

/* Comments nest; depth is counted, not recursed into. */
static void take_comment(struct addr_parser *p)
{
    struct str s = p->rest;
    size_t i = 1, depth = 1;
    for (; i < s.n && depth > 0; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        else if (s.p[i] == '(')
            depth++;
        else if (s.p[i] == ')')
            depth--;
    }
    buf_reset(&p->comment);
    put_unquoted(&p->comment, str_trim(str_make(s.p + 1, i - 1 - (depth == 0 ? 1 : 0))));
    p->rest = str_skip(s, i);
}

static bool skip_space(struct addr_parser *p)
{
    bool any = false;
    while (p->rest.n > 0) {
        char c = p->rest.p[0];
        if (c == '(')
            take_comment(p);
        else if (ascii_is_space(c))
            p->rest = str_skip(p->rest, 1);
        else
            break;
        any = true;
    }
    return any;
}

static struct token next_token(struct addr_parser *p)
{
    struct token t = { .spaced = skip_space(p) };
    if (p->rest.n == 0)
        return t;
    char c = p->rest.p[0];
    if (c == '"' || c == '[') {
        p->rest = str_skip(p->rest, 1);
        t.kind = c == '"' ? TOK_QUOTED : TOK_LITERAL;
        t.text = take_quoted(&p->rest, c == '"' ? '"' : ']');
    } else if (is_special(c)) {
        t.kind = TOK_SPECIAL;
        t.special = c;
        t.text = str_head(p->rest, 1);
        p->rest = str_skip(p->rest, 1);
    } else {
        size_t n = 1;
        while (n < p->rest.n && !ends_atom(p->rest.p[n]))
            n++;
        t.kind = TOK_ATOM;
        t.text = str_head(p->rest, n);
        p->rest = str_skip(p->rest, n);
    }
    return t;
}

static void put_word(struct buf *out, struct token t)
{
    switch (t.kind) {
    case TOK_QUOTED:
        put_unquoted(out, t.text);
        break;
    case TOK_LITERAL:
        buf_putc(out, '[');
        put_unquoted(out, t.text);
        buf_putc(out, ']');
        break;
    case TOK_ATOM:
    case TOK_SPECIAL:
        buf_add(out, t.text);
        break;
    case TOK_END:
        break;
    }
}

/* One word before '@' or '<': it may turn out to be part of a name or of a local part. */
static void add_word(struct addr_parser *p, struct member *m, struct token t)
{
    bool dot = t.kind == TOK_SPECIAL;
    if (m->words && t.spaced)
        buf_putc(&p->name, ' ');
    put_word(&p->name, t);
    if (m->words && !dot && !m->dot_last) {
        m->gap = true;
        if (t.spaced)
            buf_putc(&p->local, ' ');
    }
    put_word(&p->local, t);
    m->words = true;
    m->dot_last = dot;
}

/* The rest of a member: after its domain or '>' up to the comma that ends it. */
static bool ends_member(struct addr_parser *p, struct token t)
{
    if (t.kind == TOK_END || (t.kind == TOK_SPECIAL && t.special == ','))
        return true;
    if (t.kind != TOK_SPECIAL || t.special != ';')
        return false;
    if (p->in_group)
        p->rest = (struct str){ p->rest.p - 1, p->rest.n + 1 };     /* the group's end is a member of its own */
    return true;        /* outside a group people use it as a comma */
}

/*
 * Domain until '>' or, bare, the end of the member. True when anything wrong was met.
 * *ret_closed: ended by '>'; or bare and ended by '<': what looked like an address is the name before one.
 */
static bool take_domain(struct addr_parser *p, bool angle, bool *ret_closed)
{
    bool bad = false, dot_last = true;
    *ret_closed = false;
    for (;;) {
        struct token t = next_token(p);
        if (angle && t.kind == TOK_SPECIAL && t.special == '>') {
            *ret_closed = true;
            return bad || p->domain.n == 0;
        }
        if (ends_member(p, t))
            return bad || angle || p->domain.n == 0;
        if (!angle && t.kind == TOK_SPECIAL && t.special == '<') {
            *ret_closed = true;
            return true;
        }
        if (t.kind == TOK_SPECIAL && t.special != '.')
            bad = true;
        else if (t.kind != TOK_SPECIAL && !dot_last)
            bad = true;
        if (t.kind == TOK_QUOTED)
            bad = true;
        dot_last = t.kind == TOK_SPECIAL && t.special == '.';
        put_word(&p->domain, t);
    }
}

/* "@a,@b:" behind '<', as far as the colon. */
static void take_route(struct addr_parser *p)
{
    buf_putc(&p->route, '@');
    for (;;) {
        struct str before = p->rest;
        struct token t = next_token(p);
        if (t.kind == TOK_END || (t.kind == TOK_SPECIAL && t.special == ':'))
            return;
        if (t.kind == TOK_SPECIAL && t.special == '>') {
            p->rest = before;
            return;
        }
        put_word(&p->route, t);
    }
}

/* Behind '<': everything to '>'. True when it was bad. */
static bool take_angle(struct addr_parser *p, bool *ret_closed)
{
    bool bad = false, first = true, dot_last = true;
    *ret_closed = true;
    buf_reset(&p->local);
    for (;; first = false) {
        struct token t = next_token(p);
        if (t.kind == TOK_END)
            return true;
        if (t.kind == TOK_SPECIAL && t.special == '>')
            return bad || !first;       /* "<>" is an address of its own kind, "<local>" lacks a domain */
        if (t.kind == TOK_SPECIAL && t.special == '@') {
            if (first) {
                take_route(p);
                continue;
            }
            bool no_domain = take_domain(p, true, ret_closed);
            return bad || no_domain || p->local.n == 0;
        }
        if (t.kind == TOK_SPECIAL && t.special != '.')
            bad = true;
        if (t.kind != TOK_SPECIAL && !dot_last) {
            bad = true;
            if (t.spaced)
                buf_putc(&p->local, ' ');
        }
        dot_last = t.kind == TOK_SPECIAL;
        put_word(&p->local, t);
    }
}

/* Whatever stands between '>' and the comma. True when there was something. */
static bool skip_to_comma(struct addr_parser *p)
{
    bool junk = false;
    for (;;) {
        struct token t = next_token(p);
        if (ends_member(p, t))
            return junk;
        junk = true;
    }
}

static bool any_cut(const struct addr_parser *p)
{
    return p->name.full || p->route.full || p->local.full || p->domain.full;
}

static bool finish(struct addr_parser *p, struct addr *ret, enum addr_kind kind, bool bad, bool angle)
{
    *ret = (struct addr){ .kind = kind, .bad = bad, .angle = angle, .cut = any_cut(p), .local = buf_str(&p->local),
                          .route = buf_str(&p->route), .domain = buf_str(&p->domain) };
    ret->name = angle || kind == ADDR_GROUP ? buf_str(&p->name) : STR("");
    if (ret->name.n == 0 && kind == ADDR_MAILBOX)
        ret->name = buf_str(&p->comment);
    ret->has_name = ret->name.n > 0;
    return true;
}

static void start_member(struct addr_parser *p)
{
    buf_reset(&p->name);
    buf_reset(&p->route);
    buf_reset(&p->local);
    buf_reset(&p->domain);
    buf_reset(&p->comment);
}

static bool finish_group(struct addr_parser *p, struct addr *ret)
{
    p->in_group = true;
    buf_reset(&p->local);
    bool unnamed = p->name.n == 0;
    return finish(p, ret, ADDR_GROUP, unnamed, false);
}

static bool finish_angle(struct addr_parser *p, struct addr *ret)
{
    bool closed, bad = take_angle(p, &closed);
    bool junk = closed && skip_to_comma(p);
    return finish(p, ret, ADDR_MAILBOX, bad || junk, true);
}

static bool finish_bare(struct addr_parser *p, struct addr *ret, const struct member *m)
{
    bool closed, bad = take_domain(p, false, &closed);
    if (closed) {
        buf_putc(&p->name, '@');
        buf_add(&p->name, buf_str(&p->domain));
        buf_reset(&p->domain);
        return finish_angle(p, ret);
    }
    return finish(p, ret, ADDR_MAILBOX, bad || m->gap || !m->words, false);
}

bool addr_next(struct addr_parser *p, struct addr *ret)
{
    struct member m = { .words = false };
    start_member(p);
    for (;;) {
        struct token t = next_token(p);
        char c = t.kind == TOK_SPECIAL ? t.special : '\0';
        if (t.kind == TOK_END || c == ',' || c == ';') {
            if (m.words) {
                (void)ends_member(p, t);
                return finish(p, ret, ADDR_MAILBOX, true, false);
            }
            if (p->in_group && c != ',') {
                p->in_group = false;
                return finish(p, ret, ADDR_GROUP_END, t.kind == TOK_END, false);
            }
            if (t.kind == TOK_END)
                return false;
            continue;                   /* RFC 5322 §4.4: empty members mean nothing */
        }
        if (c == '<')
            return finish_angle(p, ret);
        if (c == '@')
            return finish_bare(p, ret, &m);
        if (c == ':' && !p->in_group)
            return finish_group(p, ret);
        if (c != '>' && c != ':')
            add_word(p, &m, t);
    }
}

void addr_parser_done(struct addr_parser *p)
{
    buf_done(&p->name);
    buf_done(&p->route);
    buf_done(&p->local);
    buf_done(&p->domain);
    buf_done(&p->comment);
}

static bool is_atext(char c)
{
    return ascii_is_alnum(c) || (unsigned char)c >= 0x80 || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

void addr_put_quoted(struct buf *out, struct str text)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"' || text.p[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, text.p[i]);
    }
    buf_putc(out, '"');
}

static bool is_dot_atom(struct str s)
{
    bool dot = true;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' ? dot : !is_atext(s.p[i]))
            return false;
        dot = s.p[i] == '.';
    }
    return !dot;
}

void addr_put_local(struct buf *out, struct str local)
{
    if (is_dot_atom(local)) {
        buf_add(out, local);
        return;
    }
    addr_put_quoted(out, local);
}

void addr_put_spec(struct buf *out, const struct addr *a)
{
    addr_put_local(out, a->local);
    if (a->domain.n > 0) {
        buf_putc(out, '@');
        buf_add(out, a->domain);
    }
}
