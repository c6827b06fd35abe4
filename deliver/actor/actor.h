/* SPDX-License-Identifier: ISC
 *
 * actor.h - the parts of the actor among themselves. main.c talks to the
 * router, become.c gives up root, the others each do one kind of action.
 */
#ifndef ACTOR_ACTOR_H
#define ACTOR_ACTOR_H
#include "base/err.h"
#include "ipc/codec.h"

struct action_result {
    enum outcome outcome;
    const char *dsn;
    struct buf text;        /* reason, or what was done */
    struct buf data;
};

/* Who this process has become. */
struct actor_user { char name[256], home[1024]; uint32_t uid, gid, spool_gid; };

/* Root for the last time: become the user for good. -1 and *err: the process must end. */
int actor_become(const struct ipc_become *who, bool private_instance, struct actor_user *ret, struct err *err);

/*
 * Writes the message. *ret: what is to be committed, several together; NULL
 * when the outcome is known already. action_maildir_end turns what
 * deliver_commit_all() said into the result.
 */
struct deliver;
void action_maildir_begin(const struct ipc_action *a, struct deliver **ret, struct action_result *r);
void action_maildir_end(int rc, const struct err *err, struct action_result *r);
void action_mbox(const struct ipc_action *a, struct action_result *r);
/* Shell command (aliases, .forward, mailbox_command) or pipe(8) line. */
void action_command(const struct ipc_action *a, const struct actor_user *user, struct action_result *r);
void action_read_forward(const struct ipc_action *a, const struct actor_user *user, struct action_result *r);

/* The outcome of a system error at a mailbox: what an administrator can repair is deferred, a full mailbox is not. */
void action_failed(struct action_result *r, const char *what, const struct err *err);

/* The message of an action, headers first, as LF text in pieces. */
int content_each(const struct ipc_action *a, int (*fn)(void *arg, struct str piece, struct err *err), void *arg, struct err *err);
#endif
