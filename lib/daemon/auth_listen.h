/* SPDX-License-Identifier: ISC
 *
 * auth_listen.h - the sockets of authd, as postern_auth_listeners names them.
 *
 *   postern_auth_listeners = unix:private/auth,
 *       { unix:private/auth-userdb, user=vmail, mode=0600 },
 *       { inet:127.0.0.1:12345, type=auth }
 *
 * One row per socket: "unix:PATH" (below the queue directory unless it begins
 * with '/') or "inet:ADDRESS:PORT"; options in Postfix's notation for lists
 * with attributes, or in braces behind the address. master opens the sockets
 * in this order, authd reads the same text, so a socket is known by its index.
 *
 * Without type=, a path's last part after '-' says what it is, as for Dovecot:
 * auth-userdb, auth-master, login; anything else, and inet, is "auth".
 *
 * Refuses: names of hosts (one socket per row), an unknown option or type, a
 * mode that is none, a userdb or master socket on an address other than
 * loopback.
 */
#ifndef DAEMON_AUTH_LISTEN_H
#define DAEMON_AUTH_LISTEN_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include <sys/types.h>

enum { AUTH_LISTEN_MAX = 16 };
enum auth_listen_type {
    AUTH_LISTEN_AUTH,       /* clients: a Postfix, an Exim */
    AUTH_LISTEN_LOGIN,      /* clients whose logins a master takes over (REQUEST) */
    AUTH_LISTEN_USERDB,     /* questions about users */
    AUTH_LISTEN_MASTER,     /* the same, logins taken over, the cache */
};
const char *auth_listen_type_name(enum auth_listen_type t);

struct auth_listen {
    const char *socket;         /* "unix:private/auth", "inet:127.0.0.1:12345" */
    enum auth_listen_type type;
    mode_t mode;                /* of a UNIX socket */
    const char *user, *group;   /* NULL = mail_owner; the group as it is */
    bool trusted;               /* may say no-penalty and vouch for client certificates */
};
/* Everything in the arena. -1 and *err, which names the parameter and the row. */
int auth_listen_parse(struct str text, struct arena *arena, struct auth_listen ret[AUTH_LISTEN_MAX], size_t *ret_n, struct err *err);

#define AUTH_LISTEN_DEFAULT "unix:private/auth, unix:private/auth-userdb"
#define AUTH_LISTEN_PARAM(P)                                                                                                        \
    P(STR, auth_listeners, "postern_auth_listeners", AUTH_LISTEN_DEFAULT, 0, 0,                                                     \
      "Sockets where authd answers others in Dovecot's auth protocol: unix:PATH and inet:ADDRESS:PORT, or { ADDRESS, type=auth|login|userdb|master, mode=0660, user=NAME, group=NAME, trusted=yes }.")
#endif
