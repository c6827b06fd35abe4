/* SPDX-License-Identifier: ISC
 *
 * sched.c - who gets what when. A recipient without a route is resolved by a
 * router; with one it queues at its destination (transport and next hop).
 * Destinations of a transport take turns, as far as their windows (dest.c) and
 * the processes that deliver allow. Recipients whose delivery process died are
 * suspects: they are tried alone, one at a time.
 */
#include "qmgr.h"
#include "base/enc.h"
#include "ipc/schema.h"
#include <errno.h>
#include <unistd.h>

enum { JOBS_PER_WORKER = 500, RESOLVES_MAX = 2000, RCPTS_PER_JOB = 1000 };

struct resolving { uint64_t number; struct active *a; uint32_t n; struct chan *chan; };

static void schedule(struct deferred *d);
void sched_soon(void) { loop_defer(&qm.schedule, schedule); }

/* ---- entries ---- */

static void entry_free(struct entry *e)
{
    if (e->suspect)
        e->d->suspects--;
    list_remove(&e->node);
    vec_done(&e->rcpts);
    free(e);
}

static struct entry *entry_new(struct active *a, struct dest *d)
{
    struct entry *e = xcalloc(1, sizeof *e);
    e->a = a;
    e->d = d;
    list_init(&e->node);
    return e;
}

static void delay_text(char *out, size_t size, double seconds)
{
    seconds = seconds < 0 ? 0 : seconds;
    (void)snprintf(out, size, seconds >= 9.95 ? "%.0f" : seconds >= 0.995 ? "%.1f" : "%.2f", seconds);
    if (strchr(out, '.') != NULL) {
        size_t n = strlen(out);
        while (out[n - 1] == '0')
            out[--n] = '\0';
        if (out[n - 1] == '.')
            out[n - 1] = '\0';
    }
}

/* The line that the error service of Postfix writes for what qmgr itself defers. */
static void log_deferred(const struct active *a, const struct qrcpt *r)
{
    struct buf to = { 0 };
    char ident[64], total[32], before[32], here[32];
    uint64_t now = (uint64_t)clock_wall_us();
    QM_IDENT(ident, "error");
    enc_printable(&to, r->address);
    if (r->orig.n > 0 && !str_ieq(r->orig, r->address)) {
        buf_puts(&to, ">, orig_to=<");
        enc_printable(&to, r->orig);
    }
    delay_text(total, sizeof total, (double)(now - a->m->arrival_us) / 1e6);
    delay_text(before, sizeof before, (double)(a->active_us - a->m->arrival_us) / 1e6);
    delay_text(here, sizeof here, (double)(now - a->active_us) / 1e6);
    log_as(ident, LOG_INFO_LEVEL, "%s: to=<%s>, relay=none, delay=%s, delays=%s/%s/0/0, dsn=%s, status=deferred (%s)", a->m->id,
           buf_cstr(&to), total, before, here, r->dsn, r->reason);
    buf_done(&to);
}

static void defer_rcpt(struct active *a, uint32_t n, const char *dsn, const char *why)
{
    struct qrcpt *r = &a->m->rcpts[n];
    msg_set_reason(r, RCPT_DEFERRED, str_from(dsn), str_from(why), STR(""), STR(""));
    log_deferred(a, r);
    a->working--;
}

static void defer_entry(struct entry *e, const char *dsn, const char *why)
{
    struct active *a = e->a;
    for (size_t i = 0; i < e->rcpts.n; i++)
        defer_rcpt(a, e->rcpts.p[i], dsn, why);
    entry_free(e);
    msg_check(a);
}

static void queue_rcpt(struct active *a, uint32_t n, struct str transport, struct str nexthop)
{
    struct qrcpt *r = &a->m->rcpts[n];
    struct transport *t = transport_get(transport);
    if (t == NULL) {
        defer_rcpt(a, n, "4.3.5", "mail transport unavailable");
        return;
    }
    if (t->deferred) {
        defer_rcpt(a, n, "4.3.2", "deferred transport");
        return;
    }
    struct dest *d = dest_get(t, nexthop);
    r->state = RCPT_QUEUED;
    if (r->strikes > 0) {               /* alone */
        struct entry *e = entry_new(a, d);
        e->suspect = true;
        d->suspects++;
        vec_push(&e->rcpts, n);
        list_append(&qm.suspects, &e->node);
        return;
    }
    struct entry *last = list_is_empty(&d->entries) ? NULL : container_of(d->entries.prev, struct entry, node);
    if (last == NULL || last->a != a) {
        last = entry_new(a, d);
        list_append(&d->entries, &last->node);
    }
    vec_push(&last->rcpts, n);
    if (list_is_empty(&d->node))
        list_append(&t->dests, &d->node);
}

/* ---- resolving ---- */

