/* SPDX-License-Identifier: ISC
 *
 * var_filter.c - filters of %{name | filter(args)}.
 */
#include "auth/var_int.h"
#include "base/enc.h"
#include "base/num.h"
#include <openssl/evp.h>

enum { ROUNDS_MAX = 100000 };

struct call { struct var_ctx *x; struct str name; const struct var_arg *args; size_t n; struct var_value *v; };

static struct str positional(const struct call *c, size_t at)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->args[i].name.n == 0 && at-- == 0)
            return c->args[i].text;
    return STR("");
}

static bool has_named(const struct call *c, const char *name, struct str *ret)
{
    for (size_t i = 0; i < c->n; i++)
        if (str_eqz(c->args[i].name, name)) {
            *ret = c->args[i].text;
            return true;
        }
    return false;
}

static size_t count_positional(const struct call *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        n += c->args[i].name.n == 0;
    return n;
}

static bool number_arg(const struct call *c, struct str text, int64_t *ret)
{
    /* At start-up variables have no values yet. */
    if (c->x->vars == NULL && text.n == 0) {
        *ret = 1;
        return true;
    }
    return num_parse_i64(text, -VAR_RESULT_MAX, VAR_RESULT_MAX, ret) || var_fail(c->x, "an argument is no number in");
}

static bool do_lower(struct call *c) { var_set(c->v, var_map_case(c->x, c->v->s, ascii_lower)); return true; }
static bool do_upper(struct call *c) { var_set(c->v, var_map_case(c->x, c->v->s, ascii_upper)); return true; }
static bool do_reverse(struct call *c) { c->v->s = var_reverse(c->x, c->v->s); return true; }
static bool do_text(struct call *c) { c->v->is_bytes = false; return true; }
static bool do_ldap_dn(struct call *c) { return var_ldap_dn(c->x, c->v); }

static bool do_username(struct call *c)
{
    struct str local, domain;
    (void)str_cut(c->v->s, '@', &local, &domain);
    var_set(c->v, local);
    return true;
}

static bool do_domain(struct call *c)
{
    struct str local, domain;
    (void)str_cut(c->v->s, '@', &local, &domain);
    var_set(c->v, domain);
    return true;
}

static bool do_default(struct call *c)
{
    if (c->v->s.n == 0)
        var_set(c->v, positional(c, 0));
    return true;
}

static bool do_literal(struct call *c) { var_set(c->v, positional(c, 0)); return true; }

static bool do_concat(struct call *c)
{
    struct buf b = buf_make(VAR_RESULT_MAX);
    buf_add(&b, c->v->s);
    for (size_t i = 0; i < c->n; i++)
        buf_add(&b, c->args[i].text);
    return var_keep(c->x, &b, c->v);
}

static bool do_lookup(struct call *c) { return c->x->vars == NULL || var_by_name(c->x, positional(c, 0), c->v); }

/* substr(offset[, length]); below zero: from the end. What is out of bounds is an error, as with Dovecot. */
static bool do_substr(struct call *c)
{
    int64_t from, length, size = (int64_t)c->v->s.n;
    if (!number_arg(c, positional(c, 0), &from))
        return false;
    from += from < 0 ? size : 0;
    if (c->x->vars == NULL)
        return true;
    if (from < 0 || from > size)
        return var_fail(c->x, "an offset is out of bounds in");
    length = size - from;
    if (count_positional(c) > 1) {
        if (!number_arg(c, positional(c, 1), &length))
            return false;
        length += length < 0 ? size - from : 0;
        if (length < 0) {
            /* Dovecot's substr(-1, -1): nothing is left. */
            if (length < -(size - from) || from + length < 0)
                return var_fail(c->x, "a length is out of bounds in");
            length = 0;
        }
        if (length > size - from)
            return var_fail(c->x, "a length is out of bounds in");
    }
    c->v->s = str_head(str_skip(c->v->s, (size_t)from), (size_t)length);
    return true;
}

