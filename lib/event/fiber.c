/* SPDX-License-Identifier: ISC */
#include "event/fiber.h"
#include "base/arena.h"
#include "event/fiber_stack.h"
#include "event/loop_internal.h"
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { WARM_STACKS = 64, TRIM_AFTER_MS = 5000, YIELD_MS = 1 };

struct fiber {
    struct fiber_stack stack;
    const char *name;
    void (*fn)(void *arg);
    void *arg;
    struct list ready;          /* in the ready list, or the free list */
    struct list waiting;        /* in a cond's list */
    struct list all;
    struct timer timer;
    int64_t waiting_since;
    int wait_fd;                /* -1: none */
    uint32_t wait_events;
    enum wait result;
    bool is_waiting, cancelled, uncancellable, aborting, trimmed;
    void (*on_abort)(void *arg, const char *why);
    void *on_abort_arg;
    struct cleanup *cleanups;
};

/* What is known of a descriptor that fibers wait for. */
struct fd_slot {
    struct fiber *reader, *writer;
    uint32_t armed;             /* events registered, edge mode */
    uint32_t ready;             /* happened while nobody waited, edge mode */
    uint8_t mode;               /* enum fd_mode */
    bool hup;
};

static struct {
    struct fiber *current;
    struct list ready, free, all;
    size_t count, warm;
    struct fd_slot *slots;
    size_t n_slots;
    struct timer trim;
    bool inited;
} fibers;

static void on_fault(int signo, siginfo_t *info, void *context);

static void exhausted(const char *why)
{
    if (fibers.current != NULL && !fibers.current->aborting)
        fiber_abort(why);
}

/* An overrun stack cannot run the handler, so it has one of its own. */
static void catch_overruns(void)
{
#ifndef POSTERN_SANITIZED
    static char stack[16384];
    stack_t alt = { .ss_sp = stack, .ss_size = sizeof stack };
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND };
    (void)sigaltstack(&alt, NULL);
    (void)sigaction(SIGSEGV, &sa, NULL);
    (void)sigaction(SIGBUS, &sa, NULL);
#else
    (void)on_fault;
#endif
}

static void init_once(void)
{
    if (fibers.inited)
        return;
    list_init(&fibers.ready);
    list_init(&fibers.free);
    list_init(&fibers.all);
    fibers.inited = true;
    memory_set_abort(exhausted);
    catch_overruns();
}

/* The stacks of the parent's fibers are ours too, but nothing runs on them again. */
void fiber_reset_after_fork(void)
{
    free(fibers.slots);
    memset(&fibers, 0, sizeof fibers);
}

static void say(const char *z)
{
    ssize_t n = write(STDERR_FILENO, z, strlen(z));
    (void)n;
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    (void)context;
    const struct fiber *f = fibers.current;
    say(signo == SIGBUS ? "panic: bus error" : "panic: segmentation fault");
    if (f != NULL) {
        say(fiber_stack_is_guard(&f->stack, info->si_addr) ? ": stack overrun in fiber " : " in fiber ");
        say(f->name);
    }
    say("\n");
    /* SA_RESETHAND: returning repeats the fault, and the process dies of it. */
}

struct fiber *fiber_current(void) { return fibers.current; }
size_t fiber_count(void) { return fibers.count; }
bool fiber_any_ready(void) { return fibers.inited && !list_is_empty(&fibers.ready); }
bool fiber_is_cancelled(void) { return fibers.current != NULL && fibers.current->cancelled; }

void fiber_on_abort(void (*fn)(void *arg, const char *why), void *arg)
{
    fibers.current->on_abort = fn;
    fibers.current->on_abort_arg = arg;
}

void cleanup_push(struct cleanup *c, void (*fn)(void *arg), void *arg)
{
    struct fiber *f = fibers.current;
    *c = (struct cleanup){ .fn = fn, .arg = arg };
    if (f == NULL)
        return;
    c->below = f->cleanups;
    f->cleanups = c;
}

void cleanup_pop(struct cleanup *c, bool run)
{
    struct fiber *f = fibers.current;
    if (f != NULL) {
        ASSERT(f->cleanups == c);
        f->cleanups = c->below;
    }
    if (run)
        c->fn(c->arg);
}

