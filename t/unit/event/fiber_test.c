/* SPDX-License-Identifier: ISC
 * fiber_test.c - the loop, fibers, waits, cancelling, aborting, offload. */
#include "base/arena.h"
#include "event/fiber.h"
#include "event/offload.h"
#include "tap.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 10000 };
static int counter;
static struct cond gate;
static bool open_gate;

static void wait_for_gate(void *arg)
{
    (void)arg;
    while (!open_gate)
        if (cond_wait(&gate, FOREVER) != WAIT_OK)
            return;
    counter++;
}

static void open_it(void *arg)
{
    (void)arg;
    (void)fiber_sleep(deadline_in(1));
    open_gate = true;
    cond_broadcast(&gate);
}

static void test_many(void)
{
    int started = 0;
    counter = 0;
    for (int i = 0; i < MANY; i++)
        started += fiber_start("one of many", wait_for_gate, NULL) != NULL;
    (void)fiber_start("opener", open_it, NULL);
    loop_run();
    OK(started == MANY && counter == MANY, "10,000 fibers wait for one condition and all go on");
    OK(fiber_count() == 0, "none is left");
}

struct sleeper { enum wait got; int64_t deadline; bool again; enum wait second; };
static void sleeps_on_cond(void *arg)
{
    struct sleeper *s = arg;
    struct cond never = { 0 };
    s->got = cond_wait(&never, s->deadline);
    s->second = cond_wait(&never, FOREVER - 1);
}

static void test_deadline_and_cancel(void)
{
    struct sleeper s = { .deadline = deadline_in(5) };
    struct fiber *f = fiber_start("sleeper", sleeps_on_cond, &s);
    for (int i = 0; i < 1000 && s.got != WAIT_TIMEOUT; i++)
        loop_turn(deadline_in(5));
    OK(s.got == WAIT_TIMEOUT, "a wait ends at its deadline");
    fiber_cancel(f);
    loop_run();
    OK(s.second == WAIT_CANCELLED, "a cancelled fiber's wait says so");
}

static char order[16];
static char letters[] = "1\0002\0003\000a\000b";
static char *letter(int i) { return letters + 2 * i; }
static void note(void *arg) { size_t n = strlen(order); order[n] = *(const char *)arg; }
static void note_abort(void *arg, const char *why) { note(arg); OK(strcmp(why, "memory limit exceeded") == 0, "the reason arrives"); }

static void goes_too_far(struct arena *a)
{
    struct cleanup c;
    cleanup_push(&c, note, letter(1));
    for (;;)
        (void)arena_alloc(a, 1000);
}

static void free_arena(void *arg) { arena_done(arg); }

static void aborts(void *arg)
{
    struct arena a = arena_make(100000);
    struct cleanup c, d;
    (void)arg;
    fiber_on_abort(note_abort, letter(0));
    cleanup_push(&d, free_arena, &a);
    cleanup_push(&c, note, letter(2));
    goes_too_far(&a);
}

static void test_abort(void)
{
    memset(order, 0, sizeof order);
    (void)fiber_start("aborts", aborts, NULL);
    loop_run();
    OK(strcmp(order, "123") == 0, "an exhausted arena ends its fiber only: message first, then cleanups in reverse order");
    OK(fiber_count() == 0, "the aborted fiber is gone");
}

static void pops(void *arg)
{
    struct cleanup a, b;
    (void)arg;
    cleanup_push(&a, note, letter(3));
    cleanup_push(&b, note, letter(4));
    cleanup_pop(&b, false);
    cleanup_pop(&a, true);
}

static void test_cleanup_pop(void)
{
    memset(order, 0, sizeof order);
    (void)fiber_start("pops", pops, NULL);
    loop_run();
    OK(strcmp(order, "a") == 0, "a popped cleanup runs only if asked to");
}

static int pair[2];
static void reads_all(void *arg)
{
    int *total = arg;
    char b[100];
    for (;;) {
        ssize_t n = read(pair[0], b, sizeof b);
        if (n == 0)
            return;
        if (n > 0)
            *total += (int)n;
        else if (fiber_wait_fd(pair[0], EPOLLIN, FOREVER) != WAIT_OK)
            return;
    }
}
static void writes_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        (void)!write(pair[1], "0123456789", 10);
        if (i % 10 == 0)
            (void)fiber_sleep(deadline_in(1));
    }
    (void)close(pair[1]);
}

static void test_fd(void)
{
    int total = 0;
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    (void)fiber_start("reader", reads_all, &total);
    (void)fiber_start("writer", writes_some, NULL);
    loop_run();
    (void)close(pair[0]);
    OK(total == 500, "a fiber reads what another writes, to the end of file");
}

