/* SPDX-License-Identifier: ISC */
#include "base/enc.h"
#include "base/log.h"
#include "base/num.h"
#include "login/internal.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/random.h>
#include <unistd.h>

enum { HANDOVER_MS = 9000, TLS_MS = 30000, BYE_MS = 2000, AUTH_MS = 60000 };

bool login_plaintext_allowed(const struct login_client *c)
{
    bool loopback = strcmp(c->remote, "127.0.0.1") == 0 || strcmp(c->remote, "::1") == 0 || strcmp(c->remote, c->local) == 0;
    return c->tls[0] != '\0' || !c->conf->disable_plaintext || (c->conf->plaintext_loopback && loopback);
}

bool login_tls_available(const struct login_client *c) { return c->tls[0] == '\0' && login_has_tls(); }

static struct auth_offer offer_of(const struct login_client *c)
{
    return (struct auth_offer){ .allowed = login_plaintext_allowed(c), .binding = c->binding[0] != '\0', .cert = c->cert_user[0] != '\0' };
}

bool login_next_mech(const struct login_client *c, size_t *at, struct str *ret)
{
    struct auth_offer offer = offer_of(c);
    return auth_client_next_mech(login_state()->auth, &offer, at, ret);
}

bool login_start_tls(struct login_client *c)
{
    struct str pending;
    c->why = "TLS handshaking failed";
    if (!conn_flush(c->conn, deadline_in(BYE_MS)))
        return false;
    /* RFC 3207 §5, RFC 2595 §2.1: what was sent ahead of the handshake was sent by anybody. */
    if (conn_pending(c->conn).n > 0) {
        c->why = "commands were pipelined behind STARTTLS";
        return false;
    }
    int fd = conn_detach(c->conn, &pending);
    conn_free(c->conn);
    c->conn = NULL;
    if (fd < 0)
        return false;
    int stream = login_tls_exchange(c, fd, MIN(c->deadline, deadline_in(TLS_MS)));
    close(fd);
    if (stream < 0)
        return false;
    (void)fcntl(stream, F_SETFL, O_NONBLOCK);
    c->conn = conn_new(stream, LOGIN_LINE_MAX);
    c->why = NULL;
    return true;
}

/* A text for the client is the user's own doing; anything else is ours. */
static enum login_result not_started(struct login_client *c, struct str why, const struct auth_exchange *ex, const char *method)
{
    c->refusal = str_starts(why, STR(SESSION_LIMIT_TEXT)) ? str_to_cstr(c->arena, why) : NULL;
    if (c->refusal != NULL)
        login_log_limit(c, ex->user, method, c->refusal);
    else
        log_warning("%s: session of %.*s not started: %.*s", c->protocol->ident, STR_FMT(ex->user), STR_FMT(why));
    return c->refusal != NULL ? LOGIN_LIMIT : LOGIN_TEMPFAIL;
}

/* The session takes over: stream, cookie, what was read ahead. */
static enum login_result hand_over(struct login_client *c, struct str tag, const struct auth_exchange *ex, const char *method)
{
    struct login_state *l = login_state();
    int64_t deadline = deadline_in(HANDOVER_MS);
    struct chan *zygote = conn_flush(c->conn, deadline_in(BYE_MS)) ? login_await_session(deadline) : NULL;
    union ipc_any reply;
    enum ipc_type type;
    if (zygote == NULL)
        return LOGIN_TEMPFAIL;
    struct ipc_session_start m = {
        .login_id = ex->request, .service = str_from(c->protocol->service), .auth_channel = auth_client_channel(l->auth), .auth_request = ex->request,
        .cookie = ex->cookie, .remote = str_from(c->remote), .local = str_from(c->local), .session_id = str_from(c->session_id),
        .tls = c->tls[0] != '\0', .tag = tag, .read_ahead = conn_pending(c->conn), .stream = conn_fd(c->conn),
    };
    enum chan_result r = chan_call(zygote, IPC_SESSION_START, &m, IPC_SESSION_STARTED, IPC_TYPE_COUNT, deadline, c->arena, &type, &reply);
    if (r != CHAN_OK || reply.session_started.pid == 0)
        return not_started(c, r == CHAN_OK ? reply.session_started.text : STR("no answer of the session starter"), ex, method);
    login_log_success(c, ex->user, method, reply.session_started.pid);
    c->said_end = true;
    return LOGIN_OK;
}

static struct auth_params params_of(const struct login_client *c)
{
    return (struct auth_params){ .service = c->protocol->service, .remote = str_from(c->remote), .local = str_from(c->local),
                                 .remote_port = c->remote_port, .local_port = c->local_port, .secured = login_plaintext_allowed(c),
                                 .session = str_from(c->session_id), .binding = str_from(c->binding), .cert_user = str_from(c->cert_user) };
}

