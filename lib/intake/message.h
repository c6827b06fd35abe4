/* SPDX-License-Identifier: ISC
 *
 * message.h - a message being taken in: envelope, header fix-ups, content
 * records, and the hand-over to qmgr (Postfix's cleanup). Used by the SMTP
 * engine and by pickup.
 *
 *   intake_begin -> intake_sender -> intake_rcpt... -> intake_start_content
 *   -> (intake_line... , intake_flow after each block) -> intake_commit
 *   or intake_abandon at any time.
 *
 * A message up to queue_inline_limit stays in memory and goes in one frame; a
 * larger one is written to a queue file that qmgr opened. Nothing is in the
 * queue before intake_commit() returned true. After any failure the rest of
 * the content is swallowed and the commit says what to answer.
 */
#ifndef INTAKE_MESSAGE_H
#define INTAKE_MESSAGE_H
#include "intake/expand.h"
#include "intake/header.h"
#include "intake/queue_client.h"
#include "proto/smtp_cmd.h"

/* What a process needs to take mail in; opened before the drop, shared by its sessions. */
struct intake {
    const struct intake_conf *conf;
    const struct resolve_conf *rconf;
    struct resolve *resolve;
    struct expand *expand;
    struct queue_client *queue;
    struct map_list *header_checks;
    /* One line for the administrator under Postfix's program name ("postfix/cleanup"). */
    void (*log)(const char *program, struct str line);
};
/* Opens the tables. -1 and *err. queue and log are the caller's to set. */
int intake_open(struct intake *in, const struct intake_conf *conf, const struct resolve_conf *rconf, struct config *config, struct err *err);
void intake_close(struct intake *in);
void intake_log(const struct intake *in, const char *program, const char *fmt, ...) PRINTF_LIKE(3, 4);

struct intake_msg {
    struct intake *in;
    struct arena *arena;            /* of the transaction */
    char id[QUEUE_ID_MAX];          /* "" = none yet */
    uint64_t arrival_us;
    unsigned flags;                 /* enum msg_flags of ipc/schema_deliver.h */
    struct str sender;              /* as it goes into the queue */
    struct str token;               /* authd's, with sasl_username */
    uint32_t n_rcpt;                /* R records */
    bool fix_headers;               /* a local or authenticated client: add From, Date, Message-ID */
    struct str refused;             /* "DSN text": it goes back to its sender with this, as it is, instead of to its recipients */
    enum header_context context;    /* whose addresses in the header get rewritten, and how */
    bool discard;                   /* take it, and throw it away */
    struct str origin;              /* "NAME[ADDR]" or "local", for logs */
    struct str from_name;           /* full name for a From that is added, or empty */
    struct queue_reply failed;      /* code 0 = all is well so far */
    uint64_t size;                  /* of the message so far, lines ending in LF */

    /* private */
    struct buf attrs, envelope, rcpts, routes, content;
    struct expand_list seen;        /* recipients already there */
    struct header_pass header;
    struct str prepend;             /* fields from PREPEND actions, lines ending in LF */
    int fd;
    uint64_t epoch, written;
};

/* Zeroes *m. WAITS for a queue id when `deadline` allows; false: answer m->failed. */
bool intake_begin(struct intake_msg *m, struct intake *in, struct arena *a, uint64_t arrival_us, int64_t deadline);
/* An A record of the envelope. */
void intake_attr(struct intake_msg *m, const char *name, struct str value);
/* WAITS. EXPAND_TEMP: 451. */
enum expand_result intake_sender(struct intake_msg *m, struct str address, enum smtp_ret ret, struct str envid, struct err *err);
/*
 * WAITS. One recipient, in standard form: expands, routes, and records it.
 * where: what it resolves to, if no table rewrites it and that is known already; NULL: not known.
 */
enum expand_result intake_rcpt(struct intake_msg *m, struct str address, unsigned notify, struct str orcpt, const struct resolved *where, struct err *err);
/* A header field to put on top ("Name: value"). */
void intake_prepend(struct intake_msg *m, struct str field);
/* WAITS (bcc tables). Ends the envelope; received: the trace field, in lines joined by LF. False: answer m->failed. */
bool intake_start_content(struct intake_msg *m, struct str received);
/* WAITS for tables that rewrite or check the header. */
void intake_line(struct intake_msg *m, struct str line, bool ends);
/* WAITS when there is a lot of content: opens the queue file and writes to it. */
void intake_flow(struct intake_msg *m, int64_t deadline);
/* WAITS until the message is durable. False: answer m->failed. The message is done with either way. */
bool intake_commit(struct intake_msg *m, int64_t deadline);
/* Frees what it holds; tells qmgr that nothing will come. A zeroed struct and a committed message are fine. */
void intake_abandon(struct intake_msg *m);
#endif
