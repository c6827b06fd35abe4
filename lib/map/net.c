/* SPDX-License-Identifier: ISC */
#include "map/net.h"
#include "base/num.h"
#include <arpa/inet.h>
#include <netinet/in.h>

static unsigned family_bits(int family) { return family == AF_INET ? 32 : 128; }

/* ::ffff:a.b.c.d, and networks of such addresses, are IPv4. */
static void unmap(struct net *n)
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    if (n->family != AF_INET6 || n->bits < 96 || memcmp(n->addr, mapped, sizeof mapped) != 0)
        return;
    memmove(n->addr, n->addr + 12, 4);
    memset(n->addr + 4, 0, 12);
    n->family = AF_INET;
    n->bits -= 96;
}

static bool parse_as_written(struct str text, struct net *ret)
{
    char z[INET6_ADDRSTRLEN + 8];
    struct net n = { 0 };
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = str_make(text.p + 1, text.n - 2);
    if (str_istarts(text, STR("IPv6:")))
        text = str_skip(text, 5);
    if (text.n == 0 || !str_to_fixed(text, z, sizeof z))
        return false;
    n.family = strchr(z, ':') != NULL ? AF_INET6 : AF_INET;
    if (inet_pton(n.family, z, n.addr) != 1)
        return false;
    n.bits = family_bits(n.family);
    *ret = n;
    return true;
}

bool net_parse_addr(struct str text, struct net *ret)
{
    if (!parse_as_written(text, ret))
        return false;
    unmap(ret);
    return true;
}

static int host_bits_error(const struct net *n, struct str text, struct err *err)
{
    char z[INET6_ADDRSTRLEN];
    struct net right = *n;
    for (unsigned i = n->bits; i < family_bits(n->family); i++)
        right.addr[i / 8] = (uint8_t)(right.addr[i / 8] & ~(0x80u >> i % 8));
    if (inet_ntop(right.family, right.addr, z, sizeof z) == NULL)
        z[0] = '\0';
    return err_set(err, ERR_CONFIG, "non-null host address bits in \"%.*s\", perhaps you should use \"%s%s%s/%u\" instead", STR_FMT(text),
                   n->family == AF_INET6 ? "[" : "", z, n->family == AF_INET6 ? "]" : "", n->bits);
}

static bool host_bits_set(const struct net *n)
{
    for (unsigned i = n->bits; i < family_bits(n->family); i++)
        if ((n->addr[i / 8] & 0x80u >> i % 8) != 0)
            return true;
    return false;
}

/* Postfix writes [addr]/bits as well as [addr/bits]. */
static bool split_bits(struct str text, struct str *ret_addr, struct str *ret_bits)
{
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = str_make(text.p + 1, text.n - 2);
    return str_cut(text, '/', ret_addr, ret_bits);
}

int net_parse(struct str text, struct net *ret, struct err *err)
{
    struct str addr, bits;
    struct net n;
    bool has_bits = split_bits(text, &addr, &bits);
    if (!parse_as_written(has_bits ? addr : text, &n)) {
        if (text.n > 0 && text.p[0] == '[')
            return err_set(err, ERR_CONFIG, "\"%.*s\": bad address in [ ]", STR_FMT(text));
        return 1;
    }
    uint64_t number;
    if (has_bits) {
        if (!num_parse_u64(bits, family_bits(n.family), &number))
            return err_set(err, ERR_CONFIG, "\"%.*s\": bad net mask: a number from 0 to %u is needed", STR_FMT(text), family_bits(n.family));
        n.bits = (unsigned)number;
    }
    if (host_bits_set(&n))
        return host_bits_error(&n, text, err);
    unmap(&n);
    *ret = n;
    return 0;
}

bool net_contains(const struct net *n, const struct net *addr)
{
    if (n->family != addr->family)
        return false;
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->addr, addr->addr, whole) != 0)
        return false;
    return rest == 0 || ((n->addr[whole] ^ addr->addr[whole]) >> (8 - rest)) == 0;
}
