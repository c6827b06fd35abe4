/* SPDX-License-Identifier: ISC */
#include "out.h"
#include <stdarg.h>
#include <unistd.h>

enum { ORDER_MEMORY = 64 << 20, RCPTS_MAX = 100000, TEXT_MAX = 3900, RESEND_MS = 200 };

/* A result that qmgr has not written down yet. */
struct kept {
    struct list node;
    struct arena arena;
    char queue_id[33];
    bool sent;
    struct ipc_result result;
};

static struct {
    struct chan *qmgr;
    struct list orders, kept;
    struct timer resend;
} self;

void orders_init(void)
{
    list_init(&self.orders);
    list_init(&self.kept);
}

bool orders_idle(void) { return list_is_empty(&self.orders) && list_is_empty(&self.kept); }

void reason_set(struct order *o, struct reason *ret, uint32_t outcome, const char *dsn, const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    *ret = (struct reason){ .outcome = outcome, .text = str_dup(&o->arena, str_make(text, (size_t)MIN(MAX(n, 0), TEXT_MAX - 1))) };
    (void)snprintf(ret->dsn, sizeof ret->dsn, "%s", dsn);
}

/* ---- log line ---- */

/* At most two significant digits, at most two of them behind the point: "0.05", "1.2", "31". */
static void put_delay(struct buf *out, int64_t us)
{
    us = MAX(us, 0);
    int64_t unit = us < 1000000 ? 10000 : us < 10000000 ? 100000 : 1000000;
    int64_t hundredths = (us + unit / 2) / unit * unit / 10000;
    buf_u64(out, (uint64_t)(hundredths / 100));
    unsigned rest = (unsigned)(hundredths % 100);
    if (rest != 0)
        buf_printf(out, rest % 10 == 0 ? ".%u" : ".%02u", rest % 10 == 0 ? rest / 10 : rest);
}

static void put_delays(struct buf *out, const struct order *o)
{
    int64_t now = clock_wall_us(), arrival = (int64_t)o->arrival_us, active = (int64_t)o->active_us;
    int64_t started = o->started_us != 0 ? o->started_us : now, connected = o->connected_us != 0 ? o->connected_us : now;
    buf_puts(out, ", delay=");
    put_delay(out, now - arrival);
    buf_puts(out, ", delays=");
    put_delay(out, active - arrival);
    buf_putc(out, '/');
    put_delay(out, started - active);
    buf_putc(out, '/');
    put_delay(out, connected - started);
    buf_putc(out, '/');
    put_delay(out, now - connected);
}

static const char *status_name(uint32_t outcome)
{
    return outcome == OUTCOME_SENT ? "sent" : outcome == OUTCOME_BOUNCED ? "bounced" : "deferred";
}

static void log_result(const struct order *o, const struct rcpt *r, const struct reason *why)
{
    struct buf line = buf_make(0);
    buf_printf(&line, "%s: to=<%.*s>", o->queue_id, STR_FMT(r->address));
    if (r->orig.n > 0 && !str_ieq(r->orig, r->address))
        buf_printf(&line, ", orig_to=<%.*s>", STR_FMT(r->orig));
    buf_printf(&line, ", relay=%s", o->relay[0] == '\0' ? "none" : o->relay);
    if (o->uses > 1)
        buf_printf(&line, ", conn_use=%u", o->uses);
    put_delays(&line, o);
    buf_printf(&line, ", dsn=%s, status=%s (%.*s)", why->dsn, status_name(why->outcome), STR_FMT(why->text));
    log_as(o->t->ident, LOG_INFO_LEVEL, "%s", buf_cstr(&line));
    buf_done(&line);
}

/* ---- results ---- */

static void resend(struct timer *t);

/* Without a channel it waits until a new qmgr asks; if the channel is full, for a moment. */
static void send_result(struct kept *k)
{
    if (self.qmgr == NULL)
        return;
    k->sent = chan_send(self.qmgr, IPC_RESULT, 0, &k->result);
    if (!k->sent)
        timer_set(&self.resend, loop_now() + RESEND_MS, resend);
}

static void resend(struct timer *t)
{
    (void)t;
    LIST_EACH(it, &self.kept) {
        struct kept *k = container_of(it, struct kept, node);
        if (!k->sent)
            send_result(k);
    }
}

static void keep_result(const struct order *o, const struct rcpt *r, const struct reason *why)
{
    struct kept *k = xcalloc(1, sizeof *k);
    k->arena = arena_make(65536);
    k->arena.block_size = 256;
    (void)snprintf(k->queue_id, sizeof k->queue_id, "%s", o->queue_id);
    k->result = (struct ipc_result){
        .job = o->job, .n = r->n, .outcome = why->outcome, .dsn = str_dup(&k->arena, str_from(why->dsn)),
        .text = str_dup(&k->arena, str_head(why->text, TEXT_MAX)), .remote_mta = str_dup(&k->arena, str_head(why->mta, 255)),
        .remote_reply = str_dup(&k->arena, str_head(why->reply, 1999)), .next_hop_failed = why->next_hop_failed,
        .dsn_passed_on = why->outcome == OUTCOME_SENT && o->dsn_passed_on,
    };
    list_append(&self.kept, &k->node);
    send_result(k);
}

void order_settle(struct order *o, struct rcpt *r, const struct reason *why)
{
    ASSERT(!r->settled);
    r->settled = true;
    o->n_left--;
    log_result(o, r, why);
    keep_result(o, r, why);
}

void order_settle_rest(struct order *o, const struct reason *why)
{
    for (uint32_t i = 0; i < o->n_rcpts; i++)
        if (!o->rcpts[i].settled)
            order_settle(o, &o->rcpts[i], why);
}

