/* SPDX-License-Identifier: ISC */
#include "proto/imap_parse.h"
#include "base/num.h"

/* "{12}", "{12+}", "~{12}" at the end of a line. False when there is none, or a broken one (that is a syntax error later). */
static bool literal_at_end(struct str line, struct imap_literal *ret)
{
    if (line.n < 3 || line.p[line.n - 1] != '}')
        return false;
    ptrdiff_t open = str_rchr(line, '{');
    if (open < 0)
        return false;
    struct str digits = str_make(line.p + open + 1, line.n - (size_t)open - 2);
    struct imap_literal lit = { .binary = open > 0 && line.p[open - 1] == '~' };
    if (digits.n > 0 && digits.p[digits.n - 1] == '+') {
        lit.nonsync = true;
        digits.n--;
    }
    if (!num_parse_u64(digits, INT64_MAX, &lit.size))
        return false;
    *ret = lit;
    return true;
}

static bool add(struct imap_input *in, struct str bytes)
{
    if (bytes.n > in->limit - MIN(in->limit, in->text.n))
        return false;
    if (bytes.n > 0 && memchr(bytes.p, '\0', bytes.n) != NULL)
        in->has_nul = true;
    buf_add(&in->text, bytes);
    return true;
}

static void take_literal(struct imap_input *in, struct str *bytes)
{
    struct str part = str_head(*bytes, (size_t)MIN(in->literal_left, bytes->n));
    (void)add(in, part);        /* there is room: imap_input_accept() saw to it */
    in->literal_left -= part.n;
    *bytes = str_skip(*bytes, part.n);
}

enum imap_input_result imap_input_feed(struct imap_input *in, struct str *bytes)
{
    if (in->literal_left > 0)
        take_literal(in, bytes);
    if (bytes->n == 0)
        return IMAP_INPUT_MORE;
    const char *lf = memchr(bytes->p, '\n', bytes->n);
    size_t n = lf == NULL ? bytes->n : (size_t)(lf - bytes->p) + 1;
    if (!add(in, str_head(*bytes, n)))
        return IMAP_INPUT_TOO_LONG;
    *bytes = str_skip(*bytes, n);
    if (lf == NULL)
        return IMAP_INPUT_MORE;
    struct str line = str_skip(buf_str(&in->text), in->literal_from);
    line.n--;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (literal_at_end(line, &in->literal))
        return IMAP_INPUT_LITERAL;
    in->text.n = in->literal_from + line.n;
    return IMAP_INPUT_COMMAND;
}

bool imap_input_accept(struct imap_input *in)
{
    if (in->literal.size > in->limit - MIN(in->limit, in->text.n))
        return false;
    in->literal_left = in->literal.size;
    in->literal_from = in->text.n + (size_t)in->literal.size;
    return true;
}

void imap_input_reset(struct imap_input *in)
{
    buf_reset(&in->text);
    in->literal_left = 0;
    in->literal_from = 0;
    in->has_nul = false;
}

void imap_input_done(struct imap_input *in)
{
    buf_done(&in->text);
}

bool imap_char(struct imap_cur *c, char ch)
{
    if (!imap_peek(c, ch))
        return false;
    c->p++;
    return true;
}

/* One space is the rule; more are let through, as other servers do. */
bool imap_sp(struct imap_cur *c)
{
    if (!imap_char(c, ' '))
        return false;
    while (imap_char(c, ' '))
        ;
    return true;
}

