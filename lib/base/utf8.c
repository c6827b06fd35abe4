/* SPDX-License-Identifier: ISC */
#include "base/utf8.h"

bool utf8_is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

static size_t length_of(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    return lead >= 0xf0 && lead <= 0xf4 ? 4 : lead >= 0xe0 ? (lead <= 0xef ? 3 : 0) : lead >= 0xc2 ? 2 : 0;
}

bool utf8_next(struct str *s, uint32_t *ret_code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    static const uint32_t lead_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    if (s->n == 0)
        return false;
    const unsigned char *p = (const unsigned char *)s->p;
    size_t n = length_of(p[0]);
    if (n == 0 || n > s->n)
        return false;
    uint32_t code = p[0] & lead_bits[n];
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return false;
        code = code << 6 | (p[i] & 0x3f);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return false;
    *s = str_skip(*s, n);
    *ret_code = code;
    return true;
}

bool utf8_is_valid(struct str s)
{
    uint32_t code;
    while (utf8_next(&s, &code))
        ;
    return s.n == 0;
}

void utf8_put(struct buf *out, uint32_t code)
{
    unsigned char b[4];
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = n; i-- > 1; code >>= 6)
        b[i] = (unsigned char)(0x80 | (code & 0x3f));
    b[0] = (unsigned char)(lead[n] | code);
    buf_put(out, b, n);
}
