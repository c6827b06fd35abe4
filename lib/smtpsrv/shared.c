/* SPDX-License-Identifier: ISC */
#include "smtpsrv/shared.h"
#include "event/loop.h"

enum { ASK_MS = 1000, SLOW_MS = 10000, ARENA_MAX = 1024 };

void shared_init(struct shared_limits *l, int64_t unit_ms)
{
    *l = (struct shared_limits){ 0 };
    limits_init(&l->own, unit_ms);
}

void shared_expect(struct shared_limits *l) { l->expected = true; }

void shared_done(struct shared_limits *l)
{
    chan_free(l->anvil);
    l->anvil = NULL;
    limits_done(&l->own);
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg) { (void)c, (void)type, (void)id, (void)msg; }

static void on_closed(struct chan *c)
{
    struct shared_limits *l = chan_user(c);
    if (l->anvil == c) {
        l->anvil = NULL;
        l->expected = true;     /* master starts another */
    }
    chan_free(c);
}

const struct chan_ops *shared_ops(void)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    return &ops;
}

static void name(struct chan *c, const struct limit_client *client)
{
    int64_t age = loop_now() - client->unit_start;
    const uint32_t *n = client->events;
    struct ipc_anvil_held m = { .addr = str_from(client->addr), .connections = client->counted, .age = age > UINT32_MAX ? UINT32_MAX : (uint32_t)age,
                                .n_connection = n[LIMIT_CONNECTION], .n_message = n[LIMIT_MESSAGE], .n_rcpt = n[LIMIT_RCPT], .n_auth = n[LIMIT_AUTH],
                                .n_tls = n[LIMIT_TLS] };
    (void)chan_send(c, IPC_ANVIL_HELD, 0, &m);
}

void shared_attach(struct shared_limits *l, struct chan *c)
{
    struct chan *old = l->anvil;
    l->anvil = c;
    l->slow_until = 0;
    chan_free(old);
    LIST_EACH(it, &l->own.by_use)
        name(c, container_of(it, struct limit_client, node));
    cond_broadcast(&l->attached);
}

/* Not for long, and not each time. */
static void wait_for_anvil(struct shared_limits *l)
{
    int64_t deadline = deadline_in(ASK_MS);
    while (l->anvil == NULL && l->expected)
        if (cond_wait(&l->attached, deadline) != WAIT_OK)
            l->expected = false;
}

/* False: nobody answers. One that did not in time is told, but for a while not waited for. */
static bool ask(struct shared_limits *l, const struct limit_client *c, enum limit_event e, bool look, struct ipc_anvil_count *ret)
{
    struct ipc_anvil_ask m = { .addr = str_from(c->addr), .event = (uint32_t)e, .look = look };
    struct chan *anvil = l->anvil;
    union ipc_any reply;
    enum ipc_type type;
    if (anvil == NULL)
        return false;
    if (loop_now() < l->slow_until) {
        if (!look)
            (void)chan_send(anvil, IPC_ANVIL_ASK, chan_next_id(anvil), &m);
        return false;
    }
    struct arena arena = arena_make(ARENA_MAX);
    enum chan_result r = chan_call(anvil, IPC_ANVIL_ASK, &m, IPC_ANVIL_COUNT, IPC_TYPE_COUNT, deadline_in(ASK_MS), &arena, &type, &reply);
    arena_done(&arena);
    if (r == CHAN_TIMEOUT && anvil == l->anvil)
        l->slow_until = loop_now() + SLOW_MS;
    if (r == CHAN_OK)
        *ret = reply.anvil_count;
    return r == CHAN_OK;
}

void shared_connect(struct shared_limits *l, struct limit_client *c, uint32_t *ret_connections, uint32_t *ret_rate)
{
    struct ipc_anvil_count n = { 0 };
    wait_for_anvil(l);
    /* From here to the question nothing waits: what is counted now is not told to a new anvil twice. */
    uint32_t own = limit_count(&l->own, c, LIMIT_CONNECTION, loop_now());
    c->counted++;
    (void)ask(l, c, LIMIT_CONNECTION, false, &n);
    *ret_connections = MAX(c->connections, n.connections);
    *ret_rate = MAX(own, n.rate);
}

uint32_t shared_count(struct shared_limits *l, struct limit_client *c, enum limit_event e)
{
    struct ipc_anvil_count n = { 0 };
    if (c == NULL)
        return 0;
    wait_for_anvil(l);
    uint32_t own = limit_count(&l->own, c, e, loop_now());
    (void)ask(l, c, e, false, &n);
    return MAX(own, n.rate);
}

uint32_t shared_look(struct shared_limits *l, struct limit_client *c, enum limit_event e)
{
    struct ipc_anvil_count n = { 0 };
    if (c == NULL)
        return 0;
    wait_for_anvil(l);
    (void)ask(l, c, e, true, &n);
    return MAX(limit_look(&l->own, c, e, loop_now()), n.rate);
}

void shared_leave(struct shared_limits *l, struct limit_client *c, bool connected)
{
    if (c == NULL)
        return;
    struct ipc_anvil_leave m = { .addr = str_from(c->addr) };
    if (connected) {
        c->counted--;
        if (l->anvil != NULL)
            (void)chan_send(l->anvil, IPC_ANVIL_LEAVE, 0, &m);
    }
    limit_leave(&l->own, c);
}
