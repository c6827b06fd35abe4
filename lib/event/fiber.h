/* SPDX-License-Identifier: ISC
 *
 * fiber.h - a session as plain code on a stack of its own.
 *
 * A function whose comment says WAITS may let other fibers run. Shared state
 * changes only between waits; what must hold across one is held by an object
 * released by a cleanup. Nothing waits within an LMDB transaction or while it
 * walks over a shared table. Below OpenSSL's frames only tls_sign() waits.
 * Deadlines are absolute monotonic times (deadline_in()).
 *
 * Never on a fiber: NSS, getaddrinfo, regcomp/regexec, dlopen, database
 * clients, crypt: see offload.h.
 *
 * Cancelling sets a flag: every later wait returns WAIT_CANCELLED at once and
 * the code unwinds by itself. fiber_abort() is the exception, for exhausted
 * memory: nothing of the code above runs again, cleanups run in reverse order.
 */
#ifndef EVENT_FIBER_H
#define EVENT_FIBER_H
#include "event/loop.h"

struct fiber;
enum wait { WAIT_OK, WAIT_TIMEOUT, WAIT_CANCELLED };

/* Most fibers at once; fiber_start() returns NULL beyond it. Bounded by vm.max_map_count. */
enum { FIBERS_MAX = 20000 };

/*
 * Run fn(arg) on a new fiber, from the next round of ready fibers on. The name
 * must outlive the fiber; it appears in crash and lag reports. NULL when there
 * is no room or no memory.
 */
struct fiber *fiber_start(const char *name, void (*fn)(void *arg), void *arg);
/* NULL on the loop's own stack. */
struct fiber *fiber_current(void);
void fiber_cancel(struct fiber *f);
bool fiber_is_cancelled(void);
size_t fiber_count(void);
/* Called on an aborted fiber before its cleanups: say 421/BYE/-ERR. */
void fiber_on_abort(void (*fn)(void *arg, const char *why), void *arg);
_Noreturn void fiber_abort(const char *why);

/* WAITS until fd is ready for any of `events` (EPOLLIN, EPOLLOUT). */
enum wait fiber_wait_fd(int fd, uint32_t events, int64_t deadline);
/* WAITS until the time has come (returns WAIT_OK then) or the fiber is cancelled. */
enum wait fiber_sleep(int64_t until);
/* WAITS for one round of the loop if this fiber has run for over 1 ms, else returns at once. */
enum wait fiber_yield(void);

/* A queue of waiting fibers. A zeroed struct is an empty one. */
struct cond { struct list waiters; };
/* WAITS until signalled. */
enum wait cond_wait(struct cond *c, int64_t deadline);
/* Make the first / all waiters ready. Never switches. May be called from the loop's stack. */
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

/* Resources to release should the fiber be aborted; in reverse order. The struct lives on the stack. */
struct cleanup { struct cleanup *below; void (*fn)(void *arg); void *arg; };
void cleanup_push(struct cleanup *c, void (*fn)(void *arg), void *arg);
/* Pops the last one; runs it if asked to. */
void cleanup_pop(struct cleanup *c, bool run);
#endif
