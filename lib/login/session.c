/* SPDX-License-Identifier: ISC
 *
 * session.c - what the zygote does as root: frames in and out, fork. Its
 * processes are counted in children.c, and those of others in roll.c; what a
 * child does is in become.c.
 */
#include "base/log.h"
#include "event/loop.h"
#include "login/become.h"
#include "login/children.h"
#include "login/params.h"
#include "login/roll.h"
#include "login/session.h"
#include "os/sandbox.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASK_MS = 8000, PENDING_ARENA = 32 << 10 };

/* A login between SESSION_START and authd's answer. */
struct pending {
    struct list node;
    struct arena arena;
    struct session_login login;
    struct chan *from;          /* NULL: that process is gone */
    uint32_t id, ask_id;        /* ask_id 0: authd was not asked yet */
    uint64_t login_id;
    struct ipc_auth_request ask;
    struct timer timer;
};

static struct {
    const struct session_ops *ops;
    const struct daemon_ctx *daemon;
    struct session_conf conf;
    struct chan *authd;
    struct list pending;
} zygote;

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct session_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { SESSION_PARAMS(ROW) };

static void answer(struct pending *p, pid_t pid, const char *why)
{
    struct ipc_session_started m = { .login_id = p->login_id, .pid = (uint32_t)pid, .text = str_from(why) };
    if (p->from != NULL)
        (void)chan_send(p->from, IPC_SESSION_STARTED, p->id, &m);
    timer_cancel(&p->timer);
    list_remove(&p->node);
    close(p->login.fd);
    arena_done(&p->arena);
    free(p);
}

static void on_late(struct timer *t) { answer(container_of(t, struct pending, timer), 0, "authd does not answer"); }

/* The hub's end of the session's line; the session's is in p->login.hub. -1: it has none. */
static int make_line(struct pending *p)
{
    int pair[2];
    p->login.hub = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return -1;
    p->login.hub = pair[0];
    return pair[1];
}

static void join_roll(struct pending *p, pid_t pid, int line)
{
    const char *dir = NULL;
    if (session_mail_dirs(str_from(p->login.mail), &p->arena, &dir, 1) != 1 || dir == NULL)
        dir = "";
    struct roll_entry e = { .pid = pid, .user = str_from(p->login.user), .remote = str_from(p->login.remote),
                            .session_id = str_from(p->login.session_id), .mail = str_from(dir) };
    roll_join(&e, line);
}

/* What must be equal for a process to serve another login: all that it was made with. */
static struct str account_of(const struct ipc_auth_user *u, struct arena *arena)
{
    struct str separator = str_make("", 1), parts[] = { u->user, u->groups, u->home, u->mail };
    struct buf b = buf_make(0);
    buf_printf(&b, "%u %u", u->uid, u->gid);
    for (size_t i = 0; i < N_ELEMS(parts); i++) {
        buf_add(&b, separator);
        buf_add(&b, parts[i]);
    }
    struct str s = str_dup(arena, buf_str(&b));
    buf_done(&b);
    return s;
}

static pid_t give_to_idle(const struct pending *p, struct str account, uint64_t who)
{
    const struct session_login *l = &p->login;
    struct ipc_session_next next = { .remote = str_from(l->remote), .local = str_from(l->local), .session_id = str_from(l->session_id),
                                     .tls = l->tls, .tag = l->tag, .read_ahead = l->read_ahead, .stream = l->fd };
    return children_give(account, who, &next);
}

/* A new process; *ret_line is the zygote's end of its line. */
static pid_t fork_session(struct pending *p, const struct session_user *user, int *ret_line)
{
    int pair[2] = { -1, -1 };
    if (zygote.conf.reuse_time > 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        pair[0] = pair[1] = -1;
    int hub = make_line(p);
    pid_t pid = fork();
    if (pid == 0)
        session_become_and_run(zygote.ops, &p->login, user, pair[1]);
    if (pid > 0)
        join_roll(p, pid, hub);
    else if (hub >= 0)
        close(hub);
    if (p->login.hub >= 0)
        close(p->login.hub);
    if (pair[1] >= 0)
        close(pair[1]);
    *ret_line = pair[0];
    return pid;
}

static void start_session(struct pending *p, const struct ipc_auth_user *u)
{
    struct session_user user = { .uid = u->uid, .gid = u->gid };
    p->login.user = str_to_cstr(&p->arena, u->user);
    p->login.home = str_to_cstr(&p->arena, u->home);
    p->login.mail = str_to_cstr(&p->arena, u->mail);
    user.groups = str_to_cstr(&p->arena, u->groups);
    if (p->login.user == NULL || p->login.home == NULL || p->login.mail == NULL || user.groups == NULL) {
        answer(p, 0, "authd's answer holds a NUL");
        return;
    }
    uint64_t who = roll_who(u->user, str_from(p->login.remote));
    const char *why = children_over_limit(who);
    if (why != NULL) {
        answer(p, 0, why);
        return;
    }
    struct str account = account_of(u, &p->arena);
    pid_t pid = give_to_idle(p, account, who);
    if (pid == 0) {
        int line;
        pid = fork_session(p, &user, &line);
        if (pid > 0)
            children_add(pid, who, account, line);
        else if (line >= 0)
            close(line);
    }
    answer(p, pid > 0 ? pid : 0, pid > 0 ? "" : "fork failed");
}

static void on_authd(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    const struct ipc_auth_user *u = msg;
    (void)c;
    if (type != IPC_AUTH_USER)
        return;
    LIST_EACH(it, &zygote.pending) {
        struct pending *p = container_of(it, struct pending, node);
        if (p->ask_id == 0 || p->ask_id != id)
            continue;
        if (u->found)
            start_session(p, u);
        else
            answer(p, 0, "authd refused");
        return;
    }
}

static void on_authd_closed(struct chan *c)
{
    if (zygote.authd == c)
        zygote.authd = NULL;
    chan_free(c);
}

/* Everything is copied: the frame is gone when authd has answered. */
static bool copy_start(struct pending *p, struct ipc_session_start *m)
{
    struct session_login *l = &p->login;
    l->remote = str_to_cstr(&p->arena, m->remote);
    l->local = str_to_cstr(&p->arena, m->local);
    l->session_id = str_to_cstr(&p->arena, m->session_id);
    l->tls = m->tls;
    l->tag = str_dup(&p->arena, m->tag);
    l->read_ahead = str_dup(&p->arena, m->read_ahead);
    l->daemon = zygote.daemon;
    p->ask = (struct ipc_auth_request){ .auth_channel = m->auth_channel, .auth_request = m->auth_request, .cookie = str_dup(&p->arena, m->cookie) };
    return l->remote != NULL && l->local != NULL && l->session_id != NULL;
}

/* A file or a listening socket as "client" must not become one. */
static bool is_stream_socket(int fd)
{
    int type = 0, listening = 0;
    socklen_t n = sizeof type, m = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &m) == 0 && listening == 0;
}

