/* SPDX-License-Identifier: ISC */
#include "authd.h"
#include "base/enc.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_CHUNK = 8192, OUT_MAX = 1 << 20 };

struct stream {
    struct list node;
    int fd;
    enum stream_kind kind;
    uint64_t peer_id;
    bool version_seen, broken;
    uint32_t minor;
    struct watch watch;
    struct deferred flush;
    struct buf in, out;
    struct request_list requests;
    void (*on_closed)(void *arg);
    void *arg;
};

static struct { struct list all; bool ready, draining; } streams;

enum stream_kind stream_kind(const struct stream *s) { return s->kind; }
uint64_t stream_peer(const struct stream *s) { return s->peer_id; }
uint32_t stream_minor(const struct stream *s) { return s->minor; }

void stream_close(struct stream *s)
{
    request_abandon_all(&s->requests);
    list_remove(&s->node);
    if (s->kind == STREAM_LOGIN)
        handover_forget(authd()->handover, s->peer_id);
    watch_stop(&s->watch);
    if (s->flush.node.next != NULL)
        list_remove(&s->flush.node);
    close(s->fd);
    secret_wipe(s->in.p, s->in.n);
    buf_done(&s->in);
    buf_done(&s->out);
    if (s->on_closed != NULL)
        s->on_closed(s->arg);
    free(s);
}

/* What ends the connection is said once, with who it was. */
static bool protocol_error(const struct stream *s, const char *why)
{
    static const char *const kinds[] = { [STREAM_PUBLIC] = "private/auth", [STREAM_SMTP] = "smtp", [STREAM_LOGIN] = "login" };
    log_warning("auth client (%s %llu): %s: connection closed", kinds[s->kind], (unsigned long long)s->peer_id, why);
    return false;
}

static bool take_cmd(struct stream *s, const struct auth_cmd *c)
{
    switch (c->verb) {
    case AUTH_VERB_VERSION:
        s->version_seen = true;
        s->minor = c->minor;
        return c->id == AUTH_MAJOR || protocol_error(s, "another major protocol version");
    case AUTH_VERB_CPID:
        return true;
    case AUTH_VERB_AUTH:
        if (!s->version_seen)
            return protocol_error(s, "AUTH before VERSION");
        if (request_exists(&s->requests, c->id))
            return protocol_error(s, "request id used twice");
        request_start(s, &s->requests, c);
        return true;
    case AUTH_VERB_CONT:
        if (!request_continue(&s->requests, c->id, c->resp))
            stream_answer(s, &(struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .id = c->id, .reason = STR("Authentication request timed out") });
        return true;
    case AUTH_VERB_CANCEL:
        request_cancel(&s->requests, c->id);
        return true;
    }
    UNREACHABLE();
}

static bool take_line(struct stream *s, struct str line)
{
    struct arena scratch = arena_make(4 * AUTH_LINE_MAX);
    struct auth_cmd c;
    const char *why;
    bool ok = auth_cmd_parse(line, &scratch, &c, &why) ? take_cmd(s, &c) : protocol_error(s, why);
    arena_done(&scratch);
    return ok;
}

static bool take_input(struct stream *s)
{
    size_t used = 0;
    bool ok = true;
    while (ok) {
        struct str line, tail, rest = str_skip(buf_str(&s->in), used);
        if (!str_cut(rest, '\n', &line, &tail))
            break;
        used += line.n + 1;
        ok = take_line(s, line);
    }
    if (used > 0)
        secret_wipe(s->in.p, used);
    buf_drop(&s->in, used);
    if (ok && s->in.n > AUTH_LINE_MAX)
        return protocol_error(s, "line too long");
    return ok;
}

static bool read_some(struct stream *s)
{
    char *room = buf_room(&s->in, READ_CHUNK);
    ssize_t n = recv(s->fd, room, READ_CHUNK, MSG_DONTWAIT);
    if (n > 0)
        buf_added(&s->in, (size_t)n);
    return n > 0 ? take_input(s) : n < 0 && (errno == EAGAIN || errno == EINTR);
}

static bool is_over(const struct stream *s) { return streams.draining && s->kind == STREAM_PUBLIC && s->requests.n == 0 && s->out.n == 0; }

static void on_ready(struct watch *w, uint32_t events);

static bool write_some(struct stream *s)
{
    ssize_t n = s->out.n == 0 ? 0 : send(s->fd, s->out.p, s->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    if (n > 0)
        buf_drop(&s->out, (size_t)n);
    watch_start(&s->watch, s->fd, s->out.n > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN, on_ready);
    return true;
}

static void on_ready(struct watch *w, uint32_t events)
{
    struct stream *s = container_of(w, struct stream, watch);
    if (((events & EPOLLIN) != 0 && !read_some(s)) || ((events & EPOLLOUT) != 0 && !write_some(s)) || is_over(s))
        stream_close(s);
}

static void on_flush(struct deferred *d)
{
    struct stream *s = container_of(d, struct stream, flush);
    /* A client that does not read its answers is not worth keeping. */
    if (s->out.full || !write_some(s) || is_over(s))
        stream_close(s);
}

void stream_drain_public(void)
{
    streams.draining = true;
    if (!streams.ready)
        return;
    LIST_EACH(it, &streams.all) {
        struct stream *s = container_of(it, struct stream, node);
        if (is_over(s))
            stream_close(s);
    }
}

void stream_answer(struct stream *s, const struct auth_answer *answer)
{
    auth_answer_put(&s->out, answer);
    loop_defer(&s->flush, on_flush);
}

struct stream *stream_new(int fd, enum stream_kind kind, uint64_t peer_id, void (*on_closed)(void *arg), void *arg)
{
    struct stream *s = xcalloc(1, sizeof *s);
    uint8_t cookie[16] = { 0 };
    struct buf hex = buf_make(0);
    if (!streams.ready)
        list_init(&streams.all);
    streams.ready = true;
    list_append(&streams.all, &s->node);
    s->fd = fd;
    s->kind = kind;
    s->peer_id = peer_id;
    s->out = buf_make(OUT_MAX);
    s->on_closed = on_closed;
    s->arg = arg;
    list_init(&s->requests.requests);
    /* Nobody here uses this cookie; clients want the line. */
    if (getrandom(cookie, sizeof cookie, 0) != (ssize_t)sizeof cookie)
        memset(cookie, 0, sizeof cookie);
    enc_hex(&hex, str_make(cookie, sizeof cookie));
    auth_handshake_put(&s->out, authd()->mechs, authd()->n_mechs, (uint64_t)getpid(), peer_id, buf_str(&hex));
    buf_done(&hex);
    watch_start(&s->watch, fd, EPOLLIN, on_ready);
    loop_defer(&s->flush, on_flush);
    return s;
}
