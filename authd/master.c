/* SPDX-License-Identifier: ISC
 *
 * master.c - a client of a userdb or master socket: questions in, answers out,
 * each when its database has spoken.
 */
#include "authd.h"
#include "base/num.h"
#include "db.h"
#include "lines.h"
#include "socks.h"
#include <sys/socket.h>

enum { LINE_MAX_BYTES = 8192, OUT_MAX = 64 << 20, HANDSHAKE_MS = 30000, ASKS_MAX = 1000, ASK_ARENA_MAX = 128 << 10 };

struct master {
    struct list node;           /* of all, the longest idle first */
    struct lines lines;
    const struct auth_sock *sock;
    bool hello_seen;
    bool has_peer;
    struct ucred peer;          /* of a UNIX socket */
    struct timer handshake;
    struct list asks;
    size_t n_asks;
    bool listing;
    uint32_t list_id;
    struct db_list users;
    struct arena list_arena;
    void (*on_closed)(void *arg);
    void *arg;
};

/* One USER or PASS in work. */
struct ask { struct list node; struct master *master; uint32_t id; bool finished, with_mail; struct arena arena; struct db_query query; };

static struct { struct list all; bool ready, draining; } masters;

static struct master *master_of(struct lines *l) { return container_of(l, struct master, lines); }

static void ask_free(struct ask *a)
{
    if (!a->finished)
        db_cancel(&a->query);
    list_remove(&a->node);
    a->master->n_asks--;
    authd()->n_requests--;
    arena_done(&a->arena);
    free(a);
}

static void list_over(struct master *m)
{
    m->listing = false;
    authd()->n_requests--;
    arena_done(&m->list_arena);
}

void master_close(struct master *m)
{
    LIST_EACH(it, &m->asks)
        ask_free(container_of(it, struct ask, node));
    if (m->listing) {
        db_list_cancel(&m->users);
        list_over(m);
    }
    list_remove(&m->node);
    timer_cancel(&m->handshake);
    lines_done(&m->lines);
    if (m->on_closed != NULL)
        m->on_closed(m->arg);
    free(m);
}

static bool protocol_error(const struct master *m, const char *why)
{
    log_warning("auth master client (%s, pid %d): %s: connection closed", m->sock->listen.socket, m->has_peer ? (int)m->peer.pid : 0, why);
    return false;
}

/* The uid that is the only one this client may hear of; 0 = it may hear of all. */
static uid_t restricted_to(const struct master *m)
{
    bool everybody = m->has_peer && m->sock->listen.mode == 0666;
    bool known = m->peer.uid == 0 || m->peer.uid == m->sock->owner || (m->sock->has_group && m->peer.gid == m->sock->group);
    return everybody && !known ? m->peer.uid : 0;
}

/* ---- answers ---- */

static void put(struct master *m, const char *word, uint32_t id)
{
    auth_line_begin(&m->lines.out, word);
    auth_line_num(&m->lines.out, id);
}

static void end(struct master *m)
{
    auth_line_end(&m->lines.out);
    lines_flush(&m->lines);
}

static void say(struct master *m, const char *word, uint32_t id)
{
    put(m, word, id);
    end(m);
}

static void put_number(struct buf *out, const char *name, uint32_t n)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", n);
    auth_line_field(out, name, str_from(text));
}

static void put_text(struct buf *out, const char *name, struct str value)
{
    if (value.n > 0)
        auth_line_field(out, name, value);
}

/* A number as the database said it, else (a name, or nothing said) as it will be used. */
static bool find_id(const char *name, const struct fields *said, bool has_id, uint32_t id, uint32_t *ret)
{
    if (num_parse_u32(fields_get(said, name), UINT32_MAX, ret))
        return true;
    *ret = id;
    return has_id;
}

static void put_id(struct buf *out, const char *name, const struct fields *said, bool has_id, uint32_t id)
{
    uint32_t n;
    if (find_id(name, said, has_id, id, &n))
        put_number(out, name, n);
}

