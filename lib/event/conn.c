/* SPDX-License-Identifier: ISC */
#include "event/conn.h"
#include "event/loop_internal.h"
#include "event/tls.h"
#include "event/tls_session.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    IN_FIRST = 4096,            /* input buffer to begin with */
    IN_BULK = 65536,            /* and when the peer fills it */
    OUT_SEND = 16 * 1024,       /* send without being asked */
    OUT_WAIT = 64 * 1024,       /* wait until it has gone out */
    SKIP_MAX = 64 * 1024,       /* most of an over-long line that is thrown away */
    WRITE_TIMEOUT_MS = 300 * 1000,
};

struct conn {
    int fd;
    struct tls *tls;
    char *in;
    size_t in_at, in_n, in_cap, in_max;
    size_t scanned;             /* no LF in so many bytes from in_at on */
    struct buf out;
    size_t out_at;              /* sent already */
    int64_t write_timeout;
    bool drained;               /* the last read took all there was */
    bool bare, eof, broken, is_cancelled;
};

struct conn *conn_new(int fd, size_t in_max)
{
    const int one = 1;
    struct conn *c = xcalloc(1, sizeof *c);
    c->fd = fd;
    c->in_max = MAX(in_max, 256);
    c->write_timeout = WRITE_TIMEOUT_MS;
    fiber_fd_fresh(fd);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return c;
}

static enum tls_io send_some(struct conn *c);

static void forget(struct conn *c)
{
    tls_free(c->tls);
    free(c->in);
    buf_done(&c->out);
    free(c);
}

void conn_free(struct conn *c)
{
    if (c == NULL)
        return;
    int fd = c->fd;
    if (fd >= 0 && c->out.n > 0 && !c->broken)
        (void)send_some(c);
    if (fd >= 0)
        fiber_fd_forget(fd);
    forget(c);
    if (fd >= 0)
        (void)close(fd);
}

int conn_detach(struct conn *c, struct str *ret_pending)
{
    ASSERT(c->tls == NULL && c->out.n == c->out_at);
    fiber_fd_forget(c->fd);
    int fd = c->fd;
    c->fd = -1;
    *ret_pending = conn_pending(c);
    return fd;
}

int conn_fd(const struct conn *c) { return c->fd; }
bool conn_line_was_bare(const struct conn *c) { return c->bare; }
struct str conn_pending(const struct conn *c) { return str_make(c->in == NULL ? "" : c->in + c->in_at, c->in_n - c->in_at); }
void conn_set_write_timeout(struct conn *c, int64_t ms) { c->write_timeout = ms; }
bool conn_is_broken(const struct conn *c) { return c->broken; }
bool conn_is_tls(const struct conn *c) { return c->tls != NULL; }
const struct tls_info *conn_tls_info(const struct conn *c) { return c->tls == NULL ? NULL : tls_session_info(c->tls); }

/* ---- output ---- */

static enum tls_io plain_write(struct conn *c, const char *p, size_t n, size_t *ret_n)
{
    ssize_t sent;
    do
        sent = send(c->fd, p, n, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? TLS_WANT_WRITE : TLS_FAILED;
    *ret_n = (size_t)sent;
    return TLS_DONE;
}

/* Send what the socket takes. TLS_DONE: all of it. */
static enum tls_io send_some(struct conn *c)
{
    while (c->out_at < c->out.n) {
        const char *p = c->out.p + c->out_at;
        size_t n = c->out.n - c->out_at, sent = 0;
        enum tls_io got = c->tls != NULL ? tls_write(c->tls, p, n, &sent) : plain_write(c, p, n, &sent);
        if (got == TLS_CLOSED || got == TLS_FAILED) {
            c->broken = true;
            buf_reset(&c->out);
            c->out_at = 0;
        }
        if (got != TLS_DONE)
            return got;
        c->out_at += sent;
    }
    buf_reset(&c->out);
    c->out_at = 0;
    return TLS_DONE;
}

bool conn_flush(struct conn *c, int64_t deadline)
{
    while (!c->broken && c->out.n > 0) {
        enum tls_io got = send_some(c);
        if (got != TLS_WANT_READ && got != TLS_WANT_WRITE)
            continue;
        uint32_t events = got == TLS_WANT_READ ? EPOLLIN : EPOLLOUT;
        enum wait w = fiber_wait_edge(c->fd, events, deadline);
        c->is_cancelled = w == WAIT_CANCELLED;
        if (w != WAIT_OK)
            c->broken = true;
    }
    return !c->broken;
}

static void after_put(struct conn *c)
{
    size_t waiting = c->out.n - c->out_at;
    if (c->broken) {
        buf_reset(&c->out);
        c->out_at = 0;
    } else if (waiting > OUT_WAIT) {
        (void)conn_flush(c, deadline_in(c->write_timeout));
    } else if (waiting > OUT_SEND) {
        (void)send_some(c);
    }
}

void conn_put(struct conn *c, struct str s)
{
    while (s.n > 0) {
        struct str part = str_head(s, OUT_SEND);
        buf_add(&c->out, part);
        s = str_skip(s, part.n);
        after_put(c);
    }
}

void conn_puts(struct conn *c, const char *z) { conn_put(c, str_from(z)); }

void conn_printf(struct conn *c, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof text) {
        conn_put(c, str_make(text, (size_t)n));
        return;
    }
    char *long_text = NULL;
    va_start(ap, fmt);
    n = vasprintf(&long_text, fmt, ap);
    va_end(ap);
    if (n < 0)
        memory_abort("out of memory");
    buf_put(&c->out, long_text, (size_t)n);
    free(long_text);
    after_put(c);
}

