/* SPDX-License-Identifier: ISC
 *
 * become.h - the child of the zygote: from root to the user, then the session.
 */
#ifndef LOGIN_BECOME_H
#define LOGIN_BECOME_H
#include "login/session.h"
#include <sys/types.h>

struct session_user { uint32_t uid, gid; const char *groups; };

/*
 * Becomes the user (not in a private instance), keeps the client, the log, the
 * hub's line and `line` (to the zygote, -1: none) and no other descriptor,
 * confines itself, runs the session, and over `line` the next ones of the same
 * account; exits. A step that fails is logged and ends the process: the client
 * sees a close.
 */
_Noreturn void session_become_and_run(const struct session_ops *ops, const struct session_login *login, const struct session_user *user, int line);

/*
 * The directories of a mail location: what the session may write to. Up to max
 * are appended to paths, in the arena; the number of them. Pure.
 */
size_t session_mail_dirs(struct str location, struct arena *arena, const char *paths[], size_t max);
#endif