/* The fields that every reader wants first; the rest as the databases said it. */
static void put_user(struct buf *out, const struct account *a, const struct fields *said, bool with_mail)
{
    struct arena scratch = arena_make(2 * (FIELDS_BYTES_MAX + 64 * FIELDS_MAX));
    struct fields rest = fields_make(&scratch);
    (void)fields_import(&rest, said, STR(""));
    fields_remove(&rest, "uid");
    fields_remove(&rest, "gid");
    fields_remove(&rest, "home");
    auth_line_word(out, a->user);
    put_id(out, "uid", said, a->has_ids, a->uid);
    put_id(out, "gid", said, a->has_ids, a->gid);
    put_text(out, "home", a->home);
    if (with_mail) {
        fields_remove(&rest, "mail");
        put_text(out, "mail", a->mail);
    }
    fields_put_line(&rest, out);
    arena_done(&scratch);
}

static void answer_user(struct ask *a)
{
    struct master *m = a->master;
    uid_t only = restricted_to(m);
    const struct account *found = &a->query.account;
    uint32_t uid;
    if (only != 0 && (!find_id("uid", &a->query.userdb, found->has_ids, found->uid, &uid) || uid != only)) {
        log_warning("auth master client (%s, uid %u): may not ask for user %.*s", m->sock->listen.socket, (unsigned)only, STR_FMT(found->user));
        say(m, "FAIL", a->id);
        return;
    }
    put(m, "USER", a->id);
    put_user(&m->lines.out, found, &a->query.userdb, a->with_mail);
    end(m);
}

static void answer_pass(struct ask *a)
{
    struct master *m = a->master;
    struct str shown;
    answer_passdb_fields(&a->query.passdb, false, &a->arena, &shown);
    put(m, "PASS", a->id);
    auth_line_field(&m->lines.out, "user", a->query.vars.user);
    buf_add(&m->lines.out, shown);
    end(m);
}

/* PAM knows who a user is when it sees the password: that it does not know him is no answer. */
static bool passdbs_can_tell(void)
{
    const struct db_set *all = db_passdbs();
    for (size_t i = 0; i < all->n; i++)
        if (all->rows[i].index != SIZE_MAX && !all->rows[i].conf->deny && !all->rows[i].conf->master && all->rows[i].driver != db_pam())
            return true;
    return false;
}

static void say_why(struct master *m, uint32_t id, const char *reason)
{
    put(m, "FAIL", id);
    auth_line_field(&m->lines.out, "reason", str_from(reason));
    end(m);
}

static void on_answer(struct db_query *q, enum auth_verdict verdict)
{
    struct ask *a = container_of(q, struct ask, query);
    a->finished = true;
    switch (verdict) {
    case VERDICT_MATCH:
        if (q->kind == DB_USER)
            answer_user(a);
        else
            answer_pass(a);
        break;
    case VERDICT_UNKNOWN:
        if (q->kind == DB_LOOKUP && !passdbs_can_tell())
            say_why(a->master, a->id, "no password database here can be asked without a password");
        else
            say(a->master, "NOTFOUND", a->id);
        break;
    case VERDICT_MISMATCH: say(a->master, "NOTFOUND", a->id); break;
    case VERDICT_DISABLED:
        /* Whether it may log in is for the asker to see. */
        if (q->kind == DB_LOOKUP && fields_has(&q->passdb, "nologin"))
            answer_pass(a);
        else
            say(a->master, "NOTFOUND", a->id);
        break;
    case VERDICT_EXPIRED: say(a->master, "NOTFOUND", a->id); break;
    case VERDICT_TEMPFAIL: say(a->master, "FAIL", a->id); break;
    }
    ask_free(a);
}

/* ---- questions ---- */

static struct auth_vars vars_of(struct arena *arena, const struct auth_ask *q)
{
    struct auth_cmd about = auth_cmd_dup(arena, &q->about);
    return (struct auth_vars){
        .user = str_dup(arena, q->user), .original_user = STR(""), .login_user = STR(""), .master_user = STR(""), .service = about.service,
        .mech = STR(""), .remote = about.remote, .local = about.local, .remote_port = about.remote_port, .local_port = about.local_port,
        .real_remote = about.real_remote, .real_local = about.real_local, .session = about.session, .local_name = about.local_name,
        .client_id = about.client_id, .cert = STR(""), .home = STR(""), .password = STR(""), .secured = about.secured };
}

