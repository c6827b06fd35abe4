/* SPDX-License-Identifier: ISC
 *
 * The pool of actors: processes that master starts on demand, each of which
 * becomes one user and then works for that user only.
 */
#include <unistd.h>
#include "base/log.h"
#include "os/clock.h"
#include "router.h"

enum { ACTOR_WAIT_MS = 60000, ASK_EVERY_MS = 2000, BUSY_MANY = 16, SWEEP_MS = 5000, COMMAND_GRACE_MS = 30000 };

struct actor {
    struct list node, calls;
    struct chan *chan;
    bool became;
    uint32_t uid, gid, spool_gid;
    unsigned busy;
    int64_t last_used;
};

/* One action under way; on the caller's stack. */
struct act_call {
    struct list node;
    uint64_t job;
    struct cond done;
    bool answered, lost;
    struct act_result *ret;
    struct arena *arena;
};

static struct {
    struct list actors;
    struct cond changed;
    uint64_t next_job;
    unsigned waiting;       /* fibers that want a process */
    int64_t asked;
    unsigned asked_for;
    struct timer sweep;
} pool;

/* --- channels ------------------------------------------------------------------------ */

static void actor_free(struct actor *x)
{
    list_remove(&x->node);
    chan_free(x->chan);
    free(x);
}

static struct act_call *find_call(struct actor *x, uint64_t job)
{
    LIST_EACH(it, &x->calls) {
        struct act_call *call = container_of(it, struct act_call, node);
        if (call->job == job)
            return call;
    }
    return NULL;
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct actor *x = chan_user(c);
    const struct ipc_action_result *r = msg;
    (void)id;
    struct act_call *call = type == IPC_ACTION_RESULT ? find_call(x, r->job) : NULL;
    if (call == NULL)
        return;
    bool known = r->outcome >= OUTCOME_SENT && r->outcome <= OUTCOME_FORWARDED;
    *call->ret = (struct act_result){
        .outcome = known ? (enum outcome)r->outcome : OUTCOME_DEFERRED, .dsn = str_dup(call->arena, r->dsn),
        .text = str_dup(call->arena, r->text), .data = str_dup(call->arena, r->data),
    };
    call->answered = true;
    list_remove(&call->node);
    cond_signal(&call->done);
}

static void on_closed(struct chan *c)
{
    struct actor *x = chan_user(c);
    LIST_EACH(it, &x->calls) {
        struct act_call *call = container_of(it, struct act_call, node);
        call->lost = true;
        list_remove(&call->node);
        cond_signal(&call->done);
    }
    actor_free(x);
    cond_broadcast(&pool.changed);
}

static const struct chan_ops actor_ops = { .on_message = on_message, .on_closed = on_closed };

void actors_peer(const struct ipc_peer *peer, int fd)
{
    struct actor *x = xcalloc(1, sizeof(*x));
    list_init(&x->calls);
    x->last_used = clock_mono_ms();
    x->chan = daemon_chan(peer, fd, &actor_ops, x);
    list_append(&pool.actors, &x->node);
    if (pool.asked_for > 0)
        pool.asked_for--;
    cond_broadcast(&pool.changed);
}

/* Close those that had no work for a while; they end then. */
static void sweep(struct timer *t)
{
    int64_t old = clock_mono_ms() - (int64_t)router->conf.actor_idle * 1000;
    LIST_EACH(it, &pool.actors) {
        struct actor *x = container_of(it, struct actor, node);
        if (x->busy == 0 && x->last_used < old)
            actor_free(x);
    }
    timer_set(t, clock_mono_ms() + SWEEP_MS, sweep);
}

void actors_start(void)
{
    list_init(&pool.actors);
    timer_set(&pool.sweep, clock_mono_ms() + SWEEP_MS, sweep);
}

/* --- choosing ------------------------------------------------------------------------- */

static bool is_slow(uint32_t kind) { return kind == ACTION_COMMAND || kind == ACTION_PIPE; }

/* One of that user's with little to do, else a new one, else (if the user has its share) the least busy. */
static struct actor *choose(const struct act_user *user, bool slow, bool *ret_want_more)
{
    struct actor *best = NULL, *fresh = NULL;
    unsigned same = 0;
    LIST_EACH(it, &pool.actors) {
        struct actor *x = container_of(it, struct actor, node);
        if (!x->became) {
            fresh = x;
        } else if (x->uid == user->uid && x->gid == user->gid && x->spool_gid == user->spool_gid) {
            same++;
            if (best == NULL || x->busy < best->busy)
                best = x;
        }
    }
    unsigned most = slow ? 0 : BUSY_MANY;
    *ret_want_more = same < router->conf.actors_per_user && (best == NULL || best->busy > most);
    if (best != NULL && (best->busy == 0 || (!slow && best->busy < BUSY_MANY)))
        return best;
    if (fresh != NULL && same < router->conf.actors_per_user)
        return fresh;
    return slow ? NULL : best;
}

