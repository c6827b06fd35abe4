/* SPDX-License-Identifier: ISC */
#include "pool.h"
#include "authd.h"
#include <arpa/inet.h>

enum { NEED_EVERY_MS = 500, DEPTH_MAX = 16, NETWORK_SIZE = 16 };

struct pool_lane {
    struct list node;           /* in the pool's ring of lanes; the first is served next */
    struct list tasks;
    size_t n;
    uint8_t network[NETWORK_SIZE];
};

/* Room for one task in a process. Whoever asked may have gone: the room is taken until the answer all the same. */
struct pool_slot {
    struct pool_process *process;
    struct pool_task *task;
    uint32_t id;                /* of the request; 0 = free */
    struct timer timer;         /* how long the process may take */
};

struct pool_process {
    struct list node;
    struct pool *pool;
    struct chan *chan;
    struct pool_slot slots[DEPTH_MAX];
};

static struct pool {
    enum role role;
    const char *name;
    size_t depth;
    bool ready;
    struct list processes, lanes;
    size_t n_processes, n_waiting, n_asked;
    int64_t asked_at;
} pools[POOL_KINDS] = {
    [POOL_PAM] = { .role = ROLE_WORKER, .name = "auth-worker", .depth = 1 },
    [POOL_HASH] = { .role = ROLE_HASH, .name = "auth-hash", .depth = 1 },
};

static size_t limit_of(const struct pool *p)
{
    switch ((enum pool_kind)(p - pools)) {
    case POOL_PAM: return authd()->conf.worker_limit;
    case POOL_HASH: return authd()->conf.hash_limit > 0 ? authd()->conf.hash_limit : authd()->cpus;
    case POOL_KINDS: break;
    }
    UNREACHABLE();
}

static struct pool *pool_of(enum pool_kind kind)
{
    struct pool *p = &pools[kind];
    if (!p->ready) {
        list_init(&p->processes);
        list_init(&p->lanes);
        p->ready = true;
    }
    return p;
}

/* ---- processes, as many as there is work for ---- */

/* What master did not answer within a while is asked again: it may have been over its limit. */
static void need_processes(struct pool *p, size_t wanted)
{
    if (loop_now() - p->asked_at >= NEED_EVERY_MS)
        p->n_asked = 0;
    while (p->n_processes + p->n_asked < limit_of(p) && p->n_asked < wanted) {
        p->n_asked++;
        p->asked_at = loop_now();
        daemon_need(p->role);
    }
}

static struct pool_slot *free_slot(struct pool *p)
{
    struct pool_slot *best = NULL;
    for (size_t i = 0; best == NULL && i < p->depth; i++)
        LIST_EACH(it, &p->processes) {
            struct pool_process *w = container_of(it, struct pool_process, node);
            if (w->slots[i].id == 0) {
                best = &w->slots[i];
                break;
            }
        }
    return best;
}

/* ---- lanes ---- */

/* An address that does not parse is the network of all such. */
static void network_of(struct str address, uint8_t out[NETWORK_SIZE])
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr v6;
    struct in_addr v4;
    memset(out, 0, NETWORK_SIZE);
    if (!str_to_fixed(address, text, sizeof text))
        return;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        out[0] = 4;
        memcpy(out + 12, &v4, sizeof v4);
    } else if (inet_pton(AF_INET6, text, &v6) == 1) {
        out[0] = 6;
        memcpy(out + 1, &v6, 8);
    }
}

static struct pool_lane *lane_for(struct pool *p, struct str client)
{
    uint8_t network[NETWORK_SIZE];
    network_of(client, network);
    LIST_EACH(it, &p->lanes) {
        struct pool_lane *l = container_of(it, struct pool_lane, node);
        if (memcmp(l->network, network, NETWORK_SIZE) == 0)
            return l;
    }
    struct pool_lane *l = xcalloc(1, sizeof *l);
    memcpy(l->network, network, NETWORK_SIZE);
    list_init(&l->tasks);
    list_append(&p->lanes, &l->node);
    return l;
}

static void leave_lane(struct pool *p, struct pool_task *t)
{
    struct pool_lane *l = t->lane;
    list_remove(&t->node);
    t->lane = NULL;
    l->n--;
    p->n_waiting--;
    if (l->n > 0)
        return;
    list_remove(&l->node);
    free(l);
}

/* The next of the first lane, which then stands last. */
static struct pool_task *take_waiting(struct pool *p)
{
    struct pool_lane *l = container_of(p->lanes.next, struct pool_lane, node);
    struct pool_task *t = container_of(l->tasks.next, struct pool_task, node);
    list_remove(&l->node);
    list_append(&p->lanes, &l->node);
    leave_lane(p, t);
    return t;
}

static void over(struct pool_task *t)
{
    timer_cancel(&t->timer);
    t->on_end(t, IPC_TYPE_COUNT, NULL);
}

/* One is too many: the last of the longest lane gives way. False: that is the newcomer. */
static bool make_room(struct pool *p, const struct pool_lane *newcomer)
{
    const struct pool_lane *longest = newcomer;
    if (p->n_waiting <= authd()->conf.queue_limit)
        return true;
    LIST_EACH(it, &p->lanes) {
        const struct pool_lane *l = container_of(it, struct pool_lane, node);
        if (l->n > longest->n)
            longest = l;
    }
    if (longest == newcomer)
        return false;
    struct pool_task *last = container_of(longest->tasks.prev, struct pool_task, node);
    leave_lane(p, last);
    over(last);
    return true;
}

