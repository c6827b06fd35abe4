/* SPDX-License-Identifier: ISC
 *
 * children.h - the session processes of a zygote: how many there are, whose
 * they are, and which of them wait for another login of the same user.
 *
 * A process that became a user can serve that user again: it has nothing that
 * another session of the same account would not have. So when a session ends
 * its process waits for a while, and a login whose account is the same in
 * every field (name, uid, gid, groups, home, mail) goes to it instead of to a
 * fork: webmail and POP3 clients log in every few seconds. A process never
 * serves two accounts.
 *
 * Only the zygote ends a waiting process, by closing its line; so a login that
 * was handed over is never lost to a process that was about to leave.
 *
 * Sessions of other zygotes (roll.h) count against the limits, too.
 */
#ifndef LOGIN_CHILDREN_H
#define LOGIN_CHILDREN_H
#include "ipc/chan.h"
#include "login/params.h"
#include <sys/types.h>

struct child;
/* conf is borrowed. */
void children_init(const struct session_conf *conf, const char *service);
/* NULL, or why this user from this address (who: a hash of both) gets no session. */
const char *children_over_limit(uint64_t who);
/* A new process at work. account: what must be equal for another login; copied. fd: its line, taken; -1: it ends with its session. */
void children_add(pid_t pid, uint64_t who, struct str account, int fd);
/* The process that took the login, 0: none waits for this account. */
pid_t children_give(struct str account, uint64_t who, const struct ipc_session_next *login);
/* waitpid() named it. */
void children_gone(pid_t pid, int status);
size_t children_count(void);
/* No new logins will come: those who wait may go, and those at work when they are done. */
void children_drain(void);
#endif
