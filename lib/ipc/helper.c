/* SPDX-License-Identifier: ISC */
#include "ipc/helper.h"

enum { TRIES = 3 };

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg) { (void)c, (void)type, (void)id, (void)msg; }

static void on_closed(struct chan *c)
{
    struct helper *h = chan_user(c);
    if (h->chan == c)
        h->chan = NULL;
    chan_free(c);
}

const struct chan_ops *helper_ops(void)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    return &ops;
}

void helper_attach(struct helper *h, struct chan *c)
{
    h->chan = c;
    cond_broadcast(&h->changed);
}

bool helper_is_there(const struct helper *h) { return h->chan != NULL && !chan_is_leaving(h->chan); }

/* CHAN_CLOSED when it does not come in time, or not before the deadline. */
static enum chan_result await(struct helper *h, int64_t until)
{
    while (!helper_is_there(h)) {
        enum wait w = cond_wait(&h->changed, until);
        if (w != WAIT_OK)
            return w == WAIT_CANCELLED ? CHAN_CANCELLED : CHAN_CLOSED;
    }
    return CHAN_OK;
}

enum chan_result helper_call(struct helper *h, enum ipc_type type, const void *msg, enum ipc_type want, int64_t absent_ms, int64_t deadline,
                             struct arena *arena, union ipc_any *ret_msg)
{
    enum chan_result r = CHAN_CLOSED;
    for (int i = 0; i < TRIES && r == CHAN_CLOSED; i++) {
        enum ipc_type got;
        r = await(h, MIN(deadline, deadline_in(absent_ms)));
        if (r != CHAN_OK)
            return r;
        r = chan_call(h->chan, type, msg, want, IPC_TYPE_COUNT, deadline, arena, &got, ret_msg);
    }
    return r;
}
