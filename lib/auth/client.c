/* SPDX-License-Identifier: ISC */
#include "auth/client.h"
#include "base/enc.h"
#include "proto/auth_proto.h"
#include "proto/sasl.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_CHUNK = 8192, READY_WAIT_MS = 10000, OUT_MAX = 4 << 20, MECHS_MAX = 1024, READS_AT_END = 8 };

struct auth_client {
    int fd;                     /* -1: none */
    unsigned epoch;             /* changes with each connection */
    bool version_seen, ready;
    uint64_t channel;
    uint32_t next_id;
    struct watch watch;
    struct deferred flush;
    struct buf in, out, mechs;
    struct list waiting;        /* exchanges that an answer is expected for */
    struct cond became_ready, went_down;
    int (*connect)(void *arg);
    void *connect_arg;
    struct fiber *keeper;
};

struct auth_client *auth_client_new(void)
{
    struct auth_client *c = xcalloc(1, sizeof *c);
    c->fd = -1;
    c->mechs = buf_make(MECHS_MAX);
    c->out = buf_make(OUT_MAX);
    list_init(&c->waiting);
    return c;
}

static void answer_exchange(struct auth_exchange *ex, struct str line)
{
    buf_add(&ex->line, line);
    ex->answered = true;
    list_remove(&ex->node);
    cond_signal(&ex->cond);
}

/* The connection is gone: whoever waits learns it as an answer without a line. */
static void disconnect(struct auth_client *c)
{
    if (c->fd < 0)
        return;
    watch_stop(&c->watch);
    close(c->fd);
    c->fd = -1;
    c->ready = c->version_seen = false;
    c->channel = 0;
    c->epoch++;
    secret_wipe(c->out.p, c->out.n);
    buf_reset(&c->in);
    buf_reset(&c->out);
    buf_reset(&c->mechs);
    LIST_EACH(it, &c->waiting)
        answer_exchange(container_of(it, struct auth_exchange, node), STR(""));
    cond_broadcast(&c->went_down);
}

static void add_mech(struct auth_client *c, struct str mech)
{
    if (c->mechs.n > 0)
        buf_putc(&c->mechs, ' ');
    buf_add(&c->mechs, mech);
}

/* False: not what a handshake may hold. */
static bool handshake(struct auth_client *c, const struct auth_answer *a)
{
    switch (a->verb) {
    case AUTH_ANSWER_VERSION:
        c->version_seen = a->id == AUTH_MAJOR;
        return c->version_seen;
    case AUTH_ANSWER_MECH: add_mech(c, a->mech); return true;
    case AUTH_ANSWER_CUID: c->channel = a->id; return true;
    case AUTH_ANSWER_SPID:
    case AUTH_ANSWER_COOKIE: return true;
    case AUTH_ANSWER_DONE:
        c->ready = c->version_seen && c->mechs.n > 0;
        cond_broadcast(&c->became_ready);
        return c->ready;
    case AUTH_ANSWER_OK:
    case AUTH_ANSWER_CONT:
    case AUTH_ANSWER_FAIL: return false;
    }
    UNREACHABLE();
}

static void dispatch(struct auth_client *c, uint64_t id, struct str line)
{
    LIST_EACH(it, &c->waiting) {
        struct auth_exchange *ex = container_of(it, struct auth_exchange, node);
        if (ex->request == id) {
            answer_exchange(ex, line);
            return;
        }
    }
}

static bool take_line(struct auth_client *c, struct str line)
{
    struct arena scratch = arena_make(4 * AUTH_LINE_MAX);
    struct auth_answer a;
    const char *why;
    bool ok = auth_answer_parse(line, &scratch, &a, &why);
    bool is_result = ok && (a.verb == AUTH_ANSWER_OK || a.verb == AUTH_ANSWER_CONT || a.verb == AUTH_ANSWER_FAIL);
    if (ok && c->ready && is_result)
        dispatch(c, a.id, line);
    else
        ok = ok && !c->ready && handshake(c, &a);
    arena_done(&scratch);
    return ok;
}

