/* SPDX-License-Identifier: ISC */
#include "lines.h"
#include "base/enc.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_CHUNK = 8192 };

void lines_done(struct lines *l)
{
    watch_stop(&l->watch);
    loop_defer_cancel(&l->flush);
    (void)close(l->fd);
    l->fd = -1;
    secret_wipe(l->in.p, l->in.n);
    buf_done(&l->in);
    buf_done(&l->out);
}

/* What was answered before the line that ends it still arrives. */
static void last_words(struct lines *l)
{
    if (l->out.n > 0 && !l->out.full)
        (void)send(l->fd, l->out.p, l->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* NULL: go on; else why the connection ends. */
static const char *take_input(struct lines *l)
{
    size_t used = 0;
    bool ok = true;
    while (ok) {
        struct str line, tail, rest = str_skip(buf_str(&l->in), used);
        if (!str_cut(rest, '\n', &line, &tail))
            break;
        used += line.n + 1;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        ok = l->on_line(l, line);
    }
    if (used > 0)
        secret_wipe(l->in.p, used);
    buf_drop(&l->in, used);
    if (!ok)
        last_words(l);
    if (!ok)
        return "";
    return l->in.n > l->line_max ? "line too long" : NULL;
}

static const char *read_some(struct lines *l)
{
    char *room = buf_room(&l->in, READ_CHUNK);
    ssize_t n = recv(l->fd, room, READ_CHUNK, MSG_DONTWAIT);
    if (n > 0)
        buf_added(&l->in, (size_t)n);
    if (n > 0)
        return take_input(l);
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? NULL : "";
}

static void on_ready(struct watch *w, uint32_t events);

static const char *write_some(struct lines *l)
{
    /* Half an answer is none. */
    if (l->out.full)
        return "it does not read its answers";
    ssize_t n = l->out.n == 0 ? 0 : send(l->fd, l->out.p, l->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return "";
    if (n > 0)
        buf_drop(&l->out, (size_t)n);
    watch_start(&l->watch, l->fd, l->out.n > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN, on_ready);
    return NULL;
}

static const char *over(struct lines *l) { return l->out.n == 0 && l->is_over != NULL && l->is_over(l) ? "" : NULL; }

static void on_ready(struct watch *w, uint32_t events)
{
    struct lines *l = container_of(w, struct lines, watch);
    const char *why = (events & EPOLLIN) != 0 ? read_some(l) : NULL;
    if (why == NULL && (events & EPOLLOUT) != 0)
        why = write_some(l);
    if (why == NULL)
        why = over(l);
    if (why != NULL)
        l->on_end(l, why);
}

static void on_flush(struct deferred *d)
{
    struct lines *l = container_of(d, struct lines, flush);
    const char *why = write_some(l);
    if (why == NULL)
        why = over(l);
    if (why != NULL)
        l->on_end(l, why);
}

void lines_flush(struct lines *l) { loop_defer(&l->flush, on_flush); }

void lines_start(struct lines *l, int fd, size_t out_max)
{
    l->fd = fd;
    l->in = buf_make(0);
    l->out = buf_make(out_max);
    watch_start(&l->watch, fd, EPOLLIN, on_ready);
}
