/* SPDX-License-Identifier: ISC */
#include "out.h"

/* A connection that waits for more work. */
struct seat {
    struct list node;           /* in idle, while it waits */
    struct session s;
    struct arena arena;         /* of s.nexthop */
    struct cond called;
    bool leave;
};

static struct { struct list idle; size_t busy; bool inited, draining; } self;

static void init_once(void)
{
    if (!self.inited)
        list_init(&self.idle);
    self.inited = true;
}

bool pool_idle(void) { return self.busy == 0; }

static bool may_wait(const struct seat *seat)
{
    const struct session *s = &seat->s;
    const struct out_conf *c = &s->t->conf;
    if (s->conn == NULL || s->dead || self.draining || !c->cache_on_demand || c->cache_time == 0)
        return false;
    if (c->reuse_count != 0 && s->uses >= c->reuse_count)
        return false;
    return loop_now() - s->opened < (int64_t)c->reuse_time * 1000;
}

/* WAITS for the next order. False: none came in time. */
static bool wait_for_order(struct seat *seat)
{
    int64_t until = deadline_in((int64_t)seat->s.t->conf.cache_time * 1000);
    list_prepend(&self.idle, &seat->node);      /* the one used last is used first: the others may go */
    while (seat->s.o == NULL && !seat->leave)
        if (cond_wait(&seat->called, until) != WAIT_OK)
            break;
    list_remove(&seat->node);
    return seat->s.o != NULL;
}

static void leave(struct seat *seat)
{
    smtp_reply_done(&seat->s.reply);
    arena_done(&seat->arena);
    free(seat);
    self.busy--;
}

/* Memory ran out: one order is deferred, the process goes on. Its arena takes no more, so the texts are constant. */
static void on_abort(void *arg, const char *why)
{
    struct seat *seat = arg;
    const struct reason reason = { .outcome = OUTCOME_DEFERRED, .dsn = "4.3.0", .text = STR("insufficient memory") };
    log_as(seat->s.t->ident, LOG_WARNING_LEVEL, "%s: delivery given up: %s", seat->s.o == NULL ? "idle" : seat->s.o->queue_id, why);
    if (seat->s.o != NULL) {
        order_settle_rest(seat->s.o, &reason);
        order_free(seat->s.o);
    }
    conn_free(seat->s.conn);
    leave(seat);
}

static void run(void *arg)
{
    struct seat *seat = arg;
    fiber_on_abort(on_abort, seat);
    do {
        client_deliver(&seat->s);
        ASSERT(seat->s.o->n_left == 0);
        order_free(seat->s.o);
        seat->s.o = NULL;
    } while (may_wait(seat) && wait_for_order(seat));
    session_close(&seat->s, true);
    leave(seat);
}

/* A connection of the same destination; its security was decided by the same rules. */
static struct seat *find_idle(const struct order *o)
{
    LIST_EACH(it, &self.idle) {
        struct seat *seat = container_of(it, struct seat, node);
        if (seat->s.t == o->t && seat->s.o == NULL && !seat->leave && str_eq(seat->s.nexthop, o->nexthop))
            return seat;
    }
    return NULL;
}

static void no_room(struct order *o)
{
    struct reason why;
    reason_set(o, &why, OUTCOME_DEFERRED, "4.3.0", "too many deliveries at once");
    order_settle_rest(o, &why);
    order_free(o);
}

void pool_deliver(struct order *o)
{
    init_once();
    /* With sender-dependent passwords a connection is somebody's. */
    struct seat *seat = o->t->conf.sasl_sender_dependent ? NULL : find_idle(o);
    if (seat != NULL) {
        seat->s.o = o;
        cond_signal(&seat->called);
        return;
    }
    seat = xcalloc(1, sizeof *seat);
    seat->arena = arena_make(4096);
    seat->arena.block_size = 512;
    seat->s.t = o->t;
    seat->s.nexthop = str_dup(&seat->arena, o->nexthop);
    seat->s.o = o;
    if (fiber_start(o->t->name, run, seat) == NULL) {
        arena_done(&seat->arena);
        free(seat);
        no_room(o);
        return;
    }
    self.busy++;
}

void pool_drain(void)
{
    init_once();
    self.draining = true;
    LIST_EACH(it, &self.idle) {
        struct seat *seat = container_of(it, struct seat, node);
        seat->leave = true;
        cond_signal(&seat->called);
    }
}
