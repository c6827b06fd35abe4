/* SPDX-License-Identifier: ISC
 *
 * lmdb_file.h - one LMDB file in Postfix's format (lmdb_table(5)).
 *
 * The file is FILE.lmdb itself (no directory), the unnamed main database,
 * without LMDB's own lock file: every transaction is done under a lock of the
 * whole file by fcntl (F_SETLK and a pause, never a blocking call), shared for
 * reading, exclusive for writing. A read is lock, get, copy, unlock, without
 * a wait in between. Keys and values end in a NUL by default; readers try with
 * the NUL first, then without, and remember what fitted. A file that is shorter
 * than the pages it claims is refused before it is mapped.
 */
#ifndef MAP_LMDB_FILE_H
#define MAP_LMDB_FILE_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "map/map.h"

struct lmdb_file;
struct lmdb_batch;

/* LMDB's key limit, without the NUL. */
enum { LMDB_KEY_MAX = 510, LMDB_LOCK_SECONDS = 30 };

/* path: with ".lmdb". write: the file is created (mode) when it is missing. map_size: the least, grows by itself. */
struct lmdb_file *lmdb_file_open(const char *path, bool write, unsigned mode, uint64_t map_size, struct err *err);
void lmdb_file_close(struct lmdb_file *f);
/* WAITS for the lock. */
enum map_result lmdb_file_get(struct lmdb_file *f, struct str key, struct arena *a, struct str *ret_value, struct err *err);
/* MAP_NONE: there was no such key. */
enum map_result lmdb_file_delete(struct lmdb_file *f, struct str key, struct err *err);
/* Calls each(user, key, value) for every record, without their NULs; stops when it returns false. */
int lmdb_file_each(struct lmdb_file *f, bool (*each)(void *user, struct str key, struct str value), void *user, struct err *err);

/*
 * One transaction. keep: records that are there stay, otherwise the table is
 * emptied first. lmdb_batch_put: 1 = the key was there and has been left alone.
 * Nobody sees anything before lmdb_batch_commit(), everybody all of it after.
 */
struct lmdb_batch *lmdb_batch_begin(struct lmdb_file *f, bool keep, struct err *err);
int lmdb_batch_put(struct lmdb_batch *b, struct str key, struct str value, bool with_nul, bool replace, struct err *err);
int lmdb_batch_commit(struct lmdb_batch *b, struct err *err);
void lmdb_batch_abort(struct lmdb_batch *b);
#endif