static bool do_truncate(struct call *c)
{
    struct str bits;
    int64_t n;
    bool is_bits = has_named(c, "bits", &bits);
    if (!number_arg(c, is_bits ? bits : positional(c, 0), &n) || n < 0)
        return var_fail(c->x, "an argument is no number in");
    if (!is_bits) {
        c->v->s = str_head(c->v->s, (size_t)n);
        return true;
    }
    size_t bytes = ((size_t)n + 7) / 8, shift = bytes * 8 - (size_t)n;
    if (c->v->s.n < bytes)
        return true;
    uint8_t *p = arena_copy(c->x->arena, c->v->s.p, bytes);
    for (size_t i = bytes; i-- > 0;)
        p[i] = (uint8_t)(p[i] >> shift | (i > 0 && shift > 0 ? p[i - 1] << (8 - shift) : 0));
    c->v->s = str_make(p, bytes);
    return true;
}

/* index(separator, n): the n-th part; below zero: from the end. */
static bool do_index(struct call *c)
{
    struct str separator = positional(c, 0), rest = c->v->s, part, parts[64];
    int64_t at;
    size_t n = 0;
    if (separator.n != 1 || !number_arg(c, positional(c, 1), &at))
        return var_fail(c->x, "index() wants a character and a number in");
    for (bool more = true; more && n < N_ELEMS(parts); parts[n++] = part)
        more = str_cut(rest, separator.p[0], &part, &rest);
    at += at < 0 ? (int64_t)n : 0;
    c->v->is_set = at >= 0 && (size_t)at < n;
    c->v->s = c->v->is_set ? parts[at] : STR("");
    return true;
}

static bool do_list(struct call *c)
{
    struct buf b = buf_make(VAR_RESULT_MAX);
    struct str with = c->n > 0 ? positional(c, 0) : STR(",");
    for (size_t i = 0; i < c->v->s.n; i++) {
        if (c->v->s.p[i] == '\t')
            buf_add(&b, with);
        else
            buf_putc(&b, c->v->s.p[i]);
    }
    return var_keep(c->x, &b, c->v);
}

static bool fill(struct call *c, bool left)
{
    struct buf b = buf_make(VAR_RESULT_MAX);
    struct str with = count_positional(c) > 1 ? positional(c, 1) : STR("0");
    int64_t width;
    if (!number_arg(c, positional(c, 0), &width) || with.n != 1)
        return var_fail(c->x, "a filling is a width and one character in");
    if (!left)
        buf_add(&b, c->v->s);
    for (int64_t i = (int64_t)c->v->s.n; i < width; i++)
        buf_add(&b, with);
    if (left)
        buf_add(&b, c->v->s);
    return var_keep(c->x, &b, c->v);
}

static bool do_lfill(struct call *c) { return fill(c, true); }
static bool do_rfill(struct call *c) { return fill(c, false); }

static bool do_hash(struct call *c)
{
    bool is_named = !str_eqz(c->name, "hash");
    char name[16];
    struct str algorithm = is_named ? c->name : positional(c, 0), salt = STR(""), text;
    int64_t rounds = 1;
    uint8_t out[EVP_MAX_MD_SIZE];
    size_t n = 0;
    const EVP_MD *md = str_to_fixed(algorithm, name, sizeof name) ? EVP_get_digestbyname(name) : NULL;
    if (md == NULL)
        return var_fail(c->x, "this hash is not available in");
    (void)has_named(c, "salt", &salt);
    if (has_named(c, "rounds", &text) && (!num_parse_i64(text, 1, ROUNDS_MAX, &rounds)))
        return var_fail(c->x, "rounds are between 1 and 100000 in");
    struct str input = c->v->s;
    for (int64_t i = 0; i < rounds; i++) {
        if (!var_digest(md, salt, input, out, &n))
            return var_fail(c->x, "this hash is not available in");
        input = str_make(out, n);
    }
    *c->v = (struct var_value){ .s = str_dup(c->x->arena, input), .is_bytes = true, .is_set = true };
    return true;
}

