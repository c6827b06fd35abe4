/* SPDX-License-Identifier: ISC
 *
 * pool.c - the auth workers. One question at a time per worker, so that a hash
 * that takes long, or a PAM module that hangs, holds up one worker only; a
 * worker that does not answer in time is let go, and its question fails as
 * temporary. The queue is bounded.
 */
#include "authd.h"

/* Within what Postfix waits for (10 s) together with the penalty of its side. */
enum { JOB_TIMEOUT_MS = 6000, NEED_EVERY_MS = 500 };

struct worker {
    struct list node;
    struct chan *chan;
    struct pool_job *job;       /* what it works on; NULL also when the asker has gone */
    bool busy;
    uint32_t id;
    struct timer timer;         /* of a question whose asker has gone */
};

static struct {
    struct list workers, queue;
    size_t n_workers, n_queued;
    int64_t asked_at;
    bool ready;
} pool;

static void init(void)
{
    if (pool.ready)
        return;
    list_init(&pool.workers);
    list_init(&pool.queue);
    pool.asked_at = -NEED_EVERY_MS;
    pool.ready = true;
}

static void need_worker(void)
{
    if (pool.n_workers >= authd()->conf.worker_limit || loop_now() - pool.asked_at < NEED_EVERY_MS)
        return;
    pool.asked_at = loop_now();
    daemon_need(ROLE_WORKER);
}

static void report(struct pool_job *job, const struct ipc_verdict *v)
{
    timer_cancel(&job->timer);
    job->in_work = false;
    job->done(job, v);
}

static void drop_worker(struct worker *w)
{
    struct pool_job *job = w->job;
    timer_cancel(&w->timer);
    list_remove(&w->node);
    pool.n_workers--;
    chan_free(w->chan);
    free(w);
    if (job != NULL)
        report(job, NULL);
    if (pool.n_queued > 0)
        need_worker();
}

static void let_go(struct timer *t)
{
    log_warning("an auth worker did not answer within %d s: let go", JOB_TIMEOUT_MS / 1000);
    drop_worker(container_of(t, struct worker, timer));
}

static struct worker *worker_of(const struct pool_job *job)
{
    LIST_EACH(it, &pool.workers) {
        struct worker *w = container_of(it, struct worker, node);
        if (w->job == job)
            return w;
    }
    return NULL;
}

/* No worker came, or the one at work hangs. */
static void on_job_timeout(struct timer *t)
{
    struct pool_job *job = container_of(t, struct pool_job, timer);
    struct worker *w = worker_of(job);
    if (w != NULL) {
        let_go(&w->timer);
        return;
    }
    list_remove(&job->node);
    pool.n_queued--;
    report(job, NULL);
}

static void give(struct worker *w, struct pool_job *job)
{
    w->job = job;
    w->busy = job->in_work = true;
    w->id = chan_next_id(w->chan);
    if (!chan_send(w->chan, IPC_VERIFY, w->id, &job->ask))
        drop_worker(w);
}

static struct worker *idle_worker(void)
{
    LIST_EACH(it, &pool.workers) {
        struct worker *w = container_of(it, struct worker, node);
        if (!w->busy)
            return w;
    }
    return NULL;
}

static void pump(void)
{
    struct worker *w;
    while (pool.n_queued > 0 && (w = idle_worker()) != NULL) {
        struct pool_job *job = container_of(pool.queue.next, struct pool_job, node);
        list_remove(&job->node);
        pool.n_queued--;
        give(w, job);
    }
    if (pool.n_queued > 0)
        need_worker();
}

static void on_message(struct chan *ch, enum ipc_type type, uint32_t id, void *msg)
{
    struct worker *w = chan_user(ch);
    if (type != IPC_VERDICT || !w->busy || id != w->id)
        return;
    struct pool_job *job = w->job;
    w->job = NULL;
    w->busy = false;
    timer_cancel(&w->timer);
    if (job != NULL)
        report(job, msg);
    pump();
}

static void on_closed(struct chan *ch) { drop_worker(chan_user(ch)); }

static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };

void pool_add_worker(const struct ipc_peer *peer, int fd)
{
    init();
    struct worker *w = xcalloc(1, sizeof *w);
    w->chan = daemon_chan(peer, fd, &ops, w);
    list_append(&pool.workers, &w->node);
    pool.n_workers++;
    pool.asked_at = loop_now() - NEED_EVERY_MS;
    pump();
}

void pool_warm(void)
{
    init();
    if (pool.n_workers == 0)
        need_worker();
}

bool pool_submit(struct pool_job *job)
{
    init();
    if (pool.n_queued >= authd()->conf.queue_limit)
        return false;
    list_append(&pool.queue, &job->node);
    pool.n_queued++;
    timer_set(&job->timer, loop_now() + JOB_TIMEOUT_MS, on_job_timeout);
    pump();
    return true;
}

void pool_cancel(struct pool_job *job)
{
    timer_cancel(&job->timer);
    if (!job->in_work) {
        list_remove(&job->node);
        pool.n_queued--;
        return;
    }
    struct worker *w = worker_of(job);
    ASSERT(w != NULL);
    w->job = NULL;
    timer_set(&w->timer, loop_now() + JOB_TIMEOUT_MS, let_go);
}
