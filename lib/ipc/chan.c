/* SPDX-License-Identifier: ISC */
#include "ipc/chan.h"
#include "base/enc.h"
#include "base/vec.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CHAN_BUDGET = 4 << 20,      /* bytes queued for a peer that does not read */
    READ_ROOM = 16 << 10,       /* least room of a read */
    KEEP_ROOM = 32 << 10,       /* an idle buffer above this is given back */
    READS_PER_TURN = 8,         /* then the others have their turn */
    CALL_BUCKETS = 64,
};

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

/* A descriptor waiting to be sent, with the frame that begins at `start`. */
struct out_fd { uint64_t start, end; int fd; };

struct chan {
    struct watch watch;
    struct deferred flush;
    const struct chan_ops *ops;
    void *user;
    enum role self, peer;
    int fd;
    uint32_t last_id;
    uint64_t peer_id;
    char service[65];
    bool closed;                /* nothing more is sent or received */
    bool broken;                /* nothing more can be sent; the reading side will tell */
    bool wipes;                 /* passwords and keys pass here: nothing of a frame stays in memory */
    bool flush_queued;          /* the loop holds `flush`: the struct must stay */
    bool told;                  /* on_closed has been called */
    unsigned busy;              /* depth of callbacks: freeing waits for 0 */
    bool free_later;

    struct buf in;
    size_t in_at;               /* decoded up to here */
    VEC(int) in_fds;            /* arrived, not yet claimed by a frame */

    struct buf out;
    size_t out_at;              /* sent up to here */
    uint64_t sent;              /* bytes, ever */
    VEC(struct out_fd) out_fds;
    struct list room;           /* struct room_wait */
    struct list calls[CALL_BUCKETS];
};

/* With whom one speaks of passwords or keys. */
static const uint32_t secretive = ROLE_BIT(AUTHD) | ROLE_BIT(WORKER) | ROLE_BIT(HASH) | ROLE_BIT(AUTHDB) | ROLE_BIT(KEYS);

static void on_ready(struct watch *w, uint32_t events);
static void on_turn_end(struct deferred *d);

struct chan *chan_new(int fd, enum role self, enum role peer, const struct chan_ops *ops, void *user)
{
    struct chan *c = xcalloc(1, sizeof *c);
    c->fd = fd;
    c->self = self;
    c->peer = peer;
    c->wipes = ((secretive >> self | secretive >> peer) & 1) != 0;
    c->ops = ops;
    c->user = user;
    list_init(&c->room);
    for (size_t i = 0; i < CALL_BUCKETS; i++)
        list_init(&c->calls[i]);
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) == 0)
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    watch_start(&c->watch, fd, EPOLLIN, on_ready);
    return c;
}

void *chan_user(const struct chan *c) { return c->user; }
enum role chan_peer_role(const struct chan *c) { return c->peer; }
uint64_t chan_peer_id(const struct chan *c) { return c->peer_id; }
const char *chan_peer_service(const struct chan *c) { return c->service; }
size_t chan_queued(const struct chan *c) { return c->out.n - c->out_at; }

void chan_set_peer(struct chan *c, uint64_t peer_id, const char *service)
{
    c->peer_id = peer_id;
    (void)snprintf(c->service, sizeof c->service, "%s", service);
}

uint32_t chan_next_id(struct chan *c)
{
    if (++c->last_id == 0)
        c->last_id = 1;
    return c->last_id;
}

int chan_take_fd(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Everyone who waits for this channel learns that it is gone. */
static void wake_all(struct chan *c)
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

/* What moved to the front is still there, behind it. */
static void drop(const struct chan *c, struct buf *b, size_t n)
{
    size_t before = b->n;
    buf_drop(b, n);
    if (c->wipes && before > b->n)
        secret_wipe(b->p + b->n, before - b->n);
}

static void free_now(struct chan *c)
{
    drop(c, &c->in, c->in.n);
    drop(c, &c->out, c->out.n);
    vec_done(&c->in_fds);
    vec_done(&c->out_fds);
    buf_done(&c->in);
    buf_done(&c->out);
    free(c);
}

/* Release what the kernel holds and wake all waiters; the struct stays. */
static void shut(struct chan *c)
{
    if (c->closed)
        return;
    c->closed = true;
    watch_stop(&c->watch);
    close_fd(&c->fd);
    for (size_t i = 0; i < c->in_fds.n; i++)
        close_fd(&c->in_fds.p[i]);
    for (size_t i = 0; i < c->out_fds.n; i++)
        close_fd(&c->out_fds.p[i].fd);
    c->in_fds.n = c->out_fds.n = 0;
    wake_all(c);
}

void chan_free(struct chan *c)
{
    if (c == NULL)
        return;
    c->told = true;
    shut(c);
    if (c->busy > 0 || c->flush_queued)
        c->free_later = true;
    else
        free_now(c);
}

/* Callbacks are bracketed by these two; the second may free the channel. */
static void enter(struct chan *c) { c->busy++; }
static void leave(struct chan *c)
{
    if (--c->busy == 0 && c->free_later && !c->flush_queued)
        free_now(c);
}

/* The peer is gone or broke the rules. */
static void fail(struct chan *c)
{
    shut(c);
    if (c->told)
        return;
    c->told = true;
    enter(c);
    if (c->ops != NULL && c->ops->on_closed != NULL)
        c->ops->on_closed(c);
    leave(c);
}

/* ---- receiving ---- */

static size_t body_strings(const struct ipc_message *m, const char *msg)
{
    size_t n = 0;
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++)
        n += f->kind == IPC_STR ? ((const struct str *)(const void *)(msg + f->offset))->n : 0;
    return n;
}

