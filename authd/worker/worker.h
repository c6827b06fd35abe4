/* SPDX-License-Identifier: ISC
 *
 * worker.h - one question to one verdict; may block for as long as it takes.
 */
#ifndef AUTH_WORKER_H
#define AUTH_WORKER_H
#include "base/arena.h"
#include "ipc/codec.h"
#include "params.h"

/* PAM, and the user database for uid, gid and home. Without the password: only whether the account may be used. */
void verify_pam(const char *service, const struct ipc_verify *ask, bool password, struct arena *arena, struct ipc_verdict *ret);
/* What the system's user database (NSS) knows of a user; no password is checked. */
void lookup_passwd(const struct ipc_verify *ask, struct arena *arena, struct ipc_verdict *ret);

/* Before privileges are dropped. */
int introspect_open(const struct oauth_conf *c, struct err *err);
/* Whose token is it? Asks over HTTP; the answer's strings are in the arena or literals. */
void introspect(const struct oauth_conf *c, struct str token, struct arena *arena, struct ipc_introspected *ret);
/*
 * A part of the system's users: from the ask->user-th on as many as there is room for, as "name:uid" words in
 * ret->groups; ret->uid is where the next part starts, has_ids that there is one.
 */
void list_passwd(const struct ipc_verify *ask, struct arena *arena, struct ipc_verdict *ret);
#endif
