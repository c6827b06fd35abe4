/* SPDX-License-Identifier: ISC
 *
 * local.h - unix stream sockets: listening, connecting, who is at the other end.
 */
#ifndef OS_LOCAL_H
#define OS_LOCAL_H
#include "base/err.h"
#include <sys/types.h>

/* Replaces a stale socket file; mode is the file's. *err names the path. */
int local_listen(const char *path, mode_t mode, int backlog, struct err *err);
/* Nonblocking; a unix socket is connected at once, or fails (EAGAIN: its queue is full). */
int local_connect(const char *path, struct err *err);
/* Effective ids of the process that connected. */
bool local_peer(int fd, uid_t *ret_uid, gid_t *ret_gid, pid_t *ret_pid);
#endif
