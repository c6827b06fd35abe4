/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in the resolver.
 */
#ifndef RESOLVER_PARAMS_H
#define RESOLVER_PARAMS_H

#define RESOLVER_PARAMS(P)                                                                                             \
    P(STR, server, "postern_dns_server", "", 0, 0,                                                                     \
      "Name servers as address:port, separated by commas; empty: those of postern_dns_resolv_conf.")                   \
    P(STR, resolv_conf, "postern_dns_resolv_conf", "/etc/resolv.conf", 0, 0,                                           \
      "File that names the name servers; without any in it, names are resolved from the root servers down.")          \
    P(STR, hosts, "postern_dns_hosts", "", 0, 0,                                                                       \
      "File of answers that take precedence over DNS: lines of \"address name...\" or \"name type data\".")            \
    P(STR, trust_anchor, "postern_dns_trust_anchor", "", 0, 0,                                                         \
      "File with the trust anchor of the root zone; if set, answers are validated with DNSSEC.")                       \
    P(SECS, timeout, "postern_dns_timeout", "10s", 1, 120, "A query that takes longer is a temporary failure.")        \
    P(UINT, pending_max, "postern_dns_pending_limit", "5000", 10, 100000,                                              \
      "Queries under way; more are answered with a temporary failure.")
#endif