static bool take_question(struct master *m, const struct auth_ask *q)
{
    bool is_pass = q->verb == AUTH_ASK_PASS;
    if (m->n_asks >= ASKS_MAX || (is_pass && restricted_to(m) != 0)) {
        say(m, "FAIL", q->id);
        return true;
    }
    struct auth_ask fit = *q;
    if (!about_make_fit(&fit.about))
        return protocol_error(m, "the service's name is too long");
    struct ask *a = xcalloc(1, sizeof *a);
    a->master = m;
    a->id = q->id;
    a->arena = arena_make(ASK_ARENA_MAX);
    a->arena.block_size = 1024;
    list_append(&m->asks, &a->node);
    m->n_asks++;
    authd()->n_requests++;
    a->query = (struct db_query){ .arena = &a->arena, .kind = is_pass ? DB_LOOKUP : DB_USER, .done = on_answer };
    a->query.vars = vars_of(&a->arena, &fit);
    a->with_mail = q->about.with_mail;
    db_ask(&a->query);
    return true;
}

static void on_user(struct db_list *l, struct str user)
{
    struct master *m = container_of(l, struct master, users);
    put(m, "LIST", m->list_id);
    auth_line_word(&m->lines.out, user);
    end(m);
}

static void say_done(struct master *m, uint32_t id, bool complete)
{
    put(m, "DONE", id);
    auth_line_word(&m->lines.out, complete ? STR("") : STR("fail"));
    end(m);
}

static void on_list_over(struct db_list *l, bool complete)
{
    struct master *m = container_of(l, struct master, users);
    say_done(m, m->list_id, complete);
    list_over(m);
}

static bool take_list(struct master *m, const struct auth_ask *q)
{
    if (m->listing || restricted_to(m) != 0) {
        say_done(m, q->id, false);
        return true;
    }
    m->listing = true;
    m->list_id = q->id;
    authd()->n_requests++;
    m->list_arena = arena_make(2 * LINE_MAX_BYTES);
    m->users = (struct db_list){ .mask = str_dup(&m->list_arena, q->user), .on_user = on_user, .done = on_list_over };
    db_list_start(&m->users);
    return true;
}

/* Once: the second try finds nothing. Who says that it serves the session must be who is there. */
static bool take_request(struct master *m, const struct auth_ask *q)
{
    bool is_peer = !q->has_session_pid || !m->has_peer || (uint32_t)m->peer.pid == q->session_pid;
    struct kept *k = is_peer ? stream_take_kept(q->client_pid, q->client_id, q->cookie) : NULL;
    if (k == NULL) {
        log_warning("auth master client (%s): REQUEST of login %u of process %u: %s", m->sock->listen.socket, q->client_id, q->client_pid,
                    is_peer ? "no such login, or a wrong cookie" : "session_pid is not the peer's");
        say(m, "FAIL", q->id);
        return true;
    }
    struct buf *out = &m->lines.out;
    put(m, "USER", q->id);
    put_user(out, &k->account, &k->userdb, false);
    put_text(out, "master_user", k->master_user);
    put_text(out, "auth_mech", k->mech);
    put_text(out, "auth_user", k->master_user.n > 0 ? k->master_user : str_eq(k->original_user, k->account.user) ? STR("") : k->original_user);
    end(m);
    kept_free(k);
    return true;
}

static bool take_flush(struct master *m, const struct auth_ask *q)
{
    size_t n = 0;
    for (size_t i = 2; i < q->line.n; i++)
        n += auth_cache_flush(authd()->cache, q->line.fields[i]);
    if (q->line.n <= 2)
        n = auth_cache_flush(authd()->cache, STR(""));
    put(m, "OK", q->id);
    auth_line_num(&m->lines.out, n);
    end(m);
    return true;
}