static bool become(struct actor *x, const struct act_user *user)
{
    struct ipc_become who = { .user = str_from(user->name), .uid = user->uid, .gid = user->gid, .spool_gid = user->spool_gid, .home = str_from(user->home) };
    x->became = chan_send(x->chan, IPC_BECOME, 0, &who);
    x->uid = user->uid;
    x->gid = user->gid;
    x->spool_gid = user->spool_gid;
    return x->became;
}

static void ask_for_one(void)
{
    int64_t now = clock_mono_ms();
    if (pool.asked_for > 0 && now - pool.asked < ASK_EVERY_MS)
        return;
    pool.asked = now;
    pool.asked_for = 1;
    daemon_need(ROLE_ACTOR);
}

static struct actor *take_actor(const struct act_user *user, bool slow, int64_t deadline)
{
    for (;;) {
        bool more;
        struct actor *x = choose(user, slow, &more);
        if (more && (x == NULL || x->became))
            ask_for_one();
        if (x != NULL && (x->became || become(x, user)))
            return x;
        if (cond_wait(&pool.changed, MIN(deadline, deadline_in(ASK_EVERY_MS))) == WAIT_CANCELLED || clock_mono_ms() >= deadline)
            return NULL;
    }
}

/* --- acting ---------------------------------------------------------------------------- */

static void fill_in(struct rcpt *r, struct ipc_action *a)
{
    const struct ipc_deliver *d = &r->order->d;
    a->job = ++pool.next_job;
    a->queue_id = d->queue_id;
    a->n = r->n;
    a->arrival_us = d->arrival_us;
    a->maybe_done = a->maybe_done || d->maybe_done;
    a->sender = d->sender;
    a->address = r->address;
    a->file = -1;
    if (a->kind != ACTION_READ_FORWARD && a->kind != ACTION_READ_INCLUDE) {
        a->content = d->content;
        a->content_at = d->content_at;
        a->content_end = d->content_end;
        a->file = r->order->file;
    }
}

static bool send_action(struct actor *x, struct ipc_action *a, int64_t deadline)
{
    while (!chan_send(x->chan, IPC_ACTION, 0, a))
        if (chan_wait_room(x->chan, deadline) != CHAN_OK)
            return false;
    return true;
}

/* True when the action was answered; false when the actor died, perhaps after the work was done. */
static bool act_once(struct rcpt *r, const struct act_user *user, struct ipc_action *a, struct act_result *ret)
{
    bool slow = is_slow(a->kind);
    int64_t limit = slow ? (int64_t)a->seconds * 1000 + COMMAND_GRACE_MS : ACTOR_WAIT_MS * 5;
    struct act_call call = { .ret = ret, .arena = &r->arena };
    struct actor *x = take_actor(user, slow, deadline_in(ACTOR_WAIT_MS));
    list_init(&call.node);
    if (x == NULL) {
        ret->text = STR("no process for local delivery could be started");
        return true;
    }
    fill_in(r, a);
    call.job = a->job;
    list_append(&x->calls, &call.node);
    x->busy++;
    bool sent = send_action(x, a, deadline_in(ACTOR_WAIT_MS));
    enum wait w = WAIT_OK;
    int64_t deadline = deadline_in(limit);
    while (sent && !call.answered && !call.lost && w == WAIT_OK)
        w = cond_wait(&call.done, deadline);
    bool lost = call.lost;
    if (!lost) {
        list_remove(&call.node);
        x->busy--;
        x->last_used = clock_mono_ms();
        cond_signal(&pool.changed);
        if (!call.answered)
            ret->text = STR("local delivery did not end in time");
    }
    return !lost;
}

void act(struct rcpt *r, const struct act_user *user, struct ipc_action *a, struct act_result *ret)
{
    *ret = (struct act_result){ .outcome = OUTCOME_DEFERRED, .dsn = STR("4.3.0"), .text = STR("local delivery process died") };
    if (!act_once(r, user, a, ret) && !is_slow(a->kind) && a->kind != ACTION_MBOX) {
        a->maybe_done = true;   /* the name in the Maildir tells; reading .forward may be repeated anyway */
        (void)act_once(r, user, a, ret);
    }
    if (a->kind == ACTION_MAILDIR && ret->outcome == OUTCOME_SENT)
        hub_news(a->path);
}

void act_and_done(struct rcpt *r, const struct act_user *user, struct ipc_action *a)
{
    struct act_result res;
    act(r, user, a, &res);
    enum outcome outcome = res.outcome == OUTCOME_FORWARDED ? OUTCOME_DEFERRED : res.outcome;
    char dsn[16];
    rcpt_done(r, outcome, str_to_fixed(res.dsn, dsn, sizeof(dsn)) ? dsn : "4.3.0", "%.*s", STR_FMT(res.text));
}
