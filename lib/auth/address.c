/* SPDX-License-Identifier: ISC */
#include "auth/address.h"
#include <arpa/inet.h>

enum { V4_HOST = 4, V4_NET = 3, V6_HOST = 8, V6_NET = 6, V6_SIZE = 16 };

/* Four numbers to 255 without zeros in front, as inet_pton() wants them: most addresses, and each login asks several times. */
static bool parse_v4(struct str s, uint8_t raw[V4_HOST])
{
    size_t i = 0;
    for (size_t part = 0; part < V4_HOST; part++) {
        size_t from = i;
        unsigned v = 0;
        for (; i < s.n && ascii_is_digit(s.p[i]) && i - from < 3; i++)
            v = v * 10 + (unsigned)(s.p[i] - '0');
        if (i == from || v > 255 || (s.p[from] == '0' && i - from > 1))
            return false;
        raw[part] = (uint8_t)v;
        if (part + 1 < V4_HOST && (i == s.n || s.p[i++] != '.'))
            return false;
    }
    return i == s.n;
}

/* Bytes of the address, 4 or 16; 0: none. */
static size_t parse(struct str address, uint8_t raw[V6_SIZE])
{
    char text[INET6_ADDRSTRLEN];
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    if (parse_v4(address, raw))
        return V4_HOST;
    if (!str_to_fixed(address, text, sizeof text))
        return 0;
    if (inet_pton(AF_INET6, text, raw) != 1)
        return 0;
    if (!str_eq(str_make(raw, sizeof mapped), str_make(mapped, sizeof mapped)))
        return V6_SIZE;
    memmove(raw, raw + sizeof mapped, V4_HOST);
    return V4_HOST;
}

static struct address_key cut(struct str address, size_t v4, size_t v6)
{
    uint8_t raw[V6_SIZE];
    struct address_key k = { .n = 0 };
    size_t n = parse(address, raw);
    if (n > 0) {
        k.n = n == V4_HOST ? v4 : v6;
        memcpy(k.bytes, raw, k.n);
    }
    return k;
}

struct address_key address_key_host(struct str address) { return cut(address, V4_HOST, V6_HOST); }
struct address_key address_key_net(struct str address) { return cut(address, V4_NET, V6_NET); }

void address_key_put(struct str key, struct buf *out)
{
    uint8_t raw[V6_SIZE] = { 0 };
    char text[INET6_ADDRSTRLEN];
    bool v4 = key.n == V4_HOST || key.n == V4_NET;
    if (!v4 && key.n != V6_HOST && key.n != V6_NET)
        return;
    memcpy(raw, key.p, key.n);
    if (inet_ntop(v4 ? AF_INET : AF_INET6, raw, text, sizeof text) == NULL)
        return;
    buf_puts(out, text);
    if (key.n != V4_HOST)
        buf_printf(out, "/%zu", key.n * 8);
}
