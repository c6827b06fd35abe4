/* SPDX-License-Identifier: ISC
 *
 * queue.h - the mail queue: a journal with files behind it.
 *
 * Ties journal, messages and queue files together so that at any instant a
 * crash leaves one of the states of FORMAT.md. It does not schedule, log or
 * wait: what blocks (a batch, a spill, the end of a large message) is a
 * begin / run / done triple whose `run` may be called on another thread, and
 * nothing else may be called for that object meanwhile.
 *
 * A message is durable when on_durable has been called for it, never before.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H
#include "base/htab.h"
#include "queue/journal.h"
#include "queue/qmsg.h"

struct queue;
struct queue_ops {
    /* The message is on stable storage: say 250. What it replaces has been settled. */
    void (*on_durable)(void *user, struct qmsg *m);
    /* It could not be written and never will be: say 451 4.3.0. Frees nothing: the owner calls queue_forget. */
    void (*on_refused)(void *user, struct qmsg *m);
};
struct queue {
    struct qio *io;
    struct journal *j;
    struct htab by_id;              /* messages in memory */
    struct list collecting, writing;/* by commit_node: messages whose record is not durable yet */

    const struct queue_ops *ops;
    void *user;
    uint64_t id_number;             /* for queue ids */
    bool long_ids;
    bool rewritten;                 /* some messages have a copy in a condemned segment and a new one that is not durable */
    uint64_t damaged;               /* gaps found by recovery */
    bool (*is_known)(const char *id);   /* queue_scan passes over these without a look at the file; NULL = none */
};

/* The i-th directory of a queue, NULL after the last; queue_make_dirs makes those that are missing. */
const char *queue_dir(size_t i);
int queue_make_dirs(struct qio *io, struct err *err);
#define QUEUE_JOURNAL_PATH "journal"

int queue_open(struct queue *q, struct qio *io, uint64_t journal_size, const struct queue_ops *ops, void *user, struct err *err);
/*
 * Reads the ring, then incoming/ and active/ (a file wins over the ring when
 * its LSN matches). found() is called for each live message, which is then in
 * by_id; bad() for each file that cannot be taken (it stays where it is unless
 * it is damaged: then it is moved to corrupt/). Deferred and held files are
 * only listed, by queue_scan.
 */
struct queue_found {
    void (*found)(void *user, struct qmsg *m);
    void (*bad)(void *user, const char *path, const struct err *why);
};
int queue_recover(struct queue *q, const struct queue_found *found, struct err *err);
void queue_close(struct queue *q);

/* Each queue file of a directory: id and modification time (deferred: when to try again). */
int queue_scan(struct queue *q, enum qplace place, void (*fn)(void *arg, const char *id, const struct qio_stat *st), void *arg);
/* Load an envelope into memory (content too, if it has at most content_max bytes of records); in by_id afterwards. */
struct qmsg *queue_load(struct queue *q, enum qplace place, const char *id, uint64_t content_max, struct err *err);
struct qmsg *queue_find(const struct queue *q, struct str id);
/* A fresh id, unique among the messages in memory; taken(id) may refuse more. */
void queue_new_id(struct queue *q, bool (*taken)(void *user, const char *id), char ret[QID_MAX + 1]);

/* Room for such a message in the ring? payload: bytes of envelope, routes and content. */
bool queue_has_room(const struct queue *q, size_t payload);
/*
 * Append m (parsed, content in memory). It becomes the queue's; -1 if the ring
 * is full. With m->settles set, one REPLACE record: the recipients named there
 * are done if and only if m is in the queue.
 */
int queue_submit(struct queue *q, struct qmsg *m);
/*
 * m (parsed, content in memory) has no room in the ring: it becomes the
 * queue's, to be spilled at once, and is not durable before that.
 */
void queue_adopt(struct queue *q, struct qmsg *m);
/* Recipients of m are done (RCPT: lazy; in a file: marked in place). text: for the record. */
void queue_settle(struct queue *q, struct qmsg *m, uint32_t n, unsigned outcome, struct str dsn, struct str text);
/*
 * m has no recipient left: remove it from disk and memory (not while held).
 * A file that was a ring message is removed only after MOVED is durable:
 * returns false and does nothing when a sync is needed first.
 */
bool queue_remove(struct queue *q, struct qmsg *m);
/* The ring has no copy of m that counts. */
void queue_unpin(struct queue *q, struct qmsg *m);
/* Out of memory only; what is on disk stays. */
void queue_forget(struct queue *q, struct qmsg *m);

/* Commit: as journal_batch_*. */
struct journal_batch *queue_commit_begin(struct queue *q, bool sync);
/* -1: I/O error; the refused messages have been reported, live ones appended again: commit again. */
int queue_commit_done(struct queue *q, struct journal_batch *b, struct err *err);

/* Spill: the whole message to a file in `place`. */
struct qspill {
    struct queue *q;
    struct qmsg *m;
    enum qplace place;
    struct buf data;
    int64_t mtime;              /* deferred: when to try again; 0 = now */
    int error;                  /* errno of the failure */
    const char *what;
};
void queue_spill_begin(struct queue *q, struct qmsg *m, enum qplace place, int64_t mtime, struct qspill *s);
void queue_spill_run(struct qspill *s);
/* 0: it is a file now. -1: it stays live in the ring. */
int queue_spill_done(struct qspill *s, struct err *err);
/* Move a file message to another directory. durable: sync both. */
int queue_move(struct queue *q, struct qmsg *m, enum qplace place, int64_t mtime, bool durable, struct err *err);
/* The delay warning has been sent. */
void queue_clear_warn(struct queue *q, struct qmsg *m);

/*
 * A large message: the file with its envelope, in incoming/ID.tmp; returns a
 * descriptor for the writer. Then queue_big_run on another thread after the
 * writer has closed: checks, ends, syncs and renames it.
 */
struct qbig { struct queue *q; struct qmsg *m; int fd; uint64_t records_size; uint32_t crc; int error; const char *what; bool no_lease; };
int queue_big_begin(struct queue *q, struct qmsg *m, struct qbig *b, int *ret_fd, struct err *err);
void queue_big_run(struct qbig *b);
/* 0: appended as FILE, durable with the next commit. -1: refused, file removed. */
int queue_big_done(struct qbig *b, struct err *err);
void queue_big_abort(struct qbig *b);

/* Read-only descriptor of a file message. */
int queue_open_file(struct queue *q, const struct qmsg *m);
/* Remove queue file and defer log by path; for tools and orders. */
int queue_remove_file(struct qio *io, enum qplace place, const char *id);
/* The defer log of a message (defer/X/ID): why each recipient that is left was deferred. */
void queue_write_reasons(struct queue *q, const struct qmsg *m);
void queue_remove_reasons(struct queue *q, const char *id);
#endif