static bool take_version(struct master *m, const struct auth_ask *q)
{
    m->hello_seen = q->id == AUTH_MAJOR;
    timer_cancel(&m->handshake);
    return m->hello_seen || protocol_error(m, "another major protocol version");
}

static bool take_ask(struct master *m, const struct auth_ask *q)
{
    bool is_master = m->sock->listen.type == AUTH_LISTEN_MASTER;
    if (!m->hello_seen && q->verb != AUTH_ASK_VERSION)
        return protocol_error(m, "a question before VERSION");
    switch (q->verb) {
    case AUTH_ASK_VERSION: return take_version(m, q);
    case AUTH_ASK_CPID: return true;
    case AUTH_ASK_USER:
    case AUTH_ASK_PASS: return take_question(m, q);
    case AUTH_ASK_LIST: return take_list(m, q);
    case AUTH_ASK_REQUEST: return is_master ? take_request(m, q) : protocol_error(m, "REQUEST on a userdb socket");
    case AUTH_ASK_CACHE_FLUSH: return is_master ? take_flush(m, q) : protocol_error(m, "CACHE-FLUSH on a userdb socket");
    }
    UNREACHABLE();
}

/* ---- the connection ---- */

static bool on_line(struct lines *l, struct str line)
{
    struct master *m = master_of(l);
    struct arena scratch = arena_make(4 * LINE_MAX_BYTES);
    struct auth_ask q;
    const char *why;
    list_remove(&m->node);
    list_append(&masters.all, &m->node);
    bool ok = auth_ask_parse(line, &scratch, &q, &why) ? take_ask(m, &q) : protocol_error(m, why);
    arena_done(&scratch);
    return ok;
}

static bool is_idle(const struct master *m) { return m->n_asks == 0 && !m->listing && m->lines.out.n == 0; }
static bool is_over(struct lines *l) { return masters.draining && is_idle(master_of(l)); }

static void on_end(struct lines *l, const char *why)
{
    struct master *m = master_of(l);
    if (why[0] != '\0')
        (void)protocol_error(m, why);
    master_close(m);
}

static void on_handshake_over(struct timer *t)
{
    struct master *m = container_of(t, struct master, handshake);
    (void)protocol_error(m, "no handshake in time");
    master_close(m);
}

void master_drain(void)
{
    masters.draining = true;
    if (!masters.ready)
        return;
    LIST_EACH(it, &masters.all) {
        struct master *m = container_of(it, struct master, node);
        if (is_idle(m))
            master_close(m);
    }
}

bool master_evict_idle(void)
{
    struct master *idle = NULL;
    if (masters.ready)
        LIST_EACH(it, &masters.all)
            if (idle == NULL && is_idle(container_of(it, struct master, node)))
                idle = container_of(it, struct master, node);
    if (idle != NULL)
        master_close(idle);
    return idle != NULL;
}

struct master *master_new(int fd, const struct auth_sock *sock, void (*on_closed)(void *arg), void *arg)
{
    struct master *m = xcalloc(1, sizeof *m);
    socklen_t n = sizeof m->peer;
    if (!masters.ready)
        list_init(&masters.all);
    masters.ready = true;
    list_append(&masters.all, &m->node);
    list_init(&m->asks);
    m->sock = sock;
    m->on_closed = on_closed;
    m->arg = arg;
    m->has_peer = strncmp(sock->listen.socket, "unix:", 5) == 0;
    if (m->has_peer && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &m->peer, &n) != 0)
        m->peer = (struct ucred){ .pid = -1, .uid = (uid_t)-1, .gid = (gid_t)-1 };
    m->lines.line_max = LINE_MAX_BYTES;
    m->lines.on_line = on_line;
    m->lines.is_over = is_over;
    m->lines.on_end = on_end;
    lines_start(&m->lines, fd, OUT_MAX);
    auth_master_handshake_put(&m->lines.out, (uint64_t)getpid());
    lines_flush(&m->lines);
    timer_set(&m->handshake, loop_now() + HANDSHAKE_MS, on_handshake_over);
    return m;
}
