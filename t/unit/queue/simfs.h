/* SPDX-License-Identifier: ISC
 *
 * simfs.h - a file system in memory behind struct qio, which logs every write,
 * sync and change of a name, and can build what a crash after any of them may
 * leave: names change in order (a prefix of the unsynced changes survives),
 * unsynced data survives by 512-byte sectors, each or not. After a sync that
 * failed, what was unsynced is what it is: the next sync does not write it.
 */
#ifndef T_SIMFS_H
#define T_SIMFS_H
#include "base/vec.h"
#include "queue/qio.h"

enum sim_kind { SIM_CREATE, SIM_WRITE, SIM_SYNC, SIM_SYNC_FAILED, SIM_CHMOD, SIM_RENAME, SIM_UNLINK, SIM_MKDIR, SIM_SYNC_DIR };
struct sim_op { enum sim_kind kind; unsigned inode; uint64_t at; size_t n; char *data; char from[96], to[96]; unsigned mode; };
struct sim_inode { char *data; size_t n, cap; unsigned mode; };
struct sim_name { char path[96]; unsigned inode; bool is_dir; };
struct simfs {
    struct qio io;
    VEC(struct sim_inode) inodes;
    VEC(struct sim_name) names;
    VEC(unsigned) fds;                      /* fd - SIM_FD -> inode */
    VEC(struct sim_op) log;
    bool logging;
    int fail_syncs;                         /* that many syncs fail with EIO */
    int fail_writes;                        /* that many writes to the ring (inode 0) fail */
};
enum { SIM_FD = 5000 };

void simfs_init(struct simfs *fs);
void simfs_done(struct simfs *fs);
/* Apply an operation of another file system's log to this one. data: apply the whole write. */
void simfs_apply(struct simfs *fs, const struct sim_op *op);
/* Only those sectors of the write for which pick() says so. */
void simfs_apply_sectors(struct simfs *fs, const struct sim_op *op, bool (*pick)(void));
void simfs_copy(struct simfs *to, const struct simfs *from);
#endif
