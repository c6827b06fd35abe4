/* SPDX-License-Identifier: ISC */
#include "intake/queue_client.h"
#include <unistd.h>
#include "base/list.h"
#include "base/vec.h"

enum { LEASE = 128, LEASE_LOW = 32 };

struct id { char text[QUEUE_ID_MAX]; };

struct queue_client {
    struct chan *chan;
    uint64_t epoch;                 /* counts channels: what belongs to an old one is void */
    void (*want)(void);
    VEC(struct id) ids;
    bool asked;                     /* an IDS_WANT is under way */
    struct cond changed;            /* ids or a channel came */
    struct queue_reply state;       /* code 0 = open */
};

static const struct queue_reply no_queue = { 451, "4.3.0", "Error: queue file write error" };

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
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct queue_client *q = chan_user(c);
    (void)id;
    if (type == IPC_IDS)
        on_ids(q, msg);
    else if (type == IPC_QUEUE_STATE)
        on_state(q, msg);
    /* Anything else is the late answer to a call that was given up. */
}

static void drop_chan(struct queue_client *q)
{
    struct chan *old = q->chan;
    q->chan = NULL;
    q->asked = false;
    q->ids.n = 0;
    q->state.code = 0;
    chan_free(old);
}

static void on_closed(struct chan *c)
{
    struct queue_client *q = chan_user(c);
    if (q->chan == c)
        drop_chan(q);
    if (q->want != NULL)
        q->want();
}

static const struct chan_ops ops = { on_message, on_closed };
const struct chan_ops *queue_client_ops(void) { return &ops; }

void queue_client_attach(struct queue_client *q, struct chan *c)
{
    drop_chan(q);
    q->chan = c;
    q->epoch++;
    ask_ids(q);
    cond_broadcast(&q->changed);
}

bool queue_client_is_connected(const struct queue_client *q)
{
    return q->chan != NULL;
}

bool queue_client_is_open(const struct queue_client *q, struct queue_reply *ret_reply)
{
    if (q->chan != NULL && q->state.code == 0)
        return true;
    *ret_reply = q->chan == NULL ? no_queue : q->state;
    return false;
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
    ask_ids(q);
    return true;
}

void queue_client_drop_id(struct queue_client *q, const char *id)
{
    const struct ipc_msg_abort msg = { .queue_id = str_from(id) };
    if (q->chan != NULL)
        (void)chan_send(q->chan, IPC_MSG_ABORT, chan_next_id(q->chan), &msg);
}

static bool refused(const struct ipc_msg_refused *msg, struct queue_reply *ret_reply)
{
    *ret_reply = (struct queue_reply){ .code = msg->code };
    if (msg->code < 400 || msg->code > 599 || !str_to_fixed(msg->dsn, ret_reply->dsn, sizeof ret_reply->dsn) ||
        !str_to_fixed(msg->text, ret_reply->text, sizeof ret_reply->text))
        *ret_reply = no_queue;
    return false;
}

static bool call(struct queue_client *q, enum ipc_type type, const void *msg, enum ipc_type want, int64_t deadline, struct arena *a, union ipc_any *ret,
                 struct queue_reply *ret_reply)
{
    enum ipc_type got;
    if (q->chan == NULL || chan_call(q->chan, type, msg, want, IPC_MSG_REFUSED, deadline, a, &got, ret) != CHAN_OK) {
        *ret_reply = no_queue;
        return false;
    }
    return got == want || refused(&ret->msg_refused, ret_reply);
}

bool queue_client_submit(struct queue_client *q, const struct ipc_msg_submit *msg, int64_t deadline, struct arena *a, struct queue_reply *ret_reply)
{
    union ipc_any *any = ARENA_NEW(a, union ipc_any);
    return call(q, IPC_MSG_SUBMIT, msg, IPC_MSG_DONE, deadline, a, any, ret_reply);
}

bool queue_client_open(struct queue_client *q, const struct ipc_msg_open *msg, int64_t deadline, struct arena *a, int *ret_fd, uint64_t *ret_epoch,
                       struct queue_reply *ret_reply)
{
    union ipc_any *any = ARENA_NEW(a, union ipc_any);
    uint64_t epoch = q->epoch;
    if (!call(q, IPC_MSG_OPEN, msg, IPC_MSG_FILE, deadline, a, any, ret_reply))
        return false;
    int fd = chan_take_fd(&any->msg_file.file);
    if (fd < 0) {
        *ret_reply = no_queue;
        return false;
    }
    *ret_fd = fd;
    *ret_epoch = epoch;
    return true;
}

bool queue_client_commit(struct queue_client *q, uint64_t epoch, const struct ipc_msg_commit *msg, int64_t deadline, struct arena *a, struct queue_reply *ret_reply)
{
    union ipc_any *any = ARENA_NEW(a, union ipc_any);
    *ret_reply = no_queue;
    return epoch == q->epoch && call(q, IPC_MSG_COMMIT, msg, IPC_MSG_DONE, deadline, a, any, ret_reply);
}

void queue_client_abort(struct queue_client *q, uint64_t epoch, const char *id)
{
    if (epoch == q->epoch)
        queue_client_drop_id(q, id);
}