static int *fd_field(const struct ipc_message *m, void *msg)
{
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++)
        if (f->kind == IPC_FD)
            return (int *)(void *)((char *)msg + f->offset);
    return NULL;
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
        int *fd = fd_field(m, msg);
        if (fd != NULL)
            close_fd(fd);
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

static void deliver(struct chan *c, enum ipc_type type, uint32_t id, union ipc_any *msg, int *fd)
{
    struct call *call = id == 0 ? NULL : find_call(c, type, id);
    if (call != NULL) {
        complete(call, type, msg);
        return;
    }
    enter(c);
    if (c->ops != NULL && c->ops->on_message != NULL)
        c->ops->on_message(c, type, id, msg);
    if (fd != NULL)
        close_fd(fd);
    leave(c);
}

/* Give a decoded frame its descriptor. False when flag and descriptor disagree. */
static bool claim_fd(struct chan *c, int *fd)
{
    if (fd == NULL || *fd < 0)
        return true;
    *fd = -1;
    if (c->in_fds.n == 0)
        return false;
    *fd = c->in_fds.p[0];
    c->in_fds.n--;
    memmove(c->in_fds.p, c->in_fds.p + 1, c->in_fds.n * sizeof *c->in_fds.p);
    return true;
}

enum frame { FRAME_DONE, FRAME_PARTIAL, FRAME_BAD };

/* One frame off the input. *ret_need: bytes that a partial one has in all. */
static enum frame next_frame(struct chan *c, size_t *ret_need)
{
    const uint8_t *p = (const uint8_t *)c->in.p + c->in_at;
    size_t have = c->in.n - c->in_at;
    unsigned type;
    uint32_t id;
    *ret_need = IPC_FRAME_HEAD;
    if (have < IPC_FRAME_HEAD)
        return FRAME_PARTIAL;
    size_t n = ipc_frame_size(p, &type, &id);
    if (n == 0 || !ipc_may_send(c->peer, c->self, type))
        return FRAME_BAD;
    *ret_need = n;
    if (have < n)
        return FRAME_PARTIAL;
    union ipc_any msg;
    if (!ipc_decode((enum ipc_type)type, p + IPC_FRAME_HEAD, n - IPC_FRAME_HEAD, &msg))
        return FRAME_BAD;
    int *fd = fd_field(ipc_message(type), &msg);
    if (!claim_fd(c, fd))
        return FRAME_BAD;
    c->in_at += n;
    deliver(c, (enum ipc_type)type, id, &msg, fd);
    return FRAME_DONE;
}

/* All whole frames of the input; false when the channel has been closed. */
static bool take_frames(struct chan *c, size_t *ret_need)
{
    enum frame f = FRAME_DONE;
    while (!c->closed && f == FRAME_DONE)
        f = next_frame(c, ret_need);
    if (c->closed)
        return false;
    drop(c, &c->in, c->in_at);
    c->in_at = 0;
    /*
     * A descriptor comes with the first byte of its frame, and a read ends
     * where one came: what is not claimed and has no frame begun is uninvited.
     */
    if (f == FRAME_BAD || c->in_fds.n > 1 || (c->in_fds.n == 1 && c->in.n == 0)) {
        fail(c);
        return false;
    }
    if (c->in.n == 0 && c->in.cap > KEEP_ROOM)
        buf_trim(&c->in);
    return true;
}

static bool keep_fds(struct chan *c, struct msghdr *mh)
{
    bool ok = (mh->msg_flags & MSG_CTRUNC) == 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(mh); h != NULL; h = CMSG_NXTHDR(mh, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(h) + i * sizeof fd, sizeof fd);
            vec_push(&c->in_fds, fd);
        }
        ok = ok && n == 1;
    }
    return ok;
}

/* >0 bytes, 0 nothing there now, -1 the channel is gone. */
static ssize_t receive(struct chan *c, size_t room)
{
    union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control;
    struct iovec iov = { .iov_base = buf_room(&c->in, room), .iov_len = room };
    /* Exactly one descriptor fits: a second one makes MSG_CTRUNC. */
    struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof(int)) };
    ssize_t n = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -1;
    buf_added(&c->in, (size_t)n);
    return keep_fds(c, &mh) ? n : -1;
}

