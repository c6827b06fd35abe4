/* SPDX-License-Identifier: ISC
 *
 * net.h - network patterns "192.0.2.0/24", "[2001:db8::]/32", "192.0.2.1".
 * Bits of the host part that are not zero are an error with the right spelling.
 */
#ifndef MAP_NET_H
#define MAP_NET_H
#include "base/err.h"
#include "base/str.h"

struct net {
    int family;             /* AF_INET or AF_INET6 */
    unsigned bits;
    uint8_t addr[16];
};

/* A numeric address, brackets and an "IPv6:" prefix allowed. */
bool net_parse_addr(struct str text, struct net *ret);
/* address or address/bits. 0, -1 and *err, or 1 when it is no address at all. */
int net_parse(struct str text, struct net *ret, struct err *err);
/* addr comes from net_parse_addr; an IPv4-mapped IPv6 address counts as IPv4. */
bool net_contains(const struct net *n, const struct net *addr);
#endif
