/* SPDX-License-Identifier: ISC
 *
 * instance.h - what must be there before the first process starts: the
 * directories of the queue, the lock that makes this master the only one, and
 * the way into the background.
 */
#ifndef MASTER_INSTANCE_H
#define MASTER_INSTANCE_H
#include "base/err.h"
#include <sys/types.h>

struct instance_plan {
    const char *queue_directory, *data_directory, *empty_directory;
    uid_t owner;                /* (uid_t)-1: leave owners alone (private instance) */
    gid_t owner_gid, drop_gid;
};

/* Make what is missing; what exists is left as it is. -1 and *err names path and remedy. */
int instance_make_dirs(const struct instance_plan *plan, struct err *err);
/* Working directory is queue_directory. 0: this process holds the lock; -1 and *err; *ret_pid: who has it, 0 = unknown. */
int instance_lock(struct err *err, pid_t *ret_pid);
/* Write our pid, after instance_lock() and every fork. */
int instance_write_pid(struct err *err);
/* Does a running master hold the lock? */
bool instance_is_running(const char *queue_directory);
/* In the child: the descriptor to tell the waiting parent by; the parent exits with the child's verdict. */
int instance_daemonize(struct err *err);
#endif
