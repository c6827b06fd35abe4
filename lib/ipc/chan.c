/* SPDX-License-Identifier: ISC */
#include "ipc/chan_int.h"
#include "base/enc.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_ROOM = 16 << 10,       /* least room of a read */
    KEEP_ROOM = 32 << 10,       /* an idle buffer above this is given back */
    READS_PER_TURN = 8,         /* then the others have their turn */
};

/* With whom one speaks of passwords or keys. */
static const uint32_t secretive = ROLE_BIT(AUTHD) | ROLE_BIT(WORKER) | ROLE_BIT(HASH) | ROLE_BIT(AUTHDB) | ROLE_BIT(KEYS);

static struct list channels = { &channels, &channels };

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
    list_append(&channels, &c->all);
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

void chan_close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
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
    list_remove(&c->all);
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
    chan_close_fd(&c->fd);
    for (size_t i = 0; i < c->in_fds.n; i++)
        chan_close_fd(&c->in_fds.p[i]);
    for (size_t i = 0; i < c->out_fds.n; i++)
        chan_close_fd(&c->out_fds.p[i].fd);
    c->in_fds.n = c->out_fds.n = 0;
    chan_wake_all(c);
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

int *chan_fd_field(const struct ipc_message *m, void *msg)
{
    for (const struct ipc_field *f = m->fields; f < m->fields + m->n_fields; f++)
        if (f->kind == IPC_FD)
            return (int *)(void *)((char *)msg + f->offset);
    return NULL;
}

static void take_leaving(struct chan *c, bool heard)
{
    if (heard) {
        c->left = true;
        return;
    }
    c->peer_leaving = true;
    (void)chan_send(c, IPC_LEAVING, 0, &(struct ipc_leaving){ .heard = true });
}

static void deliver(struct chan *c, enum ipc_type type, uint32_t id, union ipc_any *msg, int *fd)
{
    if (type == IPC_LEAVING) {
        take_leaving(c, msg->leaving.heard);
        return;
    }
    if (chan_answer(c, type, id, msg))
        return;
    enter(c);
    if (c->ops != NULL && c->ops->on_message != NULL)
        c->ops->on_message(c, type, id, msg);
    if (fd != NULL)
        chan_close_fd(fd);
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
    int *fd = chan_fd_field(ipc_message(type), &msg);
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
        chan_close_fd(&c->out_fds.p[0].fd);
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
    chan_wake_room(c);
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

/* ---- leaving ---- */

bool chan_is_leaving(const struct chan *c) { return c->peer_leaving; }

void chan_leave(struct chan *c)
{
    if (!c->said_leaving)
        (void)chan_send(c, IPC_LEAVING, 0, &(struct ipc_leaving){ .heard = false });
    c->said_leaving = true;
}

void chan_leave_all(void)
{
    LIST_EACH(it, &channels) {
        struct chan *c = container_of(it, struct chan, all);
        if (c->peer != ROLE_MASTER)
            chan_leave(c);
    }
}

bool chan_all_left(void)
{
    LIST_EACH(it, &channels) {
        const struct chan *c = container_of(it, struct chan, all);
        if (c->said_leaving && !c->left && !c->closed && !c->broken)
            return false;
    }
    return true;
}
