/* SPDX-License-Identifier: ISC
 *
 * journal.h - the ring that makes mail durable with one sync per turn.
 *
 * A file of equal segments, prewritten. Records are appended in batches; a
 * batch is written and synced as a whole before the next one is written.
 * Segments are reused strictly oldest first, each time with a new number and
 * salt, so that neither an old record nor one embedded in a message body can
 * be taken for a live one. FORMAT.md has the layout and the legal states.
 *
 * The journal knows records, not mail: the owner pins a segment for every
 * message that lives in it. All calls belong to one thread, except
 * journal_batch_run(), which does the writing and may run on another.
 */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H
#include "base/buf.h"
#include "base/err.h"
#include "queue/qio.h"

enum journal_type {
    JREC_MESSAGE = 1,   /* a whole message; ref = LSN of the record it supersedes, or 0 */
    JREC_FILE = 2,      /* a message that is a file */
    JREC_RCPT = 3,      /* recipients of message `ref` that are done */
    JREC_MOVED = 4,     /* message `ref` is a file now */
    JREC_REPLACE = 5,   /* settled recipients and one new message */
    JREC_VOID = 6,      /* records from `ref` to the LSN in the payload never happened */
    JREC_STATE = 7,     /* text: clean stop and such */
    JREC_KEY = 8,
};

enum { JOURNAL_SEGMENTS = 8, JOURNAL_HEAD = 4096, JOURNAL_ALIGN = 64 };
struct journal_record {
    enum journal_type type;
    uint64_t lsn, ref;
    unsigned slot;          /* segment that holds it */
    struct str payload;
};
struct journal_ops {
    /* In LSN order, VOID ranges left out. */
    void (*on_record)(void *user, const struct journal_record *rec);
    /* Bytes between valid records that were durable once and cannot be read now. */
    void (*on_damage)(void *user, uint64_t offset, struct str raw);
};

struct journal;
/*
 * Open the ring; if there is none, create it, written with zeros and synced.
 * `size` applies to a new ring only; an existing one keeps its own. The ring
 * is locked; a second process gets an error. Reads nothing else.
 */
struct journal *journal_open(struct qio *io, const char *path, uint64_t size, struct err *err);
/* Descriptor of the ring, for fchown before the privilege drop. */
int journal_fd(const struct journal *j);
/* Read everything; calls the owner per record. Writes nothing and may be repeated. */
int journal_recover(struct journal *j, const struct journal_ops *ops, void *user, struct err *err);
/*
 * After recovery, once the owner has pinned what lives. No write yet: the first
 * batch opens a fresh segment.
 */
void journal_start(struct journal *j);
void journal_close(struct journal *j);

/* A message in this segment lives / is settled or moved. Unpinning may free segments. */
void journal_pin(struct journal *j, unsigned slot);
void journal_unpin(struct journal *j, unsigned slot);

/*
 * Append to the batch that is being collected; payload in two parts. Returns
 * the LSN and sets *ret_slot; 0 if no segment is free for it. must_sync: the
 * batch is synced; otherwise the record is lazy and rides along.
 */
uint64_t journal_append(struct journal *j, enum journal_type type, uint64_t ref, struct str a, struct str b, bool must_sync,
                        unsigned *ret_slot);
/* Would a message with this payload leave one segment for the records that end messages? */
bool journal_has_room(const struct journal *j, size_t payload);
/* Segments that are free; the oldest pinned one, or -1. */
unsigned journal_free_segments(const struct journal *j);
int journal_oldest_slot(const struct journal *j);
uint64_t journal_next_lsn(const struct journal *j);
/* Every record up to this one is on stable storage. */
uint64_t journal_durable_lsn(const struct journal *j);
/* Written but not synced (lazy) records exist. */
bool journal_is_dirty(const struct journal *j);

/*
 * Take what was collected; NULL if there is nothing, or a batch is running.
 * sync: sync even if all of it is lazy, or nothing was appended but the ring is
 * dirty. Then journal_batch_run() (any thread), then journal_batch_done().
 */
struct journal_batch;
struct journal_batch *journal_batch_take(struct journal *j, bool sync);
bool journal_batch_syncs(const struct journal_batch *b);
void journal_batch_run(struct journal_batch *b);
/*
 * 0: written, and durable if it syncs. -1: the segment is condemned; the
 * batch's MESSAGE and FILE records are refused for ever; a VOID record over all
 * that is not durable, and what of it ends messages, are appended again. The
 * owner writes each message that it has pinned in *ret_condemned again
 * (JREC_MESSAGE with ref), keeps the pin of the old copy until the new one is
 * durable, and commits again. After a second failure in a row
 * journal_is_failed() is true: take no more mail.
 */
int journal_batch_done(struct journal *j, struct journal_batch **b, unsigned *ret_condemned, struct err *err);
bool journal_is_failed(const struct journal *j);
#endif