/* ---- input ---- */

static void make_room(struct conn *c)
{
    if (c->in == NULL) {
        c->in_cap = MIN(c->in_max, IN_FIRST);
        c->in = xmalloc(c->in_cap);
        c->in_at = c->in_n = 0;
    }
    if (c->in_at > 0) {
        memmove(c->in, c->in + c->in_at, c->in_n - c->in_at);
        c->in_n -= c->in_at;
        c->in_at = 0;
    }
    if (c->in_n == c->in_cap && c->in_cap < c->in_max) {
        c->in_cap = MIN(c->in_max, MAX(c->in_cap * 4, MIN(c->in_max, IN_BULK)));
        c->in = xrealloc(c->in, c->in_cap);
    }
}

void conn_preload(struct conn *c, struct str bytes)
{
    ASSERT(c->in == NULL && bytes.n <= c->in_max);
    c->in_cap = MIN(c->in_max, MAX(bytes.n, (size_t)IN_FIRST));
    c->in = xmalloc(c->in_cap);
    if (bytes.n > 0)
        memcpy(c->in, bytes.p, bytes.n);
    c->in_n = bytes.n;
}

static enum tls_io plain_read(struct conn *c, char *p, size_t n, size_t *ret_n)
{
    ssize_t got;
    fiber_edge_clear(c->fd, EPOLLIN);
    do
        got = recv(c->fd, p, n, 0);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return TLS_CLOSED;
    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? TLS_WANT_READ : TLS_FAILED;
    *ret_n = (size_t)got;
    c->drained = (size_t)got < n && !fiber_edge_hup(c->fd);
    return TLS_DONE;
}

static enum tls_io read_some(struct conn *c)
{
    size_t got = 0;
    if (c->tls == NULL && c->drained) {
        c->drained = false;     /* and the wait will tell when there is more */
        return TLS_WANT_READ;
    }
    make_room(c);
    size_t room = c->in_cap - c->in_n;
    ASSERT(room > 0);
    enum tls_io r = c->tls != NULL ? tls_read(c->tls, c->in + c->in_n, room, &got) : plain_read(c, c->in + c->in_n, room, &got);
    if (r == TLS_CLOSED || r == TLS_FAILED)
        c->eof = true;
    c->in_n += got;
    return r;
}

/* An idle connection holds no buffers. */
static void drop_buffers(struct conn *c)
{
    if (c->in_at == c->in_n) {
        free(c->in);
        c->in = NULL;
        c->in_at = c->in_n = c->in_cap = 0;
    }
    if (c->out.n == 0)
        buf_trim(&c->out);
}

static enum read_result wait_input(struct conn *c, uint32_t events, int64_t deadline)
{
    if (c->out.n > 0 && !conn_flush(c, deadline_in(c->write_timeout)))
        return c->is_cancelled ? READ_CANCELLED : READ_CLOSED;
    drop_buffers(c);
    switch (fiber_wait_edge(c->fd, events, deadline)) {
    case WAIT_OK: return READ_OK;
    case WAIT_TIMEOUT: return READ_TIMEOUT;
    case WAIT_CANCELLED: return READ_CANCELLED;
    }
    UNREACHABLE();
}

/* At least one byte more than there was. */
static enum read_result read_more(struct conn *c, int64_t deadline)
{
    if (deadline <= loop_now())
        return READ_TIMEOUT;    /* a peer that never pauses meets its deadline too */
    for (;;) {
        if (c->eof || c->broken)
            return READ_CLOSED;
        enum tls_io got = read_some(c);
        if (got == TLS_DONE)    /* a peer that never pauses must not keep the loop */
            return fiber_yield() == WAIT_CANCELLED ? READ_CANCELLED : READ_OK;
        if (got == TLS_WANT_READ || got == TLS_WANT_WRITE) {
            enum read_result r = wait_input(c, got == TLS_WANT_READ ? EPOLLIN : EPOLLOUT, deadline);
            if (r != READ_OK)
                return r;
        }
    }
}