static bool take_input(struct auth_client *c)
{
    size_t used = 0;
    bool ok = true;
    for (struct str line, rest = buf_str(&c->in); ok && str_chr(rest, '\n') >= 0; rest = str_skip(buf_str(&c->in), used)) {
        struct str tail;
        (void)str_cut(rest, '\n', &line, &tail);
        used += line.n + 1;
        ok = take_line(c, line);
    }
    buf_drop(&c->in, used);
    return ok && c->in.n <= AUTH_LINE_MAX;
}

/* False: end of file or an error. */
static bool read_some(struct auth_client *c)
{
    char *room = buf_room(&c->in, READ_CHUNK);
    ssize_t n = recv(c->fd, room, READ_CHUNK, MSG_DONTWAIT);
    if (n > 0)
        buf_added(&c->in, (size_t)n);
    return n > 0 ? take_input(c) : n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void on_ready(struct watch *w, uint32_t events);

static bool write_some(struct auth_client *c)
{
    ssize_t n = c->out.n == 0 ? 0 : send(c->fd, c->out.p, c->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    if (n > 0) {
        /* Passwords were in there. */
        secret_wipe(c->out.p, (size_t)n);
        buf_drop(&c->out, (size_t)n);
    }
    watch_start(&c->watch, c->fd, c->out.n > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN, on_ready);
    return true;
}

static void on_ready(struct watch *w, uint32_t events)
{
    struct auth_client *c = container_of(w, struct auth_client, watch);
    if (((events & EPOLLIN) != 0 && !read_some(c)) || ((events & EPOLLOUT) != 0 && c->fd >= 0 && !write_some(c)))
        disconnect(c);
}

static void on_flush(struct deferred *d)
{
    struct auth_client *c = container_of(d, struct auth_client, flush);
    if (c->fd >= 0 && (c->out.full || !write_some(c)))
        disconnect(c);
}

static void send_cmd(struct auth_client *c, const struct auth_cmd *cmd)
{
    auth_cmd_put(&c->out, cmd);
    loop_defer(&c->flush, on_flush);
}

void auth_client_attach(struct auth_client *c, int fd)
{
    /* What the one before has said may not have been read yet. */
    for (int i = 0; i < READS_AT_END && c->fd >= 0 && read_some(c); i++)
        ;
    disconnect(c);
    c->fd = fd;
    c->out.full = false;
    watch_start(&c->watch, fd, EPOLLIN, on_ready);
    send_cmd(c, &(struct auth_cmd){ .verb = AUTH_VERB_VERSION, .id = AUTH_MAJOR, .minor = AUTH_MINOR });
    send_cmd(c, &(struct auth_cmd){ .verb = AUTH_VERB_CPID, .id = (uint32_t)getpid() });
}

static void keep_connected(void *arg)
{
    struct auth_client *c = arg;
    enum wait w = WAIT_OK;
    while (w != WAIT_CANCELLED) {
        int fd = c->fd < 0 ? c->connect(c->connect_arg) : -1;
        if (fd >= 0)
            auth_client_attach(c, fd);
        while (c->fd >= 0 && w != WAIT_CANCELLED)
            w = cond_wait(&c->went_down, FOREVER);
        if (w != WAIT_CANCELLED)
            w = fiber_sleep(deadline_in(AUTH_RECONNECT_MS));
    }
    c->keeper = NULL;
}

void auth_client_keep_connected(struct auth_client *c, int (*connect)(void *arg), void *arg)
{
    c->connect = connect;
    c->connect_arg = arg;
    c->keeper = fiber_start("auth server", keep_connected, c);
}

void auth_client_free(struct auth_client *c)
{
    if (c == NULL)
        return;
    ASSERT(c->keeper == NULL);
    disconnect(c);
    if (c->flush.node.next != NULL)
        list_remove(&c->flush.node);
    buf_done(&c->in);
    buf_done(&c->out);
    buf_done(&c->mechs);
    free(c);
}

bool auth_client_is_ready(const struct auth_client *c) { return c->ready; }
uint64_t auth_client_channel(const struct auth_client *c) { return c->channel; }
struct str auth_client_mechs(const struct auth_client *c) { return buf_str(&c->mechs); }

bool auth_client_has_mech(const struct auth_client *c, struct str mech)
{
    struct str rest = buf_str(&c->mechs), word;
    while (str_token(&rest, " ", &word))
        if (str_ieq(word, mech))
            return true;
    return false;
}

bool auth_client_next_mech(const struct auth_client *c, const struct auth_offer *offer, size_t *at, struct str *ret)
{
    struct str rest = str_skip(buf_str(&c->mechs), *at), word;
    while (offer->allowed && str_token(&rest, " ", &word)) {
        *at = c->mechs.n - rest.n;
        if (sasl_name(word) == NULL || (str_iends(word, STR("-PLUS")) && !offer->binding) || (str_ieqz(word, "EXTERNAL") && !offer->cert))
            continue;
        *ret = word;
        return true;
    }
    return false;
}

static enum auth_reply refuse(struct auth_exchange *ex, enum auth_reply reply, const char *code, const char *reason)
{
    ex->code = str_from(code);
    ex->reason = str_from(reason);
    return reply;
}

/* The line as it came, into the result; its strings into the session's arena. */
static enum auth_reply read_answer(struct auth_exchange *ex)
{
    struct auth_answer a;
    const char *why;
    struct str line = str_dup(ex->arena, buf_str(&ex->line));
    ex->lost = line.n == 0;
    if (ex->lost || !auth_answer_parse(line, ex->arena, &a, &why))
        return refuse(ex, AUTH_TEMPFAIL, "temp_fail", "Connection lost to authentication server");
    if (a.verb == AUTH_ANSWER_CONT) {
        ex->challenge = a.data;
        return AUTH_CONTINUE;
    }
    ex->user = a.user;
    ex->token = a.token;
    ex->cookie = a.cookie;
    ex->code = a.code;
    ex->reason = a.reason;
    if (a.verb == AUTH_ANSWER_OK)
        return a.user.n > 0 ? AUTH_OK : refuse(ex, AUTH_TEMPFAIL, "temp_fail", "authentication server named no user");
    return str_eqz(a.code, "temp_fail") ? AUTH_TEMPFAIL : AUTH_REFUSED;
}

static void forget(void *arg)
{
    struct auth_exchange *ex = arg;
    list_remove(&ex->node);
    buf_done(&ex->line);
}

static enum auth_reply await(struct auth_exchange *ex, int64_t deadline)
{
    struct auth_client *c = ex->client;
    struct cleanup cleanup;
    enum auth_reply reply;
    enum wait w = WAIT_OK;
    ex->answered = false;
    ex->line = buf_make(0);
    list_append(&c->waiting, &ex->node);
    cleanup_push(&cleanup, forget, ex);
    while (!ex->answered && w == WAIT_OK)
        w = cond_wait(&ex->cond, deadline);
    if (ex->answered) {
        reply = read_answer(ex);
    } else {
        send_cmd(c, &(struct auth_cmd){ .verb = AUTH_VERB_CANCEL, .id = ex->request });
        reply = refuse(ex, AUTH_TEMPFAIL, "temp_fail", "authentication server does not answer");
    }
    cleanup_pop(&cleanup, true);
    return reply;
}

/* WAITS for a connection. */
static bool become_ready(struct auth_client *c, int64_t deadline)
{
    int64_t until = MIN(deadline, deadline_in(READY_WAIT_MS));
    enum wait w = WAIT_OK;
    while (!c->ready && w == WAIT_OK)
        w = cond_wait(&c->became_ready, until);
    return c->ready;
}

static uint32_t next_id(struct auth_client *c)
{
    c->next_id = c->next_id == UINT32_MAX ? 1 : c->next_id + 1;
    return c->next_id;
}

static struct str port_text(struct arena *a, uint32_t port) { return port == 0 ? STR("") : str_printf(a, "%u", port); }

static void send_auth(struct auth_exchange *ex, struct str mech, const struct auth_params *params, const struct str *initial)
{
    struct auth_client *c = ex->client;
    ex->request = next_id(c);
    ex->epoch = c->epoch;
    send_cmd(c, &(struct auth_cmd){
        .verb = AUTH_VERB_AUTH, .id = ex->request, .mech = mech, .service = str_from(params->service), .remote = params->remote,
        .local = params->local, .remote_port = port_text(ex->arena, params->remote_port), .local_port = port_text(ex->arena, params->local_port),
        .session = params->session, .secured = params->secured, .channel_binding = params->binding,
        .cert_username = params->cert_user, .valid_client_cert = params->cert_user.n > 0, .has_resp = initial != NULL,
        .resp = initial == NULL ? STR("") : *initial });
}

enum auth_reply auth_begin(struct auth_client *c, struct auth_exchange *ret_ex, struct str mech, const struct auth_params *params,
                           const struct str *initial, int64_t deadline, struct arena *arena)
{
    enum auth_reply reply = AUTH_TEMPFAIL;
    *ret_ex = (struct auth_exchange){ .client = c, .arena = arena, .challenge = STR(""), .user = STR(""), .token = STR(""),
                                      .cookie = STR(""), .code = STR(""), .reason = STR("") };
    list_init(&ret_ex->node);
    /* An authd that went away without an answer, as at a reload, has a successor: asked once more. */
    for (int tries = 0; tries < 2; tries++) {
        if (!become_ready(c, deadline))
            return refuse(ret_ex, AUTH_TEMPFAIL, "temp_fail", "no connection to the authentication server");
        if (!auth_client_has_mech(c, mech))
            return refuse(ret_ex, AUTH_REFUSED, "auth_mech_invalid", "");
        if (initial != NULL && initial->n > AUTH_RESPONSE_MAX)
            return refuse(ret_ex, AUTH_REFUSED, "invalid_base64", "");
        ret_ex->lost = false;
        send_auth(ret_ex, mech, params, initial);
        reply = await(ret_ex, deadline);
        if (!ret_ex->lost)
            break;
    }
    return reply;
}

enum auth_reply auth_continue(struct auth_exchange *ex, struct str response, int64_t deadline)
{
    struct auth_client *c = ex->client;
    ex->challenge = STR("");
    if (c->epoch != ex->epoch)
        return refuse(ex, AUTH_TEMPFAIL, "temp_fail", "Connection lost to authentication server");
    if (response.n > AUTH_RESPONSE_MAX) {
        auth_abort(ex);
        return refuse(ex, AUTH_REFUSED, "invalid_base64", "");
    }
    send_cmd(c, &(struct auth_cmd){ .verb = AUTH_VERB_CONT, .id = ex->request, .resp = response });
    return await(ex, deadline);
}

void auth_abort(struct auth_exchange *ex)
{
    if (ex->client->epoch == ex->epoch && ex->client->fd >= 0)
        send_cmd(ex->client, &(struct auth_cmd){ .verb = AUTH_VERB_CANCEL, .id = ex->request });
}

enum auth_reply auth_password(struct auth_client *c, struct auth_exchange *ret_ex, struct str user, struct str password,
                              const struct auth_params *params, int64_t deadline, struct arena *arena)
{
    struct buf raw = buf_make(0), text = buf_make(0);
    bool fit = str_chr(user, '\0') < 0 && str_chr(password, '\0') < 0 && user.n > 0 && user.n + password.n < AUTH_RESPONSE_MAX / 2;
    buf_putc(&raw, '\0');
    buf_add(&raw, fit ? user : STR("?"));
    buf_putc(&raw, '\0');
    buf_add(&raw, fit ? password : STR(""));
    enc_base64(&text, buf_str(&raw));
    struct str initial = str_dup(arena, buf_str(&text));
    secret_wipe(raw.p, raw.n);
    secret_wipe(text.p, text.n);
    buf_done(&raw);
    buf_done(&text);
    enum auth_reply reply = auth_begin(c, ret_ex, STR("PLAIN"), params, &initial, deadline, arena);
    /* A NUL or nothing at all is no name: asked about an empty password, authd refuses it as any other wrong one, after the same delay. */
    return reply;
}
