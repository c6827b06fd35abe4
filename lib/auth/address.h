/* SPDX-License-Identifier: ISC
 *
 * address.h - a client's address as the key of a table: one source (IPv4 /32,
 * IPv6 /64: what one customer of a provider has) or the network around it
 * (/24, /48). Keys of different kinds differ in length, so that they never
 * meet. An IPv4 address in IPv6 clothes is the IPv4 address.
 */
#ifndef AUTH_ADDRESS_H
#define AUTH_ADDRESS_H
#include "base/buf.h"

enum { ADDRESS_KEY_MAX = 8 };
struct address_key { uint8_t bytes[ADDRESS_KEY_MAX]; size_t n; };

/* n == 0: the text is no address. */
struct address_key address_key_host(struct str address);
struct address_key address_key_net(struct str address);
static inline struct str address_key_str(const struct address_key *k) { return str_make(k->bytes, k->n); }
/* "192.0.2.7", "192.0.2.0/24", "2001:db8::/64", "2001:db8::/48"; nothing for what is no key. */
void address_key_put(struct str key, struct buf *out);
#endif
