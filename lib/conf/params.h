/* SPDX-License-Identifier: ISC
 *
 * params.h - what every program honours that reads a configuration: the
 * parameters that others are made of, or that are asked for by name.
 */
#ifndef CONF_PARAMS_H
#define CONF_PARAMS_H

#define CONF_PARAMS(P)                                                                                                        \
    P(STR, compatibility_level, "compatibility_level", "0", 0, 0,                                                             \
      "The version of Postfix whose defaults hold: below 1, 2, 3.6 and 3.11 some have their older value, which \"postfix check\" lists.") \
    P(STR, mynetworks_style, "mynetworks_style", "${{$compatibility_level} <level {2} ? {subnet} : {host}}", 0, 0,             \
      "What mynetworks is while it is not set: this host, its subnets, or the class of its network.")                         \
    P(STR, default_database_type, "default_database_type", "lmdb", 0, 0,                                                      \
      "The type of a table that is named without one, and of what postmap and postalias make.")                               \
    P(STR, alias_database, "alias_database", "lmdb:/etc/aliases", 0, 0, "The tables that newaliases makes.")                  \
    P(SIZE, lmdb_map_size, "lmdb_map_size", "16777216", 8192, UINT64_MAX / 2,                                                 \
      "The size that an LMDB table may grow to.")                                     \
    P(STR, sasl_type, "smtpd_sasl_type", "dovecot", 0, 0, "How users are authenticated: by an auth server with Dovecot's protocol.") \
    P(STR, sasl_path, "smtpd_sasl_path", "private/auth", 0, 0,                                                                \
      "The auth server of the service: a socket below queue_directory or inet:host:port. One of postern_auth_listeners is authd itself.")
#endif
