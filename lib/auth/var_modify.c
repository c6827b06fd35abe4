/* SPDX-License-Identifier: ISC */
#include "auth/var_int.h"
#include "base/enc.h"
#include "base/num.h"

static struct str trim_end(struct str s)
{
    while (s.n > 0 && ascii_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
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

/* The first eight bytes of MD5. */
static uint64_t md5_number(struct str s)
{
    uint8_t md[EVP_MAX_MD_SIZE] = { 0 };
    size_t n;
    return var_digest(EVP_md5(), s, STR(""), md, &n) && n >= 8 ? get_be64(md) : 0;
}

/* %0.256Hu: a number below the width, with at least offset digits. */
static bool put_hash(struct var_ctx *x, uint64_t value, long *offset, long *width, struct var_value *v)
{
    int digits = *offset > 0 && *offset < 64 ? (int)*offset : 0;
    if (*width > 0)
        value %= (uint64_t)*width;
    *width = *offset = 0;
    var_set(v, str_printf(x->arena, "%0*x", digits, (unsigned)value));
    return true;
}

static bool hex_digest(struct var_ctx *x, const EVP_MD *md, struct var_value *v)
{
    uint8_t out[EVP_MAX_MD_SIZE];
    struct buf b = buf_make(VAR_RESULT_MAX);
    size_t n;
    if (!var_digest(md, v->s, STR(""), out, &n))
        return var_fail(x, "this hash is not available in");
    enc_hex(&b, str_make(out, n));
    return var_keep(x, &b, v);
}

static bool escape_quotes(struct var_ctx *x, struct var_value *v)
{
    struct buf b = buf_make(VAR_RESULT_MAX);
    for (size_t i = 0; i < v->s.n; i++) {
        if (v->s.p[i] == '"' || v->s.p[i] == '\'' || v->s.p[i] == '\\')
            buf_putc(&b, '\\');
        buf_putc(&b, v->s.p[i]);
    }
    return var_keep(x, &b, v);
}

static bool number_to_hex(struct var_ctx *x, struct var_value *v)
{
    struct str digits = v->s;
    uint64_t n = 0;
    (void)num_take_u64(&digits, UINT64_MAX, &n);
    var_set(v, str_printf(x->arena, "%llx", (unsigned long long)n));
    return true;
}

bool var_is_modifier(char c) { return c != '\0' && strchr("LUEXRHNMDT", c) != NULL; }

bool var_modify(struct var_ctx *x, char modifier, long *offset, long *width, struct var_value *v)
{
    switch (modifier) {
    case 'L': var_set(v, var_map_case(x, v->s, ascii_lower)); return true;
    case 'U': var_set(v, var_map_case(x, v->s, ascii_upper)); return true;
    case 'R': var_set(v, var_reverse(x, v->s)); return true;
    case 'T': var_set(v, trim_end(v->s)); return true;
    case 'D': return var_ldap_dn(x, v);
    case 'E': return escape_quotes(x, v);
    case 'X': return number_to_hex(x, v);
    case 'M': return hex_digest(x, EVP_md5(), v);
    case 'H': return put_hash(x, pjw(v->s), offset, width, v);
    case 'N': return put_hash(x, md5_number(v->s), offset, width, v);
    default: return var_fail(x, "unknown modifier in");
    }
}
