/* SPDX-License-Identifier: ISC */
#include "event/offload.h"
#include "event/loop_internal.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct list todo, finished;     /* under the lock */
    bool inited, threaded;
    int event_fd;
    struct watch watch;
    struct deferred inline_done;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .wanted = PTHREAD_COND_INITIALIZER, .event_fd = -1 };

static void init_once(void)
{
    if (pool.inited)
        return;
    list_init(&pool.todo);
    list_init(&pool.finished);
    pool.inited = true;
}

static void lock(void) { (void)pthread_mutex_lock(&pool.lock); }
static void unlock(void) { (void)pthread_mutex_unlock(&pool.lock); }

static struct job *take(struct list *from)
{
    if (list_is_empty(from))
        return NULL;
    struct job *job = container_of(from->next, struct job, node);
    list_remove(&job->node);
    return job;
}

static void run_finished(void)
{
    for (;;) {
        lock();
        struct job *job = take(&pool.finished);
        unlock();
        if (job == NULL)
            return;
        loop_ref(-1);
        job->done(job);
    }
}

static void event_ready(struct watch *w, uint32_t events)
{
    uint64_t n;
    (void)events;
    ssize_t got = read(w->fd, &n, sizeof n);
    (void)got;
    run_finished();
}

static void inline_ready(struct deferred *d)
{
    (void)d;
    run_finished();
}

static void finish(struct job *job)
{
    const uint64_t one = 1;
    lock();
    bool first = list_is_empty(&pool.finished);
    list_append(&pool.finished, &job->node);
    unlock();
    if (first && pool.threaded) {
        ssize_t n = write(pool.event_fd, &one, sizeof one);
        (void)n;
    }
}

static void *work(void *arg)
{
    (void)arg;
    for (;;) {
        lock();
        struct job *job;
        while ((job = take(&pool.todo)) == NULL)
            (void)pthread_cond_wait(&pool.wanted, &pool.lock);
        unlock();
        job->fn(job);
        finish(job);
    }
    return NULL;
}

static bool start_thread(void)
{
    pthread_t id;
    pthread_attr_t attr;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attr, 1024 * 1024);
    bool ok = pthread_create(&id, &attr, work, NULL) == 0;
    (void)pthread_attr_destroy(&attr);
    return ok;
}

void offload_start(unsigned threads)
{
    sigset_t all, old;
    init_once();
    ASSERT(!pool.threaded);
    pool.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pool.event_fd < 0)
        return;
    /* Signals are the loop's. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    for (unsigned i = 0; i < threads; i++)
        pool.threaded |= start_thread();
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    loop_watch_background(&pool.watch, pool.event_fd, EPOLLIN, event_ready);
}

void offload_submit(struct job *job, void (*fn)(struct job *job), void (*done)(struct job *job))
{
    init_once();
    job->fn = fn;
    job->done = done;
    loop_ref(1);
    if (!pool.threaded) {
        fn(job);
        finish(job);
        loop_defer(&pool.inline_done, inline_ready);
        return;
    }
    lock();
    list_append(&pool.todo, &job->node);
    (void)pthread_cond_signal(&pool.wanted);
    unlock();
}

/* Every offload_run() has one of these on its stack for as long as its job runs. */
struct waiter { struct list node; const struct job *job; struct cond finished; bool done; };
static struct list waiters = { &waiters, &waiters };

static void wake_waiter(struct job *job)
{
    LIST_EACH(it, &waiters) {
        struct waiter *w = container_of(it, struct waiter, node);
        if (w->job != job)
            continue;
        w->done = true;
        cond_signal(&w->finished);
        return;
    }
}

void offload_run(struct job *job, void (*fn)(struct job *job))
{
    if (fiber_current() == NULL || !pool.threaded) {
        fn(job);
        return;
    }
    struct waiter w = { .job = job };
    list_append(&waiters, &w.node);
    offload_submit(job, fn, wake_waiter);
    fiber_wait_uncancellable(&w.finished, &w.done);
    list_remove(&w.node);
}
