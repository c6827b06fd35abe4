/* SPDX-License-Identifier: ISC */
#include "authd.h"
#include "base/enc.h"
#include "lines.h"
#include "mechs.h"
#include "socks.h"
#include <sys/random.h>

enum { OUT_MAX = 1 << 20, HANDSHAKE_MS = 30000 };

struct stream {
    struct list node;           /* of all streams, the longest idle first */
    struct lines lines;
    enum stream_kind kind;
    const struct auth_sock *sock;   /* of a public one */
    uint64_t peer_id;
    bool version_seen, cpid_seen;
    uint32_t minor, cpid;
    char cookie[AUTH_COOKIE_HEX + 1];
    struct timer handshake;
    struct request_list requests;
    struct list kept;           /* logins that a master may take over */
    void (*on_closed)(void *arg);
    void *arg;
};

static struct { struct list all; bool ready, draining; } streams;

static struct stream *stream_of(struct lines *l) { return container_of(l, struct stream, lines); }

enum stream_kind stream_kind(const struct stream *s) { return s->kind; }
uint64_t stream_peer(const struct stream *s) { return s->peer_id; }
uint32_t stream_minor(const struct stream *s) { return s->minor; }
bool stream_is_trusted(const struct stream *s) { return s->kind == STREAM_PUBLIC && s->sock->listen.trusted; }
static bool is_login(const struct stream *s) { return s->kind == STREAM_PUBLIC && s->sock->listen.type == AUTH_LISTEN_LOGIN; }
bool stream_wants_account(const struct stream *s) { return s->kind == STREAM_LOGIN || is_login(s); }

void stream_close(struct stream *s)
{
    request_abandon_all(&s->requests);
    list_remove(&s->node);
    if (s->kind == STREAM_LOGIN)
        handover_forget(authd()->handover, s->peer_id);
    kept_forget_all(&s->kept);
    timer_cancel(&s->handshake);
    lines_done(&s->lines);
    secret_wipe(s->cookie, sizeof s->cookie);
    if (s->on_closed != NULL)
        s->on_closed(s->arg);
    free(s);
}

/* What ends the connection is said once, with who it was. */
static bool protocol_error(const struct stream *s, const char *why)
{
    static const char *const kinds[] = { [STREAM_SMTP] = "smtp", [STREAM_LOGIN] = "login" };
    log_warning("auth client (%s %llu): %s: connection closed", s->kind == STREAM_PUBLIC ? s->sock->listen.socket : kinds[s->kind],
                (unsigned long long)s->peer_id, why);
    return false;
}

static struct stream *find_login(uint32_t cpid)
{
    LIST_EACH(it, &streams.all) {
        struct stream *s = container_of(it, struct stream, node);
        if (is_login(s) && s->cpid_seen && s->cpid == cpid)
            return s;
    }
    return NULL;
}

/* VERSION, then CPID, each once, before anything else. */
static bool take_hello(struct stream *s, const struct auth_cmd *c)
{
    if (c->verb == AUTH_VERB_VERSION) {
        if (s->version_seen)
            return protocol_error(s, "VERSION twice");
        s->version_seen = true;
        s->minor = c->minor;
        return c->id == AUTH_MAJOR || protocol_error(s, "another major protocol version");
    }
    if (c->verb != AUTH_VERB_CPID || !s->version_seen || s->cpid_seen)
        return protocol_error(s, s->version_seen ? "CPID is needed once, after VERSION" : "a command before VERSION");
    if (is_login(s) && find_login(c->id) != NULL)
        return protocol_error(s, "another connection has this process id");
    s->cpid_seen = true;
    s->cpid = c->id;
    timer_cancel(&s->handshake);
    return true;
}

/* What only a trusted side may say. Certificates are checked by our own processes, or by a neighbour that the administrator names as such. */
static void distrust(const struct stream *s, struct auth_cmd *c)
{
    bool trusted = stream_is_trusted(s);
    c->no_penalty = c->no_penalty && trusted;
    if (s->kind != STREAM_PUBLIC || trusted)
        return;
    c->valid_client_cert = false;
    c->cert_username = c->cert_fp = c->cert_pubkey_fp = STR("");
}

static bool take_auth(struct stream *s, struct auth_cmd *c)
{
    /* Our own processes ask the successor again, when this one has gone without an answer. */
    if (streams.draining && s->kind != STREAM_PUBLIC)
        return true;
    if (request_exists(&s->requests, c->id))
        return protocol_error(s, "request id used twice");
    /* A neighbour read the list; our own processes pass on what a stranger asked for, and keep their other exchanges. */
    if (s->kind == STREAM_PUBLIC && mechs_find(s, c->mech) == NULL)
        return protocol_error(s, "a mechanism that is not offered");
    if (!about_make_fit(c))
        return protocol_error(s, "the service's name is too long");
    kept_forget(&s->kept, c->id);
    distrust(s, c);
    request_start(s, &s->requests, c);
    return true;
}

