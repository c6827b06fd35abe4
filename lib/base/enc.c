/* SPDX-License-Identifier: ISC */
#include "base/enc.h"
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void enc_base64(struct buf *out, struct str in)
{
    const unsigned char *p = (const unsigned char *)in.p;
    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i;
        uint32_t v = (uint32_t)p[i] << 16;
        v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        v |= left > 2 ? p[i + 2] : 0;
        char quad[4] = { base64_digits[v >> 18], base64_digits[v >> 12 & 63],
                         left > 1 ? base64_digits[v >> 6 & 63] : '=', left > 2 ? base64_digits[v & 63] : '=' };
        buf_put(out, quad, sizeof quad);
    }
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ascii_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Decodes one quantum of which the last `pad` digits are '='; false if it is not canonical. */
static bool unbase64_quad(struct buf *out, const char *q, size_t pad)
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4; i++) {
        int d = i < 4 - pad ? base64_value(q[i]) : 0;
        if (d < 0 || (i >= 4 - pad && q[i] != '='))
            return false;
        v = v << 6 | (uint32_t)d;
    }
    unsigned char three[3] = { (unsigned char)(v >> 16), (unsigned char)(v >> 8), (unsigned char)v };
    if ((pad == 1 && three[2] != 0) || (pad == 2 && (three[1] | three[2]) != 0))
        return false;
    buf_put(out, three, 3 - pad);
    return true;
}

bool enc_unbase64(struct buf *out, struct str in)
{
    if (in.n % 4 != 0)
        return false;
    for (size_t i = 0; i < in.n; i += 4) {
        size_t pad = 0;
        if (i + 4 == in.n)
            pad = in.p[i + 3] != '=' ? 0 : in.p[i + 2] != '=' ? 1 : 2;
        if (!unbase64_quad(out, in.p + i, pad))
            return false;
    }
    return true;
}

static void put_hex(struct buf *out, unsigned char c, const char *digits)
{
    char two[2] = { digits[c >> 4], digits[c & 15] };
    buf_put(out, two, 2);
}

void enc_hex(struct buf *out, struct str in)
{
    for (size_t i = 0; i < in.n; i++)
        put_hex(out, (unsigned char)in.p[i], "0123456789abcdef");
}

static int hex_value(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    char l = ascii_lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static bool unhex_byte(struct buf *out, const char *p)
{
    int hi = hex_value(p[0]), lo = hex_value(p[1]);
    if (hi < 0 || lo < 0)
        return false;
    buf_putc(out, (char)(hi << 4 | lo));
    return true;
}

bool enc_unhex(struct buf *out, struct str in)
{
    if (in.n % 2 != 0)
        return false;
    for (size_t i = 0; i < in.n; i += 2)
        if (!unhex_byte(out, in.p + i))
            return false;
    return true;
}

void enc_xtext(struct buf *out, struct str in)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c > ' ' && c < 127 && c != '+' && c != '=') {
            buf_putc(out, c);
        } else {
            buf_putc(out, '+');
            put_hex(out, (unsigned char)c, "0123456789ABCDEF");
        }
    }
}

bool enc_unxtext(struct buf *out, struct str in)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (c == '+') {
            if (in.n - i < 3 || !unhex_byte(out, in.p + i + 1))
                return false;
            i += 2;
        } else if (c > ' ' && c < 127 && c != '=') {
            buf_putc(out, c);
        } else {
            return false;
        }
    }
    return true;
}

void enc_printable(struct buf *out, struct str in)
{
    for (size_t i = 0; i < in.n; i++)
        buf_putc(out, in.p[i] >= ' ' && in.p[i] < 127 ? in.p[i] : '?');
}

static uint32_t crc_table[256];

__attribute__((constructor)) static void crc_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
        crc_table[i] = c;
    }
}

static uint32_t crc_plain(uint32_t crc, const unsigned char *p, size_t n)
{
    while (n-- > 0)
        crc = crc >> 8 ^ crc_table[(crc ^ *p++) & 0xff];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const unsigned char *p, size_t n)
{
    uint64_t c = crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        c = _mm_crc32_u64(c, word);
    }
    return crc_plain((uint32_t)c, p, n);
}
#endif

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_sse42(~crc, p, n);
#endif
    return ~crc_plain(~crc, p, n);
}

bool secret_eq(struct str a, struct str b)
{
    unsigned char diff = a.n != b.n;
    for (size_t i = 0; i < MIN(a.n, b.n); i++)
        diff |= (unsigned char)(a.p[i] ^ b.p[i]);
    return diff == 0;
}

void secret_wipe(void *p, size_t n)
{
    if (n > 0)
        explicit_bzero(p, n);
}
