/* SPDX-License-Identifier: ISC
 *
 * role.h - the process classes. A role is one process class, one uid, one
 * sentence; what each may do is a row of daemon/role_table.h.
 */
#ifndef IPC_ROLE_H
#define IPC_ROLE_H
#include "base/def.h"

#define IPC_ROLES(R)                                                              \
    R(MASTER, "master")   R(BROKER, "broker")     R(LOG, "log")                   \
    R(SMTPD, "smtpd")     R(LMTPD, "lmtpd")       R(SUBMITD, "submitd")           \
    R(PICKUP, "pickup")   R(QMGR, "qmgr")         R(OUT, "out")                   \
    R(BOUNCE, "bounce")   R(ROUTER, "router")     R(ACTOR, "actor")               \
    R(TLS, "tls")         R(LOGIN, "login")       R(SESSION, "session")           \
    R(HUB, "hub")         R(AUTHD, "authd")       R(WORKER, "auth-worker")        \
    R(AUTHDB, "auth-db")  R(LOOKUP, "lookup")     R(RESOLVER, "resolver")         \
    R(KEYS, "keys")       R(TOOL, "tool")         R(HASH, "auth-hash")     \
    R(ANVIL, "anvil")

#define ROLE_ENUM(upper, name) ROLE_##upper,
enum role { IPC_ROLES(ROLE_ENUM) ROLE_COUNT };
#undef ROLE_ENUM

/* The name, "?" beyond the table. */
const char *role_name(enum role role);
/* ROLE_COUNT when there is no such role. */
enum role role_by_name(const char *name);
#endif