void order_free(struct order *o)
{
    list_remove(&o->node);
    if (o->file >= 0)
        (void)close(o->file);
    arena_done(&o->arena);
    free(o);
}

/* ---- orders ---- */

/* error(8), retry and discard have nobody to talk to. */
static void settle_at_once(struct order *o)
{
    bool bounce = o->t->kind == OUT_ERROR, discard = o->t->kind == OUT_DISCARD;
    struct str text = o->nexthop;
    size_t n = smtp_reply_dsn_length(text);
    char dsn[16];
    struct reason why;
    (void)snprintf(dsn, sizeof dsn, "%s", discard ? "2.0.0" : bounce ? "5.0.0" : "4.0.0");
    if (n > 0 && n < sizeof dsn) {
        (void)str_to_fixed(str_head(text, n), dsn, sizeof dsn);
        text = str_trim(str_skip(text, n));
    }
    dsn[0] = discard ? '2' : bounce ? '5' : '4';
    reason_set(o, &why, discard ? OUTCOME_SENT : bounce ? OUTCOME_BOUNCED : OUTCOME_DEFERRED, dsn, "%.*s", STR_FMT(text));
    order_settle_rest(o, &why);
    order_free(o);
}

static void begin(struct order *o)
{
    o->started_us = clock_wall_us();
    if (o->t->kind != OUT_SMTP && o->t->kind != OUT_LMTP)
        settle_at_once(o);
    else
        pool_deliver(o);
}

static void take_order(struct ipc_deliver *m)
{
    struct transport *t = transport_find(m->transport);
    if (m->n_rcpt == 0 || m->n_rcpt > RCPTS_MAX)
        return;
    struct order *o = xcalloc(1, sizeof *o);
    o->arena = arena_make(ORDER_MEMORY);
    struct arena *a = &o->arena;
    o->job = m->job;
    o->queue_id = str_printf(a, "%.*s", STR_FMT(m->queue_id)).p;
    o->t = t != NULL ? t : transport_find(STR("retry"));
    o->nexthop = t != NULL ? str_dup(a, m->nexthop) : STR("4.3.0 mail transport unavailable");
    o->sender = str_dup(a, m->sender);
    o->envid = str_dup(a, m->envid);
    o->attrs = str_dup(a, m->attrs);
    o->content = str_dup(a, m->content);
    o->flags = m->flags;
    o->ret = m->ret;
    o->arrival_us = m->arrival_us;
    o->active_us = m->active_us;
    o->content_size = m->content_size;
    o->content_at = m->content_at;
    o->content_end = m->content_end;
    o->file = chan_take_fd(&m->file);
    o->rcpts = ARENA_ARRAY(a, struct rcpt, m->n_rcpt);
    o->n_rcpts = o->n_left = m->n_rcpt;
    list_append(&self.orders, &o->node);
}

static void take_rcpt(const struct ipc_deliver_rcpt *m)
{
    /* The recipients follow their order at once: it is the last one. */
    if (list_is_empty(&self.orders))
        return;
    struct order *o = container_of(self.orders.prev, struct order, node);
    if (o->job != m->job || o->n_got == o->n_rcpts)
        return;
    struct rcpt *r = &o->rcpts[o->n_got++];
    *r = (struct rcpt){ .n = m->n, .address = str_dup(&o->arena, m->address), .orig = str_dup(&o->arena, m->orig),
                        .orcpt = str_dup(&o->arena, m->orcpt), .notify = m->notify };
    if (o->n_got == o->n_rcpts)
        begin(o);
}

static void forget_result(const struct ipc_result_ack *m)
{
    LIST_EACH(it, &self.kept) {
        struct kept *k = container_of(it, struct kept, node);
        if (k->result.job != m->job || k->result.n != m->n)
            continue;
        list_remove(&k->node);
        arena_done(&k->arena);
        free(k);
        return;
    }
}

static void tell_one(struct chan *c, const char *queue_id, uint32_t n, uint64_t job)
{
    struct ipc_inflight m = { .queue_id = str_from(queue_id), .n = n, .job = job };
    (void)chan_send(c, IPC_INFLIGHT, 0, &m);
}

/* A new qmgr: what is under way, and what its predecessor may not have written down. */
static void tell_in_flight(struct chan *c, uint32_t id)
{
    const struct ipc_inflight_end end = { .unused = 0 };
    LIST_EACH(it, &self.orders) {
        const struct order *o = container_of(it, struct order, node);
        for (uint32_t i = 0; i < o->n_got; i++)
            if (!o->rcpts[i].settled)
                tell_one(c, o->queue_id, o->rcpts[i].n, o->job);
    }
    LIST_EACH(it, &self.kept) {
        const struct kept *k = container_of(it, struct kept, node);
        tell_one(c, k->queue_id, k->result.n, k->result.job);
    }
    (void)chan_send(c, IPC_INFLIGHT_END, id, &end);
    LIST_EACH(it, &self.kept)
        send_result(container_of(it, struct kept, node));
}

void order_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    self.qmgr = c;
    if (type == IPC_DELIVER)
        take_order(msg);
    else if (type == IPC_DELIVER_RCPT)
        take_rcpt(msg);
    else if (type == IPC_RESULT_ACK)
        forget_result(msg);
    else if (type == IPC_INFLIGHT_ASK)
        tell_in_flight(c, id);
}

/* An order whose recipients have not all come never will. */
void order_qmgr_gone(struct chan *c)
{
    if (self.qmgr == c)
        self.qmgr = NULL;
    if (list_is_empty(&self.orders))
        return;
    struct order *o = container_of(self.orders.prev, struct order, node);
    if (o->n_got < o->n_rcpts)
        order_free(o);
}
