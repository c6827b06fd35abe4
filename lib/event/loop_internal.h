/* SPDX-License-Identifier: ISC
 *
 * loop_internal.h - what the loop, the fibers and the threads share.
 *
 * Descriptors that fibers wait for live in a table indexed by descriptor, so
 * that waiting costs at most one epoll_ctl, and none for a connection: those
 * are registered once, edge triggered, and remember readiness that nobody was
 * waiting for.
 */
#ifndef EVENT_LOOP_INTERNAL_H
#define EVENT_LOOP_INTERNAL_H
#include "event/fiber.h"
#include "event/loop.h"

/* loop_run() goes on as long as the sum of these is above zero. */
void loop_ref(int n);
/* A watch that does not keep loop_run() from ending. */
void loop_watch_background(struct watch *w, int fd, uint32_t events, void (*fn)(struct watch *w, uint32_t events));
/* A timer that does not, either. */
void loop_timer_background(struct timer *t, int64_t at, void (*fn)(struct timer *t));
/* Account for what ran since loop_lag_start(). */
void loop_lag_start(void);
void loop_lag_end(const char *name);
/* Microseconds-free "has it run for long": ms since loop_lag_start(). */
int64_t loop_lag_ms(void);

enum fd_mode { FD_UNKNOWN, FD_ONESHOT, FD_EDGE };
/* Events for the fiber waiting on fd; calls fiber_fd_ready(). */
void loop_fd_arm(int fd, uint32_t events, enum fd_mode mode, bool known);
void loop_fd_disarm(int fd);
/* Called by the loop when fd has events. In fiber.c. */
void fiber_fd_ready(int fd, uint32_t events);
/* Run every fiber that is ready now; those that become ready meanwhile run in the next turn. */
void fiber_run_ready(void);
bool fiber_any_ready(void);
/* A child after fork: nothing of the parent's fibers is left. */
void fiber_reset_after_fork(void);

/*
 * WAITS as fiber_wait_fd(), edge triggered: the caller has just met EAGAIN, or
 * read less than it asked for.
 */
enum wait fiber_wait_edge(int fd, uint32_t events, int64_t deadline);
/* Forget readiness that is about to be used up. */
void fiber_edge_clear(int fd, uint32_t events);
/* Has the other end hung up, so that a short read is no proof of emptiness? */
bool fiber_edge_hup(int fd);
/* A new descriptor under this number: forget what was known of the old one. */
void fiber_fd_fresh(int fd);
/* Take fd out of epoll, before it is closed or given away. */
void fiber_fd_forget(int fd);
/* WAITS until *done, whatever the fiber's deadline or cancellation. */
void fiber_wait_uncancellable(struct cond *c, const bool *done);
#endif
