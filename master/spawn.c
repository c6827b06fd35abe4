/* SPDX-License-Identifier: ISC */
#include "spawn.h"
#include "base/log.h"
#include "event/loop.h"
#include "os/priv.h"
#include "os/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 8, TIME_LIMIT_MAX = 30 * 86400 };

struct spawn_service {
    struct list node;
    struct spawn_plan plan;
    struct spawn_listener { struct watch watch; struct spawn_service *service; } listeners[16];
    size_t n_listeners;
    unsigned running;
    bool retired;
};
struct spawned { struct list node; pid_t pid; struct spawn_service *service; struct timer limit; };

static struct { struct list services, running; bool ready; } all;

/* ---- the plan ---- */

static int read_time_limit(struct config *c, const char *service, uint32_t *ret, struct err *err)
{
    char name[128];
    struct { uint32_t seconds; } value = { 0 };
    (void)snprintf(name, sizeof name, "%s_time_limit", service);
    const struct param row = { name, PARAM_SECS, 0, "$command_time_limit", 1, TIME_LIMIT_MAX, "" };
    if (config_raw(c, name) == NULL) {
        const struct param general = { "command_time_limit", PARAM_SECS, 0, "1000s", 1, TIME_LIMIT_MAX, "" };
        const struct param_table t = { &general, 1 };
        if (config_fill(c, &t, &value, err) != 0)
            return -1;
    } else {
        const struct param_table t = { &row, 1 };
        if (config_fill(c, &t, &value, err) != 0)
            return -1;
    }
    *ret = value.seconds;
    return 0;
}

static void take_words(struct spawn_plan *p, const struct service *s)
{
    bool in_argv = false;
    for (size_t i = 0; i < s->n_args; i++) {
        const char *word = s->args[i];
        if (in_argv) {
            vec_push(&p->argv, xstrdup(word));
        } else if (strncmp(word, "argv=", 5) == 0) {
            vec_push(&p->argv, xstrdup(word + 5));
            in_argv = true;
        } else if (strncmp(word, "user=", 5) == 0) {
            p->user = xstrdup(word + 5);
            char *colon = strchr(p->user, ':');
            if (colon != NULL) {
                *colon = '\0';
                p->group = xstrdup(colon + 1);
            }
        }
    }
    vec_push(&p->argv, NULL);
}

int spawn_plan_make(struct config *c, const char *file, const struct service *s, struct spawn_plan *ret, struct err *err)
{
    char socket[256];
    (void)snprintf(ret->name, sizeof ret->name, "%s", s->name);
    if (s->type == SERVICE_INET)
        (void)snprintf(socket, sizeof socket, "inet:%s%s", strchr(s->name, ':') == NULL ? ":" : "", s->name);
    else
        (void)snprintf(socket, sizeof socket, "unix:%s/%s", s->is_private ? "private" : "public", s->name);
    ret->socket = xstrdup(socket);
    ret->max_proc = s->max_proc;
    take_words(ret, s);
    if (ret->user == NULL || ret->argv.n < 2 || ret->argv.p[0][0] != '/')
        return err_set(err, ERR_CONFIG, "%s: line %u: service %s: spawn needs user=NAME and argv=/PATH", file, s->line, s->name);
    return read_time_limit(c, s->name, &ret->time_limit, err);
}

void spawn_plan_done(struct spawn_plan *p)
{
    for (size_t i = 0; i < p->argv.n; i++)
        free(p->argv.p[i]);
    vec_done(&p->argv);
    free(p->socket);
    free(p->user);
    free(p->group);
}

static void copy_plan(const struct spawn_plan *from, struct spawn_plan *to)
{
    *to = *from;
    to->socket = xstrdup(from->socket);
    to->user = xstrdup(from->user);
    to->group = from->group == NULL ? NULL : xstrdup(from->group);
    memset(&to->argv, 0, sizeof to->argv);
    for (size_t i = 0; i < from->argv.n; i++)
        vec_push(&to->argv, from->argv.p[i] == NULL ? NULL : xstrdup(from->argv.p[i]));
}

/* ---- running ---- */

static void free_if_unused(struct spawn_service *s)
{
    if (!s->retired || s->running > 0)
        return;
    list_remove(&s->node);
    spawn_plan_done(&s->plan);
    free(s);
}

/* Who to be; -1 when that is nobody, root, or not there. */
static int find_user(const struct spawn_plan *p, struct priv_account *ret, struct err *err)
{
    if (priv_account_find(p->user, true, ret, err) != 0)
        return -1;
    if (p->group != NULL) {
        struct group *g = getgrnam(p->group);
        if (g == NULL)
            return err_set(err, ERR_CONFIG, "group \"%s\" does not exist", p->group);
        ret->gid = g->gr_gid;
    }
    return 0;
}

