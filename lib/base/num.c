/* SPDX-License-Identifier: ISC */
#include "base/num.h"

static int digit_of(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

static bool parse(struct str s, unsigned base, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;
    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned d = (unsigned)digit_of(s.p[i]);
        if (d >= base || __builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v) || v > max)
            return false;
    }
    *ret = v;
    return true;
}

bool num_parse_u64(struct str s, uint64_t max, uint64_t *ret) { return parse(s, 10, max, ret); }
bool num_parse_hex(struct str s, uint64_t max, uint64_t *ret) { return parse(s, 16, max, ret); }

bool num_parse_u32(struct str s, uint32_t max, uint32_t *ret)
{
    uint64_t v;
    if (!parse(s, 10, max, &v))
        return false;
    *ret = (uint32_t)v;
    return true;
}

bool num_parse_size(struct str s, size_t max, size_t *ret)
{
    uint64_t v;
    if (!parse(s, 10, max, &v))
        return false;
    *ret = (size_t)v;
    return true;
}

bool num_parse_i64(struct str s, int64_t min, int64_t max, int64_t *ret)
{
    bool minus = s.n > 0 && s.p[0] == '-';
    uint64_t v;
    if (!parse(minus ? str_skip(s, 1) : s, 10, INT64_MAX, &v))
        return false;
    int64_t x = minus ? -(int64_t)v : (int64_t)v;
    if (x < min || x > max)
        return false;
    *ret = x;
    return true;
}

bool num_take_u64(struct str *s, uint64_t max, uint64_t *ret)
{
    size_t n = 0;
    while (n < s->n && ascii_is_digit(s->p[n]))
        n++;
    if (!parse(str_head(*s, n), 10, max, ret))
        return false;
    *s = str_skip(*s, n);
    return true;
}
