/* SPDX-License-Identifier: ISC */
#include "event/pump.h"
#include "base/buf.h"
#include "event/fiber.h"
#include "event/tls_session.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CHUNK = 16384, ROUNDS = 4,
    LINGER_MS = 10000, LINGER_BYTES = 1 << 20, LINGER_MAX = 1000, LINGER_READS = 8, LINGER_FEW = 64,
    LINGER_SWEEP_MS = 100, LINGER_SWEEP_FEW_MS = 1000,
};
enum side { SIDE_NONE, SIDE_TLS, SIDE_PLAIN };

struct pump {
    int tls_fd, plain_fd;
    struct tls *tls;
    struct watch on_tls, on_plain;
    struct buf to_plain, to_tls;        /* only what the other side did not take */
    struct timer handshake_timer;
    struct deferred again;
    struct fiber *shaker;               /* inside the handshake, which may wait for a signature */
    const struct pump_ops *ops;
    void *user;
    int64_t ended;                      /* when it began to linger */
    bool secure, closed;
    bool heard;                         /* the client has said something */
    bool active;                        /* on_active has been called */
    bool freed;                         /* by its owner, while the shaker was inside */
    bool tls_eof, plain_eof;            /* nothing more will come from there */
    bool plain_hup;                     /* the end is behind what waits there */
    bool plain_told;                    /* of the end of the TLS side */
    bool polite;                        /* all was said: the client gets the time to hear it */
    size_t discarded;
    struct list linger;
    bool read_wants_out, write_wants_in;/* TLS may write to read, and read to write */
};

/* Shared by all pumps: what stays in it is copied before the callback returns. */
static char chunk[CHUNK];

/* Pumps that only wait for their clients' end. */
static struct { struct list list; size_t n; bool busy; struct timer sweeper; } lingers;

static void step(struct pump *p, enum side from);

static void tls_event(struct watch *w, uint32_t events) { (void)events; step(container_of(w, struct pump, on_tls), SIDE_TLS); }
static void plain_event(struct watch *w, uint32_t events)
{
    struct pump *p = container_of(w, struct pump, on_plain);
    p->plain_hup = (events & EPOLLHUP) != 0;
    step(p, SIDE_PLAIN);
}
static void again_event(struct deferred *d) { step(container_of(d, struct pump, again), SIDE_NONE); }

static void stop(struct pump *p, const struct err *err)
{
    if (p->closed)
        return;
    p->closed = true;
    watch_stop(&p->on_tls);
    watch_stop(&p->on_plain);
    timer_cancel(&p->handshake_timer);
    loop_defer_cancel(&p->again);
    p->ops->on_closed(p, p->user, err);
}

static void too_slow(struct timer *t)
{
    struct err err;
    (void)err_set(&err, ERR_TEMP, "TLS handshake timed out");
    stop(container_of(t, struct pump, handshake_timer), &err);
}

struct pump *pump_new(int tls_fd, struct tls_ctx *ctx, int plain_fd, int64_t handshake_deadline, const struct pump_ops *ops, void *user)
{
    struct pump *p = calloc(1, sizeof *p);
    struct tls *t = p == NULL ? NULL : tls_new(ctx, tls_fd, NULL);
    if (t == NULL) {
        free(p);
        (void)close(tls_fd);
        (void)close(plain_fd);
        return NULL;
    }
    *p = (struct pump){ .tls_fd = tls_fd, .plain_fd = plain_fd, .tls = t, .ops = ops, .user = user };
    timer_set(&p->handshake_timer, handshake_deadline, too_slow);
    return p;
}

/* ---- the end ---- */

static void linger_end(struct pump *p)
{
    list_remove(&p->linger);
    (void)close(p->tls_fd);
    lingers.n--;
    free(p);
}

/* Has the client ended too, or had its share of patience? */
static bool linger_over(struct pump *p)
{
    for (int i = 0; i < LINGER_READS; i++) {
        ssize_t n = recv(p->tls_fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0)
            return true;
        p->discarded += (size_t)n;
        lingers.busy = true;
    }
    return p->discarded > LINGER_BYTES || loop_now() >= p->ended + LINGER_MS;
}

static void linger_sweep(struct timer *t);

/* While they are few, and say nothing, seldom. */
static void sweep_later(void)
{
    bool soon = lingers.busy || lingers.n > LINGER_FEW;
    timer_set(&lingers.sweeper, loop_now() + (soon ? LINGER_SWEEP_MS : LINGER_SWEEP_FEW_MS), linger_sweep);
}