static _Noreturn void end_of_fiber(void)
{
    struct fiber *f = fibers.current;
    ASSERT(f->cleanups == NULL);
    f->fn = NULL;
    fiber_stack_leave(&f->stack, true);
    UNREACHABLE();
}

/*
 * Cleanups and what they release live in the frames below us, so everything
 * runs from here, as deep as it happened; the frames are dropped afterwards.
 */
_Noreturn void fiber_abort(const char *why)
{
    struct fiber *f = fibers.current;
    ASSERT(f != NULL && !f->aborting);
    f->aborting = true;
    if (f->on_abort != NULL)
        f->on_abort(f->on_abort_arg, why);
    while (f->cleanups != NULL) {
        struct cleanup *c = f->cleanups;
        f->cleanups = c->below;
        c->fn(c->arg);
    }
    end_of_fiber();
}

static _Noreturn void base_of_fiber(void)
{
    fiber_stack_entered();
    fibers.current->fn(fibers.current->arg);
    end_of_fiber();
}

/* Stacks of fibers that sleep for long keep only the pages in use. */
static void trim_idle(struct timer *t)
{
    LIST_EACH(it, &fibers.all) {
        struct fiber *f = container_of(it, struct fiber, all);
        if (!f->is_waiting || f->trimmed || loop_now() - f->waiting_since < TRIM_AFTER_MS)
            continue;
        fiber_stack_trim(&f->stack, false);
        f->trimmed = true;
    }
    loop_ref(1);                /* firing counted a timer out that was never counted in */
    loop_timer_background(t, loop_now() + TRIM_AFTER_MS, trim_idle);
}

static struct fiber *take_free(void)
{
    if (!list_is_empty(&fibers.free)) {
        struct fiber *f = container_of(fibers.free.next, struct fiber, ready);
        list_remove(&f->ready);
        if (fibers.warm > 0)
            fibers.warm--;
        return f;
    }
    struct fiber *f = calloc(1, sizeof *f);
    if (f != NULL && !fiber_stack_map(&f->stack)) {
        free(f);
        return NULL;
    }
    return f;
}

struct fiber *fiber_start(const char *name, void (*fn)(void *arg), void *arg)
{
    init_once();
    struct fiber *f = fibers.count < FIBERS_MAX ? take_free() : NULL;
    if (f == NULL)
        return NULL;
    struct fiber_stack stack = f->stack;
    memset(f, 0, sizeof *f);
    f->stack = stack;
    f->name = name;
    f->fn = fn;
    f->arg = arg;
    f->wait_fd = -1;
    list_init(&f->waiting);
    fiber_stack_prepare(&f->stack, base_of_fiber);
    fiber_stack_in_use(&f->stack, true);
    list_append(&fibers.ready, &f->ready);
    list_append(&fibers.all, &f->all);
    if (fibers.count++ == 0)
        loop_timer_background(&fibers.trim, loop_now() + TRIM_AFTER_MS, trim_idle);
    return f;
}

/* Stacks beyond a warm few give their memory back; the mapping stays for the next. */
static void retire(struct fiber *f)
{
    list_remove(&f->all);
    fiber_stack_in_use(&f->stack, false);
    if (fibers.warm < WARM_STACKS) {
        fibers.warm++;
        list_prepend(&fibers.free, &f->ready);
    } else {
        fiber_stack_trim(&f->stack, true);
        list_append(&fibers.free, &f->ready);
    }
    if (--fibers.count == 0) {
        loop_ref(1);            /* the timer was in the background */
        timer_cancel(&fibers.trim);
    }
}

static void run(struct fiber *f)
{
    const char *name = f->name;
    fibers.current = f;
    loop_lag_start();
    fiber_stack_enter(&f->stack);
    loop_lag_end(name);
    fibers.current = NULL;
    if (f->fn == NULL)
        retire(f);
}

