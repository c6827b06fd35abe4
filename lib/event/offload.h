/* SPDX-License-Identifier: ISC
 *
 * offload.h - blocking system calls and computations off the loop.
 *
 * A few threads that run plain functions on copied or exclusively owned
 * arguments: fsync, crypt, regexec. They are created after the sandbox, which
 * is per thread. The function must not touch the loop, fibers, logs or arenas.
 */
#ifndef EVENT_OFFLOAD_H
#define EVENT_OFFLOAD_H
#include "event/fiber.h"

enum { OFFLOAD_THREADS = 4 };

/* Once, after the sandbox has been entered. Without it jobs run inline. */
void offload_start(unsigned threads);

struct job {
    void (*fn)(struct job *job);            /* on a thread */
    void (*done)(struct job *job);          /* afterwards, on the loop */
    struct list node;
};
/* The struct stays untouched by others until done() is called. */
void offload_submit(struct job *job, void (*fn)(struct job *job), void (*done)(struct job *job));
/* WAITS until fn(job) has run on a thread; not cancellable, since the thread uses the job. */
void offload_run(struct job *job, void (*fn)(struct job *job));
#endif