static bool is_atom_char(char c)
{
    return (unsigned char)c > 0x20 && (unsigned char)c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

static bool is_astring_char(char c) { return is_atom_char(c) || c == ']'; }
static bool is_list_char(char c) { return is_astring_char(c) || c == '%' || c == '*'; }
static bool is_tag_char(char c) { return is_astring_char(c) && c != '+'; }

static bool take_run(struct imap_cur *c, bool (*is_member)(char), struct str *ret)
{
    const char *p = c->p;
    while (p < c->end && is_member(*p))
        p++;
    if (p == c->p)
        return false;
    *ret = str_make(c->p, (size_t)(p - c->p));
    c->p = p;
    return true;
}

bool imap_atom(struct imap_cur *c, struct str *ret) { return take_run(c, is_atom_char, ret); }

unsigned imap_word_bit(struct imap_cur *c, const struct imap_word words[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (imap_word(c, words[i].word))
            return words[i].bit;
    return 0;
}

bool imap_tag(struct imap_cur *c, struct str *ret)
{
    struct imap_cur before = *c;
    if (take_run(c, is_tag_char, ret) && ret->n <= IMAP_TAG_MAX)
        return true;
    *c = before;
    return false;
}

bool imap_word(struct imap_cur *c, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(c->end - c->p) < n || !str_ieqz(str_make(c->p, n), word))
        return false;
    if (c->p + n < c->end && ascii_is_alnum(c->p[n]))
        return false;
    c->p += n;
    return true;
}

/* RFC 3501 §9 quoted. Copied only when something was escaped. */
static bool take_quoted(struct imap_cur *c, struct str *ret)
{
    const char *p = c->p + 1;
    size_t escapes = 0;
    for (; p < c->end && *p != '"'; p++) {
        if (*p == '\r' || *p == '\n' || *p == '\0')
            return false;
        if (*p == '\\') {
            escapes++;
            if (++p == c->end || (*p != '"' && *p != '\\'))
                return false;
        }
    }
    if (p == c->end)
        return false;
    *ret = str_make(c->p + 1, (size_t)(p - c->p) - 1);
    if (escapes > 0) {
        char *to = arena_alloc(c->mem, ret->n), *at = to;
        for (size_t i = 0; i < ret->n; i++)
            *at++ = ret->p[ret->p[i] == '\\' ? ++i : i];
        *ret = str_make(to, ret->n - escapes);
    }
    c->p = p + 1;
    return true;
}

static bool literal_head(struct imap_cur *c, uint64_t *ret_size)
{
    struct imap_cur before = *c;
    (void)imap_char(c, '~');
    if (imap_char(c, '{') && imap_number(c, INT64_MAX, ret_size)) {
        (void)imap_char(c, '+');
        if (imap_char(c, '}')) {
            (void)imap_char(c, '\r');
            if (imap_char(c, '\n'))
                return true;
        }
    }
    *c = before;
    return false;
}

static bool take_literal_text(struct imap_cur *c, struct str *ret)
{
    struct imap_cur before = *c;
    uint64_t n;
    if (!literal_head(c, &n) || n > (uint64_t)(c->end - c->p) || (n > 0 && memchr(c->p, '\0', (size_t)n) != NULL)) {
        *c = before;
        return false;
    }
    *ret = str_make(c->p, (size_t)n);
    c->p += n;
    return true;
}

bool imap_string(struct imap_cur *c, struct str *ret)
{
    return imap_peek(c, '"') ? take_quoted(c, ret) : imap_peek(c, '{') && take_literal_text(c, ret);
}

bool imap_astring(struct imap_cur *c, struct str *ret)
{
    return imap_string(c, ret) || take_run(c, is_astring_char, ret);
}

bool imap_list_mailbox(struct imap_cur *c, struct str *ret)
{
    return imap_string(c, ret) || take_run(c, is_list_char, ret);
}

bool imap_nstring(struct imap_cur *c, struct str *ret, bool *ret_nil)
{
    *ret_nil = imap_word(c, "NIL");
    if (*ret_nil)
        *ret = STR("");
    return *ret_nil || imap_string(c, ret);
}

bool imap_number(struct imap_cur *c, uint64_t max, uint64_t *ret)
{
    struct str s = str_make(c->p, (size_t)(c->end - c->p));
    if (!num_take_u64(&s, max, ret))
        return false;
    c->p = s.p;
    return true;
}

bool imap_flag(struct imap_cur *c, struct str *ret)
{
    struct imap_cur before = *c;
    bool system = imap_char(c, '\\');
    struct str word;
    if (!imap_atom(c, &word)) {
        *c = before;
        return false;
    }
    *ret = system ? str_make(word.p - 1, word.n + 1) : word;
    return true;
}

bool imap_open_literal(struct imap_cur *c)
{
    struct imap_cur before = *c;
    uint64_t n;
    if (literal_head(c, &n) && imap_at_end(c))
        return true;
    *c = before;
    return false;
}

static bool fits_quoted(struct str s)
{
    if (s.n > 1000)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((signed char)s.p[i] <= 0 || s.p[i] == '\r' || s.p[i] == '\n')
            return false;
    return true;
}

static void put_no_nul(struct buf *out, struct str s)
{
    size_t from = out->n;
    buf_add(out, s);
    for (size_t i = from; i < out->n; i++)
        if (out->p[i] == '\0')
            out->p[i] = (char)0x80;
}

void imap_put_string(struct buf *out, struct str s)
{
    if (!fits_quoted(s)) {
        buf_printf(out, "{%zu}\r\n", s.n);
        put_no_nul(out, s);
        return;
    }
    buf_putc(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '"' || s.p[i] == '\\') {
            buf_put(out, s.p + from, i - from);
            buf_putc(out, '\\');
            from = i;
        }
    buf_add(out, str_skip(s, from));
    buf_putc(out, '"');
}

void imap_put_astring(struct buf *out, struct str s)
{
    bool atom = s.n > 0 && s.n < 1000 && !str_ieqz(s, "NIL");
    for (size_t i = 0; atom && i < s.n; i++)
        atom = is_astring_char(s.p[i]);
    if (atom)
        buf_add(out, s);
    else
        imap_put_string(out, s);
}

/* Text for people, which clients take apart by hand: some do not know of backslashes in a quoted string, all know literals. */
static void put_readable(struct buf *out, struct str s)
{
    if (str_chr(s, '"') < 0 && str_chr(s, '\\') < 0) {
        imap_put_string(out, s);
        return;
    }
    buf_printf(out, "{%zu}\r\n", s.n);
    put_no_nul(out, s);
}

void imap_put_header_string(struct buf *out, struct str folded)
{
    if (folded.n == 0 || memchr(folded.p, '\n', folded.n) == NULL) {
        put_readable(out, folded);
        return;
    }
    struct buf flat = buf_make(0);
    for (size_t i = 0; i < folded.n; i++) {
        bool end = folded.p[i] == '\n' || (folded.p[i] == '\r' && i + 1 < folded.n && folded.p[i + 1] == '\n');
        if (!end)
            buf_putc(&flat, folded.p[i]);
    }
    put_readable(out, buf_str(&flat));
    buf_done(&flat);
}
