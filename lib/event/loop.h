/* SPDX-License-Identifier: ISC
 *
 * loop.h - the one event loop of a process (epoll, timers, end-of-turn work).
 *
 * A turn is: wait for descriptors and timers, run their callbacks, run the
 * fibers that became ready, run the deferred work (each once). Callbacks must not wait:
 * code that waits runs on a fiber (fiber.h). Everything here belongs to the
 * main thread.
 */
#ifndef EVENT_LOOP_H
#define EVENT_LOOP_H
#include "base/heap.h"
#include "base/list.h"
#include "os/clock.h"

/* Once, before any other call here; again after fork in a child that keeps no watch. */
void loop_init(void);
/* In a child: closes what the parent's loop had open. A child that puts descriptors at numbers of its choice does this first, and loop_init() after it. */
void loop_abandon(void);
/* Runs until loop_stop(), or until nothing is left to wait for. */
void loop_run(void);
/* One turn that waits at most until `deadline`. For tests and drains. */
void loop_turn(int64_t deadline);
void loop_stop(void);
/* The monotonic time at the start of this turn. */
int64_t loop_now(void);

struct timer { struct heap_node node; void (*fn)(struct timer *t); };
/* One shot. Setting a pending timer moves it; a zeroed struct is a timer that is not set. */
void timer_set(struct timer *t, int64_t at, void (*fn)(struct timer *t));
void timer_cancel(struct timer *t);

/* Events are EPOLLIN / EPOLLOUT (level triggered); errors are reported as whatever was asked for. */
struct watch { int fd; uint32_t events; void (*fn)(struct watch *w, uint32_t events); };
/* The struct must be zeroed before its first use and stay until watch_stop(). events may be changed by calling again. */
void watch_start(struct watch *w, int fd, uint32_t events, void (*fn)(struct watch *w, uint32_t events));
void watch_stop(struct watch *w);

/* Work for the end of this turn: one append for all that arrived, one flush per connection. */
struct deferred { struct list node; void (*fn)(struct deferred *d); };
/* No effect if it is queued already. A zeroed struct is ready for use. */
void loop_defer(struct deferred *d, void (*fn)(struct deferred *d));
/* Take it back: needed before the struct is freed. No effect when it is not queued. */
void loop_defer_cancel(struct deferred *d);

/*
 * Longest time over 100 ms that one callback or fiber has kept the loop since
 * the last call, and its name. False: there was none. The program logs it.
 */
bool loop_take_lag(int64_t *ret_ms, const char **ret_name);
/* Called at the end of a turn in which that happened (with loop_take_lag's results), instead of asking. */
void loop_on_lag(void (*fn)(int64_t ms, const char *name));

/* Signals are blocked and arrive here, on the loop, as calls. */
void loop_on_signal(int signo, void (*fn)(int signo));
#endif