/* ---- work ---- */

static void drop_process(struct pool_process *w)
{
    struct pool *p = w->pool;
    struct pool_task *tasks[DEPTH_MAX];
    size_t n = 0;
    for (size_t i = 0; i < DEPTH_MAX; i++) {
        timer_cancel(&w->slots[i].timer);
        if (w->slots[i].task != NULL) {
            tasks[n++] = w->slots[i].task;
            w->slots[i].task->slot = NULL;
        }
    }
    list_remove(&w->node);
    p->n_processes--;
    chan_free(w->chan);
    free(w);
    for (size_t i = 0; i < n; i++)
        over(tasks[i]);
    need_processes(p, p->n_waiting);
}

static void on_process_overdue(struct timer *timer)
{
    struct pool_slot *s = container_of(timer, struct pool_slot, timer);
    log_warning("a process %s did not answer within %d s: given up", s->process->pool->name, POOL_TIMEOUT_MS / 1000);
    daemon_give_up(chan_peer_id(s->process->chan));
    drop_process(s->process);
}

/* The asker has waited long enough; the process may have begun just now, and has its own time. */
static void on_task_overdue(struct timer *timer)
{
    struct pool_task *t = container_of(timer, struct pool_task, timer);
    struct pool *p = pool_of(t->kind);
    if (t->lane != NULL)
        leave_lane(p, t);
    else if (t->slot != NULL)
        t->slot->task = NULL;
    t->slot = NULL;
    over(t);
}

static void give(struct pool_slot *s, struct pool_task *t)
{
    s->task = t;
    s->id = chan_next_id(s->process->chan);
    t->slot = s;
    timer_set(&s->timer, loop_now() + POOL_TIMEOUT_MS, on_process_overdue);
    if (!chan_send(s->process->chan, t->type, s->id, t->ask))
        drop_process(s->process);
}

static void pump(struct pool *p)
{
    struct pool_slot *s;
    while (p->n_waiting > 0 && (s = free_slot(p)) != NULL)
        give(s, take_waiting(p));
    if (p->n_waiting > 0)
        need_processes(p, p->n_waiting);
}

static void on_message(struct chan *ch, enum ipc_type type, uint32_t id, void *msg)
{
    struct pool_process *w = chan_user(ch);
    struct pool *p = w->pool;
    struct pool_slot *s = NULL;
    for (size_t i = 0; i < p->depth && s == NULL; i++)
        if (w->slots[i].id == id && id != 0)
            s = &w->slots[i];
    if (s == NULL)
        return;
    struct pool_task *t = s->task;
    s->task = NULL;
    if (t != NULL) {
        t->slot = NULL;
        timer_cancel(&t->timer);
    }
    timer_cancel(&s->timer);
    s->id = 0;
    if (t != NULL)
        t->on_end(t, type, msg);
    pump(p);
}

static void on_closed(struct chan *ch) { drop_process(chan_user(ch)); }

void pool_add(enum pool_kind kind, const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    struct pool *p = pool_of(kind);
    struct pool_process *w = xcalloc(1, sizeof *w);
    w->pool = p;
    for (size_t i = 0; i < DEPTH_MAX; i++)
        w->slots[i].process = w;
    w->chan = daemon_chan(peer, fd, &ops, w);
    list_append(&p->processes, &w->node);
    p->n_processes++;
    if (p->n_asked > 0)
        p->n_asked--;
    pump(p);
}

void pool_warm(enum pool_kind kind)
{
    struct pool *p = pool_of(kind);
    if (p->n_processes == 0)
        need_processes(p, 1);
}

size_t pool_waiting(enum pool_kind kind) { return pool_of(kind)->n_waiting; }

bool pool_start(struct pool_task *t)
{
    struct pool *p = pool_of(t->kind);
    /* What is too long for a question must not cost a process. */
    if (!ipc_fits(t->type, t->ask))
        return false;
    struct pool_lane *l = lane_for(p, t->client);
    list_append(&l->tasks, &t->node);
    t->lane = l;
    t->slot = NULL;
    l->n++;
    p->n_waiting++;
    if (!make_room(p, l)) {
        leave_lane(p, t);
        return false;
    }
    timer_set(&t->timer, t->deadline > 0 ? t->deadline : loop_now() + POOL_TIMEOUT_MS, on_task_overdue);
    pump(p);
    return true;
}

void pool_stop(struct pool_task *t)
{
    timer_cancel(&t->timer);
    if (t->lane != NULL)
        leave_lane(pool_of(t->kind), t);
    if (t->slot != NULL)
        t->slot->task = NULL;
    t->slot = NULL;
}

/* ---- VERIFY ---- */

static void on_job_end(struct pool_task *t, enum ipc_type type, const void *msg)
{
    struct pool_job *job = container_of(t, struct pool_job, task);
    job->done(job, type == IPC_VERDICT ? msg : NULL);
}

bool pool_submit(struct pool_job *job)
{
    bool is_hash = str_eqz(job->ask.backend, "hash") || str_eqz(job->ask.backend, "make") || str_eqz(job->ask.backend, "scram");
    job->task = (struct pool_task){ .kind = is_hash ? POOL_HASH : POOL_PAM, .type = IPC_VERIFY, .ask = &job->ask,
                                    .client = job->ask.remote, .on_end = on_job_end };
    return pool_start(&job->task);
}

void pool_cancel(struct pool_job *job) { pool_stop(&job->task); }
