/* SPDX-License-Identifier: ISC
 *
 * fs.h - files below a directory descriptor: whole-file reads, replacement by
 * rename, syncs, and Dovecot's dotlock. Directories come before their files:
 * a name is durable only after its directory was synced.
 */
#ifndef STORE_FS_H
#define STORE_FS_H
#include <sys/stat.h>
#include "base/buf.h"
#include "base/err.h"

/* 0, 1 when there is no such file, -1 and *err. At most max bytes are read; a larger file is an error. */
int fs_read(int dir, const char *name, size_t max, struct buf *out, struct stat *ret_st, struct err *err);
/* Write everything; -1 with errno. */
/* Is that errno of a write for want of room: a full disk, a quota, a limit? */
bool fs_is_full(int sys);
/* Of one for want of leave: a file system that is mounted read-only, a directory of somebody else's? */
bool fs_is_forbidden(int sys);
int fs_write_all(int fd, const void *p, size_t n);
/* name.tmp, fsync, rename over name, fsync of the directory. */
int fs_replace(int dir, const char *name, struct str content, mode_t mode, struct err *err);
/* Sync a directory (dir/name, or dir itself when name is NULL). */
int fs_sync_dir(int dir, const char *name, struct err *err);
/* Every missing level of an absolute path, each synced in its parent. */
int fs_make_dirs(const char *path, mode_t mode, struct err *err);
/* mkdir, then sync of the parent; an existing directory is fine. */
int fs_make_dir(int dir, const char *name, mode_t mode, struct err *err);
int fs_open_dir(int at, const char *path);

/* A dotlock: created O_EXCL with "pid:host" in it. */
struct dotlock { int dir; char name[64]; dev_t dev; ino_t ino; time_t touched; bool held; };
/*
 * Waits at most `seconds`. A lock is taken over when it did not change for 120 s
 * or its owner, a process of this host, is gone. dir stays the caller's. 0, -1 and *err (ERR_TEMP).
 */
int dotlock_take(struct dotlock *l, int dir, const char *name, unsigned seconds, struct err *err);
/* Keeps a long-held lock fresh; false when somebody took it over. */
bool dotlock_touch(struct dotlock *l);
void dotlock_drop(struct dotlock *l);
#endif