static _Noreturn void become_command(const struct spawn_plan *p, const struct priv_account *who, int fd)
{
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *env[] = { path, NULL };
    struct err err = { 0 };
    int null_fd = open("/dev/null", O_RDWR);
    bool ok = null_fd >= 0 && dup2(fd, 0) == 0 && dup2(fd, 1) == 1 && dup2(null_fd, 2) == 2 && close_range(3, ~0u, 0) == 0;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)setsid();
    /* A user's own instance has no other user to become. */
    if (ok && geteuid() == 0 && priv_become(who->uid, who->gid, who->groups.p, who->groups.n, true, &err) != 0)
        ok = false;
    if (ok)
        (void)execve(p->argv.p[0], p->argv.p, env);
    _exit(127);
}

static void over_time(struct timer *t)
{
    struct spawned *r = container_of(t, struct spawned, limit);
    log_warning("service %s: command %s pid %ld exceeded its time limit of %u s", r->service->plan.name, r->service->plan.argv.p[0], (long)r->pid,
                r->service->plan.time_limit);
    (void)kill(-r->pid, SIGKILL);
    (void)kill(r->pid, SIGKILL);
}

static void run_command(struct spawn_service *s, int fd)
{
    struct priv_account who = { 0 };
    struct err err = { 0 };
    if (find_user(&s->plan, &who, &err) != 0) {
        log_warning("service %s: %s", s->plan.name, err.text);
        return;
    }
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    pid_t pid = fork();
    if (pid == 0)
        become_command(&s->plan, &who, fd);
    priv_account_done(&who);
    if (pid < 0) {
        log_warning("service %s: fork: %s", s->plan.name, strerror(errno));
        return;
    }
    struct spawned *r = xcalloc(1, sizeof *r);
    r->pid = pid;
    r->service = s;
    s->running++;
    list_append(&all.running, &r->node);
    timer_set(&r->limit, deadline_in((int64_t)s->plan.time_limit * 1000), over_time);
}

static void on_connect(struct watch *w, uint32_t events);

/* Beyond its limit a service rests; who connects waits in the kernel's queue. */
static void update(struct spawn_service *s)
{
    bool open = !s->retired && (s->plan.max_proc == 0 || s->running < s->plan.max_proc);
    for (size_t i = 0; i < s->n_listeners; i++) {
        struct watch *w = &s->listeners[i].watch;
        if (open && w->fn == NULL)
            watch_start(w, w->fd, EPOLLIN, on_connect);
        else if (!open && w->fn != NULL)
            watch_stop(w);
    }
}

static void on_connect(struct watch *w, uint32_t events)
{
    struct spawn_service *s = container_of(w, struct spawn_listener, watch)->service;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN && (s->plan.max_proc == 0 || s->running < s->plan.max_proc); i++) {
        int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        run_command(s, fd);
        (void)close(fd);
    }
    update(s);
}

bool spawn_reaped(pid_t pid, int status)
{
    LIST_EACH(it, &all.running) {
        struct spawned *r = container_of(it, struct spawned, node);
        if (r->pid != pid)
            continue;
        struct spawn_service *s = r->service;
        struct buf what = { 0 };
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            proc_describe_status(status, &what);
            log_warning("service %s: command %s pid %ld %s", s->plan.name, s->plan.argv.p[0], (long)pid, buf_cstr(&what));
            buf_done(&what);
        }
        timer_cancel(&r->limit);
        list_remove(&r->node);
        free(r);
        s->running--;
        update(s);
        free_if_unused(s);
        return true;
    }
    return false;
}

static void retire_all(void)
{
    LIST_EACH(it, &all.services) {
        struct spawn_service *s = container_of(it, struct spawn_service, node);
        s->retired = true;
        update(s);
        free_if_unused(s);
    }
}

void spawn_start(const struct plan_list *plan, const struct service_fds *fds)
{
    if (!all.ready) {
        list_init(&all.services);
        list_init(&all.running);
        all.ready = true;
    }
    retire_all();
    for (size_t i = 0; i < plan->spawn.n; i++) {
        struct spawn_service *s = xcalloc(1, sizeof *s);
        copy_plan(&plan->spawn.p[i], &s->plan);
        list_append(&all.services, &s->node);
        s->n_listeners = fds[i].n;
        for (size_t k = 0; k < fds[i].n; k++) {
            s->listeners[k].service = s;
            s->listeners[k].watch.fd = fds[i].fds[k];
        }
        update(s);
    }
}

void spawn_stop(void)
{
    LIST_EACH(it, &all.running) {
        struct spawned *r = container_of(it, struct spawned, node);
        (void)kill(-r->pid, SIGTERM);
        timer_cancel(&r->limit);
    }
    retire_all();
}