static void resolving_free(struct resolving *r)
{
    (void)htab_remove(&qm.resolving, str_make(&r->number, sizeof r->number));
    free(r);
}

static bool resolve(struct active *a, uint32_t n)
{
    struct worker *w = worker_pick(&qm.routers, NULL);
    if (w == NULL) {
        daemon_need(ROLE_ROUTER);
        return false;
    }
    struct resolving *r = xcalloc(1, sizeof *r);
    r->number = (uint32_t)++qm.next_job;
    r->a = a;
    r->n = n;
    r->chan = w->chan;
    struct ipc_resolve req = { .sender = a->m->sender, .address = a->m->rcpts[n].address };
    if (!chan_send(w->chan, IPC_RESOLVE, (uint32_t)r->number, &req)) {
        free(r);
        return false;
    }
    (void)htab_put(&qm.resolving, str_make(&r->number, sizeof r->number), r);
    a->m->rcpts[n].state = RCPT_RESOLVING;
    a->resolving++;
    return true;
}

void sched_resolved(uint32_t id, const struct ipc_resolved *res)
{
    uint64_t number = id;
    struct resolving *r = htab_get(&qm.resolving, str_make(&number, sizeof number));
    if (r == NULL)
        return;
    struct active *a = r->a;
    uint32_t n = r->n;
    resolving_free(r);
    a->resolving--;
    if (res->outcome == OUTCOME_DEFERRED) {
        struct buf why = { 0 };
        enc_printable(&why, res->text);
        defer_rcpt(a, n, "4.3.0", buf_cstr(&why));
        buf_done(&why);
    } else if (res->outcome == OUTCOME_BOUNCED) {
        msg_set_reason(&a->m->rcpts[n], qm.conf.soft_bounce ? RCPT_DEFERRED : RCPT_BOUNCED, STR("5.1.1"), res->text, STR(""), STR(""));
        a->working--;
    } else {
        queue_rcpt(a, n, res->transport, res->nexthop);
    }
    sched_soon();
    msg_check(a);
}

/* content_filter = transport:nexthop sends all of a message there; without a next hop, to the recipient's domain. */
static void queue_filtered(struct active *a, uint32_t n)
{
    struct str transport, nexthop, address = a->m->rcpts[n].address;
    ptrdiff_t at = str_rchr(address, '@');
    (void)str_cut(a->m->filter, ':', &transport, &nexthop);
    if (nexthop.n == 0)
        nexthop = at < 0 ? address : str_skip(address, (size_t)at + 1);
    queue_rcpt(a, n, transport, nexthop);
}

/* Recipients that nobody works on get a route and a place. */
void sched_message(struct active *a)
{
    struct qmsg *m = a->m;
    uint32_t stuck = 0;
    if (a->hold_it || a->delete_it) {
        a->next_rcpt = 0;
        msg_check(a);
        return;
    }
    for (uint32_t i = 0; i < m->n_rcpt && !qm.draining; i++) {
        struct qrcpt *r = &m->rcpts[i];
        if (r->done || r->state != RCPT_IDLE)
            continue;
        if (m->filter.n > 0) {
            a->working++;
            queue_filtered(a, i);
        } else if (r->transport.n > 0) {
            a->working++;
            queue_rcpt(a, i, r->transport, r->nexthop);
        } else if (qm.resolving.n < RESOLVES_MAX && resolve(a, i)) {
            a->working++;
        } else {
            stuck++;
            break;
        }
    }
    a->next_rcpt = stuck > 0;
    sched_soon();
    if (stuck == 0)
        msg_check(a);
}

/* ---- jobs ---- */

struct worker *worker_pick(struct list *list, const char *service)
{
    struct worker *best = NULL;
    int64_t now = clock_mono_ms();
    LIST_EACH(it, list) {
        struct worker *w = container_of(it, struct worker, node);
        if ((!w->ready && w->ask_until > now) || chan_is_leaving(w->chan))
            continue;
        bool fits = service == NULL || strcmp(chan_peer_service(w->chan), service) == 0;
        bool best_fits = best != NULL && (service == NULL || strcmp(chan_peer_service(best->chan), service) == 0);
        if (best == NULL || (fits && !best_fits) || (fits == best_fits && w->busy < best->busy))
            best = w;
    }
    return best;
}

struct jobs *job_new(struct active *a, struct worker *w)
{
    struct jobs *job = xcalloc(1, sizeof *job);
    job->number = ++qm.next_job | (uint64_t)1 << 63;
    job->a = a;
    job->w = w;
    w->busy++;
    job->started = clock_mono_ms();
    (void)htab_put(&qm.jobs, str_make(&job->number, sizeof job->number), job);
    return job;
}

