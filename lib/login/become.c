/* SPDX-License-Identifier: ISC */
#include "base/log.h"
#include "base/num.h"
#include "event/loop.h"
#include "login/become.h"
#include "os/priv.h"
#include "os/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FD_CLIENT = 3, FD_LOG = 4, FD_HUB = 5, GROUPS_MAX = 256, DIRS_MAX = 8 };

static struct { const struct session_ops *ops; struct session_login login; struct fiber *fiber; } child;

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

/* Only the client (3), the log (4) and the hub's line (5) stay; the number 3 was the control socket's. */
static void keep_descriptors(void)
{
    bool has_hub = child.login.hub >= 0;
    if (dup2(child.login.fd, FD_CLIENT) != FD_CLIENT || (has_hub && dup2(child.login.hub, FD_HUB) != FD_HUB) ||
        close_range(has_hub ? FD_HUB + 1 : FD_HUB, ~0u, 0) != 0)
        die("descriptors");
    child.login.fd = FD_CLIENT;
    child.login.hub = has_hub ? FD_HUB : -1;
    (void)fcntl(FD_CLIENT, F_SETFD, FD_CLOEXEC);
    (void)fcntl(FD_CLIENT, F_SETFL, O_NONBLOCK);
}

void session_tell(const struct session_login *login)
{
    if (login->hub >= 0 && send(login->hub, "c", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return;     /* its queue is full, or it is gone: the others look by themselves */
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
        { child.login.home, SANDBOX_READ | SANDBOX_WRITE }, { "/etc/localtime", SANDBOX_READ }, { "/usr/share/zoneinfo", SANDBOX_READ },
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
    struct sandbox_plan plan = { .class = SANDBOX_FILES, .limit_paths = true, .paths = paths, .n_paths = n };
    struct sandbox_report report;
    struct err err;
    if (sandbox_enter(&plan, &report, &err) != 0)
        die(err.text);
    arena_done(&arena);
}

static void run(void *arg)
{
    (void)arg;
    child.ops->run(&child.login);
    _exit(0);
}

static void on_sigterm(int signo)
{
    (void)signo;
    fiber_cancel(child.fiber);
}

_Noreturn void session_become_and_run(const struct session_ops *ops, const struct session_login *login, const struct session_user *user)
{
    child.ops = ops;
    child.login = *login;
    keep_descriptors();
    loop_init();
    (void)signal(SIGCHLD, SIG_DFL);
    if (!login->daemon->private_instance)
        become(user);
    check_home();
    confine();
    loop_on_signal(SIGTERM, on_sigterm);
    child.fiber = fiber_start("session", run, NULL);
    if (child.fiber == NULL)
        die("no memory for its fiber");
    loop_run();
    _exit(0);
}
