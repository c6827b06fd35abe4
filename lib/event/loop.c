/* SPDX-License-Identifier: ISC */
#include "event/loop_internal.h"
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { BATCH = 64, TIMERS_PER_TURN = 4096, LAG_MS = 100, SIGNALS = 65 };

static struct {
    int epfd;
    struct heap timers;
    struct list deferred;
    struct epoll_event batch[BATCH];
    int n_batch, at_batch;
    int64_t now;
    int refs;                   /* watches, timers, waiting fibers, jobs */
    bool stopped;
    int64_t lag_start, lag_worst;
    const char *lag_name;
    void (*on_lag)(int64_t ms, const char *name);
    struct watch signal_watch;
    void (*on_signal[SIGNALS])(int signo);
    sigset_t signals;
} loop = { .epfd = -1 };

void loop_abandon(void)
{
    if (loop.epfd < 0)
        return;
    (void)close(loop.epfd);
    if (loop.signal_watch.fn != NULL)
        (void)close(loop.signal_watch.fd);
    heap_done(&loop.timers);
    fiber_reset_after_fork();
    loop.epfd = -1;
}

void loop_init(void)
{
    loop_abandon();
    memset(&loop, 0, sizeof loop);
    loop.epfd = epoll_create1(EPOLL_CLOEXEC);
    ASSERT(loop.epfd >= 0);
    list_init(&loop.deferred);
    (void)sigemptyset(&loop.signals);
    loop.now = clock_mono_ms();
    /* A peer that went away is an error of the write, not of the process. */
    (void)signal(SIGPIPE, SIG_IGN);
}

int64_t loop_now(void) { return loop.now; }
void loop_stop(void) { loop.stopped = true; }
void loop_ref(int n) { loop.refs += n; }

void timer_set(struct timer *t, int64_t at, void (*fn)(struct timer *t))
{
    if (at == FOREVER) {
        timer_cancel(t);
        return;
    }
    if (!heap_has(&t->node))
        loop.refs++;
    t->fn = fn;
    heap_set(&loop.timers, &t->node, at);
}

void loop_timer_background(struct timer *t, int64_t at, void (*fn)(struct timer *t))
{
    if (heap_has(&t->node))
        loop.refs++;
    timer_set(t, at, fn);
    loop.refs--;
}

void timer_cancel(struct timer *t)
{
    if (!heap_has(&t->node))
        return;
    heap_remove(&loop.timers, &t->node);
    loop.refs--;
}

/* Pointers are even, descriptors are kept as odd numbers. */
static void control(int fd, uint32_t events, uint64_t data, bool known)
{
    struct epoll_event ev = { .events = events, .data.u64 = data };
    int first = known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, second = known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (epoll_ctl(loop.epfd, first, fd, &ev) == 0)
        return;
    int rc = errno == ENOENT || errno == EEXIST ? epoll_ctl(loop.epfd, second, fd, &ev) : -1;
    ASSERT(rc == 0);
}

void loop_watch_background(struct watch *w, int fd, uint32_t events, void (*fn)(struct watch *w, uint32_t events))
{
    ASSERT(loop.epfd >= 0 && fn != NULL);
    bool known = w->fn != NULL && w->fd == fd;
    if (!known || w->events != events)
        control(fd, events, (uint64_t)(uintptr_t)w, known);
    *w = (struct watch){ .fd = fd, .events = events, .fn = fn };
}

void watch_start(struct watch *w, int fd, uint32_t events, void (*fn)(struct watch *w, uint32_t events))
{
    if (w->fn == NULL)
        loop.refs++;
    loop_watch_background(w, fd, events, fn);
}

/* Events of this batch that have not been looked at must not reach a watch that is gone. */
static void forget_batch(uint64_t data)
{
    for (int i = loop.at_batch; i < loop.n_batch; i++)
        if (loop.batch[i].data.u64 == data)
            loop.batch[i].data.u64 = 0;
}

void watch_stop(struct watch *w)
{
    if (w->fn == NULL)
        return;
    (void)epoll_ctl(loop.epfd, EPOLL_CTL_DEL, w->fd, NULL);
    w->fn = NULL;
    loop.refs--;
    forget_batch((uint64_t)(uintptr_t)w);
}

static uint64_t fd_data(int fd) { return (uint64_t)(uint32_t)fd << 1 | 1; }

void loop_fd_arm(int fd, uint32_t events, enum fd_mode mode, bool known)
{
    uint32_t how = mode == FD_EDGE ? (uint32_t)(EPOLLET | EPOLLRDHUP) : (uint32_t)EPOLLONESHOT;
    ASSERT(loop.epfd >= 0);
    control(fd, events | how, fd_data(fd), known);
}

void loop_fd_disarm(int fd)
{
    (void)epoll_ctl(loop.epfd, EPOLL_CTL_DEL, fd, NULL);
    forget_batch(fd_data(fd));
}

void loop_defer(struct deferred *d, void (*fn)(struct deferred *d))
{
    if (d->fn != NULL)
        return;
    d->fn = fn;
    list_append(&loop.deferred, &d->node);
}