void job_free(struct jobs *job)
{
    (void)htab_remove(&qm.jobs, str_make(&job->number, sizeof job->number));
    if (job->w != NULL)
        job->w->busy--;
    vec_done(&job->rcpts);
    free(job);
}

/* fd: the queue file, when the content is not in memory. */
static void send_deliver(const struct jobs *job, bool maybe_done, int fd)
{
    struct active *a = job->a;
    const struct qmsg *m = a->m;
    struct ipc_deliver d = { .job = job->number, .queue_id = str_from(m->id), .flags = m->flags, .maybe_done = maybe_done,
        .transport = str_from(job->d->t->name), .nexthop = str_from(job->d->nexthop), .sender = m->sender, .envid = m->envid, .ret = m->ret,
        .attrs = m->attrs, .arrival_us = m->arrival_us, .active_us = a->active_us, .content_size = m->content_size,
        .n_rcpt = (uint32_t)job->rcpts.n, .content = m->in_memory ? buf_str(&m->content) : (struct str){ "", 0 },
        .content_at = m->in_memory ? 0 : m->content_at, .content_end = m->in_memory ? 0 : m->content_end, .file = fd };
    (void)chan_send(job->w->chan, IPC_DELIVER, 0, &d);
    for (size_t i = 0; i < job->rcpts.n; i++) {
        const struct qrcpt *r = &m->rcpts[job->rcpts.p[i]];
        struct ipc_deliver_rcpt rcpt = { .job = job->number, .n = job->rcpts.p[i], .address = r->address, .orig = r->orig, .orcpt = r->orcpt,
                                         .notify = r->notify };
        (void)chan_send(job->w->chan, IPC_DELIVER_RCPT, 0, &rcpt);
    }
    if (fd >= 0)
        chan_flush(job->w->chan);
}

/* Without its file a message must not go out: it would be an empty one. */
static bool open_content(struct entry *e, int *ret_fd)
{
    *ret_fd = -1;
    if (e->a->m->in_memory || (*ret_fd = queue_open_file(&qm.q, e->a->m)) >= 0)
        return true;
    char why[200];
    (void)snprintf(why, sizeof why, "queue file cannot be opened: %s", strerror(errno));
    log_warning("%s: %s", e->a->m->id, why);
    defer_entry(e, "4.3.0", why);
    return false;
}

/* The first recipients of an entry become a job. */
static void start_job(struct entry *e, struct worker *w)
{
    int fd;
    if (!open_content(e, &fd))
        return;
    struct jobs *job = job_new(e->a, w);
    struct dest *d = e->d;
    size_t limit = d->t->recipient_limit == 0 ? RCPTS_PER_JOB : MIN(d->t->recipient_limit, (uint32_t)RCPTS_PER_JOB);
    size_t n = MIN(e->rcpts.n, limit);
    bool maybe_done = false;
    job->d = d;
    for (size_t i = 0; i < n; i++) {
        struct qrcpt *r = &e->a->m->rcpts[e->rcpts.p[i]];
        vec_push(&job->rcpts, e->rcpts.p[i]);
        r->state = RCPT_BUSY;
        r->job = job;
        maybe_done |= r->maybe_done != 0;
    }
    job->left = (unsigned)n;
    d->busy++;
    d->t->busy++;
    if (e->suspect)
        qm.suspect_busy = true;
    memmove(e->rcpts.p, e->rcpts.p + n, (e->rcpts.n - n) * sizeof *e->rcpts.p);
    e->rcpts.n -= n;
    send_deliver(job, maybe_done, fd);
    if (fd >= 0)
        (void)close(fd);
    if (e->rcpts.n == 0)
        entry_free(e);
}

static struct worker *worker_for(const struct transport *t)
{
    struct worker *w = worker_pick(t->role == ROLE_ROUTER ? &qm.routers : &qm.outs, t->name);
    if (w == NULL)
        daemon_need(t->role);
    return w == NULL || w->busy >= JOBS_PER_WORKER ? NULL : w;
}

static bool dest_is_dead(struct dest *d, int64_t now)
{
    if (d->dead_until <= now)
        return false;
    char why[600];
    (void)snprintf(why, sizeof why, "delivery temporarily suspended: %.500s", d->why == NULL ? "" : d->why);
    while (!list_is_empty(&d->entries))
        defer_entry(container_of(d->entries.next, struct entry, node), d->dsn, why);
    return true;
}

/* The oldest message whose recipients all have their place. */
static struct entry *ready_entry(struct dest *d)
{
    unsigned looked = 0;
    LIST_EACH(it, &d->entries) {
        struct entry *e = container_of(it, struct entry, node);
        if (e->a->resolving == 0)
            return e;
        if (++looked == 20)
            break;
    }
    return NULL;
}

