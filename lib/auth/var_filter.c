/* SPDX-License-Identifier: ISC */
#include "auth/var_int.h"
#include "base/enc.h"
#include "base/num.h"
#include <openssl/evp.h>

enum { ROUNDS_MAX = 100000 };

static void set(struct var_value *v, struct str s)
{
    v->s = s;
    v->is_bytes = false;
    v->is_set = true;
}

/* The text of a buffer as a value; false: too long. */
static bool keep(struct var_ctx *x, struct buf *b, struct var_value *v)
{
    bool ok = !b->full;
    if (ok)
        set(v, str_dup(x->arena, buf_str(b)));
    buf_done(b);
    return ok || var_fail(x, "a value is too long");
}

static struct str map_case(struct var_ctx *x, struct str s, char (*fold)(char))
{
    char *p = arena_copy(x->arena, s.n > 0 ? s.p : "", s.n);
    for (size_t i = 0; i < s.n; i++)
        p[i] = fold(p[i]);
    return str_make(p, s.n);
}

static struct str reverse(struct var_ctx *x, struct str s)
{
    char *p = arena_alloc(x->arena, s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        p[i] = s.p[s.n - 1 - i];
    return str_make(p, s.n);
}

static struct str trim_end(struct str s)
{
    while (s.n > 0 && ascii_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* example.org becomes example,dc=org: what follows dc= in a distinguished name. */
static bool ldap_dn(struct var_ctx *x, struct var_value *v)
{
    struct buf b = buf_make(VAR_RESULT_MAX);
    for (size_t i = 0; i < v->s.n; i++) {
        if (v->s.p[i] == '.')
            buf_puts(&b, ",dc=");
        else
            buf_putc(&b, v->s.p[i]);
    }
    return keep(x, &b, v);
}

/* The hash of %H: PJW, as ELF has it. */
static uint64_t pjw(struct str s)
{
    uint32_t h = 0, g;
    for (size_t i = 0; i < s.n; i++) {
        h = (h << 4) + (uint8_t)s.p[i];
        g = h & UINT32_C(0xf0000000);
        if (g != 0)
            h ^= g >> 24 ^ g;
    }
    return h;
}

static bool digest(const EVP_MD *md, struct str a, struct str b, uint8_t out[EVP_MAX_MD_SIZE], size_t *ret_n)
{
    unsigned n = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = md != NULL && ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 && EVP_DigestUpdate(ctx, a.p, a.n) == 1 &&
              EVP_DigestUpdate(ctx, b.p, b.n) == 1 && EVP_DigestFinal_ex(ctx, out, &n) == 1;
    EVP_MD_CTX_free(ctx);
    *ret_n = n;
    return ok;
}

/* The first eight bytes of MD5. */
static uint64_t md5_number(struct str s)
{
    uint8_t md[EVP_MAX_MD_SIZE] = { 0 };
    size_t n;
    return digest(EVP_md5(), s, STR(""), md, &n) && n >= 8 ? get_be64(md) : 0;
}

/* %0.256Hu: a number below the width, with at least offset digits. */
static bool put_hash(struct var_ctx *x, uint64_t value, long *offset, long *width, struct var_value *v)
{
    int digits = *offset > 0 && *offset < 64 ? (int)*offset : 0;
    if (*width > 0)
        value %= (uint64_t)*width;
    *width = *offset = 0;
    set(v, str_printf(x->arena, "%0*x", digits, (unsigned)value));
    return true;
}

static bool hex_digest(struct var_ctx *x, const EVP_MD *md, struct var_value *v)
{
    uint8_t out[EVP_MAX_MD_SIZE];
    struct buf b = buf_make(VAR_RESULT_MAX);
    size_t n;
    if (!digest(md, v->s, STR(""), out, &n))
        return var_fail(x, "this hash is not available in");
    enc_hex(&b, str_make(out, n));
    return keep(x, &b, v);
}

static bool escape_quotes(struct var_ctx *x, struct var_value *v)
{
    struct buf b = buf_make(VAR_RESULT_MAX);
    for (size_t i = 0; i < v->s.n; i++) {
        if (v->s.p[i] == '"' || v->s.p[i] == '\'' || v->s.p[i] == '\\')
            buf_putc(&b, '\\');
        buf_putc(&b, v->s.p[i]);
    }
    return keep(x, &b, v);
}

static bool number_to_hex(struct var_ctx *x, struct var_value *v)
{
    struct str digits = v->s;
    uint64_t n = 0;
    (void)num_take_u64(&digits, UINT64_MAX, &n);
    set(v, str_printf(x->arena, "%llx", (unsigned long long)n));
    return true;
}

bool var_is_modifier(char c) { return c != '\0' && strchr("LUEXRHNMDT", c) != NULL; }

bool var_modify(struct var_ctx *x, char modifier, long *offset, long *width, struct var_value *v)
{
    switch (modifier) {
    case 'L': set(v, map_case(x, v->s, ascii_lower)); return true;
    case 'U': set(v, map_case(x, v->s, ascii_upper)); return true;
    case 'R': set(v, reverse(x, v->s)); return true;
    case 'T': set(v, trim_end(v->s)); return true;
    case 'D': return ldap_dn(x, v);
    case 'E': return escape_quotes(x, v);
    case 'X': return number_to_hex(x, v);
    case 'M': return hex_digest(x, EVP_md5(), v);
    case 'H': return put_hash(x, pjw(v->s), offset, width, v);
    case 'N': return put_hash(x, md5_number(v->s), offset, width, v);
    default: return var_fail(x, "unknown modifier in");
    }
}

bool var_filter(struct var_ctx *x, struct str name, const struct var_arg *args, size_t n, struct var_value *v)
{
    if (str_eqz(name, "lower") && n == 0)
        set(v, map_case(x, v->s, ascii_lower));
    else if (str_eqz(name, "upper") && n == 0)
        set(v, map_case(x, v->s, ascii_upper));
    else if (str_eqz(name, "username") && n == 0)
        (void)str_cut(v->s, '@', &v->s, &(struct str){ 0 });
    else if (str_eqz(name, "domain") && n == 0)
        (void)str_cut(v->s, '@', &(struct str){ 0 }, &v->s);
    else if (str_eqz(name, "default") && n <= 1) {
        if (v->s.n == 0)
            set(v, n == 1 ? args[0].text : STR(""));
    } else
        return var_fail(x, "unknown filter in");
    return true;
}
