/* SPDX-License-Identifier: ISC
 *
 * index.h - the per-user cache: one LMDB environment, postern-index/ in the
 * mail root. It holds nothing that is not elsewhere: what a mailbox looked
 * like at the last scan, modseqs with tombstones, and ready-made texts by
 * message GUID. Damage, another version or a file shorter than its pages: the
 * directory is set aside as postern-index.bad and a new one is begun; so it is
 * when the process dies while it has the index open, of whatever cause. Callers
 * go on without it when even that fails (every call takes NULL).
 *
 * Read transactions are short: begun by the first read, ended by
 * index_read_end(), which comes before any write and any network wait.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H
#include "base/arena.h"
#include "base/buf.h"

struct index;

/* What a directory or file looked like when it was read; ino 0 = not known. */
struct file_state { uint64_t ino; int64_t mtime_ns; uint64_t size; };
struct disk_state { struct file_state cur, new, list; };

struct index_box {
    uint32_t id;
    uint32_t uidvalidity, uidnext;
    uint32_t messages;          /* how many rows belong to this state of the disk */
    uint64_t modseq;
    uint64_t tombstones_from;   /* all expunges after this modseq are known */
    struct disk_state disk;
};
struct index_row {
    uint32_t uid;
    uint8_t flags;
    bool in_new;
    uint32_t keywords;
    uint64_t modseq, size, vsize;       /* UINT64_MAX: not known */
    int64_t date;                       /* INT64_MIN: not known */
    struct str name, ext;               /* file name, uidlist extension fields */
};

/* NULL if it cannot be had. hidden: among mboxes every plain name would be taken for a folder. */
struct index *index_open(const char *root, bool hidden);
void index_close(struct index *ix);

/* box: directory name below the root, "" for INBOX. */
bool index_get_box(struct index *ix, struct str box, struct index_box *ret);
/* Calls fn for each row in order of UID. False when rows are damaged: then nothing may be believed. */
bool index_each(struct index *ix, uint32_t box_id, bool (*fn)(void *arg, const struct index_row *row), void *arg);
/* Its slices are the index's, valid until the next read or write of it. */
bool index_get_row(struct index *ix, uint32_t box_id, uint32_t uid, struct index_row *ret);
/* UIDs expunged after `since`, sorted; false if not all are known. */
bool index_gone(struct index *ix, const struct index_box *box, uint64_t since, struct arena *a, uint32_t **ret, size_t *ret_n);
bool index_get_blob(struct index *ix, struct str guid, unsigned kind, struct str *ret);
void index_read_end(struct index *ix);

/* One write transaction; every put is a no-op when the transaction has failed. Commit tells. */
bool index_begin(struct index *ix);
/* Gives a new id when box->id is 0. */
void index_put_box(struct index *ix, struct str name, struct index_box *box);
void index_put_row(struct index *ix, uint32_t box_id, const struct index_row *row);
void index_drop_row(struct index *ix, uint32_t box_id, uint32_t uid, uint64_t modseq);
/* All rows and tombstones of a box, and the box itself when name.p is not NULL. */
void index_wipe_box(struct index *ix, uint32_t box_id, struct str name);
void index_rename_box(struct index *ix, struct str from, struct str to);
void index_put_blob(struct index *ix, struct str guid, unsigned kind, struct str value);
/* All texts of a message that is gone. A copy that shares its GUID has them made again. */
void index_drop_blobs(struct index *ix, struct str guid);
bool index_commit(struct index *ix);
#endif