/* One round over the destinations of a transport; true if something was started. */
static bool serve_round(struct transport *t)
{
    bool any = false;
    int64_t now = clock_mono_ms();
    struct list todo;
    list_init(&todo);
    while (!list_is_empty(&t->dests)) {
        struct list *first = t->dests.next;
        list_remove(first);
        list_append(&todo, first);
    }
    while (!list_is_empty(&todo)) {
        struct dest *d = container_of(todo.next, struct dest, node);
        list_remove(&d->node);
        if (dest_is_dead(d, now) || list_is_empty(&d->entries)) {
            dest_release(d);
            continue;
        }
        list_append(&t->dests, &d->node);
        bool room = t->busy < t->limit && (t->concurrency == 0 || d->busy < t->concurrency) && (double)d->busy + 0.5 < MAX(d->window, 1.0);
        struct entry *e = room ? ready_entry(d) : NULL;
        struct worker *w = e != NULL ? worker_for(t) : NULL;
        if (w == NULL || chan_queued(w->chan) > (1u << 20))
            continue;
        start_job(e, w);
        any = true;
    }
    return any;
}

static void serve_suspects(void)
{
    if (qm.suspect_busy || list_is_empty(&qm.suspects))
        return;
    struct entry *e = container_of(qm.suspects.next, struct entry, node);
    struct worker *w = worker_for(e->d->t);
    if (w != NULL)
        start_job(e, w);
}

static void retry_stuck(void)
{
    LIST_EACH(it, &qm.active) {
        struct active *a = container_of(it, struct active, node);
        if (a->next_rcpt != 0 && a->m->durable && qm.resolving.n < RESOLVES_MAX && worker_pick(&qm.routers, NULL) != NULL)
            sched_message(a);
        else if (a->working == 0 && a->composing == 0 && a->active_us != 0 && a->next_rcpt == 0)
            msg_check(a);
    }
}

static int64_t last_retry;
static void schedule(struct deferred *d)
{
    struct transport *t;
    int64_t now = clock_mono_ms();
    (void)d;
    if (qm.draining || now < qm.hold_until)
        return;
    if (now - last_retry > 100) {
        last_retry = now;
        retry_stuck();
    }
    bool any = true;
    while (any) {
        any = false;
        for (size_t pos = 0; (t = htab_each(&qm.transports, &pos)) != NULL;)
            any |= !list_is_empty(&t->dests) && serve_round(t);
    }
    serve_suspects();
}

void job_finish(struct jobs *job)
{
    struct dest *d = job->d;
    if (d != NULL) {
        d->busy--;
        d->t->busy--;
        if (list_is_empty(&d->node))
            dest_release(d);
    }
    job_free(job);
    sched_soon();
}

void sched_forget_resolving(const struct chan *c, const struct active *a)
{
    struct resolving *r;
    VEC(struct resolving *) gone = { 0 };
    for (size_t pos = 0; (r = htab_each(&qm.resolving, &pos)) != NULL;)
        if (r->chan == c || r->a == a)
            vec_push(&gone, r);
    for (size_t i = 0; i < gone.n; i++) {
        struct active *of = gone.p[i]->a;
        of->m->rcpts[gone.p[i]->n].state = RCPT_IDLE;
        of->working--;
        of->resolving--;
        of->next_rcpt = 1;
        resolving_free(gone.p[i]);
    }
    vec_done(&gone);
}

static void unqueue_from(struct list *entries, struct active *a)
{
    LIST_EACH(it, entries) {
        struct entry *e = container_of(it, struct entry, node);
        if (e->a != a)
            continue;
        for (size_t i = 0; i < e->rcpts.n; i++)
            a->m->rcpts[e->rcpts.p[i]].state = RCPT_IDLE;
        a->working -= (unsigned)e->rcpts.n;
        entry_free(e);
    }
}

void sched_unqueue(struct active *a)
{
    struct transport *t;
    sched_forget_resolving(NULL, a);
    if (a->working == 0)
        return;
    for (size_t pos = 0; (t = htab_each(&qm.transports, &pos)) != NULL;)
        LIST_EACH(it, &t->dests)
            unqueue_from(&container_of(it, struct dest, node)->entries, a);
    unqueue_from(&qm.suspects, a);
}

/* Out of every queue; its jobs, if any, find nobody. */
void sched_forget(struct active *a)
{
    struct jobs *job;
    VEC(struct jobs *) mine = { 0 };
    sched_unqueue(a);
    for (size_t pos = 0; (a->working > 0 || a->composing > 0) && (job = htab_each(&qm.jobs, &pos)) != NULL;)
        if (job->a == a)
            vec_push(&mine, job);
    for (size_t i = 0; i < mine.n; i++)
        job_finish(mine.p[i]);
    vec_done(&mine);
}

bool sched_is_idle(void) { return qm.jobs.n == 0; }
