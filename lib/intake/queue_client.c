/* SPDX-License-Identifier: ISC */
#include "intake/queue_client.h"
#include <unistd.h>
#include "base/htab.h"
#include "base/vec.h"

enum {
    LEASE = 128, LEASE_LOW = 32,
    HELD_PER_MESSAGE = 8192 / QUEUE_ID_MAX,
    PATIENCE_MS = 15000,        /* for the successor of a qmgr that goes */
    AGAIN_MS = 50,
};

struct id { char text[QUEUE_ID_MAX]; };

/* What became of a message. UNSENT: it never was on its way; UNKNOWN: the queue manager died over it. */
enum fate { FATE_UNKNOWN, FATE_NEW, FATE_UNSENT, FATE_DONE, FATE_REFUSED };

/* A fiber that waits for the verdict on a message; on its stack. qmgr answers whole batches, by queue id. */
struct verdict_wait { struct str id; const struct chan *chan; struct cond woken; bool answered; enum fate fate; struct queue_reply reply; };

struct queue_client {
    struct chan *chan;
    uint64_t epoch;                 /* counts channels: what belongs to an old one is void */
    void (*want)(void);
    VEC(struct id) ids;
    VEC(struct id) held;            /* taken, for messages in work */
    bool asked;                     /* an IDS_WANT is under way */
    struct cond changed;            /* ids or a channel came */
    struct htab waits;              /* queue id -> struct verdict_wait */
    struct queue_reply state;       /* code 0 = open */
};

static const struct queue_reply no_queue = { 451, "4.3.0", "Error: queue file write error", false };

struct queue_client *queue_client_new(void (*want)(void))
{
    struct queue_client *q = xcalloc(1, sizeof *q);
    q->want = want;
    return q;
}

void queue_client_free(struct queue_client *q)
{
    if (q == NULL)
        return;
    chan_free(q->chan);
    vec_done(&q->ids);
    vec_done(&q->held);
    htab_done(&q->waits);
    free(q);
}

static void ask_ids(struct queue_client *q)
{
    const struct ipc_ids_want want = { .n = LEASE };
    if (q->chan == NULL || q->asked || q->ids.n > LEASE_LOW)
        return;
    q->asked = chan_send(q->chan, IPC_IDS_WANT, chan_next_id(q->chan), &want);
}

static void on_ids(struct queue_client *q, const struct ipc_ids *msg)
{
    struct str rest = msg->ids, one;
    q->asked = false;
    for (uint32_t i = 0; i < msg->n && str_cut(rest, '\0', &one, &rest); i++) {
        struct id *id = vec_add(&q->ids);
        if (one.n == 0 || !str_to_fixed(one, id->text, sizeof id->text))
            q->ids.n--;
    }
    cond_broadcast(&q->changed);
}

static void on_state(struct queue_client *q, const struct ipc_queue_state *msg)
{
    q->state.code = msg->code;
    if (!str_to_fixed(msg->dsn, q->state.dsn, sizeof q->state.dsn) || !str_to_fixed(msg->text, q->state.text, sizeof q->state.text))
        q->state = no_queue;
    cond_broadcast(&q->changed);
}

static void answer(struct queue_client *q, struct str id, enum fate fate, const struct queue_reply *reply)
{
    struct verdict_wait *w = htab_get(&q->waits, id);
    if (w == NULL || w->answered)
        return;                     /* it was given up */
    w->answered = true;
    w->fate = fate;
    w->reply = *reply;
    cond_signal(&w->woken);
}

static struct queue_reply reply_of(const struct ipc_msg_refused *msg)
{
    struct queue_reply r = { .code = msg->code, .again = msg->again };
    bool fine = msg->code >= 400 && msg->code <= 599 && str_to_fixed(msg->dsn, r.dsn, sizeof r.dsn) && str_to_fixed(msg->text, r.text, sizeof r.text);
    return fine ? r : no_queue;
}

static void on_refused(struct queue_client *q, const struct ipc_msg_refused *msg)
{
    const struct queue_reply r = reply_of(msg);
    answer(q, msg->queue_id, FATE_REFUSED, &r);
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct queue_client *q = chan_user(c);
    (void)id;
    if (type == IPC_IDS && c == q->chan)
        on_ids(q, msg);
    else if (type == IPC_QUEUE_STATE && c == q->chan)
        on_state(q, msg);
    else if (type == IPC_MSG_DONE)
        answer(q, ((struct ipc_msg_done *)msg)->queue_id, FATE_DONE, &no_queue);
    else if (type == IPC_MSG_REFUSED)
        on_refused(q, msg);
    /* A MSG_FILE here answers a call that was given up. */
}

