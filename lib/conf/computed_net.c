/* SPDX-License-Identifier: ISC */
#include "conf/computed_net.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

struct own_net {
    int family;
    uint8_t addr[16];
    unsigned bits;
    bool loopback;
};

static size_t addr_size(int family) { return family == AF_INET ? 4 : 16; }

static const void *addr_bytes(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
    return &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
}

static unsigned mask_bits(const uint8_t *mask, size_t n)
{
    unsigned bits = 0;
    for (size_t i = 0; i < n; i++)
        for (unsigned bit = 0x80; bit != 0 && (mask[i] & bit) != 0; bit >>= 1)
            bits++;
    return bits;
}

static unsigned class_bits(const struct own_net *net)
{
    if (net->family != AF_INET)
        return net->bits;
    return net->addr[0] < 128 ? 8 : net->addr[0] < 192 ? 16 : net->addr[0] < 224 ? 24 : 4;
}

static bool protocol_on(const char *protocols, int family)
{
    struct str rest = str_from(protocols == NULL ? "all" : protocols), word;
    while (str_token(&rest, ", \t\r\n", &word))
        if (str_ieqz(word, "all") || str_ieqz(word, family == AF_INET ? "ipv4" : "ipv6"))
            return true;
    return false;
}

static bool same_addr(const struct own_net *net, struct str text)
{
    char z[INET6_ADDRSTRLEN + 8];
    uint8_t bytes[16];
    if (text.n > 2 && text.p[0] == '[')
        text = str_make(text.p + 1, text.n - 2);
    return str_to_fixed(text, z, sizeof z) && inet_pton(net->family, z, bytes) == 1
        && memcmp(bytes, net->addr, addr_size(net->family)) == 0;
}

static bool interface_on(const char *interfaces, const struct own_net *net)
{
    struct str rest = str_from(interfaces == NULL ? "all" : interfaces), word;
    while (str_token(&rest, ", \t\r\n", &word)) {
        if (str_ieqz(word, "all") || same_addr(net, word))
            return true;
        if (net->loopback && (str_ieqz(word, "loopback-only") || str_ieqz(word, "localhost")))
            return true;
    }
    return false;
}

static bool read_interface(const struct ifaddrs *at, struct own_net *ret)
{
    if (at->ifa_addr == NULL || (at->ifa_flags & IFF_UP) == 0)
        return false;
    int family = at->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6)
        return false;
    struct own_net net = { .family = family, .loopback = (at->ifa_flags & IFF_LOOPBACK) != 0 };
    memcpy(net.addr, addr_bytes(at->ifa_addr), addr_size(family));
    net.bits = (unsigned)addr_size(family) * 8;
    if (at->ifa_netmask != NULL && at->ifa_netmask->sa_family == at->ifa_addr->sa_family)
        net.bits = mask_bits(addr_bytes(at->ifa_netmask), addr_size(family));
    *ret = net;
    return true;
}

static void put_network(struct buf *out, struct own_net net, const char *style)
{
    unsigned all = (unsigned)addr_size(net.family) * 8;
    unsigned bits = style != NULL && strcmp(style, "class") == 0 ? class_bits(&net)
                  : style != NULL && strcmp(style, "subnet") == 0 ? net.bits : all;
    for (unsigned i = bits; i < all; i++)
        net.addr[i / 8] = (uint8_t)(net.addr[i / 8] & ~(0x80u >> i % 8));
    char text[INET6_ADDRSTRLEN], entry[INET6_ADDRSTRLEN + 8];
    if (inet_ntop(net.family, net.addr, text, sizeof text) == NULL)
        return;
    int n = snprintf(entry, sizeof entry, net.family == AF_INET ? "%s/%u" : "[%s]/%u", text, bits);
    if (str_find(buf_str(out), str_make(entry, (size_t)n)) >= 0)
        return;
    if (out->n > 0)
        buf_putc(out, ' ');
    buf_put(out, entry, (size_t)n);
}

void computed_networks(const char *style, const char *interfaces, const char *protocols, struct buf *out)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) < 0) {
        buf_puts(out, "127.0.0.0/8 [::1]/128");
        return;
    }
    for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
        struct own_net net;
        if (read_interface(at, &net) && protocol_on(protocols, net.family) && interface_on(interfaces, &net))
            put_network(out, net, style);
    }
    freeifaddrs(list);
}
