/* SPDX-License-Identifier: ISC */
#include "base/log.h"
#include "base/num.h"
#include "event/fiber.h"
#include "event/loop.h"
#include "ipc/chan.h"
#include "login/become.h"
#include "login/line.h"
#include "os/priv.h"
#include "os/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FD_CLIENT = 3, FD_LOG = 4, FD_HUB = 5, FD_LINE = 6, GROUPS_MAX = 256, DIRS_MAX = 8, NEXT_ARENA = 32 << 10 };

static struct {
    const struct session_ops *ops;
    struct session_login login;
    struct fiber *fiber;
    struct chan *line;          /* to the zygote; NULL: this process ends with its session */
    struct arena arena;         /* of a login that came over it */
    uint32_t served;
    bool has_next;
    struct cond next;
    struct watch hub;
    bool running, kicked;
} child;

static _Noreturn void die(const char *why)
{
    log_as("dovecot", LOG_ERROR_LEVEL, "%s(%s)<%d><%s>: session not started: %s", child.ops->service, child.login.user, (int)getpid(),
           child.login.session_id, why);
    _exit(1);
}

/* maildir:A:INDEX=B:LAYOUT=fs, mbox:A:INBOX=F. A file (INBOX of mbox) stands for its directory: locks lie beside it. */
size_t session_mail_dirs(struct str location, struct arena *arena, const char *paths[], size_t max)
{
    struct str rest, part, driver;
    size_t n = 0;
    if (!str_cut(location, ':', &driver, &rest))
        return 0;
    while (n < max && str_token(&rest, ":", &part)) {
        ptrdiff_t eq = str_chr(part, '=');
        bool is_file = str_starts(part, STR("INBOX="));
        if (eq >= 0)
            part = str_skip(part, (size_t)eq + 1);
        ptrdiff_t slash = is_file ? str_rchr(part, '/') : -1;
        if (slash > 0)
            part = str_head(part, (size_t)slash);
        if (part.n > 1 && part.p[0] == '/')
            paths[n++] = str_to_cstr(arena, part);
    }
    return n;
}

/* Only the client, the log, the hub's line and the zygote's stay; the number of the first was the control socket's. */
static void keep_descriptors(int line)
{
    if (dup2(child.login.fd, FD_CLIENT) != FD_CLIENT || (child.login.hub >= 0 && dup2(child.login.hub, FD_HUB) != FD_HUB) ||
        (line >= 0 && dup2(line, FD_LINE) != FD_LINE) || close_range(FD_LINE + 1, ~0u, 0) != 0 ||
        (child.login.hub < 0 && close_range(FD_HUB, FD_HUB, 0) != 0) || (line < 0 && close_range(FD_LINE, FD_LINE, 0) != 0))
        die("descriptors");
    child.login.fd = FD_CLIENT;
    child.login.hub = child.login.hub >= 0 ? FD_HUB : -1;
    (void)fcntl(FD_CLIENT, F_SETFD, FD_CLOEXEC);
    (void)fcntl(FD_CLIENT, F_SETFL, O_NONBLOCK);
}

