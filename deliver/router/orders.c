/* SPDX-License-Identifier: ISC
 *
 * qmgr's orders. A result is kept, and said again to a new qmgr, until it
 * comes back as RESULT_ACK: only then is it in the journal.
 */
#include <stdarg.h>
#include <unistd.h>
#include "base/enc.h"
#include "base/log.h"
#include "os/clock.h"
#include "router.h"

enum { ORDER_MEMORY = 64 << 20, RCPT_MEMORY = 16 << 20, IDS_LEASE = 16, IDS_WAIT_MS = 20000 };

static struct {
    struct list orders;         /* still waiting for DELIVER_RCPT */
    struct list rcpts;          /* working, or not acknowledged */
    struct chan *qmgr;
    size_t working;
    VEC(char *) ids;
    struct cond ids_changed;
    bool ids_asked;
} all;

/* --- results -------------------------------------------------------------------------- */

void rcpt_done(struct rcpt *r, enum outcome outcome, const char *dsn, const char *fmt, ...)
{
    struct buf text = buf_make(3900), clean = buf_make(3900);
    char line[3900];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    buf_puts(&text, line);
    enc_printable(&clean, buf_str(&text));
    r->finished = true;
    r->outcome = outcome;
    r->dsn = str_dup(&r->arena, str_from(dsn));
    r->text = str_dup(&r->arena, buf_str(&clean));
    buf_done(&text);
    buf_done(&clean);
}

static void say_result(struct rcpt *r)
{
    if (all.qmgr == NULL)
        return;     /* the next one asks */
    if (r->replace != NULL) {
        (void)chan_send(all.qmgr, IPC_REPLACE, 0, r->replace);
        return;
    }
    struct ipc_result result = {
        .job = r->order->d.job, .n = r->n, .outcome = (uint32_t)r->outcome, .dsn = r->dsn, .text = r->text,
    };
    (void)chan_send(all.qmgr, IPC_RESULT, 0, &result);
}

static const char *status_of(enum outcome o)
{
    return o == OUTCOME_SENT || o == OUTCOME_FORWARDED ? "sent" : o == OUTCOME_BOUNCED ? "bounced" : "deferred";
}

static const char *program_of(struct str transport)
{
    return str_eqz(transport, "local") ? "local" : str_eqz(transport, "virtual") ? "virtual" : "pipe";
}

static void log_result(const struct rcpt *r)
{
    const struct ipc_deliver *d = &r->order->d;
    struct delivery_times t = {
        .arrival = (int64_t)d->arrival_us, .active = (int64_t)d->active_us, .start = r->start_us, .connected = r->start_us, .end = clock_wall_us(),
    };
    struct buf line = buf_make(0);
    char ident[200];
    snprintf(ident, sizeof(ident), "%s/%s", router->conf.syslog_name, program_of(d->transport));
    delivery_log_put(&line, d->queue_id, r->address, r->orig, d->transport, STR(""), &t, r->dsn, status_of(r->outcome), r->text);
    log_as(ident, LOG_INFO_LEVEL, "%s", buf_cstr(&line));
    buf_done(&line);
}

/* --- lives ------------------------------------------------------------------------------ */

static void order_unref(struct order *o)
{
    if (--o->left > 0)
        return;
    list_remove(&o->node);
    if (o->file >= 0)
        close(o->file);
    struct arena a = o->arena;
    arena_done(&a);         /* o itself lives in it */
}

static void rcpt_free(struct rcpt *r)
{
    struct order *o = r->order;
    struct arena a = r->arena;
    list_remove(&r->node);
    arena_done(&a);
    order_unref(o);
}

static void finish(struct rcpt *r)
{
    if (!r->finished)
        rcpt_done(r, OUTCOME_DEFERRED, "4.3.0", "delivery was interrupted");
    all.working--;
    log_result(r);
    say_result(r);
}

static void on_abort(void *arg)
{
    struct rcpt *r = arg;
    if (!r->finished) {
        r->dsn = STR("4.3.0");
        r->text = STR("out of memory");
        r->outcome = OUTCOME_DEFERRED;
        r->finished = true;
    }
    finish(r);
}

