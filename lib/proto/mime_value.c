/* SPDX-License-Identifier: ISC
 *
 * mime_value.c - Content-Type and Content-Disposition values, and the decoders
 * of transfer encodings.
 */
#include "base/enc.h"
#include "base/num.h"
#include "proto/mime.h"
#include "proto/rfc822.h"

/* RFC 2045 §5.1 token; 8-bit bytes are let through, as people send them. */
static bool is_token_char(char c)
{
    return (unsigned char)c > 0x20 && c != 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static struct str take_token(struct str *s)
{
    size_t n = 0;
    while (n < s->n && is_token_char(s->p[n]))
        n++;
    struct str token = str_head(*s, n);
    *s = str_skip(*s, n);
    return token;
}

static bool take_char(struct str *s, char c)
{
    rfc822_skip_cfws(s);
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = str_skip(*s, 1);
    rfc822_skip_cfws(s);
    return true;
}

/* The bytes of a quoted string, behind its opening quote, into the value's buffer. */
static void take_quoted(struct buf *out, struct str *s)
{
    size_t i = 0;
    for (; i < s->n && s->p[i] != '"'; i++) {
        if (s->p[i] == '\r' || s->p[i] == '\n')
            continue;
        if (s->p[i] == '\\' && i + 1 < s->n)
            i++;
        buf_putc(out, s->p[i]);
    }
    *s = str_skip(*s, i + 1);
}

/* What stands unquoted up to the next semicolon: a token, or what was meant as one. */
static void take_bare(struct buf *out, struct str *s)
{
    size_t n = 0;
    while (n < s->n && s->p[n] != ';' && s->p[n] != '(')
        n++;
    struct str word = str_trim(str_head(*s, n));
    for (size_t i = 0; i < word.n; i++)
        if (word.p[i] != '\r' && word.p[i] != '\n')
            buf_putc(out, word.p[i]);
    *s = str_skip(*s, n);
}

static void take_param(struct mime_value *v, struct str *s)
{
    struct str name = take_token(s);
    if (name.n == 0 || !take_char(s, '='))
        return;
    size_t from = v->text.n;
    if (s->n > 0 && s->p[0] == '"') {
        *s = str_skip(*s, 1);
        take_quoted(&v->text, s);
    } else {
        take_bare(&v->text, s);
    }
    /* The buffer may still move, so the slice holds an offset until the end. */
    v->params[v->n_params++] = (struct mime_param){ name, { NULL, v->text.n - from } };
}

static void skip_to_semicolon(struct str *s)
{
    const char *semi = s->n == 0 ? NULL : memchr(s->p, ';', s->n);
    *s = semi == NULL ? str_skip(*s, s->n) : str_skip(*s, (size_t)(semi - s->p));
}

/* --- parameters in pieces, RFC 2231 §3 and §4.1 -------------------------------- */

struct piece { struct str base; uint64_t number; bool encoded; };

/* "name*12" or "name*12*". */
static bool parse_piece(struct str name, struct piece *ret)
{
    struct str rest;
    struct piece p;
    if (!str_cut(name, '*', &p.base, &rest) || p.base.n == 0 || !num_take_u64(&rest, MIME_PARAMS_MAX, &p.number))
        return false;
    p.encoded = rest.n == 1 && rest.p[0] == '*';
    *ret = p;
    return p.encoded || rest.n == 0;
}

static struct mime_param *find_piece(struct mime_value *v, size_t n_params, struct str base, uint64_t number, bool *ret_encoded)
{
    struct piece p;
    for (size_t i = 0; i < n_params; i++)
        if (parse_piece(v->params[i].name, &p) && p.number == number && str_ieq(p.base, base)) {
            *ret_encoded = p.encoded;
            return &v->params[i];
        }
    return NULL;
}

static void put_encoded(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (is_token_char(s.p[i]) && (unsigned char)s.p[i] < 0x80 && strchr("%'*", s.p[i]) == NULL)
            buf_putc(out, s.p[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)s.p[i]);
    }
}

/* All pieces from number 0 on, as one value behind the others; they are marked by an empty name. */
static void join_pieces(struct mime_value *v, size_t n_params, struct str base)
{
    struct mime_param *piece;
    bool any = false, encoded;
    for (uint64_t k = 0; (piece = find_piece(v, n_params, base, k, &encoded)) != NULL; k++)
        any = any || encoded;
    size_t from = v->joined.n;
    for (uint64_t k = 0; (piece = find_piece(v, n_params, base, k, &encoded)) != NULL; k++) {
        if (any && !encoded)
            put_encoded(&v->joined, piece->value);
        else
            buf_add(&v->joined, piece->value);
        piece->name.n = 0;
    }
    v->params[v->n_params++] = (struct mime_param){ str_make(base.p, base.n + (size_t)any), { NULL, v->joined.n - from } };
}

