/* SPDX-License-Identifier: ISC
 *
 * pool.h - processes that do what blocks, and the queues before them: one pool
 * per kind of work, so that a PAM module that hangs holds up PAM only.
 *
 * A pool's processes are of one role and started on demand, up to a limit.
 * Each works on at most `depth` tasks at a time. Waiting tasks stand in lanes,
 * one per client network (an IPv4 address, an IPv6 /64), and the lanes take
 * turns: who sends 200 logins keeps nobody else waiting for them. The queue is
 * bounded; when it is full, the last task of the longest lane gives way to one
 * of a shorter lane, or the new one is refused.
 *
 * A task ends with an answer, or without one after its deadline. A process that
 * dies or does not answer costs the tasks that it had in work; the one that
 * does not answer is killed (GIVE_UP) and replaced.
 */
#ifndef AUTHD_POOL_H
#define AUTHD_POOL_H
#include "base/list.h"
#include "event/loop.h"
#include "ipc/chan.h"

enum pool_kind { POOL_PAM, POOL_HASH, POOL_KINDS };

/* Within what Postfix waits for (10 s) together with the penalty of its side. */
enum { POOL_TIMEOUT_MS = 6000 };

/* Embedded by the asker, who keeps it and what `ask` points to until it ends or is cancelled. */
struct pool_task {
    enum pool_kind kind;
    enum ipc_type type;         /* what is asked: a message of the pool's role */
    const void *ask;
    struct str client;          /* address, for the lanes; "" = one lane for all such */
    int64_t deadline;           /* loop_now() at most; 0 = POOL_TIMEOUT_MS from now */
    /* msg: the answer, valid during the call; NULL: there is none. The task is over, and may be freed or started again. */
    void (*on_end)(struct pool_task *task, enum ipc_type type, const void *msg);
    /* private to pool.c */
    struct list node;
    struct timer timer;
    struct pool_lane *lane;     /* while it waits */
    struct pool_slot *slot;     /* while it is in work */
};

/* False: the queue is full, or the question holds more than fits one; on_end will not be called. */
bool pool_start(struct pool_task *task);
/* on_end will not be called any more. */
void pool_stop(struct pool_task *task);
/* master introduced a process. */
void pool_add(enum pool_kind kind, const struct ipc_peer *peer, int fd);
/* Have a process ready before the first one is needed. */
void pool_warm(enum pool_kind kind);
/* Tasks without a process. */
size_t pool_waiting(enum pool_kind kind);

/* A VERIFY question, to the pool of its back end ("hash", "make" and "scram"; "pam", "passwd"). The strings of ask stay valid until done() or cancel. */
struct pool_job {
    struct ipc_verify ask;
    void (*done)(struct pool_job *job, const struct ipc_verdict *answer);     /* NULL: nobody could say */
    void *arg;
    struct pool_task task;      /* private */
};
bool pool_submit(struct pool_job *job);
void pool_cancel(struct pool_job *job);
#endif