void fiber_run_ready(void)
{
    struct list now;
    if (!fiber_any_ready())
        return;
    list_init(&now);
    list_insert_before(fibers.ready.next, &now);
    list_remove(&fibers.ready);
    while (!list_is_empty(&now)) {
        struct fiber *f = container_of(now.next, struct fiber, ready);
        list_remove(&f->ready);
        run(f);
    }
}

static struct fd_slot *slot_of(int fd)
{
    ASSERT(fd >= 0);
    if ((size_t)fd >= fibers.n_slots) {
        size_t n = MAX((size_t)fd + 1, fibers.n_slots * 2);
        fibers.slots = xrealloc(fibers.slots, n * sizeof *fibers.slots);
        memset(fibers.slots + fibers.n_slots, 0, (n - fibers.n_slots) * sizeof *fibers.slots);
        fibers.n_slots = n;
    }
    return &fibers.slots[fd];
}

static void leave_fd(struct fiber *f)
{
    if (f->wait_fd < 0)
        return;
    struct fd_slot *s = slot_of(f->wait_fd);
    if (s->reader == f)
        s->reader = NULL;
    if (s->writer == f)
        s->writer = NULL;
    f->wait_fd = -1;
}

/* Make a waiting fiber ready; the first reason counts. */
static void wake(struct fiber *f, enum wait why)
{
    if (!f->is_waiting)
        return;
    f->is_waiting = false;
    f->result = why;
    list_remove(&f->waiting);
    leave_fd(f);
    timer_cancel(&f->timer);
    loop_ref(-1);
    list_append(&fibers.ready, &f->ready);
}

static void timed_out(struct timer *t)
{
    struct fiber *f = container_of(t, struct fiber, timer);
    wake(f, WAIT_TIMEOUT);
}

void fiber_cancel(struct fiber *f)
{
    f->cancelled = true;
    if (!f->uncancellable)
        wake(f, WAIT_CANCELLED);
}

/* Every wait passes here. */
static bool may_wait(int64_t deadline, enum wait *ret_why)
{
    struct fiber *f = fibers.current;
    ASSERT(f != NULL);
    if (f->cancelled)
        *ret_why = WAIT_CANCELLED;
    else if (deadline <= loop_now())
        *ret_why = WAIT_TIMEOUT;
    else
        return true;
    return false;
}

static enum wait block(int64_t deadline)
{
    struct fiber *f = fibers.current;
    f->is_waiting = true;
    f->trimmed = false;
    f->waiting_since = loop_now();
    loop_ref(1);
    timer_set(&f->timer, deadline, timed_out);
    fiber_stack_leave(&f->stack, false);
    return f->result;
}

static enum wait block_on_fd(int fd, uint32_t events, int64_t deadline)
{
    struct fiber *f = fibers.current;
    struct fd_slot *s = slot_of(fd);
    ASSERT(!(events & EPOLLIN) || s->reader == NULL);
    ASSERT(!(events & EPOLLOUT) || s->writer == NULL);
    if (events & EPOLLIN)
        s->reader = f;
    if (events & EPOLLOUT)
        s->writer = f;
    f->wait_fd = fd;
    return block(deadline);
}

enum wait fiber_wait_fd(int fd, uint32_t events, int64_t deadline)
{
    enum wait why;
    if (!may_wait(deadline, &why))
        return why;
    struct fd_slot *s = slot_of(fd);
    uint32_t all = events | (s->reader != NULL ? (uint32_t)EPOLLIN : 0) | (s->writer != NULL ? (uint32_t)EPOLLOUT : 0);
    loop_fd_arm(fd, all, FD_ONESHOT, s->mode != FD_UNKNOWN);
    s->mode = FD_ONESHOT;
    return block_on_fd(fd, events, deadline);
}

enum wait fiber_wait_edge(int fd, uint32_t events, int64_t deadline)
{
    enum wait why;
    if (!may_wait(deadline, &why))
        return why;
    struct fd_slot *s = slot_of(fd);
    if (s->mode != FD_EDGE || (s->armed & events) != events) {
        s->armed = events | (s->mode == FD_EDGE ? s->armed : 0);
        s->ready = 0;           /* registering reports what is ready now */
        loop_fd_arm(fd, s->armed, FD_EDGE, s->mode != FD_UNKNOWN);
        s->mode = FD_EDGE;
    }
    if (s->ready & events) {
        s->ready &= ~events;
        return WAIT_OK;
    }
    return block_on_fd(fd, events, deadline);
}

