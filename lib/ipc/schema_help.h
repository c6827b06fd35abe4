/* SPDX-License-Identifier: ISC
 * schema_help.h - helpers of the confined: broker, lookup, resolver. */
#ifndef IPC_SCHEMA_HELP_H
#define IPC_SCHEMA_HELP_H

#define IPC_MSG_BROKER_CONNECT(F, T)                                               \
    F(T, U32, endpoint, 0, "index into the endpoints that this service's configuration names") \
    F(T, U32, check, 0, "CRC-32C of its text: both must have read the same configuration")

#define IPC_MSG_BROKER_CONNECTED(F, T)                                             \
    F(T, U32, sys, 0, "0, or errno of the failure")                                \
    F(T, FD, socket, 0, "connected, or none")

#define IPC_MSG_TABLE_GET(F, T)                                                    \
    F(T, U32, table, 0, "0 unix:passwd.byname, 1 unix:group.byname") \
    F(T, STR, key, 4096, "looked up as it is")

#define IPC_MSG_TABLE_VALUE(F, T)                                                  \
    F(T, U32, result, 0, "0 found, 1 not found, 2 temporary failure")              \
    F(T, STR, value, 65536, "what was found, or why it failed")

#define IPC_MSG_DNS_QUERY(F, T)                                                    \
    F(T, STR, name, 256, "ASCII domain name")                                      \
    F(T, U32, type, 0, "RR type: A, AAAA, MX, PTR, TXT, TLSA ...")

#define IPC_MSG_DNS_ANSWER(F, T)                                                   \
    F(T, U32, rcode, 0, "0 found, 3 no such name, 0 with n = 0 no data, 2 temporary failure") \
    F(T, BOOL, secure, 0, "DNSSEC validated")                                      \
    F(T, U32, ttl, 0, "seconds")                                                   \
    F(T, STR, canonical, 256, "name the records belong to")                        \
    F(T, U32, n, 0, "records")                                                     \
    F(T, STR, records, 65536, "each: u16 length, rdata with names in dotted text (MX: u16 preference, name)")

/* Counters of clients, shared by the processes of a service; which service is known from the channel. */
#define IPC_MSG_ANVIL_ASK(F, T)                                                    \
    F(T, STR, addr, 64, "client address")                                          \
    F(T, U32, event, 0, "enum limit_event (base/limit.h): counted; LIMIT_CONNECTION begins a connection") \
    F(T, BOOL, look, 0, "do not count it, only say how many there were")

#define IPC_MSG_ANVIL_COUNT(F, T)                                                  \
    F(T, U32, connections, 0, "of this client at once, to this service")           \
    F(T, U32, rate, 0, "such events in this time unit")

#define IPC_MSG_ANVIL_LEAVE(F, T)                                                  \
    F(T, STR, addr, 64, "client address whose connection has ended")

#define IPC_MSG_ANVIL_HELD(F, T)                                                   \
    F(T, STR, addr, 64, "client address of connections that began before the receiver did") \
    F(T, U32, connections, 0, "how many the sender has")                           \
    F(T, U32, age, 0, "how long its time unit has lasted, in ms")                  \
    F(T, U32, n_connection, 0, "events in it: connections")                        \
    F(T, U32, n_message, 0, "messages")                                            \
    F(T, U32, n_rcpt, 0, "recipients")                                             \
    F(T, U32, n_auth, 0, "AUTH commands")                                          \
    F(T, U32, n_tls, 0, "new TLS sessions")

#define IPC_HELP_MESSAGES(M)                                                       \
    M(ANVIL_ASK, anvil_ask, ROLE_BIT(SMTPD) | ROLE_BIT(SUBMITD), ROLE_BIT(ANVIL))  \
    M(ANVIL_COUNT, anvil_count, ROLE_BIT(ANVIL), ROLE_BIT(SMTPD) | ROLE_BIT(SUBMITD)) \
    M(ANVIL_LEAVE, anvil_leave, ROLE_BIT(SMTPD) | ROLE_BIT(SUBMITD), ROLE_BIT(ANVIL)) \
    M(ANVIL_HELD, anvil_held, ROLE_BIT(SMTPD) | ROLE_BIT(SUBMITD), ROLE_BIT(ANVIL)) \
    M(BROKER_CONNECT, broker_connect, ROLES_ANY, ROLE_BIT(BROKER))                 \
    M(BROKER_CONNECTED, broker_connected, ROLE_BIT(BROKER), ROLES_ANY)             \
    M(TABLE_GET, table_get, ROLES_ANY, ROLE_BIT(LOOKUP))                           \
    M(TABLE_VALUE, table_value, ROLE_BIT(LOOKUP), ROLES_ANY)                       \
    M(DNS_QUERY, dns_query, ROLES_ANY, ROLE_BIT(RESOLVER))                         \
    M(DNS_ANSWER, dns_answer, ROLE_BIT(RESOLVER), ROLES_ANY)
#endif