static void set_chan(struct queue_client *q, struct chan *c)
{
    q->chan = c;
    q->asked = false;
    q->ids.n = 0;
    q->state.code = 0;
    cond_broadcast(&q->changed);
}

static void on_closed(struct chan *c)
{
    struct queue_client *q = chan_user(c);
    struct verdict_wait *w;
    for (size_t pos = 0; (w = htab_each(&q->waits, &pos)) != NULL;)
        if (w->chan == c)
            answer(q, w->id, FATE_UNKNOWN, &no_queue);
    if (q->chan == c)
        set_chan(q, NULL);
    chan_free(c);
    if (q->chan == NULL && q->want != NULL)
        q->want();
}

static const struct chan_ops ops = { on_message, on_closed };
const struct chan_ops *queue_client_ops(void) { return &ops; }

/* A message that is being received keeps its id over a reload. */
static void tell_held(struct queue_client *q)
{
    struct buf ids = buf_make(0);
    for (size_t i = 0; i < q->held.n; i += HELD_PER_MESSAGE) {
        struct ipc_ids_held msg = { .n = (uint32_t)MIN(q->held.n - i, (size_t)HELD_PER_MESSAGE) };
        buf_reset(&ids);
        for (size_t k = i; k < i + msg.n; k++)
            buf_put(&ids, q->held.p[k].text, strlen(q->held.p[k].text) + 1);
        msg.ids = buf_str(&ids);
        (void)chan_send(q->chan, IPC_IDS_HELD, 0, &msg);
    }
    buf_done(&ids);
}

void queue_client_attach(struct queue_client *q, struct chan *c)
{
    set_chan(q, c);
    q->epoch++;
    tell_held(q);
    ask_ids(q);
}

bool queue_client_is_open(const struct queue_client *q, struct queue_reply *ret_reply)
{
    bool connected = q->chan != NULL && !chan_is_leaving(q->chan);
    if (connected && q->state.code == 0)
        return true;
    *ret_reply = connected ? q->state : no_queue;
    return false;
}

/* WAITS until it is open; not for what no moment changes, as a full disk. */
static bool await(struct queue_client *q, int64_t deadline, struct queue_reply *ret_reply)
{
    while (!queue_client_is_open(q, ret_reply)) {
        if (ret_reply->code != no_queue.code)
            return false;
        if (q->chan == NULL && q->want != NULL)
            q->want();
        if (cond_wait(&q->changed, deadline) != WAIT_OK)
            return false;
    }
    return true;
}

bool queue_client_await(struct queue_client *q, int64_t deadline, struct queue_reply *ret_reply)
{
    return q->chan == NULL || await(q, deadline, ret_reply);    /* who is not connected waits for ids, later */
}

bool queue_client_take_id(struct queue_client *q, int64_t deadline, char ret_id[QUEUE_ID_MAX])
{
    while (q->ids.n == 0) {
        ask_ids(q);
        if (q->chan == NULL && q->want != NULL)
            q->want();
        if (cond_wait(&q->changed, deadline) != WAIT_OK)
            return false;
    }
    (void)str_to_fixed(str_from(q->ids.p[--q->ids.n].text), ret_id, QUEUE_ID_MAX);
    vec_push(&q->held, q->ids.p[q->ids.n]);
    ask_ids(q);
    return true;
}

/* The message is over, for us. */
static void let_go(struct queue_client *q, struct str id)
{
    for (size_t i = q->held.n; i-- > 0;) {
        if (!str_eqz(id, q->held.p[i].text))
            continue;
        q->held.p[i] = q->held.p[--q->held.n];
        return;
    }
}

static void drop_id(struct queue_client *q, struct str id)
{
    const struct ipc_msg_abort msg = { .queue_id = id };
    let_go(q, id);
    if (q->chan != NULL)
        (void)chan_send(q->chan, IPC_MSG_ABORT, chan_next_id(q->chan), &msg);
}

void queue_client_drop_id(struct queue_client *q, const char *id) { drop_id(q, str_from(id)); }

struct waiting { struct queue_client *q; struct verdict_wait *w; };

static void stop_waiting(void *arg)
{
    const struct waiting *x = arg;
    (void)htab_remove(&x->q->waits, x->w->id);
}

