/* SPDX-License-Identifier: ISC */
#include "ipc/chan_int.h"

/* A fiber in chan_call(); lives on its stack. */
struct call {
    struct list node;           /* unlinked = answered, or the channel is gone */
    struct cond done;
    uint32_t id;
    enum ipc_type want, or_type, got;
    enum chan_result result;
    struct arena *arena;
    union ipc_any *ret_msg;
    size_t lacking;             /* bytes that the arena had no room for */
};

/* A fiber in chan_wait_room(). */
struct room_wait { struct list node; struct cond woken; enum chan_result result; };

void chan_wake_all(struct chan *c)
{
    for (size_t i = 0; i < CALL_BUCKETS; i++) {
        LIST_EACH(it, &c->calls[i]) {
            struct call *call = container_of(it, struct call, node);
            list_remove(it);
            call->result = CHAN_CLOSED;
            cond_signal(&call->done);
        }
    }
    LIST_EACH(it, &c->room) {
        struct room_wait *w = container_of(it, struct room_wait, node);
        list_remove(it);
        w->result = CHAN_CLOSED;
        cond_signal(&w->woken);
    }
}

void chan_wake_room(struct chan *c)
{
    if (chan_queued(c) > CHAN_BUDGET / 2)
        return;
    LIST_EACH(it, &c->room) {
        struct room_wait *w = container_of(it, struct room_wait, node);
        list_remove(it);
        w->result = CHAN_OK;
        cond_signal(&w->woken);
    }
}

/* ---- answers ---- */

static size_t body_strings(const struct ipc_message *m, const char *msg)
{
    size_t n = 0;
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++)
        n += f->kind == IPC_STR ? ((const struct str *)(const void *)(msg + f->offset))->n : 0;
    return n;
}

static struct call *find_call(struct chan *c, enum ipc_type type, uint32_t id)
{
    struct list *bucket = &c->calls[id % CALL_BUCKETS];
    LIST_EACH(it, bucket) {
        struct call *call = container_of(it, struct call, node);
        if (call->id == id && (call->want == type || call->or_type == type))
            return call;
    }
    return NULL;
}

/*
 * Hand the answer to the fiber that waits for it. Its strings go to its arena;
 * if they do not fit, the fiber runs into the limit by itself, since here, on
 * the loop's stack, exhausting the arena would end the process.
 */
static void complete(struct call *call, enum ipc_type type, union ipc_any *msg)
{
    const struct ipc_message *m = ipc_message(type);
    size_t need = body_strings(m, (const char *)msg) + m->n_fields * 32;
    list_remove(&call->node);
    if (call->arena == NULL || need > call->arena->limit - call->arena->used) {
        int *fd = chan_fd_field(m, msg);
        if (fd != NULL)
            chan_close_fd(fd);
        call->lacking = need;
        call->result = CHAN_CLOSED;
        cond_signal(&call->done);
        return;
    }
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++) {
        if (f->kind == IPC_STR) {
            struct str *s = (void *)((char *)msg + f->offset);
            *s = str_dup(call->arena, *s);
        }
    }
    *call->ret_msg = *msg;
    call->got = type;
    call->result = CHAN_OK;
    cond_signal(&call->done);
}

bool chan_answer(struct chan *c, enum ipc_type type, uint32_t id, union ipc_any *msg)
{
    struct call *call = id == 0 ? NULL : find_call(c, type, id);
    if (call != NULL)
        complete(call, type, msg);
    return call != NULL;
}

/* ---- waiting ---- */

static void unlink_node(void *arg) { list_remove(arg); }

static enum chan_result of_wait(enum wait w)
{
    switch (w) {
    case WAIT_OK: return CHAN_OK;
    case WAIT_TIMEOUT: return CHAN_TIMEOUT;
    case WAIT_CANCELLED: return CHAN_CANCELLED;
    }
    UNREACHABLE();
}

enum chan_result chan_call(struct chan *c, enum ipc_type type, const void *msg, enum ipc_type want, enum ipc_type or_type,
                           int64_t deadline, struct arena *arena, enum ipc_type *ret_type, union ipc_any *ret_msg)
{
    struct call call = { .id = chan_next_id(c), .want = want, .or_type = or_type, .arena = arena, .ret_msg = ret_msg };
    enum chan_result room = CHAN_OK;
    while (!chan_send(c, type, call.id, msg)) {
        if (c->closed || c->broken || chan_queued(c) == 0)
            return CHAN_CLOSED;
        room = chan_wait_room(c, deadline);
        if (room != CHAN_OK)
            return room;
    }
    struct cleanup undo;
    list_append(&c->calls[call.id % CALL_BUCKETS], &call.node);
    cleanup_push(&undo, unlink_node, &call.node);
    enum wait w = WAIT_OK;
    while (w == WAIT_OK && !list_is_empty(&call.node))
        w = cond_wait(&call.done, deadline);
    bool answered = list_is_empty(&call.node);
    cleanup_pop(&undo, true);
    if (!answered)
        return of_wait(w);
    if (call.lacking > 0)
        (void)arena_alloc(arena, call.lacking);     /* meets the session's limit, on the session's stack */
    if (call.result == CHAN_OK)
        *ret_type = call.got;
    return call.result;
}

enum chan_result chan_wait_room(struct chan *c, int64_t deadline)
{
    if (c->closed || c->broken)
        return CHAN_CLOSED;
    if (chan_queued(c) <= CHAN_BUDGET / 2)
        return CHAN_OK;
    struct room_wait me = { .result = CHAN_OK };
    struct cleanup undo;
    list_append(&c->room, &me.node);
    cleanup_push(&undo, unlink_node, &me.node);
    enum wait w = WAIT_OK;
    while (w == WAIT_OK && !list_is_empty(&me.node))
        w = cond_wait(&me.woken, deadline);
    bool woken = list_is_empty(&me.node);
    cleanup_pop(&undo, true);
    return woken ? me.result : of_wait(w);
}