static enum login_result conclude(struct login_client *c, struct str tag, enum auth_reply reply, const struct auth_exchange *ex, struct str user, const char *method)
{
    switch (reply) {
    case AUTH_OK: return hand_over(c, tag, ex, method);
    case AUTH_TEMPFAIL:
        log_warning("%s: temporary authentication failure: %.*s: rip=%s, session=<%s>", c->protocol->ident, STR_FMT(ex->reason), c->remote, c->session_id);
        return LOGIN_TEMPFAIL;
    case AUTH_REFUSED:
        if (str_eqz(ex->code, "invalid_base64") || str_eqz(ex->code, "auth_mech_invalid"))
            return LOGIN_BAD;
        c->failures++;
        login_log_failure(c, ex->user.n > 0 ? ex->user : user, method, NULL);
        return LOGIN_REFUSED;
    case AUTH_CONTINUE: break;
    }
    UNREACHABLE();
}

static enum login_result refuse_plaintext(struct login_client *c, const char *method)
{
    c->failures++;
    login_log_failure(c, STR(""), method, "tried to use disallowed plaintext auth");
    return LOGIN_PLAINTEXT;
}

enum login_result login_password(struct login_client *c, struct str tag, struct str user, struct str password)
{
    struct auth_exchange ex;
    struct auth_params params = params_of(c);
    if (!login_plaintext_allowed(c))
        return refuse_plaintext(c, "PLAIN");
    enum auth_reply reply = auth_password(login_state()->auth, &ex, user, password, &params, deadline_in(AUTH_MS), c->arena);
    if (reply == AUTH_CONTINUE) {
        auth_abort(&ex);
        reply = AUTH_TEMPFAIL;
    }
    return conclude(c, tag, reply, &ex, user, "PLAIN");
}

/* WAITS. Sends the challenge; the response is in the arena. */
static enum login_result ask_client(struct login_client *c, struct str challenge, struct str *ret)
{
    struct str line;
    conn_printf(c->conn, "+ %.*s\r\n", STR_FMT(challenge));
    switch (conn_read_line(c->conn, LOGIN_LINE_MAX, MIN(c->deadline, deadline_in((int64_t)c->conf->command_timeout * 1000)), &line)) {
    case READ_OK: break;
    case READ_TOO_LONG: return LOGIN_BAD;
    case READ_TIMEOUT: c->why = "Inactivity during authentication"; return LOGIN_GONE;
    case READ_CLOSED:
    case READ_CANCELLED: return LOGIN_GONE;
    }
    if (str_eqz(line, "*"))
        return LOGIN_ABORTED;
    *ret = str_dup(c->arena, line);
    return LOGIN_OK;
}

/* One that exists, though not for this client, is refused as one that does not. */
static bool is_offered(const struct login_client *c, struct str mech)
{
    struct auth_offer offer = offer_of(c);
    offer.allowed = true;       /* without TLS it is refused in words of its own */
    struct str one;
    for (size_t at = 0; auth_client_next_mech(login_state()->auth, &offer, &at, &one);)
        if (str_ieq(one, mech))
            return true;
    return false;
}

enum login_result login_sasl(struct login_client *c, struct str tag, struct str mech, const struct str *initial)
{
    struct auth_exchange ex;
    struct auth_params params = params_of(c);
    char method[32];
    if (!str_to_fixed(mech, method, sizeof method) || !is_offered(c, mech))
        return auth_client_is_ready(login_state()->auth) ? LOGIN_BAD : LOGIN_TEMPFAIL;
    for (char *p = method; *p != '\0'; p++)
        *p = ascii_upper(*p);
    /* Those that do not show the password show who it is, and what is said after it: not without TLS either. */
    if (!login_plaintext_allowed(c))
        return refuse_plaintext(c, method);
    enum auth_reply reply = auth_begin(login_state()->auth, &ex, mech, &params, initial, deadline_in(AUTH_MS), c->arena);
    while (reply == AUTH_CONTINUE) {
        struct str response;
        enum login_result asked = ask_client(c, ex.challenge, &response);
        if (asked != LOGIN_OK) {
            auth_abort(&ex);
            return asked;
        }
        reply = auth_continue(&ex, response, deadline_in(AUTH_MS));
    }
    return conclude(c, tag, reply, &ex, STR(""), method);
}

/* ---- the dialogue ---- */

static void end(struct login_client *c, const char *text, const char *why)
{
    c->why = why;
    c->protocol->say_bye(c, text);
}

static enum login_next run_command(struct login_client *c, struct str line)
{
    struct arena_mark mark = arena_mark(c->arena);
    enum login_next next = c->protocol->command(c, str_dup(c->arena, line));
    arena_rewind(c->arena, mark);
    if (next != LOGIN_NEXT)
        return next;
    if (c->errors > c->conf->error_limit || ++c->commands > c->conf->junk_limit) {
        end(c, "Too many invalid commands.", "Too many invalid commands");
        return LOGIN_CLOSE;
    }
    if (c->failures >= c->conf->failure_limit) {
        end(c, "Too many authentication failures.", "Too many authentication failures");
        return LOGIN_CLOSE;
    }
    return LOGIN_NEXT;
}