static void read_input(struct chan *c)
{
    size_t need = IPC_FRAME_HEAD;
    for (unsigned i = 0; i < READS_PER_TURN; i++) {
        size_t room = MAX((size_t)READ_ROOM, need > c->in.n ? need - c->in.n : 0);
        ssize_t n = receive(c, room);
        if (n < 0) {
            fail(c);
            return;
        }
        if (n == 0 || !take_frames(c, &need))
            return;
        if ((size_t)n < room && c->in.n == 0)
            return;
    }
}

/* ---- sending ---- */

static void wake_room(struct chan *c)
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

static ssize_t send_piece(struct chan *c, size_t n, int fd)
{
    union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control = { .bytes = { 0 } };
    struct iovec iov = { .iov_base = c->out.p + c->out_at, .iov_len = n };
    struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (fd >= 0) {
        mh.msg_control = &control;
        mh.msg_controllen = CMSG_SPACE(sizeof(int));
        struct cmsghdr *h = CMSG_FIRSTHDR(&mh);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &fd, sizeof fd);
    }
    return sendmsg(c->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The next piece: up to the next frame that carries a descriptor, or that frame with it. */
static ssize_t send_next(struct chan *c)
{
    size_t n = chan_queued(c);
    int fd = -1;
    if (c->out_fds.n > 0) {
        struct out_fd *f = &c->out_fds.p[0];
        if (f->start == c->sent) {
            fd = f->fd;
            n = (size_t)(f->end - f->start);
        } else {
            n = (size_t)(f->start - c->sent);
        }
    }
    ssize_t sent = send_piece(c, n, fd);
    if (sent > 0 && fd >= 0) {
        close_fd(&c->out_fds.p[0].fd);
        c->out_fds.n--;
        memmove(c->out_fds.p, c->out_fds.p + 1, c->out_fds.n * sizeof *c->out_fds.p);
    }
    return sent;
}

void chan_flush(struct chan *c)
{
    while (!c->closed && chan_queued(c) > 0) {
        ssize_t n = send_next(c);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            /* The reading side notices, takes what the peer still said, and tells the owner. */
            (void)shutdown(c->fd, SHUT_RDWR);
            c->broken = true;
            c->sent += chan_queued(c);
            c->out_at = c->out.n;
            break;
        }
        c->out_at += (size_t)n;
        c->sent += (uint64_t)n;
    }
    if (c->closed)
        return;
    bool all = chan_queued(c) == 0;
    if (all || c->out_at > c->out.n / 2) {
        drop(c, &c->out, c->out_at);
        c->out_at = 0;
    }
    if (all && c->out.cap > KEEP_ROOM)
        buf_trim(&c->out);
    uint32_t events = all ? EPOLLIN : EPOLLIN | EPOLLOUT;
    if (c->watch.events != events)
        watch_start(&c->watch, c->fd, events, on_ready);
    wake_room(c);
}

static void on_turn_end(struct deferred *d)
{
    struct chan *c = container_of(d, struct chan, flush);
    c->flush_queued = false;
    enter(c);
    chan_flush(c);
    leave(c);
}

static void on_ready(struct watch *w, uint32_t events)
{
    struct chan *c = container_of(w, struct chan, watch);
    enter(c);
    if ((events & EPOLLOUT) != 0)
        chan_flush(c);
    if (!c->closed && (events & EPOLLIN) != 0)
        read_input(c);
    leave(c);
}

bool chan_send(struct chan *c, enum ipc_type type, uint32_t id, const void *msg)
{
    size_t queued = chan_queued(c), before = c->out.n;
    if (c->closed || c->broken || queued > CHAN_BUDGET)
        return false;
    ASSERT(ipc_may_send(c->self, c->peer, type));
    if (!ipc_encode(type, id, msg, &c->out)) {
#ifdef POSTERN_SANITIZED
        ASSERT(!"a string is over its maximum in schema.h");
#endif
        return false;
    }
    size_t n = c->out.n - before;
    bool over = queued > 0 && queued + n > CHAN_BUDGET;
    const struct ipc_message *m = ipc_message(type);
    for (const struct ipc_field *f = m->fields; !over && f < m->fields + m->n_fields; f++) {
        int fd = f->kind == IPC_FD ? *(const int *)(const void *)((const char *)msg + f->offset) : -1;
        if (fd < 0)
            continue;
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 5);
        over = copy < 0;
        if (!over)
            vec_push(&c->out_fds, ((struct out_fd){ .start = c->sent + queued, .end = c->sent + queued + n, .fd = copy }));
    }
    if (over) {
        c->out.n = before;
        return false;
    }
    if (!c->flush_queued)
        loop_defer(&c->flush, on_turn_end);
    c->flush_queued = true;
    return true;
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
