/* SPDX-License-Identifier: ISC
 *
 * login.h - everything before the login of an IMAP or POP3 connection, except
 * the protocol itself: where connections come from (listeners, tls-proxy),
 * STARTTLS, passwords (authd), the hand-over to the session zygote, limits and
 * log lines. imap-login and pop3-login are this plus one struct login_protocol.
 *
 * A connection keeps nothing after its login: the stream, what was read ahead
 * and authd's cookie go to the zygote in one frame. Nothing that was read
 * before STARTTLS is used after it; if something was, the connection is closed.
 */
#ifndef LOGIN_LOGIN_H
#define LOGIN_LOGIN_H
#include "auth/client.h"
#include "base/arena.h"
#include "event/conn.h"
#include "login/params.h"

enum { LOGIN_LINE_MAX = 12800, LOGIN_ARENA_MAX = 96 << 10, LOGIN_CLIENTS_MAX = 256 };

struct login_client {
    struct conn *conn;
    struct arena *arena;        /* rewound after each command */
    const struct login_conf *conf;
    const struct login_protocol *protocol;
    char remote[64], local[64]; /* numeric */
    uint32_t remote_port, local_port;
    char tls[200];              /* protocol and cipher, "" without */
    char binding[136];          /* channel binding data in base64 (event/tls.h), "" = not known */
    char cert_user[257];        /* name in the client's verified certificate, "" = none */
    char session_id[24];
    int64_t started, deadline;
    unsigned failures, errors, commands;
    const char *refusal;        /* LOGIN_LIMIT: text for the client */
    const char *why;            /* for the line of the end; NULL: the client closed */
    bool from_tls;              /* a new connection of tls-proxy's */
    bool greeted;               /* by tls-proxy, with our words */
    struct login_place *place;
    bool said_end;              /* the log line of the end was written */
};

enum login_next {
    LOGIN_NEXT,                 /* next command */
    LOGIN_RESTART,              /* TLS has begun: greet nobody, forget everything */
    LOGIN_CLOSE,
    LOGIN_HANDED_OVER,          /* the session has it */
};

struct login_protocol {
    const char *service;        /* "imap", "pop3" */
    const char *ident;          /* "imap-login" */
    void (*greet)(const struct login_client *c, struct buf *out);
    /* WAITS. One command: line is without its end. */
    enum login_next (*command)(struct login_client *c, struct str line);
    void (*say_too_long)(struct login_client *c);
    /* The last words, with this text. */
    void (*say_bye)(struct login_client *c, const char *text);
};

/* The whole of main(): roles, peers, clients. */
int login_main(int argc, char **argv, const struct login_protocol *protocol);

/* May a password be taken on this connection as it is? */
bool login_plaintext_allowed(const struct login_client *c);
bool login_tls_available(const struct login_client *c);
/*
 * WAITS. After the reply to STARTTLS was put: true when the connection is
 * behind TLS now. False: it is broken and must be closed.
 */
bool login_start_tls(struct login_client *c);

enum login_result {
    LOGIN_OK,                   /* handed over; the session answers the command */
    LOGIN_REFUSED,              /* wrong password or user */
    LOGIN_TEMPFAIL,
    LOGIN_LIMIT,                /* the user has too many sessions from there: c->refusal says so */
    LOGIN_ABORTED,              /* by the client, with "*" */
    LOGIN_BAD,                  /* no base64, or no such mechanism */
    LOGIN_PLAINTEXT,            /* not without TLS */
    LOGIN_GONE,                 /* the client closed meanwhile */
};
/* WAITS. User and password of LOGIN or PASS. tag: of the IMAP command, or empty. */
enum login_result login_password(struct login_client *c, struct str tag, struct str user, struct str password);
/* WAITS. A SASL dialogue; challenges are sent as "+ TEXT". */
enum login_result login_sasl(struct login_client *c, struct str tag, struct str mech, const struct str *initial);
/* The next mechanism that this client may use now; *at starts at 0. */
bool login_next_mech(const struct login_client *c, size_t *at, struct str *ret);
#endif