static void ask_authd(struct pending *p)
{
    p->ask_id = zygote.authd == NULL ? 0 : chan_next_id(zygote.authd);
    if (zygote.authd != NULL && chan_send(zygote.authd, IPC_AUTH_REQUEST, p->ask_id, &p->ask))
        timer_set(&p->timer, clock_mono_ms() + ASK_MS, on_late);
    else
        answer(p, 0, "no connection to authd");
}

/* The sessions of other zygotes are known: those who came before that go on. */
static void on_known(void)
{
    LIST_EACH(it, &zygote.pending) {
        struct pending *p = container_of(it, struct pending, node);
        if (p->ask_id == 0)
            ask_authd(p);
    }
}

static void take_start(struct chan *c, uint32_t id, struct ipc_session_start *m)
{
    struct pending *p = xcalloc(1, sizeof *p);
    p->arena = arena_make(PENDING_ARENA);
    p->arena.block_size = 512;
    p->from = c;
    p->id = id;
    p->login_id = m->login_id;
    p->login.fd = chan_take_fd(&m->stream);
    list_append(&zygote.pending, &p->node);
    if (p->login.fd < 0 || !is_stream_socket(p->login.fd) || !copy_start(p, m) || !str_eqz(m->service, zygote.ops->service)) {
        answer(p, 0, "not a connection of this service");
        return;
    }
    if (roll_is_known())
        ask_authd(p);
}

static void on_login(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    if (type == IPC_SESSION_START)
        take_start(c, id, msg);
}

static void on_login_closed(struct chan *c)
{
    LIST_EACH(it, &zygote.pending) {
        struct pending *p = container_of(it, struct pending, node);
        if (p->from == c)
            p->from = NULL;
    }
    chan_free(c);
}

static void on_peer(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops login = { .on_message = on_login, .on_closed = on_login_closed };
    static const struct chan_ops auth = { .on_message = on_authd, .on_closed = on_authd_closed };
    if (peer->role == ROLE_LOGIN)
        (void)daemon_chan(peer, fd, &login, NULL);
    else if (peer->role == ROLE_AUTHD)
        zygote.authd = daemon_chan(peer, fd, &auth, NULL);
    else if (peer->role == ROLE_HUB)
        roll_hub(peer, fd);
    else
        close(fd);
}

static void on_sigchld(int signo)
{
    int status;
    pid_t pid;
    (void)signo;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        children_gone(pid, status);
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    struct param_table own = { rows, N_ELEMS(rows) };
    config_register(d->config, &own);
    return config_fill(d->config, &own, &zygote.conf, err) != 0 ? -1 : sandbox_prepare(SANDBOX_SESSION, err);
}

static void start(const struct daemon_ctx *d)
{
    zygote.daemon = d;
    loop_on_signal(SIGCHLD, on_sigchld);
    roll_start();
}

/* After a reload it stays with its sessions: only it can name them to a new hub. When the system stops, they end with it. */
static bool idle(void) { return list_is_empty(&zygote.pending) && (daemon_is_ending() || children_count() == 0); }

int session_zygote_main(int argc, char **argv, const char *program, const struct session_ops *ops)
{
    struct role_ops role = { .role = ROLE_SESSION, .params = ops->params, .conf = ops->conf, .before_drop = before_drop, .start = start,
                             .on_peer = on_peer, .on_drain = children_drain, .idle = idle };
    zygote.ops = ops;
    list_init(&zygote.pending);
    children_init(&zygote.conf, ops->service);
    roll_init(ops->service, on_known);
    return daemon_main(argc, argv, program, &role, 1);
}
