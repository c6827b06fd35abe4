/* SPDX-License-Identifier: ISC
 *
 * authd.h - the parts of authd and how they hang together.
 *
 *   stream.c   a client of the auth protocol: lines in, lines out, its requests
 *   socks.h    the sockets for others: clients, userdb and master (master.c, kept.c)
 *   mechs.c    the mechanisms that are offered, and to whom
 *   oauth.c    whose a token is
 *   about.c    what is said of a user's connection
 *   request.c  one AUTH from its first line to its answer
 *   abuse.c    how long it waits, and whether its password is looked at
 *   control.c  what an administrator asks
 *   db.h       user name and password to a verdict and an account: chain.c and the databases
 *   pool.c     processes for what blocks, and the queues before them
 *   session.c  session zygotes that ask for the user behind a cookie; qmgr's key
 *
 * All of it runs on the loop; nothing here waits. A request that waits (for a
 * penalty, a worker, the delay of a failure) is a struct on a timer.
 */
#ifndef AUTHD_AUTHD_H
#define AUTHD_AUTHD_H
#include "auth/account.h"
#include "auth/mech.h"
#include "auth/passwd_file.h"
#include "auth/penalty.h"
#include "auth/token.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "event/loop.h"
#include "params.h"
#include "worker/params.h"
#include "pool.h"
#include "proto/auth_proto.h"
#include <unistd.h>

enum { REQUESTS_PER_STREAM_MAX = 4096, REQUEST_TIMEOUT_MS = 150000, AUTHD_CLIENTS_MAX = 2000 };

/* The process's state: one of it. */
struct authd {
    struct authd_conf conf;
    bool private_instance;
    uid_t uid;                  /* what this process is, or will be */
    char hostname[256];
    uint8_t mech_key[MECH_KEY_SIZE];    /* SCRAM's salts of users who have none */
    struct oauth_conf oauth;
    struct auth_cache *cache;
    struct handover *handover;
    int64_t handover_by;        /* while draining: how long sessions may still ask */
    struct token_keys keys;
    size_t n_requests;          /* in work, all streams */
    size_t cpus;
};
struct authd *authd(void);

/* stream.c */
enum stream_kind {
    STREAM_PUBLIC,      /* a socket of postern_auth_listeners: a Postfix or Exim next door */
    STREAM_SMTP,        /* our smtpd and submitd: OK carries a token */
    STREAM_LOGIN,       /* our imap-login and pop3-login: OK carries a cookie */
};
struct stream;
/* Takes fd: a channel of one of our own processes. */
void stream_new(int fd, enum stream_kind kind, uint64_t peer_id);
/* Ends it. */
void stream_close(struct stream *s);
/* Neighbours keep their connection for ever: those without a request in work are closed now, the others with their last answer. */
void stream_drain_public(void);
enum stream_kind stream_kind(const struct stream *s);
/* A neighbour that the administrator trusts: it may say no-penalty and vouch for certificates. */
bool stream_is_trusted(const struct stream *s);
/* Will somebody ask for the user behind this stream's logins? Then an OK needs the account. */
bool stream_wants_account(const struct stream *s);
uint64_t stream_peer(const struct stream *s);
/* The client's minor protocol version. */
uint32_t stream_minor(const struct stream *s);
void stream_answer(struct stream *s, const struct auth_answer *answer);

/* about.c: what a client says of the user's connection. False: more than it may be. */
bool about_make_fit(struct auth_cmd *c);

/* request.c: requests belong to a stream's list until they are answered */
struct request;
struct request_list { struct list requests; size_t n; };
void request_start(struct stream *s, struct request_list *all, const struct auth_cmd *cmd);
/* False: no such request. */
bool request_continue(struct request_list *all, uint32_t id, struct str data);
void request_cancel(struct request_list *all, uint32_t id);
bool request_exists(const struct request_list *all, uint32_t id);
/* The client is gone. */
void request_abandon_all(struct request_list *all);

/* session.c */
void session_peer(const struct ipc_peer *peer, int fd);

/* tokens.c */
void tokens_open(const char *data_directory);
/* Takes the keys of the process before, or makes the first; renews them. False: no randomness. */
bool tokens_start(void);
void qmgr_peer(const struct ipc_peer *peer, int fd);
#endif