static void run(void *arg)
{
    struct rcpt *r = arg;
    struct cleanup done;
    struct str transport = r->order->d.transport;
    cleanup_push(&done, on_abort, r);
    if (str_eqz(transport, "virtual"))
        deliver_virtual(r);
    else if (str_eqz(transport, "local"))
        deliver_local(r);
    else if (pipe_has(transport))
        deliver_pipe(r);
    else
        rcpt_done(r, OUTCOME_DEFERRED, "4.3.5", "mail transport \"%.*s\" is not a local one", STR_FMT(transport));
    cleanup_pop(&done, true);
}

/* --- messages from qmgr -------------------------------------------------------------------- */

static struct str keep(struct arena *a, struct str s) { return str_dup(a, s); }

static void on_deliver(struct ipc_deliver *d)
{
    struct arena arena = arena_make(ORDER_MEMORY);
    struct order *o = ARENA_NEW(&arena, struct order);
    o->d = *d;
    struct str *const strings[] = { &o->d.queue_id, &o->d.transport, &o->d.nexthop, &o->d.sender, &o->d.envid, &o->d.attrs, &o->d.content };
    for (size_t i = 0; i < N_ELEMS(strings); i++)
        *strings[i] = keep(&arena, *strings[i]);
    o->file = chan_take_fd(&d->file);
    o->expected = o->left = d->n_rcpt;
    o->arena = arena;
    list_append(&all.orders, &o->node);
    if (o->left == 0) {
        o->left = 1;
        order_unref(o);
    }
}

static struct order *find_order(uint64_t job)
{
    LIST_EACH(it, &all.orders) {
        struct order *o = container_of(it, struct order, node);
        if (o->d.job == job)
            return o;
    }
    return NULL;
}

static void on_rcpt(const struct ipc_deliver_rcpt *m)
{
    struct order *o = find_order(m->job);
    if (o == NULL || o->expected == 0)
        return;
    if (--o->expected == 0)
        list_remove(&o->node);
    struct arena arena = arena_make(RCPT_MEMORY);
    struct rcpt *r = ARENA_NEW(&arena, struct rcpt);
    *r = (struct rcpt){
        .order = o, .n = m->n, .address = keep(&arena, m->address), .orig = keep(&arena, m->orig), .orcpt = keep(&arena, m->orcpt),
        .notify = m->notify, .start_us = clock_wall_us(),
    };
    r->arena = arena;
    list_append(&all.rcpts, &r->node);
    all.working++;
    if (fiber_start("local delivery", run, r) == NULL) {
        rcpt_done(r, OUTCOME_DEFERRED, "4.3.0", "too many deliveries at once");
        finish(r);
    }
}

static void on_ack(const struct ipc_result_ack *m)
{
    LIST_EACH(it, &all.rcpts) {
        struct rcpt *r = container_of(it, struct rcpt, node);
        if (r->finished && r->order->d.job == m->job && r->n == m->n) {
            rcpt_free(r);
            return;
        }
    }
}

/* A new qmgr learns what is still here, and what has ended meanwhile. */
static void on_ask(struct chan *c)
{
    LIST_EACH(it, &all.rcpts) {
        struct rcpt *r = container_of(it, struct rcpt, node);
        struct ipc_inflight m = { .queue_id = r->order->d.queue_id, .n = r->n, .job = r->order->d.job };
        (void)chan_send(c, IPC_INFLIGHT, 0, &m);
    }
    struct ipc_inflight_end end = { 0 };
    (void)chan_send(c, IPC_INFLIGHT_END, 0, &end);
    LIST_EACH(it, &all.rcpts) {
        struct rcpt *r = container_of(it, struct rcpt, node);
        if (r->finished)
            say_result(r);
    }
}

/* --- RESOLVE ----------------------------------------------------------------------------------- */

struct question { struct arena arena; uint32_t id; struct str sender, address; };