static void join_all(struct mime_value *v)
{
    size_t n = v->n_params, kept = 0, at = 0;
    struct piece p;
    buf_reset(&v->joined);
    for (size_t i = 0; i < n && v->n_params < MIME_PARAMS_MAX; i++)
        if (v->params[i].name.n > 0 && parse_piece(v->params[i].name, &p) && p.number == 0)
            join_pieces(v, n, p.base);
    if (v->n_params == n)
        return;
    for (size_t i = 0; i < v->n_params; i++) {
        struct mime_param m = v->params[i];
        if (i >= n) {
            m.value.p = buf_str(&v->joined).p + at;
            at += m.value.n;
        }
        if (m.name.n > 0)
            v->params[kept++] = m;
    }
    v->n_params = kept;
}

bool mime_value_parse(struct mime_value *v, struct str field, bool with_subtype)
{
    v->n_params = 0;
    v->subtype = STR("");
    v->text.limit = field.n + 1;
    v->joined.limit = field.n * 3 + 1;
    buf_reset(&v->text);
    rfc822_skip_cfws(&field);
    v->type = take_token(&field);
    if (v->type.n == 0)
        return false;
    if (with_subtype) {
        if (!take_char(&field, '/'))
            return false;
        v->subtype = take_token(&field);
        if (v->subtype.n == 0)
            return false;
    }
    skip_to_semicolon(&field);
    while (v->n_params < MIME_PARAMS_MAX && take_char(&field, ';')) {
        take_param(v, &field);
        rfc822_skip_cfws(&field);
        if (field.n > 0 && field.p[0] != ';')
            skip_to_semicolon(&field);
    }
    size_t at = 0;
    for (size_t i = 0; i < v->n_params; i++) {
        v->params[i].value.p = buf_str(&v->text).p + at;
        at += v->params[i].value.n;
    }
    join_all(v);
    return true;
}

bool mime_value_param(const struct mime_value *v, const char *name, struct str *ret)
{
    for (size_t i = 0; i < v->n_params; i++)
        if (str_ieqz(v->params[i].name, name)) {
            *ret = v->params[i].value;
            return true;
        }
    return false;
}

void mime_value_done(struct mime_value *v)
{
    buf_done(&v->text);
    buf_done(&v->joined);
}

struct str mime_token(struct str field)
{
    rfc822_skip_cfws(&field);
    return take_token(&field);
}

enum mime_encoding mime_encoding(struct str field)
{
    static const struct { const char *name; enum mime_encoding how; } names[] = {
        { "7bit", MIME_IDENTITY }, { "8bit", MIME_IDENTITY }, { "binary", MIME_IDENTITY },
        { "base64", MIME_BASE64 }, { "quoted-printable", MIME_QP },
    };
    struct str token = mime_token(field);
    for (size_t i = 0; i < N_ELEMS(names); i++)
        if (str_ieqz(token, names[i].name))
            return names[i].how;
    return token.n == 0 ? MIME_IDENTITY : MIME_ENCODING_UNKNOWN;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Anything that is not a digit is skipped; padding ends a quantum (bodies are sometimes concatenated). */
static void decode_base64(struct buf *out, struct str s)
{
    uint32_t bits = 0;
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int digit = base64_digit(s.p[i]);
        if (s.p[i] == '=')
            n = 0;
        if (digit < 0)
            continue;
        bits = bits << 6 | (uint32_t)digit;
        n++;
        if (n % 4 != 1)
            buf_putc(out, (char)(bits >> (n % 4 == 2 ? 4 : n % 4 == 3 ? 2 : 0)));
        n %= 4;
    }
}

/* "=\n", with white space before the line end: a line that goes on. Length of it, or 0. */
static size_t soft_break(struct str s)
{
    size_t i = 1;
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\r'))
        i++;
    return i < s.n && s.p[i] == '\n' ? i + 1 : 0;
}

static void decode_qp(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n;) {
        struct str rest = str_skip(s, i);
        uint64_t byte;
        size_t skip;
        if (s.p[i] == '=' && rest.n >= 3 && num_parse_hex(str_make(rest.p + 1, 2), 255, &byte)) {
            buf_putc(out, (char)byte);
            i += 3;
        } else if (s.p[i] == '=' && (skip = soft_break(rest)) > 0) {
            i += skip;
        } else {
            buf_putc(out, s.p[i++]);
        }
    }
}

void mime_decode(struct buf *out, enum mime_encoding how, struct str text)
{
    switch (how) {
    case MIME_BASE64:
        decode_base64(out, text);
        break;
    case MIME_QP:
        decode_qp(out, text);
        break;
    case MIME_IDENTITY:
    case MIME_ENCODING_UNKNOWN:
        buf_add(out, text);
        break;
    }
}