/* False when the channel is gone, or full until the deadline. */
static bool send(struct queue_client *q, enum ipc_type type, const void *msg, int64_t deadline)
{
    struct chan *c = q->chan;
    uint64_t epoch = q->epoch;
    while (c != NULL && q->chan == c && q->epoch == epoch) {
        if (chan_send(c, type, chan_next_id(c), msg))
            return true;
        if (chan_queued(c) == 0 || chan_wait_room(c, deadline) != CHAN_OK)
            return false;
    }
    return false;
}

/* Send a message, wait for its verdict. */
static enum fate ask_verdict(struct queue_client *q, enum ipc_type type, const void *msg, struct str id, int64_t deadline, struct queue_reply *ret_reply)
{
    struct verdict_wait w = { .id = id, .chan = q->chan, .reply = no_queue };
    struct waiting x = { q, &w };
    struct cleanup undo;
    (void)htab_put(&q->waits, id, &w);
    cleanup_push(&undo, stop_waiting, &x);
    bool sent = send(q, type, msg, deadline);
    while (sent && !w.answered && cond_wait(&w.woken, deadline) == WAIT_OK)
        ;
    cleanup_pop(&undo, true);
    *ret_reply = w.reply;
    return sent ? w.fate : FATE_UNSENT;
}

/* WAITS until it makes sense to ask, for the first time or again. False: it does not, or patience is over. */
static bool may_ask(struct queue_client *q, enum fate fate, int64_t patience, struct queue_reply *reply)
{
    bool again = fate == FATE_UNSENT || (fate == FATE_REFUSED && reply->again);
    if (again && (loop_now() >= patience || fiber_sleep(deadline_in(AGAIN_MS)) == WAIT_CANCELLED))
        return false;
    return (again || fate == FATE_NEW) && await(q, patience, reply);
}

bool queue_client_submit(struct queue_client *q, const struct ipc_msg_submit *msg, int64_t deadline, struct queue_reply *ret_reply)
{
    int64_t patience = MIN(deadline, deadline_in(PATIENCE_MS));
    enum fate fate = FATE_NEW;
    while (may_ask(q, fate, patience, ret_reply))
        fate = ask_verdict(q, IPC_MSG_SUBMIT, msg, msg->queue_id, deadline, ret_reply);
    if (fate == FATE_DONE || fate == FATE_UNKNOWN)
        let_go(q, msg->queue_id);
    else
        drop_id(q, msg->queue_id);
    return fate == FATE_DONE;
}

/* As with a message that is submitted, for its file. */
static enum fate ask_file(struct queue_client *q, const struct ipc_msg_open *msg, int64_t deadline, struct arena *a, union ipc_any *ret, struct queue_reply *ret_reply)
{
    enum ipc_type got;
    *ret_reply = no_queue;
    if (chan_call(q->chan, IPC_MSG_OPEN, msg, IPC_MSG_FILE, IPC_MSG_REFUSED, deadline, a, &got, ret) != CHAN_OK)
        return FATE_UNKNOWN;
    if (got == IPC_MSG_FILE)
        return FATE_DONE;
    *ret_reply = reply_of(&ret->msg_refused);
    return FATE_REFUSED;
}

bool queue_client_open(struct queue_client *q, const struct ipc_msg_open *msg, int64_t deadline, struct arena *a, int *ret_fd, uint64_t *ret_epoch,
                       struct queue_reply *ret_reply)
{
    union ipc_any *any = ARENA_NEW(a, union ipc_any);
    int64_t patience = MIN(deadline, deadline_in(PATIENCE_MS));
    enum fate fate = FATE_NEW;
    while (may_ask(q, fate, patience, ret_reply)) {
        *ret_epoch = q->epoch;
        fate = ask_file(q, msg, deadline, a, any, ret_reply);
    }
    *ret_fd = fate == FATE_DONE ? chan_take_fd(&any->msg_file.file) : -1;
    return *ret_fd >= 0;
}

bool queue_client_commit(struct queue_client *q, uint64_t epoch, const struct ipc_msg_commit *msg, int64_t deadline, struct queue_reply *ret_reply)
{
    *ret_reply = no_queue;
    let_go(q, msg->queue_id);
    return epoch == q->epoch && ask_verdict(q, IPC_MSG_COMMIT, msg, msg->queue_id, deadline, ret_reply) == FATE_DONE;
}

void queue_client_abort(struct queue_client *q, uint64_t epoch, const char *id)
{
    if (epoch == q->epoch)
        queue_client_drop_id(q, id);
    else
        let_go(q, str_from(id));
}