void session_tell(const struct session_login *login)
{
    static const char changed = LINE_CHANGED;
    if (login->hub >= 0 && send(login->hub, &changed, 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;     /* its queue is full, or it is gone: the others look by themselves */
}

bool session_is_kicked(void) { return child.kicked; }

/* For sessions that wait on the loop. One that reads its line by itself leaves nothing here but what comes between two sessions. */
static void on_hub(struct watch *w, uint32_t events)
{
    char bytes[256];
    (void)events;
    ssize_t n = recv(w->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        watch_stop(w);
        return;
    }
    if (n <= 0 || memchr(bytes, LINE_KICK, (size_t)n) == NULL || !child.running)
        return;
    child.kicked = true;
    fiber_cancel(child.fiber);
}

static void become(const struct session_user *user)
{
    gid_t groups[GROUPS_MAX];
    size_t n = 0;
    struct err err;
    struct str rest = str_from(user->groups), word;
    while (n < GROUPS_MAX && str_token(&rest, " ", &word)) {
        uint32_t gid;
        if (!num_parse_u32(word, UINT32_MAX - 1, &gid) || gid == 0)
            die("groups that make no sense");
        groups[n++] = (gid_t)gid;
    }
    if (priv_become((uid_t)user->uid, (gid_t)user->gid, groups, n, false, &err) != 0)
        die(err.text);
}

/* A home that somebody else owns is not one to write to. */
static void check_home(void)
{
    struct stat st;
    if (child.login.home[0] != '\0' && stat(child.login.home, &st) == 0 && st.st_uid != geteuid())
        die("the home directory belongs to another user");
}

static void make_dirs(char *path)
{
    if (access(path, F_OK) == 0)
        return;
    for (char *p = path + 1; *p != '\0'; p++)
        if (*p == '/') {
            *p = '\0';
            (void)mkdir(path, 0700);
            *p = '/';
        }
    (void)mkdir(path, 0700);
}

static void confine(void)
{
    struct arena arena = arena_make(32 << 10);
    const char *dirs[DIRS_MAX];
    struct sandbox_path paths[DIRS_MAX + 8] = {
        { child.login.home, SANDBOX_READ | SANDBOX_WRITE },     /* the time zone was read before the fork */
#ifdef POSTERN_SANITIZED
        { "/proc", SANDBOX_READ }, { "/usr", SANDBOX_READ | SANDBOX_EXECUTE }, { "/lib", SANDBOX_READ | SANDBOX_EXECUTE },
#endif
    };
    size_t n = 0, n_dirs = session_mail_dirs(str_from(child.login.mail), &arena, dirs, DIRS_MAX);
    while (n < N_ELEMS(paths) && paths[n].path != NULL)
        n++;
    if (child.login.home[0] == '\0')
        paths[0].path = "/nonexistent";
    for (size_t i = 0; i < n_dirs; i++) {
        /* A rule can only be made for what exists; the first login of a user makes it. */
        make_dirs(str_to_cstr(&arena, str_from(dirs[i])));
        paths[n++] = (struct sandbox_path){ dirs[i], SANDBOX_READ | SANDBOX_WRITE };
    }
    struct sandbox_plan plan = { .class = SANDBOX_SESSION, .limit_paths = true, .paths = paths, .n_paths = n };
    struct sandbox_report report;
    struct err err;
    if (sandbox_enter(&plan, &report, &err) != 0)
        die(err.text);
    arena_done(&arena);
}

/* The strings have to last longer than the frame. */
static void take_login(struct ipc_session_next *m)
{
    arena_done(&child.arena);
    child.arena = arena_make(NEXT_ARENA);
    struct session_login *l = &child.login;
    l->fd = chan_take_fd(&m->stream);
    l->remote = str_to_cstr(&child.arena, m->remote);
    l->local = str_to_cstr(&child.arena, m->local);
    l->session_id = str_to_cstr(&child.arena, m->session_id);
    l->tls = m->tls;
    l->tag = str_dup(&child.arena, m->tag);
    l->read_ahead = str_dup(&child.arena, m->read_ahead);
    if (l->fd < 0)
        _exit(1);
    (void)fcntl(l->fd, F_SETFL, O_NONBLOCK);
    child.has_next = true;
    cond_signal(&child.next);
}

static void on_line(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)c, (void)id;
    if (type == IPC_SESSION_NEXT)
        take_login(msg);
}

/* While a session runs, its line is looked at only when the session lets the loop run: the end is acted on afterwards. */
static void on_line_closed(struct chan *c)
{
    child.line = NULL;
    chan_free(c);
    cond_signal(&child.next);
}

static void leave(int signo)
{
    (void)signo;
    _exit(0);
}

/* False: no more logins. Waiting is no work that a SIGTERM would have to end in order. */
static bool wait_for_login(void)
{
    struct ipc_session_over over = { .served = ++child.served };
    struct sigaction now = { .sa_handler = leave }, before;
    sigset_t term, mask;
    if (child.line == NULL || fiber_is_cancelled() || !chan_send(child.line, IPC_SESSION_OVER, 0, &over))
        return false;
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigaction(SIGTERM, &now, &before);
    (void)sigprocmask(SIG_UNBLOCK, &term, &mask);
    child.has_next = false;
    while (!child.has_next && child.line != NULL && cond_wait(&child.next, FOREVER) == WAIT_OK)
        ;
    (void)sigprocmask(SIG_SETMASK, &mask, NULL);
    (void)sigaction(SIGTERM, &before, NULL);
    return child.has_next;
}

static void run(void *arg)
{
    (void)arg;
    do {
        child.running = true;
        child.ops->run(&child.login);
        child.running = false;
    } while (wait_for_login());
    _exit(0);
}

static void on_sigterm(int signo)
{
    (void)signo;
    fiber_cancel(child.fiber);
}

_Noreturn void session_become_and_run(const struct session_ops *ops, const struct session_login *login, const struct session_user *user, int line)
{
    static const struct chan_ops line_ops = { .on_message = on_line, .on_closed = on_line_closed };
    child.ops = ops;
    child.login = *login;
    child.arena = arena_make(NEXT_ARENA);
    loop_abandon();
    keep_descriptors(line);
    loop_init();
    if (line >= 0)
        child.line = chan_new(FD_LINE, ROLE_SESSION, ROLE_SESSION, &line_ops, NULL);
    (void)signal(SIGCHLD, SIG_DFL);
    if (!login->daemon->private_instance)
        become(user);
    check_home();
    confine();
    loop_on_signal(SIGTERM, on_sigterm);
    if (child.login.hub >= 0)
        watch_start(&child.hub, child.login.hub, EPOLLIN, on_hub);
    child.fiber = fiber_start("session", run, NULL);
    if (child.fiber == NULL)
        die("no memory for its fiber");
    loop_run();
    _exit(0);
}