static enum login_next next_command(struct login_client *c)
{
    struct str line;
    switch (conn_read_line(c->conn, LOGIN_LINE_MAX, MIN(c->deadline, deadline_in((int64_t)c->conf->command_timeout * 1000)), &line)) {
    case READ_OK: return run_command(c, line);
    case READ_TOO_LONG:
        c->errors++;
        c->commands++;
        c->protocol->say_too_long(c);
        return c->errors > c->conf->error_limit ? LOGIN_CLOSE : LOGIN_NEXT;
    case READ_TIMEOUT: end(c, "Disconnected for inactivity.", "Inactivity"); return LOGIN_CLOSE;
    case READ_CANCELLED: end(c, "Server shutting down.", "Shutting down"); return LOGIN_CLOSE;
    case READ_CLOSED: return LOGIN_CLOSE;
    }
    UNREACHABLE();
}

static void on_abort(void *arg, const char *why)
{
    struct login_client *c = arg;
    (void)why;
    login_log_end(c);
}

static void make_session_id(struct login_client *c)
{
    uint8_t raw[9] = { 0 };
    struct buf b = buf_make(0);
    /* A name for the log, not a secret. */
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        put_be64(raw, (uint64_t)c->started);
    enc_base64(&b, str_make(raw, sizeof raw));
    (void)snprintf(c->session_id, sizeof c->session_id, "%.*s", STR_FMT(buf_str(&b)));
    buf_done(&b);
}

static void drop_conn(void *arg)
{
    struct login_client *c = arg;
    login_leave(c);
    conn_free(c->conn);
    arena_done(c->arena);
}

static bool wants_binding(void)
{
    struct str rest = auth_client_mechs(login_state()->auth), word;
    while (str_token(&rest, " ", &word))
        if (str_iends(word, STR("-PLUS")))
            return true;
    return false;
}

/* Most clients of tls-proxy are of one kind, which it greets by itself with what we tell it. */
static void greet(struct login_client *c)
{
    bool usual = c->from_tls && str_starts(str_from(c->tls), STR("TLSv1.3 ")) && c->cert_user[0] == '\0';
    struct buf text = buf_make(0);
    if (!c->greeted || usual)
        c->protocol->greet(c, &text);
    if (!c->greeted)
        conn_put(c->conn, buf_str(&text));
    if (usual && auth_client_is_ready(login_state()->auth))     /* else it lacks mechanisms */
        login_tell_greeting(buf_str(&text), wants_binding());
    buf_done(&text);
}

/* WAITS, for commands. */
static void converse(struct login_client *c)
{
    enum login_next next;
    greet(c);
    do
        next = next_command(c);
    while (next == LOGIN_NEXT || next == LOGIN_RESTART);
    if (next == LOGIN_HANDED_OVER)
        return;
    login_log_end(c);
    if (c->conn != NULL)
        (void)conn_flush(c->conn, deadline_in(BYE_MS));
}

void login_run(struct login_client *c)
{
    struct arena arena = arena_make(LOGIN_ARENA_MAX);
    struct cleanup cleanup;
    arena.block_size = 1024;
    c->arena = &arena;
    c->conf = &login_state()->conf;
    c->protocol = login_state()->protocol;
    c->started = clock_mono_ms();
    c->deadline = deadline_in((int64_t)c->conf->timeout * 1000);
    make_session_id(c);
    cleanup_push(&cleanup, drop_conn, c);
    fiber_on_abort(on_abort, c);
    if (login_enter(c)) {
        converse(c);
    } else {
        end(c, "Too many connections from your address.", "Too many connections from this address");
        login_log_end(c);
        (void)conn_flush(c->conn, deadline_in(BYE_MS));
    }
    cleanup_pop(&cleanup, true);
}

struct stream_start { struct login_client client; int fd; };

static void free_start(void *arg)
{
    free(arg);
    login_state()->n_streams--;
}

static void stream_fiber(void *arg)
{
    struct stream_start *s = arg;
    struct cleanup cleanup;
    cleanup_push(&cleanup, free_start, s);
    s->client.conn = conn_new(s->fd, LOGIN_LINE_MAX);
    login_run(&s->client);
    cleanup_pop(&cleanup, true);
}

bool login_start_stream(const struct ipc_client *from, int fd)
{
    struct login_state *l = login_state();
    if (l->n_streams >= LOGIN_CLIENTS_MAX) {
        close(fd);
        return false;
    }
    struct stream_start *s = xcalloc(1, sizeof *s);
    (void)snprintf(s->client.remote, sizeof s->client.remote, "%.*s", STR_FMT(from->remote));
    (void)snprintf(s->client.local, sizeof s->client.local, "%.*s", STR_FMT(from->local));
    (void)snprintf(s->client.tls, sizeof s->client.tls, "%.*s", STR_FMT(from->tls));
    (void)snprintf(s->client.binding, sizeof s->client.binding, "%.*s", STR_FMT(from->binding));
    (void)snprintf(s->client.cert_user, sizeof s->client.cert_user, "%.*s", STR_FMT(from->cert_user));
    s->client.from_tls = true;
    s->client.greeted = from->greeted;
    s->client.remote_port = from->remote_port;
    s->client.local_port = from->local_port;
    s->fd = fd;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    l->n_streams++;
    if (fiber_start("login", stream_fiber, s) != NULL)
        return true;
    close(fd);
    free_start(s);
    return false;
}
