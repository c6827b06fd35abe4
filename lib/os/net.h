/* SPDX-License-Identifier: ISC
 *
 * net.h - socket addresses as numbers and text, and connecting.
 *
 * Text is Postfix's: IPv6 without brackets, a v4-mapped address as IPv4.
 * Names are never resolved here. All sockets are nonblocking and
 * close-on-exec; nothing waits.
 */
#ifndef OS_NET_H
#define OS_NET_H
#include "base/err.h"
#include "base/str.h"
#include <netinet/in.h>
#include <sys/socket.h>

enum { NET_TEXT = 64 };     /* room for any numeric address, with a scope */

/* "192.0.2.1", "2001:db8::1", also in brackets and with "IPv6:" in front. False: not an address. */
bool net_addr_parse(struct str text, uint16_t port, struct sockaddr_storage *ret);
/* Numeric, without port; v4-mapped as IPv4; "" for other families. Returns buf. */
const char *net_text(const struct sockaddr_storage *a, char buf[NET_TEXT]);
uint16_t net_port(const struct sockaddr_storage *a);
void net_set_port(struct sockaddr_storage *a, uint16_t port);
socklen_t net_len(const struct sockaddr_storage *a);
/* Turns ::ffff:192.0.2.1 into 192.0.2.1. */
void net_unmap(struct sockaddr_storage *a);
bool net_is_loopback(const struct sockaddr_storage *a);
/* Same address, whatever the port. */
bool net_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

/* Begins to connect; EPOLLOUT tells when it is decided, net_connect_result() how. bind_to may be NULL. */
int net_connect(const struct sockaddr_storage *to, const struct sockaddr_storage *bind_to, struct err *err);
/* 0, or the errno of the failure. */
int net_connect_result(int fd);
#endif
