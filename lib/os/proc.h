/* SPDX-License-Identifier: ISC
 *
 * proc.h - starting a program with exactly the descriptors it shall have.
 *
 * The child gets standard input and output on /dev/null, standard error as it
 * is, and fds[i] as descriptor 3 + i; everything else is closed. It leads a
 * process group of its own. Its environment is what is given. Nothing is
 * inherited by accident.
 */
#ifndef OS_PROC_H
#define OS_PROC_H
#include "base/buf.h"
#include "base/err.h"
#include <sys/types.h>

struct proc_plan {
    const char *path;
    char *const *argv, *const *env;
    const int *fds;
    size_t n_fds;
    int std_out;                /* -1 = /dev/null */
};

/* The pid, or -1 and *err. A child that cannot execute exits with status 127. */
pid_t proc_start(const struct proc_plan *plan, struct err *err);
/* Processors that this process may run on; at least 1. Before a sandbox. */
unsigned proc_cpus(void);
/* "exit status 1" or "killed by signal 9", as Postfix's log line has it. */
void proc_describe_status(int status, struct buf *out);
/*
 * Refuses (-1 and *err) when a descriptor from `from` on is a directory or
 * O_PATH: kept across chroot, each is a way out of it.
 */
int proc_check_no_dirs(int from, struct err *err);
#endif