/* A decimal number in hexadecimal; width: cut or filled on the left, below zero on the right. */
static bool do_hex(struct call *c)
{
    uint64_t n = 0;
    int64_t width = 0;
    if (count_positional(c) > 0 && !number_arg(c, positional(c, 0), &width))
        return false;
    if (c->x->vars != NULL && !num_parse_u64(c->v->s, UINT64_MAX, &n))
        return var_fail(c->x, "a value is no number in");
    struct str digits = str_printf(c->x->arena, "%llx", (unsigned long long)n);
    size_t want = (size_t)(width < 0 ? -width : width);
    struct buf b = buf_make(VAR_RESULT_MAX);
    for (size_t i = digits.n; width > 0 && i < want; i++)
        buf_putc(&b, '0');
    buf_add(&b, width > 0 && digits.n > want ? str_skip(digits, digits.n - want) : width < 0 ? str_head(digits, want) : digits);
    for (size_t i = digits.n; width < 0 && i < want; i++)
        buf_putc(&b, '0');
    return var_keep(c->x, &b, c->v);
}

static bool do_unhex(struct call *c)
{
    uint64_t n = 0;
    if (c->x->vars != NULL && !num_parse_hex(c->v->s, UINT64_MAX, &n))
        return var_fail(c->x, "a value is no hexadecimal number in");
    var_set(c->v, str_printf(c->x->arena, "%llu", (unsigned long long)n));
    return true;
}

static bool do_hexlify(struct call *c)
{
    struct buf b = buf_make(2 * VAR_RESULT_MAX);
    int64_t width = 0;
    if (count_positional(c) > 0 && (!number_arg(c, positional(c, 0), &width) || width < 0))
        return var_fail(c->x, "a width is no number in");
    for (size_t i = 2 * c->v->s.n; i < (size_t)width; i++)
        buf_putc(&b, '0');
    enc_hex(&b, c->v->s);
    struct str s = str_dup(c->x->arena, buf_str(&b));
    buf_done(&b);
    var_set(c->v, width > 0 ? str_head(s, (size_t)width) : s);
    return s.n <= VAR_RESULT_MAX || var_fail(c->x, "a value is too long in");
}

static bool do_unhexlify(struct call *c)
{
    struct buf b = buf_make(VAR_RESULT_MAX);
    bool ok = enc_unhex(&b, c->v->s) && var_keep(c->x, &b, c->v);
    buf_done(&b);
    c->v->is_bytes = true;
    return ok || var_fail(c->x, "a value is not hexadecimal in");
}

static bool do_base64(struct call *c)
{
    struct buf b = buf_make(VAR_RESULT_MAX);
    struct str text;
    bool url = has_named(c, "url", &text) && str_eqz(text, "1"), pad = !has_named(c, "pad", &text) || !str_eqz(text, "0");
    enc_base64(&b, c->v->s);
    while (!pad && b.n > 0 && b.p[b.n - 1] == '=')
        b.n--;
    for (size_t i = 0; url && i < b.n; i++)
        b.p[i] = b.p[i] == '+' ? '-' : b.p[i] == '/' ? '_' : b.p[i];
    return var_keep(c->x, &b, c->v);
}

static bool do_unbase64(struct call *c)
{
    struct buf b = buf_make(VAR_RESULT_MAX);
    bool ok = enc_unbase64(&b, c->v->s) && var_keep(c->x, &b, c->v);
    buf_done(&b);
    c->v->is_bytes = true;
    return ok || var_fail(c->x, "a value is not base64 in");
}

static bool do_replace(struct call *c)
{
    struct str what = positional(c, 0), with = positional(c, 1), rest = c->v->s;
    struct buf b = buf_make(VAR_RESULT_MAX);
    for (ptrdiff_t at; what.n > 0 && (at = str_find(rest, what)) >= 0; rest = str_skip(rest, (size_t)at + what.n)) {
        buf_add(&b, str_head(rest, (size_t)at));
        buf_add(&b, with);
    }
    buf_add(&b, rest);
    return var_keep(c->x, &b, c->v);
}