static void answer(void *arg)
{
    struct question *q = arg;
    struct err err = { 0 };
    struct resolved where;
    struct ipc_resolved m = { .outcome = OUTCOME_DEFERRED };
    struct str sender = resolve_rewrite(router->resolve, q->sender, &q->arena), address = resolve_rewrite(router->resolve, q->address, &q->arena);
    if (resolve_address(router->resolve, sender, address, &q->arena, &where, &err) == RESOLVE_OK)
        m = (struct ipc_resolved){ .transport = where.transport, .nexthop = where.nexthop, .recipient = where.recipient };
    else
        m.text = str_head(str_from(err.text), 400);
    if (all.qmgr != NULL)
        (void)chan_send(all.qmgr, IPC_RESOLVED, q->id, &m);
    struct arena a = q->arena;
    arena_done(&a);
}

static void on_resolve(uint32_t id, const struct ipc_resolve *m)
{
    struct arena arena = arena_make(4 << 20);
    struct question *q = ARENA_NEW(&arena, struct question);
    *q = (struct question){ .id = id, .sender = keep(&arena, m->sender), .address = keep(&arena, m->address) };
    q->arena = arena;
    if (fiber_start("resolve", answer, q) == NULL) {
        struct ipc_resolved busy = { .outcome = OUTCOME_DEFERRED, .text = STR("too many questions at once") };
        (void)chan_send(all.qmgr, IPC_RESOLVED, id, &busy);
        arena_done(&arena);
    }
}

/* --- queue ids ----------------------------------------------------------------------------------- */

static void on_ids(const struct ipc_ids *m)
{
    struct str id, rest = m->ids;
    all.ids_asked = false;
    while (rest.n > 0 && str_cut(rest, '\0', &id, &rest))
        vec_push(&all.ids, xstrdup(id.p));
    cond_broadcast(&all.ids_changed);
}

static void drop_ids(void)
{
    for (size_t i = 0; i < all.ids.n; i++)
        free(all.ids.p[i]);
    all.ids.n = 0;
    all.ids_asked = false;
}

bool orders_take_id(char ret_id[33], struct arena *a)
{
    int64_t deadline = deadline_in(IDS_WAIT_MS);
    (void)a;
    while (all.ids.n == 0) {
        struct ipc_ids_want want = { .n = IDS_LEASE };
        if (all.qmgr != NULL && !all.ids_asked)
            all.ids_asked = chan_send(all.qmgr, IPC_IDS_WANT, chan_next_id(all.qmgr), &want);
        if (cond_wait(&all.ids_changed, deadline) != WAIT_OK)
            return false;
    }
    char *id = all.ids.p[--all.ids.n];
    bool ok = str_to_fixed(str_from(id), ret_id, 33);
    free(id);
    return ok;
}

/* --- the channel ------------------------------------------------------------------------------------ */

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    if (type == IPC_DELIVER)
        on_deliver(msg);
    else if (type == IPC_DELIVER_RCPT)
        on_rcpt(msg);
    else if (type == IPC_RESULT_ACK)
        on_ack(msg);
    else if (type == IPC_INFLIGHT_ASK)
        on_ask(c);
    else if (type == IPC_RESOLVE)
        on_resolve(id, msg);
    else if (type == IPC_IDS)
        on_ids(msg);
}

static void drop_orders(void)
{
    LIST_EACH(it, &all.orders) {    /* their recipients will not come any more */
        struct order *o = container_of(it, struct order, node);
        o->left -= o->expected - 1;
        o->expected = 0;
        list_remove(&o->node);
        order_unref(o);
    }
}

static void on_closed(struct chan *c)
{
    chan_free(c);
    if (all.qmgr != c)
        return;
    all.qmgr = NULL;
    drop_orders();
    drop_ids();
}

static const struct chan_ops qmgr_ops = { .on_message = on_message, .on_closed = on_closed };

void orders_peer(const struct ipc_peer *peer, int fd)
{
    if (all.orders.next == NULL) {
        list_init(&all.orders);
        list_init(&all.rcpts);
    }
    if (all.qmgr != NULL) {
        chan_free(all.qmgr);
        drop_orders();
        drop_ids();
    }
    all.qmgr = daemon_chan(peer, fd, &qmgr_ops, NULL);
}

/* Unacknowledged results need no more work of ours, but a qmgr that takes them. */
bool orders_idle(void) { return all.working == 0 && (all.qmgr == NULL || all.rcpts.next == NULL || list_is_empty(&all.rcpts)); }