void loop_defer_cancel(struct deferred *d)
{
    if (d->fn == NULL)
        return;
    list_remove(&d->node);
    d->fn = NULL;
}

/* What is deferred while these run is for the end of the next turn. */
static void run_deferred(void)
{
    struct list now;
    if (list_is_empty(&loop.deferred))
        return;
    list_init(&now);
    list_insert_before(loop.deferred.next, &now);
    list_remove(&loop.deferred);
    while (!list_is_empty(&now)) {
        struct deferred *d = container_of(now.next, struct deferred, node);
        void (*fn)(struct deferred *) = d->fn;
        list_remove(&d->node);
        d->fn = NULL;
        loop_lag_start();
        fn(d);
        loop_lag_end("deferred work");
    }
}

static void run_timers(void)
{
    struct heap_node *top;
    for (int i = 0; i < TIMERS_PER_TURN && (top = heap_top(&loop.timers)) != NULL && top->key <= loop.now; i++) {
        struct timer *t = container_of(top, struct timer, node);
        timer_cancel(t);
        loop_lag_start();
        t->fn(t);
        loop_lag_end("a timer");
    }
}

static uint32_t spread_errors(uint32_t got, uint32_t asked)
{
    return got & (EPOLLERR | EPOLLHUP) ? got | (asked & (EPOLLIN | EPOLLOUT)) : got;
}

static void run_batch(void)
{
    for (loop.at_batch = 0; loop.at_batch < loop.n_batch; ) {
        const struct epoll_event ev = loop.batch[loop.at_batch++];
        if (ev.data.u64 == 0)
            continue;
        if (ev.data.u64 & 1) {
            fiber_fd_ready((int)(uint32_t)(ev.data.u64 >> 1), ev.events);
            continue;
        }
        struct watch *w = (struct watch *)(uintptr_t)ev.data.u64;
        loop_lag_start();
        w->fn(w, spread_errors(ev.events, w->events));
        loop_lag_end("a descriptor's callback");
    }
    loop.n_batch = loop.at_batch = 0;
}

static int wait_ms(int64_t deadline)
{
    const struct heap_node *top = heap_top(&loop.timers);
    int64_t until = top != NULL ? MIN(top->key, deadline) : deadline;
    if (fiber_any_ready() || !list_is_empty(&loop.deferred))
        return 0;
    if (until == FOREVER)
        return -1;
    int64_t ms = until - clock_mono_ms();
    return (int)MAX(0, MIN(ms, 3600 * 1000));
}

static void report_lag(void)
{
    int64_t ms;
    const char *name;
    if (loop.on_lag != NULL && loop_take_lag(&ms, &name))
        loop.on_lag(ms, name);
}

void loop_on_lag(void (*fn)(int64_t ms, const char *name)) { loop.on_lag = fn; }

void loop_turn(int64_t deadline)
{
    int n = epoll_wait(loop.epfd, loop.batch, BATCH, wait_ms(deadline));
    ASSERT(n >= 0 || errno == EINTR);
    loop.n_batch = MAX(n, 0);
    loop.now = clock_mono_ms();
    run_batch();
    run_timers();
    fiber_run_ready();
    run_deferred();
    report_lag();
}

void loop_run(void)
{
    loop.stopped = false;
    while (!loop.stopped && (loop.refs > 0 || fiber_any_ready() || !list_is_empty(&loop.deferred)))
        loop_turn(FOREVER);
}

void loop_lag_start(void) { loop.lag_start = clock_mono_ms(); }
int64_t loop_lag_ms(void) { return clock_mono_ms() - loop.lag_start; }

void loop_lag_end(const char *name)
{
    int64_t ms = loop_lag_ms();
    if (ms <= LAG_MS || ms <= loop.lag_worst)
        return;
    loop.lag_worst = ms;
    loop.lag_name = name;
}

bool loop_take_lag(int64_t *ret_ms, const char **ret_name)
{
    if (loop.lag_worst == 0)
        return false;
    *ret_ms = loop.lag_worst;
    *ret_name = loop.lag_name;
    loop.lag_worst = 0;
    return true;
}

static void signal_ready(struct watch *w, uint32_t events)
{
    struct signalfd_siginfo info;
    (void)events;
    while (read(w->fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo < SIGNALS && loop.on_signal[info.ssi_signo] != NULL)
            loop.on_signal[info.ssi_signo]((int)info.ssi_signo);
}

void loop_on_signal(int signo, void (*fn)(int signo))
{
    ASSERT(signo > 0 && signo < SIGNALS);
    loop.on_signal[signo] = fn;
    (void)sigaddset(&loop.signals, signo);
    (void)sigprocmask(SIG_BLOCK, &loop.signals, NULL);
    int old = loop.signal_watch.fn != NULL ? loop.signal_watch.fd : -1;
    int fd = signalfd(old, &loop.signals, SFD_NONBLOCK | SFD_CLOEXEC);
    ASSERT(fd >= 0);
    if (old < 0)
        loop_watch_background(&loop.signal_watch, fd, EPOLLIN, signal_ready);
}