/* All are looked at together: a wake-up for each would cost more than the rest of its end. */
static void linger_sweep(struct timer *t)
{
    (void)t;
    lingers.busy = false;
    LIST_EACH(it, &lingers.list) {
        struct pump *p = container_of(it, struct pump, linger);
        if (linger_over(p))
            linger_end(p);
    }
    if (lingers.n > 0)
        sweep_later();
}

/*
 * A socket that is closed while its client still sends answers with a reset,
 * which may overtake the last reply. So the pump, which nobody knows any more,
 * says that it is done and reads what comes, for a limited time.
 */
static void linger(struct pump *p)
{
    if (lingers.n == 0)
        list_init(&lingers.list);
    if (++lingers.n == 1 || lingers.n == LINGER_FEW + 1)
        sweep_later();
    (void)shutdown(p->tls_fd, SHUT_WR);
    p->ended = loop_now();
    list_append(&lingers.list, &p->linger);
}

static void release(struct pump *p)
{
    bool wait = p->polite && !p->tls_eof && lingers.n < LINGER_MAX;
    tls_free(p->tls);
    (void)close(p->plain_fd);
    buf_done(&p->to_plain);
    buf_done(&p->to_tls);
    if (wait) {
        linger(p);
        return;
    }
    (void)close(p->tls_fd);
    free(p);
}

void pump_free(struct pump *p)
{
    if (p == NULL)
        return;
    watch_stop(&p->on_tls);
    watch_stop(&p->on_plain);
    timer_cancel(&p->handshake_timer);
    loop_defer_cancel(&p->again);
    if (p->shaker == NULL) {
        release(p);
        return;
    }
    p->freed = p->closed = true;
    fiber_cancel(p->shaker);
}