enum read_result conn_fill(struct conn *c, size_t least, int64_t deadline, struct str *ret)
{
    ASSERT(least <= c->in_max);
    c->scanned = 0;
    while (c->in_n - c->in_at < least) {
        enum read_result r = read_more(c, deadline);
        if (r != READ_OK)
            return r;
    }
    *ret = conn_pending(c);
    return READ_OK;
}

void conn_consume(struct conn *c, size_t n)
{
    ASSERT(n <= c->in_n - c->in_at);
    c->in_at += n;
    c->scanned = 0;
}

/* Slices handed out stay valid: only looks. */
bool conn_has_input(struct conn *c)
{
    char one;
    if (c->in_n > c->in_at || c->eof || c->broken || (c->tls != NULL && tls_has_pending(c->tls)))
        return true;
    ssize_t n = recv(c->fd, &one, 1, MSG_PEEK | MSG_DONTWAIT);
    return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* Throw the line away up to its end. */
static enum read_result skip_line(struct conn *c, int64_t deadline)
{
    size_t skipped = 0;
    for (;;) {
        struct str have = conn_pending(c);
        ptrdiff_t lf = str_chr(have, '\n');
        skipped += lf < 0 ? have.n : (size_t)lf;
        if (skipped > SKIP_MAX) {
            c->eof = true;
            return READ_CLOSED;
        }
        conn_consume(c, lf < 0 ? have.n : (size_t)lf + 1);
        if (lf >= 0)
            return READ_TOO_LONG;
        enum read_result r = read_more(c, deadline);
        if (r != READ_OK)
            return r;
    }
}

static struct str take_line(struct conn *c, size_t lf)
{
    struct str line = { c->in + c->in_at, lf };
    c->in_at += lf + 1;
    c->scanned = 0;
    c->bare = lf == 0 || line.p[lf - 1] != '\r';
    if (!c->bare)
        line.n--;
    return line;
}

enum read_result conn_read_line(struct conn *c, size_t max, int64_t deadline, struct str *ret_line)
{
    ASSERT(max <= c->in_max);
    for (;;) {
        struct str have = conn_pending(c);
        ptrdiff_t lf = str_chr(str_skip(have, c->scanned), '\n');
        if (lf >= 0 && c->scanned + (size_t)lf < max) {
            *ret_line = take_line(c, c->scanned + (size_t)lf);
            return READ_OK;
        }
        if (lf >= 0 || have.n >= max)
            return skip_line(c, deadline);
        c->scanned = have.n;
        enum read_result r = read_more(c, deadline);
        if (r != READ_OK)
            return r;
    }
}

/* ---- TLS ---- */

static int handshake(struct conn *c, int64_t deadline, struct err *err)
{
    for (;;) {
        enum tls_io got = tls_handshake(c->tls, err);
        if (got == TLS_DONE)
            return 0;
        if (got == TLS_CLOSED || got == TLS_FAILED)
            return -1;
        enum wait w = fiber_wait_edge(c->fd, got == TLS_WANT_READ ? EPOLLIN : EPOLLOUT, deadline);
        if (w != WAIT_OK)
            return err_set(err, ERR_TEMP, w == WAIT_TIMEOUT ? "TLS handshake timed out" : "TLS handshake cancelled");
    }
}

static int start_tls(struct conn *c, struct tls_ctx *ctx, const char *name, int64_t deadline, struct err *err)
{
    ASSERT(c->tls == NULL);
    if (conn_pending(c).n > 0) {
        c->broken = true;
        return err_set(err, ERR_PROTO, "plaintext input after STARTTLS");
    }
    if (!conn_flush(c, MIN(deadline, deadline_in(c->write_timeout))))
        return err_set(err, ERR_TEMP, "lost connection before TLS");
    drop_buffers(c);
    c->drained = false;
    c->tls = tls_new(ctx, c->fd, name);
    if (c->tls == NULL)
        return err_set(err, ERR_TEMP, "no memory for TLS");
    if (handshake(c, deadline, err) == 0)
        return 0;
    c->broken = true;
    return -1;
}

int conn_tls_accept(struct conn *c, struct tls_ctx *ctx, int64_t deadline, struct err *err)
{
    return start_tls(c, ctx, NULL, deadline, err);
}

int conn_tls_connect(struct conn *c, struct tls_ctx *ctx, const char *name, int64_t deadline, struct err *err)
{
    return start_tls(c, ctx, name, deadline, err);
}
