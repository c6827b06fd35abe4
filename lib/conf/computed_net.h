/* SPDX-License-Identifier: ISC
 *
 * computed_net.h - the default of mynetworks, from this host's interfaces.
 */
#ifndef CONF_COMPUTED_NET_H
#define CONF_COMPUTED_NET_H
#include "base/buf.h"

/* style: host, subnet or class. interfaces: inet_interfaces. protocols: inet_protocols. NULL counts as the default. */
void computed_networks(const char *style, const char *interfaces, const char *protocols, struct buf *out);
#endif