/* value | if(op, other, yes, no); without a value in front, the first argument is it. */
static bool do_if(struct call *c)
{
    size_t at = count_positional(c) == 5 ? 1 : 0;
    struct str value = at == 1 ? positional(c, 0) : c->v->s;
    bool yes;
    if (count_positional(c) < 4)
        return var_fail(c->x, "if() wants (value,) comparison, value, yes, no in");
    if (!var_compare(c->x, value, positional(c, at), positional(c, at + 1), &yes))
        return false;
    var_set(c->v, positional(c, at + (yes ? 2 : 3)));
    return true;
}

/* named: what name=value arguments there may be. */
static const struct filter { const char *name; size_t min, max; const char *named[2]; bool starts; bool (*run)(struct call *c); } filters[] = {
    { "lower", 0, 0, { NULL }, false, do_lower },
    { "upper", 0, 0, { NULL }, false, do_upper },
    { "username", 0, 0, { NULL }, false, do_username },
    { "domain", 0, 0, { NULL }, false, do_domain },
    { "default", 0, 1, { NULL }, true, do_default },
    { "literal", 1, 1, { NULL }, true, do_literal },
    { "lookup", 1, 1, { NULL }, true, do_lookup },
    { "concat", 1, VAR_ARGS_MAX, { NULL }, true, do_concat },
    { "if", 4, 5, { NULL }, true, do_if },
    { "substr", 1, 2, { NULL }, false, do_substr },
    { "truncate", 0, 1, { "bits" }, false, do_truncate },
    { "reverse", 0, 0, { NULL }, false, do_reverse },
    { "index", 2, 2, { NULL }, false, do_index },
    { "list", 0, 1, { NULL }, false, do_list },
    { "lfill", 1, 2, { NULL }, false, do_lfill },
    { "rfill", 1, 2, { NULL }, false, do_rfill },
    { "replace", 2, 2, { NULL }, false, do_replace },
    { "text", 0, 0, { NULL }, false, do_text },
    { "ldap_dn", 0, 0, { NULL }, false, do_ldap_dn },
    { "hash", 1, 1, { "rounds", "salt" }, false, do_hash },
    { "md5", 0, 0, { "rounds", "salt" }, false, do_hash },
    { "sha1", 0, 0, { "rounds", "salt" }, false, do_hash },
    { "sha256", 0, 0, { "rounds", "salt" }, false, do_hash },
    { "sha384", 0, 0, { "rounds", "salt" }, false, do_hash },
    { "sha512", 0, 0, { "rounds", "salt" }, false, do_hash },
    { "hex", 0, 1, { NULL }, false, do_hex },
    { "unhex", 0, 0, { NULL }, false, do_unhex },
    { "hexlify", 0, 1, { NULL }, false, do_hexlify },
    { "unhexlify", 0, 0, { NULL }, false, do_unhexlify },
    { "base64", 0, 0, { "pad", "url" }, false, do_base64 },
    { "unbase64", 0, 0, { NULL }, false, do_unbase64 },
};

static bool args_fit(struct call *c, const struct filter *f)
{
    size_t n = count_positional(c);
    for (size_t i = 0; i < c->n; i++)
        if (c->args[i].name.n > 0 && (f->named[0] == NULL || !str_eqz(c->args[i].name, f->named[0])) &&
            (f->named[1] == NULL || !str_eqz(c->args[i].name, f->named[1])))
            return var_fail(c->x, "unknown argument in");
    return (n >= f->min && n <= f->max) || var_fail(c->x, "too few or too many arguments in");
}

bool var_starts(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(filters); i++)
        if (str_eqz(name, filters[i].name))
            return filters[i].starts;
    return false;
}

bool var_filter(struct var_ctx *x, struct str name, const struct var_arg *args, size_t n, struct var_value *v)
{
    struct call c = { .x = x, .name = name, .args = args, .n = n, .v = v };
    for (size_t i = 0; i < N_ELEMS(filters); i++)
        if (str_eqz(name, filters[i].name))
            return args_fit(&c, &filters[i]) && filters[i].run(&c);
    return var_fail(x, "unknown filter in");
}