/* False: that side is gone. What it does not take is kept for later. */
static bool give_plain(struct pump *p, struct str s)
{
    while (s.n > 0) {
        ssize_t n = send(p->plain_fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
            return false;
        if (n < 0)
            break;
        s = str_skip(s, (size_t)n);
    }
    buf_add(&p->to_plain, s);
    return true;
}

static bool give_tls(struct pump *p, struct str s)
{
    p->write_wants_in = false;
    while (s.n > 0) {
        size_t n = 0;
        enum tls_io got = tls_write(p->tls, s.p, s.n, &n);
        if (got == TLS_CLOSED || got == TLS_FAILED)
            return false;
        p->write_wants_in = got == TLS_WANT_READ;
        if (got != TLS_DONE)
            break;
        s = str_skip(s, n);
    }
    buf_add(&p->to_tls, s);
    return true;
}

void pump_binding(struct pump *p, struct tls_info *info) { tls_session_binding(p->tls, info); }

/* A client that is gone will be noticed when it is read from. */
void pump_say(struct pump *p, struct str s) { (void)give_tls(p, s); }

/* Try what was left over before. True also when the side still does not take it. */
static bool retry(struct pump *p, struct buf *left, bool (*give)(struct pump *p, struct str s))
{
    if (left->n == 0)
        return true;
    struct buf old = *left;
    *left = buf_make(0);
    bool ok = give(p, buf_str(&old));
    buf_done(&old);
    return ok;
}

/* More may be waiting inside OpenSSL, where epoll does not see it. */
static bool from_tls(struct pump *p, bool *ret_more)
{
    *ret_more = false;
    for (int i = 0; i < ROUNDS && !p->tls_eof && p->to_plain.n == 0; i++) {
        size_t n = 0;
        enum tls_io got = tls_read(p->tls, chunk, sizeof chunk, &n);
        p->read_wants_out = got == TLS_WANT_WRITE;
        if (got == TLS_CLOSED || got == TLS_FAILED)
            p->tls_eof = true;
        if (got != TLS_DONE)
            return true;
        p->heard = true;
        if (!give_plain(p, str_make(chunk, n)))
            return false;
        if (n < sizeof chunk && !tls_has_pending(p->tls))
            return true;
    }
    *ret_more = p->to_plain.n == 0 && !p->tls_eof;
    return true;
}

static bool from_plain(struct pump *p)
{
    for (int i = 0; i < ROUNDS && !p->plain_eof && p->to_tls.n == 0; i++) {
        ssize_t n = recv(p->plain_fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
            p->plain_eof = true;
        if (n <= 0)
            return true;
        bool all = (size_t)n < sizeof chunk;
        if (all && p->plain_hup)
            tls_ending(p->tls);         /* last words go with the end, which the next round sees */
        if (!give_tls(p, str_make(chunk, (size_t)n)))
            return false;
        if (all && !p->plain_hup)
            return true;
    }
    return true;
}

static void secured(struct pump *p)
{
    p->secure = true;
    timer_cancel(&p->handshake_timer);
    /* The rest follows at the end of the turn: the callback may free the pump. */
    loop_defer(&p->again, again_event);
    struct tls_info info;
    tls_session_brief(p->tls, &info);
    p->ops->on_secure(p, p->user, &info);
}

static void shaker_gone(void *arg)
{
    struct pump *p = arg;
    p->shaker = NULL;
    if (p->freed)
        release(p);
}

/* WAITS. As far as the handshake gets with what has arrived. */
static void shake(void *arg)
{
    struct pump *p = arg;
    struct cleanup gone;
    struct err err;
    p->shaker = fiber_current();
    cleanup_push(&gone, shaker_gone, p);
    enum tls_io got = tls_handshake(p->tls, &err);
    bool over = p->closed, freed = p->freed;
    cleanup_pop(&gone, true);
    if (freed || over)
        return;
    switch (got) {
    case TLS_WANT_READ: watch_start(&p->on_tls, p->tls_fd, EPOLLIN, tls_event); break;
    case TLS_WANT_WRITE: watch_start(&p->on_tls, p->tls_fd, EPOLLOUT, tls_event); break;
    case TLS_CLOSED: case TLS_FAILED: stop(p, &err); break;
    case TLS_DONE: secured(p); break;
    }
}

static void shake_later(struct pump *p)
{
    if (p->shaker != NULL) {
        watch_stop(&p->on_tls);     /* it watches again when it has its signature */
        return;
    }
    p->shaker = fiber_start("TLS handshake", shake, p);
    if (p->shaker != NULL)
        return;
    struct err err;
    (void)err_set(&err, ERR_TEMP, "too many TLS handshakes at once");
    stop(p, &err);
}

void pump_begin(struct pump *p)
{
    if (fiber_current() != NULL)
        shake(p);
    else
        watch_start(&p->on_tls, p->tls_fd, EPOLLIN, tls_event);
}

/* Watch exactly what the next step needs. */
static void rewatch(struct pump *p)
{
    bool tls_in = (!p->tls_eof && p->to_plain.n == 0) || p->write_wants_in;
    bool tls_out = (p->to_tls.n > 0 && !p->write_wants_in) || p->read_wants_out;
    bool plain_in = !p->plain_eof && p->to_tls.n == 0, plain_out = p->to_plain.n > 0;
    uint32_t t = (tls_in ? (uint32_t)EPOLLIN : 0) | (tls_out ? (uint32_t)EPOLLOUT : 0);
    uint32_t q = (plain_in ? (uint32_t)EPOLLIN : 0) | (plain_out ? (uint32_t)EPOLLOUT : 0);
    if (t != 0)
        watch_start(&p->on_tls, p->tls_fd, t, tls_event);
    else
        watch_stop(&p->on_tls);
    if (q != 0)
        watch_start(&p->on_plain, p->plain_fd, q, plain_event);
    else
        watch_stop(&p->on_plain);
}

/* Only what woke us is read: the other side would say that there is nothing. */
static void carry(struct pump *p, enum side from)
{
    bool more = false;
    bool ok = retry(p, &p->to_plain, give_plain) && retry(p, &p->to_tls, give_tls);
    if (ok && (from == SIDE_TLS || tls_has_pending(p->tls)))
        ok = from_tls(p, &more);
    if (ok && from == SIDE_PLAIN)
        ok = from_plain(p);
    if (ok && p->tls_eof && p->to_plain.n == 0 && !p->plain_told) {
        p->plain_told = true;
        (void)shutdown(p->plain_fd, SHUT_WR);
    }
    if (!ok || (p->plain_eof && p->to_tls.n == 0)) {
        p->polite = ok;
        stop(p, NULL);
        return;
    }
    rewatch(p);
    if (more)
        loop_defer(&p->again, again_event);
    if (p->active || !(p->heard || p->tls_eof))
        return;
    p->active = true;
    if (p->ops->on_active != NULL)
        p->ops->on_active(p, p->user);
}

static void step(struct pump *p, enum side from)
{
    if (p->secure)
        carry(p, from);
    else
        shake_later(p);
}
