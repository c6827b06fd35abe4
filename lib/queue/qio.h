/* SPDX-License-Identifier: ISC
 *
 * qio.h - every system call that changes the queue, through one table, so that
 * the crash test can record writes, syncs and renames and replay any part of
 * them. Paths are relative to the queue directory. Functions return -1 with
 * errno set, and never retry a failed sync.
 */
#ifndef QUEUE_QIO_H
#define QUEUE_QIO_H
#include "base/str.h"
#include <sys/types.h>
#include <sys/uio.h>

struct qio_stat { uint64_t size; int64_t mtime; unsigned mode; uint64_t ino; unsigned uid; };

struct qio {
    void *user;
    /* flags, mode as open(2); O_CLOEXEC, O_NOFOLLOW and O_NONBLOCK are added. */
    int (*open)(struct qio *io, const char *path, int flags, unsigned mode);
    void (*close)(struct qio *io, int fd);
    ssize_t (*pread)(struct qio *io, int fd, void *p, size_t n, uint64_t at);
    /* Writes all of it or fails. */
    int (*pwrite)(struct qio *io, int fd, const void *p, size_t n, uint64_t at);
    /* Data and the size of a file. */
    int (*sync)(struct qio *io, int fd);
    int (*fstat)(struct qio *io, int fd, struct qio_stat *ret);
    int (*stat)(struct qio *io, const char *path, struct qio_stat *ret);
    /* Mode 0700 marks a queue file as complete. */
    int (*chmod)(struct qio *io, int fd, unsigned mode);
    int (*set_mtime)(struct qio *io, const char *path, int64_t seconds);
    int (*rename)(struct qio *io, const char *from, const char *to);
    int (*unlink)(struct qio *io, const char *path);
    int (*mkdir)(struct qio *io, const char *path);
    int (*sync_dir)(struct qio *io, const char *path);
    /* Calls fn for each name except . and ..; entries that come or go meanwhile may be missed. */
    int (*list)(struct qio *io, const char *dir, void (*fn)(void *arg, const char *name, bool is_dir), void *arg);
    int dir_fd;             /* real system: the queue directory, or AT_FDCWD */
};

/* The real one. dir_fd is borrowed; AT_FDCWD = relative to the current directory. */
void qio_init_system(struct qio *io, int dir_fd);
/* Read a whole range; fewer bytes than asked for is an error with errno = EIO. */
int qio_read_all(struct qio *io, int fd, void *p, size_t n, uint64_t at);
#endif
