/* SPDX-License-Identifier: ISC
 *
 * qmsg.h - a message of the queue in memory, and its two forms on disk: the
 * payload of a MESSAGE record, and a queue file as Postfix has it. The forms
 * convert without I/O; only loading a file reads.
 *
 * The recipient numbers of a message never change: they are the order of the
 * recipient records in its envelope, in the journal and in the file.
 */
#ifndef QUEUE_QMSG_H
#define QUEUE_QMSG_H
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "proto/qrec.h"
#include "queue/qid.h"
#include "queue/qio.h"

enum qplace { QPLACE_RING, QPLACE_INCOMING, QPLACE_ACTIVE, QPLACE_DEFERRED, QPLACE_HOLD, QPLACE_CORRUPT };
const char *qplace_name(enum qplace place);     /* the directory */

struct qrcpt {
    struct str address, orig, orcpt;
    uint32_t notify;
    bool done;                  /* delivered, bounced, or replaced */
    uint64_t mark_at;           /* offset of its type byte in the file; 0 = not in a file */
    /* For the owner: */
    struct list node;
    void *job;
    struct str transport, nexthop;  /* route; empty transport = not resolved yet */
    char *reason;               /* why it was deferred (malloc), or NULL */
    char *remote_mta, *remote_reply;
    char dsn[16];
    uint8_t outcome, state, strikes, maybe_done;
};

struct qmsg;
struct qsettle { struct qmsg *of; uint32_t n; };

struct qmsg {
    char id[QID_MAX + 1];
    enum qplace place;
    uint64_t arrival_us;
    uint32_t flags;             /* enum msg_flags of the schema */
    uint32_t ret;
    bool complete;              /* file: E record seen */
    bool foreign;               /* file that was not written by us */
    struct str sender, envid, filter;
    struct str attrs;           /* A records, whole */
    uint64_t warn_at;           /* seconds; 0 = none */
    uint64_t warn_mark;         /* offset of the W record in the file, 0 = none */
    struct qrcpt *rcpts;
    uint32_t n_rcpt, n_left;
    /* Envelope as it came (records without C, T, M), owned. */
    struct buf envelope, routes, attr_buf;
    /* Content records in memory, or none when it is in the file only. */
    struct buf content;
    uint64_t content_size;      /* bytes of the message text */
    uint64_t content_at, content_end;   /* in the file */
    uint64_t file_size;
    uint64_t lsn, old_lsn;      /* of its MESSAGE record; 0 = none; and of the durable one, while a new one is being written */
    unsigned slot, old_slot;    /* ring segment that it pins, if pinned; that of its durable copy, while a new one is being written */
    bool pinned, old_pinned;
    uint64_t moved_lsn;         /* of its MOVED record */
    bool in_memory;             /* content is complete in memory */
    unsigned holds;             /* a REPLACE that is being written refers to it: do not free */
    struct qsettle *settles;    /* this message replaces these recipients */
    uint32_t n_settles;
    bool durable;
    struct list commit_node;    /* queue.c: in the batch that is collected or written */
    /* For the owner: */
    struct list node;
    void *user;
};

struct qmsg *qmsg_new(const char *id);
void qmsg_free(struct qmsg *m);

enum { QMSG_RCPT_MAX = 1 << 20 };
/*
 * Fill the fields from m->envelope (and m->routes). Refuses records that an
 * envelope may not have, malformed values and addresses, and a wrong count.
 * allowed: the record types that the sender of the envelope may use.
 */
int qmsg_parse_envelope(struct qmsg *m, const char *allowed, uint32_t n_rcpt, struct err *err);
/* What an envelope over a channel may hold. */
#define QMSG_CHANNEL_RECORDS "AS<iLVonOR"

/* Payload of a MESSAGE record: head (without the content) into *out; the content follows it. */
void qmsg_put_journal(const struct qmsg *m, struct buf *out);
/* NULL and *err when the payload is not what qmsg_put_journal writes. */
struct qmsg *qmsg_from_journal(struct str payload, struct err *err);

/* The whole file; sets mark_at of the recipients and content_at/end. m->content must be in memory. */
void qmsg_put_file(struct qmsg *m, struct buf *out);
/* The file up to and including M, for content that somebody else appends; the C record is patched later. */
void qmsg_put_file_head(struct qmsg *m, struct buf *out);
/* X and E. */
void qmsg_put_file_end(struct buf *out);
/* The C record of the message, QMSG_SIZE_RECORD bytes at offset 0. */
void qmsg_put_size_record(const struct qmsg *m, struct buf *out);

/*
 * Load the envelope from a queue file (not the content). ERR_PROTO: not a
 * queue file, or truncated; ERR_TEMP: cannot be read; ERR_NONE with NULL: gone,
 * or still being written.
 */
struct qmsg *qmsg_load(struct qio *io, enum qplace place, const char *id, struct err *err);
/* Content records of a file message, into m->content. */
int qmsg_load_content(struct qio *io, struct qmsg *m, struct err *err);
#endif