void fiber_edge_clear(int fd, uint32_t events) { slot_of(fd)->ready &= ~events; }
bool fiber_edge_hup(int fd) { return slot_of(fd)->hup; }
void fiber_fd_fresh(int fd) { *slot_of(fd) = (struct fd_slot){ .reader = NULL }; }

void fiber_fd_forget(int fd)
{
    struct fd_slot *s = slot_of(fd);
    ASSERT(s->reader == NULL && s->writer == NULL);
    if (s->mode != FD_UNKNOWN)
        loop_fd_disarm(fd);
    *s = (struct fd_slot){ .reader = NULL };
}

void fiber_fd_ready(int fd, uint32_t events)
{
    const uint32_t bad = EPOLLERR | EPOLLHUP;
    struct fd_slot *s = slot_of(fd);
    uint32_t in = events & (EPOLLIN | EPOLLRDHUP | bad), out = events & (EPOLLOUT | bad);
    struct fiber *reader = s->reader, *writer = s->writer;
    if (events & (EPOLLRDHUP | bad))
        s->hup = true;
    if (in != 0 && reader == NULL)
        s->ready |= EPOLLIN;
    if (out != 0 && writer == NULL)
        s->ready |= EPOLLOUT;
    if (in != 0 && reader != NULL)
        wake(reader, WAIT_OK);
    if (out != 0 && writer != NULL && writer != reader)
        wake(writer, WAIT_OK);
    /* One shot: the other direction's waiter has to be armed again. */
    s = slot_of(fd);
    if (s->mode == FD_ONESHOT && (s->reader != NULL || s->writer != NULL))
        loop_fd_arm(fd, s->reader != NULL ? EPOLLIN : EPOLLOUT, FD_ONESHOT, true);
}

enum wait fiber_sleep(int64_t until)
{
    enum wait why;
    if (!may_wait(until, &why))
        return why == WAIT_CANCELLED ? why : WAIT_OK;
    why = block(until);
    return why == WAIT_CANCELLED ? why : WAIT_OK;
}

enum wait fiber_yield(void)
{
    struct fiber *f = fibers.current;
    if (f == NULL)
        return WAIT_OK;         /* the loop's own stack has nobody to let run */
    if (f->cancelled)
        return WAIT_CANCELLED;
    if (loop_lag_ms() <= YIELD_MS)
        return WAIT_OK;
    list_append(&fibers.ready, &f->ready);
    f->result = WAIT_OK;
    fiber_stack_leave(&f->stack, false);
    return f->cancelled ? WAIT_CANCELLED : WAIT_OK;
}

enum wait cond_wait(struct cond *c, int64_t deadline)
{
    enum wait why;
    if (!may_wait(deadline, &why))
        return why;
    if (c->waiters.next == NULL)
        list_init(&c->waiters);
    list_append(&c->waiters, &fibers.current->waiting);
    return block(deadline);
}

/* A cancelled fiber still has to wait for a thread that uses its memory. */
void fiber_wait_uncancellable(struct cond *c, const bool *done)
{
    struct fiber *f = fibers.current;
    ASSERT(f != NULL);
    while (!*done) {
        if (c->waiters.next == NULL)
            list_init(&c->waiters);
        list_append(&c->waiters, &f->waiting);
        f->uncancellable = true;
        (void)block(FOREVER);
        f->uncancellable = false;
    }
}

void cond_signal(struct cond *c)
{
    if (c->waiters.next != NULL && !list_is_empty(&c->waiters))
        wake(container_of(c->waiters.next, struct fiber, waiting), WAIT_OK);
}

void cond_broadcast(struct cond *c)
{
    if (c->waiters.next == NULL)
        return;
    while (!list_is_empty(&c->waiters))
        wake(container_of(c->waiters.next, struct fiber, waiting), WAIT_OK);
}
