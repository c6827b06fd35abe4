/* SPDX-License-Identifier: ISC
 *
 * internal.h - between the files of this library.
 */
#ifndef LOGIN_INTERNAL_H
#define LOGIN_INTERNAL_H
#include "base/htab.h"
#include "daemon/daemon.h"
#include "login/login.h"

/* The process's state: one of it. */
struct login_state {
    struct login_conf conf;
    const struct login_protocol *protocol;
    struct auth_client *auth;
    size_t n_streams;           /* clients from tls-proxy */
    struct htab places;         /* by address */
};
struct login_state *login_state(void);

/* peers.c: channels to tls-proxy and to session zygotes, newest first */
struct peer_list;
void login_add_tls(const struct ipc_peer *peer, int fd);
void login_add_session(const struct ipc_peer *peer, int fd);
/* tls-proxy is being started, or started again: for a moment clients wait for it rather than hear that there is no STARTTLS. */
void login_expect_tls(void);
/* WAITS for that moment. */
bool login_has_tls(void);
/* How clients of this kind are greeted, for tls-proxy, which does it for us; a word only when it has changed. */
void login_tell_greeting(struct str text, bool binding);
/* WAITS until there is one. NULL: there is none. */
struct chan *login_await_session(int64_t deadline);
/* WAITS. Sends the socket to tls-proxy; the plaintext side, or -1. What is known of the TLS session is set in *c. */
int login_tls_exchange(struct login_client *c, int fd, int64_t deadline);

/* client.c */
void login_run(struct login_client *c);
/* Takes fd; on a fiber of its own. False: no room, fd is closed. */
bool login_start_stream(const struct ipc_client *from, int fd);

/* places.c: connections of one address before their login. False: there are enough of them. */
bool login_enter(struct login_client *c);
void login_leave(struct login_client *c);

/* log.c */
void login_log_limit(const struct login_client *c, struct str user, const char *method, const char *text);
void login_log_success(const struct login_client *c, struct str user, const char *method, uint32_t pid);
void login_log_failure(const struct login_client *c, struct str user, const char *method, const char *what);
void login_log_end(struct login_client *c);
#endif
