/* SPDX-License-Identifier: ISC
 *
 * flaglog.h - postern-flags of one folder, as several sessions share it.
 *
 * Appending and emptying happen under an flock; reading needs none, since a
 * record counts only whole. Emptying raises the generation, so that readers
 * start anew and old bytes are never taken for new ones.
 */
#ifndef STORE_FLAGLOG_H
#define STORE_FLAGLOG_H
#include "base/err.h"
#include "proto/flag_record.h"

struct flaglog {
    int fd;                 /* -1: not there and not to be made */
    uint32_t generation;
    uint64_t at;            /* offset of the first record not read yet */
    uint64_t modseq;        /* highest that the head or a record named */
};

/* create: make the file if it is missing. Missing otherwise: fd = -1, returns 0. */
int flaglog_open(struct flaglog *l, int dir, bool create, struct err *err);
/* Where nothing can be written; fd = -1 when it is not there or not for us. */
int flaglog_open_to_read(struct flaglog *l, int dir, struct err *err);
void flaglog_close(struct flaglog *l);
/* Would flaglog_read() find something? */
bool flaglog_has_news(const struct flaglog *l);
/*
 * Appends the records that are new since the last call to *out, as bytes for flag_record_next() with l->generation.
 * *ret_restarted: the file was emptied since; what was pending is in the file names now.
 */
int flaglog_read(struct flaglog *l, struct buf *out, bool *ret_restarted, struct err *err);
int flaglog_lock(struct flaglog *l, struct err *err);
void flaglog_unlock(struct flaglog *l);
/* Under the lock, after flaglog_read: append bytes and sync. */
int flaglog_append(struct flaglog *l, struct str records, uint64_t modseq, struct err *err);
/* Under the lock: all records are in file names (synced). Remembers modseq. */
int flaglog_empty(struct flaglog *l, uint64_t modseq, struct err *err);
/* Under the lock: tell the other sessions of a modseq that no record has. */
int flaglog_note(struct flaglog *l, uint64_t modseq, struct err *err);
static inline bool flaglog_is_empty(const struct flaglog *l) { return l->fd < 0 || l->at <= FLAG_HEAD_SIZE; }
#endif
