/* SPDX-License-Identifier: ISC */
#include "login/children.h"
#include "base/log.h"
#include "event/loop.h"
#include "login/roll.h"
#include <sys/wait.h>
#include <unistd.h>

struct child {
    struct list node;
    pid_t pid;
    uint64_t who;               /* of the session it serves */
    bool waits;                 /* for another login */
    struct chan *line;          /* NULL: it ends with its session */
    struct buf account;
    struct timer timer;         /* of the wait */
};

static struct {
    const struct session_conf *conf;
    const char *service;
    struct list all;
    size_t n, n_waiting;
    bool draining;              /* no logins will come */
    char why[160];
} children;

void children_init(const struct session_conf *conf, const char *service)
{
    children.conf = conf;
    children.service = service;
    list_init(&children.all);
}

/* It reads the end of its line and leaves; until waitpid() names it, it counts as a process. */
static void dismiss(struct child *c)
{
    timer_cancel(&c->timer);
    if (c->waits)
        children.n_waiting--;
    c->waits = false;
    chan_free(c->line);
    c->line = NULL;
}

static void dismiss_one_that_waits(void)
{
    LIST_EACH(it, &children.all) {
        struct child *c = container_of(it, struct child, node);
        if (c->waits) {
            dismiss(c);
            return;
        }
    }
}

const char *children_over_limit(uint64_t who)
{
    size_t same = roll_others(who), others = roll_all_others();
    if (children.n - children.n_waiting + others >= children.conf->max_sessions)
        return "postern_session_limit reached";
    if (children.n + others >= children.conf->max_sessions)
        dismiss_one_that_waits();
    LIST_EACH(it, &children.all) {
        const struct child *c = container_of(it, struct child, node);
        same += c->who == who && !c->waits;
    }
    if (children.conf->max_per_user_ip == 0 || same < children.conf->max_per_user_ip)
        return NULL;
    (void)snprintf(children.why, sizeof children.why, SESSION_LIMIT_TEXT " (mail_max_userip_connections=%u)", children.conf->max_per_user_ip);
    return children.why;
}

static void on_wait_over(struct timer *t) { dismiss(container_of(t, struct child, timer)); }

static void on_message(struct chan *line, enum ipc_type type, uint32_t id, void *msg)
{
    struct child *c = chan_user(line);
    (void)id, (void)msg;
    if (type != IPC_SESSION_OVER || c->waits)
        return;
    c->waits = true;
    children.n_waiting++;
    roll_over(c->pid);
    if (children.conf->reuse_time == 0 || children.draining)
        dismiss(c);
    else
        timer_set(&c->timer, loop_now() + (int64_t)children.conf->reuse_time * 1000, on_wait_over);
}

static void on_closed(struct chan *line) { dismiss(chan_user(line)); }

void children_add(pid_t pid, uint64_t who, struct str account, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    struct child *c = xcalloc(1, sizeof *c);
    c->pid = pid;
    c->who = who;
    c->account = buf_make(0);
    buf_add(&c->account, account);
    c->line = fd < 0 ? NULL : chan_new(fd, ROLE_SESSION, ROLE_SESSION, &ops, c);
    list_append(&children.all, &c->node);
    children.n++;
}

pid_t children_give(struct str account, uint64_t who, const struct ipc_session_next *login)
{
    LIST_EACH(it, &children.all) {
        struct child *c = container_of(it, struct child, node);
        if (!c->waits || !str_eq(buf_str(&c->account), account))
            continue;
        timer_cancel(&c->timer);
        c->waits = false;
        children.n_waiting--;
        c->who = who;
        if (chan_send(c->line, IPC_SESSION_NEXT, 0, login)) {
            roll_next(c->pid, login->remote, login->session_id);
            return c->pid;
        }
        dismiss(c);
    }
    return 0;
}

void children_gone(pid_t pid, int status)
{
    LIST_EACH(it, &children.all) {
        struct child *c = container_of(it, struct child, node);
        if (c->pid != pid)
            continue;
        if (WIFSIGNALED(status))
            log_warning("%s session %d killed by signal %d", children.service, (int)pid, WTERMSIG(status));
        dismiss(c);
        roll_gone(pid);
        list_remove(&c->node);
        children.n--;
        buf_done(&c->account);
        free(c);
        return;
    }
}

size_t children_count(void) { return children.n; }

void children_drain(void)
{
    children.draining = true;
    LIST_EACH(it, &children.all) {
        struct child *c = container_of(it, struct child, node);
        if (c->waits)
            dismiss(c);
    }
}
