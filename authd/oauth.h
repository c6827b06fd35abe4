/* SPDX-License-Identifier: ISC
 *
 * oauth.h - whose an access token is. A signed one is validated here, with the
 * keys of postern_oauth2_local_keys, which are read again when they change; the
 * others, and those that no key here can judge, an auth-worker asks the
 * introspection end about. A token is never logged.
 */
#ifndef AUTHD_OAUTH_H
#define AUTHD_OAUTH_H
#include "authd.h"

enum token_verdict { TOKEN_HOLDS = 1, TOKEN_REFUSED = 2, TOKEN_UNKNOWN = 3 /* nobody could say */ };

/* Embedded by the asker, who keeps it until done() or token_cancel(). */
struct token_ask {
    struct arena *arena;
    struct str token, remote;
    /* Once, maybe before token_ask() returns. user: with TOKEN_HOLDS. why: for the log, else. */
    void (*done)(struct token_ask *t, enum token_verdict verdict, struct str user, const char *why);
    /* private */
    struct ipc_introspect message;
    struct pool_task task;
    bool in_work;
};
void token_ask(struct token_ask *t);
/* Of a zeroed one, too. */
void token_cancel(struct token_ask *t);

/* Before privileges are dropped. */
int oauth_open(const struct daemon_ctx *d, struct err *err);
#endif