static bool take_cmd(struct stream *s, struct auth_cmd *c)
{
    switch (c->verb) {
    case AUTH_VERB_VERSION:
    case AUTH_VERB_CPID: return take_hello(s, c);
    case AUTH_VERB_AUTH: return take_auth(s, c);
    case AUTH_VERB_CONT:
        if (!request_continue(&s->requests, c->id, c->resp))
            stream_answer(s, &(struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .id = c->id, .reason = STR("Authentication request timed out") });
        return true;
    case AUTH_VERB_CANCEL: request_cancel(&s->requests, c->id); return true;
    }
    UNREACHABLE();
}

/* Moves to the end of the list: the front is who was idle for longest. */
static void touch(struct stream *s)
{
    list_remove(&s->node);
    list_append(&streams.all, &s->node);
}

static bool on_line(struct lines *l, struct str line)
{
    struct stream *s = stream_of(l);
    struct arena scratch = arena_make(4 * AUTH_LINE_MAX);
    struct auth_cmd c;
    const char *why;
    bool ok = auth_cmd_parse(line, &scratch, &c, &why);
    touch(s);
    if (!ok)
        (void)protocol_error(s, why);
    else if (!s->cpid_seen && c.verb != AUTH_VERB_VERSION && c.verb != AUTH_VERB_CPID)
        ok = protocol_error(s, "a request before VERSION and CPID");
    else
        ok = take_cmd(s, &c);
    arena_done(&scratch);
    return ok;
}

static bool is_idle(const struct stream *s) { return s->kind == STREAM_PUBLIC && s->requests.n == 0 && s->lines.out.n == 0; }
static bool is_over(struct lines *l) { return streams.draining && is_idle(stream_of(l)); }

static void on_end(struct lines *l, const char *why)
{
    struct stream *s = stream_of(l);
    if (why[0] != '\0')
        (void)protocol_error(s, why);
    stream_close(s);
}

static void on_handshake_over(struct timer *t)
{
    struct stream *s = container_of(t, struct stream, handshake);
    (void)protocol_error(s, "no handshake in time");
    stream_close(s);
}

void stream_drain_public(void)
{
    streams.draining = true;
    if (!streams.ready)
        return;
    LIST_EACH(it, &streams.all) {
        struct stream *s = container_of(it, struct stream, node);
        if (is_idle(s))
            stream_close(s);
    }
}

bool stream_evict_idle(void)
{
    if (!streams.ready)
        return false;
    LIST_EACH(it, &streams.all) {
        struct stream *s = container_of(it, struct stream, node);
        if (is_idle(s)) {
            stream_close(s);
            return true;
        }
    }
    return false;
}

void stream_answer(struct stream *s, const struct auth_answer *answer)
{
    auth_answer_put(&s->lines.out, answer);
    lines_flush(&s->lines);
}

void stream_keep(struct stream *s, uint32_t id, const struct db_query *q)
{
    if (is_login(s))
        kept_add(&s->kept, id, q, loop_now());
}

struct kept *stream_take_kept(uint32_t cpid, uint32_t id, struct str cookie)
{
    struct stream *s = streams.ready ? find_login(cpid) : NULL;
    if (s == NULL || !secret_eq(str_from(s->cookie), cookie))
        return NULL;
    return kept_take(&s->kept, id, loop_now());
}

/* Our own channels have no use for it; clients want the line. */
static void make_cookie(struct stream *s)
{
    uint8_t raw[AUTH_COOKIE_HEX / 2] = { 0 };
    struct buf hex = buf_make(0);
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        log_fatal("no randomness for a cookie");
    enc_hex(&hex, str_make(raw, sizeof raw));
    (void)str_to_fixed(buf_str(&hex), s->cookie, sizeof s->cookie);
    buf_done(&hex);
}

static struct stream *open_stream(int fd, enum stream_kind kind, const struct auth_sock *sock, uint64_t peer_id)
{
    const char *rows[MECHS_MAX][2];
    struct stream *s = xcalloc(1, sizeof *s);
    if (!streams.ready)
        list_init(&streams.all);
    streams.ready = true;
    list_append(&streams.all, &s->node);
    list_init(&s->requests.requests);
    list_init(&s->kept);
    s->kind = kind;
    s->sock = sock;
    s->peer_id = peer_id;
    s->lines.line_max = AUTH_LINE_MAX;
    s->lines.on_line = on_line;
    s->lines.is_over = is_over;
    s->lines.on_end = on_end;
    make_cookie(s);
    lines_start(&s->lines, fd, OUT_MAX);
    auth_handshake_put(&s->lines.out, rows, mechs_list(s, rows), (uint64_t)getpid(), peer_id, str_from(s->cookie));
    lines_flush(&s->lines);
    return s;
}

void stream_new(int fd, enum stream_kind kind, uint64_t peer_id) { (void)open_stream(fd, kind, NULL, peer_id); }

struct stream *stream_new_public(int fd, const struct auth_sock *sock, uint64_t peer_id, void (*on_closed)(void *arg), void *arg)
{
    struct stream *s = open_stream(fd, STREAM_PUBLIC, sock, peer_id);
    s->on_closed = on_closed;
    s->arg = arg;
    timer_set(&s->handshake, loop_now() + HANDSHAKE_MS, on_handshake_over);
    return s;
}
