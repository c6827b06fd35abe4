/* SPDX-License-Identifier: ISC
 *
 * spawn.h - spawn(8) services of master.cf: a socket, and a command that is
 * run as a user for each connection, with the connection as standard input and
 * output. master accepts and reads nothing; the command is not confined beyond
 * its user, as with Postfix.
 */
#ifndef MASTER_SPAWN_H
#define MASTER_SPAWN_H
#include "services.h"
#include <sys/types.h>

/* Fill *ret from "user=... argv=..." of the row. -1 and *err with file and line. */
int spawn_plan_make(struct config *c, const char *file, const struct service *s, struct spawn_plan *ret, struct err *err);
void spawn_plan_done(struct spawn_plan *p);

/* Serve these and no others from now on; the plans are copied, the descriptors stay the caller's. Running commands go on. */
void spawn_start(const struct plan_list *plan, const struct service_fds *fds);
void spawn_stop(void);
/* True if it was one of ours. */
bool spawn_reaped(pid_t pid, int status);
#endif