static enum wait fd_wait;
static void waits_on_fd(void *arg) { fd_wait = fiber_wait_fd(*(int *)arg, EPOLLIN, deadline_in(3)); }
static void test_fd_timeout(void)
{
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    (void)fiber_start("waits", waits_on_fd, &pair[0]);
    loop_run();
    OK(fd_wait == WAIT_TIMEOUT, "a descriptor that stays silent times out");
    (void)!write(pair[1], "x", 1);
    (void)fiber_start("waits", waits_on_fd, &pair[0]);
    loop_run();
    OK(fd_wait == WAIT_OK, "one that has input already is ready at once");
    (void)close(pair[0]);
    (void)close(pair[1]);
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    (void)!write(pair[1], "x", 1);
    (void)fiber_start("waits", waits_on_fd, &pair[0]);
    loop_run();
    OK(fd_wait == WAIT_OK, "a number that is reused is registered anew");
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static int fired[4], n_fired;
struct numbered { struct timer t; int n; };
static void on_timer(struct timer *t) { fired[n_fired++] = container_of(t, struct numbered, t)->n; }
static void test_timers(void)
{
    struct numbered a = { .n = 1 }, b = { .n = 2 }, c = { .n = 3 };
    timer_set(&a.t, deadline_in(6), on_timer);
    timer_set(&b.t, deadline_in(2), on_timer);
    timer_set(&c.t, deadline_in(4), on_timer);
    timer_cancel(&c.t);
    loop_run();
    OK(n_fired == 2 && fired[0] == 2 && fired[1] == 1, "timers fire in order of time, cancelled ones never");
}

static int deferred_runs;
static struct deferred later;
static void on_deferred(struct deferred *d) { if (++deferred_runs < 3) loop_defer(d, on_deferred); }
static void test_deferred(void)
{
    loop_defer(&later, on_deferred);
    loop_defer(&later, on_deferred);
    loop_turn(0);
    OK(deferred_runs == 1, "work deferred twice runs once in a turn; deferred again it waits for the next");
    loop_run();
    OK(deferred_runs == 3, "and then runs");
}

static int got_signal;
static void on_signal(int signo) { got_signal = signo; }
static void test_signal(void)
{
    loop_on_signal(SIGUSR1, on_signal);
    (void)raise(SIGUSR1);
    loop_turn(deadline_in(1000));
    OK(got_signal == SIGUSR1, "a signal arrives as a call on the loop");
}

struct sum { struct job job; int in, out; bool cancelled; };
static void add_up(struct job *job)
{
    struct sum *s = container_of(job, struct sum, job);
    for (int i = 0; i <= s->in; i++)
        s->out += i;
}
static void offloads(void *arg)
{
    struct sum *s = arg;
    offload_run(&s->job, add_up);
    s->cancelled = fiber_is_cancelled();
}
static int jobs_done;
static void count_job(struct job *job) { (void)job; jobs_done++; }

static void test_offload(const char *inline_name, const char *many_name)
{
    struct sum s = { .in = 100 }, many[100];
    struct fiber *f = fiber_start("offloads", offloads, &s);
    loop_turn(0);
    if (!s.out)
        fiber_cancel(f);
    loop_run();
    OK(s.out == 5050, inline_name);
    memset(many, 0, sizeof many);
    jobs_done = 0;
    for (int i = 0; i < 100; i++)
        offload_submit(&many[i].job, add_up, count_job);
    loop_run();
    OK(jobs_done == 100, many_name);
}

static void slow(void *arg) { int64_t until = clock_mono_ms() + 120; (void)arg; while (clock_mono_ms() < until) ; }
static const char *lag_of = "";
static void note_lag(int64_t ms, const char *name) { (void)ms; lag_of = name; }
static void test_lag(void)
{
    int64_t ms = 0;
    const char *name = "";
    (void)fiber_start("slow one", slow, NULL);
    loop_run();
    OK(loop_take_lag(&ms, &name) && ms >= 100 && strcmp(name, "slow one") == 0, "a fiber that keeps the loop is named");
    OK(!loop_take_lag(&ms, &name), "once");
    loop_on_lag(note_lag);
    (void)fiber_start("slow two", slow, NULL);
    loop_run();
    loop_on_lag(NULL);
    OK(strcmp(lag_of, "slow two") == 0, "or by a call at the end of the turn");
}

static int turns;
static void busy(void *arg) { (void)arg; for (int i = 0; i < 3; i++) { int64_t t = clock_mono_ms() + 3; while (clock_mono_ms() < t) ; (void)fiber_yield(); turns++; } }
static void watches_turns(void *arg) { *(int *)arg = turns; }
static void test_yield(void)
{
    int seen = -1;
    (void)fiber_start("busy", busy, NULL);
    (void)fiber_start("other", watches_turns, &seen);
    loop_run();
    OK(seen == 0 && turns == 3, "a busy fiber that yields lets the other run first");
}

static int callback_n;
static struct watch w1, w2;
static void stops_other(struct watch *w, uint32_t events) { (void)events; callback_n++; watch_stop(&w1); watch_stop(&w2); (void)w; }
static void test_watch(void)
{
    int a[2], b[2];
    (void)!pipe2(a, O_NONBLOCK);
    (void)!pipe2(b, O_NONBLOCK);
    (void)!write(a[1], "x", 1);
    (void)!write(b[1], "x", 1);
    watch_start(&w1, a[0], EPOLLIN, stops_other);
    watch_start(&w2, b[0], EPOLLIN, stops_other);
    loop_run();
    OK(callback_n == 1, "a watch stopped by an earlier callback of the turn is not called");
    for (int i = 0; i < 2; i++) { (void)close(a[i]); (void)close(b[i]); }
}

int main(void)
{
    loop_init();
    test_timers();
    test_deferred();
    test_watch();
    test_many();
    open_gate = false;
    test_deadline_and_cancel();
    test_abort();
    test_cleanup_pop();
    test_fd();
    test_fd_timeout();
    test_signal();
    test_lag();
    test_yield();
    test_offload("without threads a job runs inline", "and many of them do");
    offload_start(OFFLOAD_THREADS);
    test_offload("a job runs on a thread, and cancelling does not end the wait for it", "100 jobs on 4 threads all come back");
    return tap_done();
}
