/* SPDX-License-Identifier: ISC */
#include "children.h"
#include "base/log.h"
#include "ipc/chan.h"
#include "os/proc.h"
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    YOUNG_MS = 1000,            /* a process that ends before has failed to start */
    BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 5000, AFTER_KILL_MS = 10,
    NEEDS_MAX = 1024,           /* requests for on-demand processes that wait */
    UP_MS = 10000,              /* then the others are up, and one is not */
    QUEUE_STOP_MS = 60000, HELPER_STOP_MS = 5000, KILL_MS = 3000, POLL_MS = 100,
};

struct service_state {
    struct list node;
    struct plan plan;           /* owned copy */
    struct service_fds fds;
    unsigned generation;
    unsigned alive;             /* children, draining ones too */
    bool retired;
    int64_t backoff;
    bool throttled;             /* said so in the log */
    struct timer again;
    VEC(uint64_t) needs;        /* peer ids that wait for a process on demand */
};

struct child {
    struct list node;
    pid_t pid;
    uint64_t id;
    uint64_t needed_by;         /* on demand: the only one it is introduced to */
    bool said_hello;            /* configured and confined */
    bool given_up;              /* killed because that one asked for it */
    struct service_state *service;
    struct chan *control;
    int64_t started;
    bool draining;
    struct timer overdue;       /* its successor waits for its end */
};

static struct {
    struct children_conf conf;
    struct list services, children;
    uint64_t last_id;
    unsigned phase;             /* of the stop, 0 = running */
    int64_t kill_at;
    struct timer poll;
    bool coming_up;
    struct timer up;
} all;

static void fill(struct service_state *s);
static void on_control(struct chan *c, enum ipc_type type, uint32_t id, void *msg);
static void on_control_closed(struct chan *c) { (void)c; }     /* SIGCHLD follows */
static const struct chan_ops control_ops = { .on_message = on_control, .on_closed = on_control_closed };

void children_init(const struct children_conf *conf)
{
    all.conf = *conf;
    list_init(&all.services);
    list_init(&all.children);
}

static enum role role_of(const struct child *c) { return c->service->plan.role; }
static enum role_start start_of(const struct service_state *s) { return role_row(s->plan.role)->start; }

/* ---- are they up? ---- */

static unsigned said_hello(const struct service_state *s)
{
    unsigned n = 0;
    LIST_EACH(it, &all.children) {
        const struct child *c = container_of(it, struct child, node);
        n += c->service == s && c->said_hello;
    }
    return n;
}

static bool are_up(void)
{
    LIST_EACH(it, &all.services) {
        const struct service_state *s = container_of(it, struct service_state, node);
        if (!s->retired && start_of(s) != START_NEEDED && said_hello(s) < s->plan.processes)
            return false;
    }
    return true;
}

static void say_up(bool every)
{
    all.coming_up = false;
    timer_cancel(&all.up);
    if (all.phase == 0)
        all.conf.on_up(every);
}

static void on_up_late(struct timer *t)
{
    (void)t;
    say_up(are_up());
}

/* ---- introducing ---- */

static bool tell_peer(struct child *to, const struct child *about, int fd)
{
    struct ipc_peer peer = {
        .role = (uint32_t)role_of(about), .service = str_from(about->service->plan.name),
        .generation = about->service->generation, .peer_id = about->id, .channel = fd,
    };
    return chan_send(to->control, IPC_PEER, 0, &peer);
}

static void introduce(struct child *a, struct child *b)
{
    int sv[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) != 0) {
        log_warning("channel between %s and %s: %s", role_name(role_of(a)), role_name(role_of(b)), strerror(errno));
        return;
    }
    (void)tell_peer(a, b, sv[0]);
    (void)tell_peer(b, a, sv[1]);
    (void)close(sv[0]);
    (void)close(sv[1]);
}

static bool is_login_role(enum role r) { return r == ROLE_TLS || r == ROLE_LOGIN || r == ROLE_SESSION; }

static bool may_meet(const struct child *a, const struct child *b)
{
    if (!role_may_talk(role_of(a), role_of(b)))
        return false;
    if (a->needed_by != 0 || b->needed_by != 0)
        return a->needed_by == b->id || b->needed_by == a->id;
    /* POP3 and IMAP do not meet. */
    return !is_login_role(role_of(a)) || !is_login_role(role_of(b)) || strcmp(a->service->plan.family, b->service->plan.family) == 0;
}

static void introduce_to_all(struct child *c)
{
    LIST_EACH(it, &all.children) {
        struct child *o = container_of(it, struct child, node);
        if (o != c && may_meet(c, o))
            introduce(c, o);
    }
}

/* ---- starting ---- */

struct args { char text[8][32]; char *argv[128]; size_t n; };

static void add_arg(struct args *a, const char *option, const char *value)
{
    union { const char *in; char *out; } opt = { .in = option }, val = { .in = value };
    if (a->n + 3 >= N_ELEMS(a->argv))
        return;
    a->argv[a->n++] = opt.out;
    if (value != NULL)
        a->argv[a->n++] = val.out;
}

static const char *number(struct args *a, size_t slot, uint64_t v)
{
    (void)snprintf(a->text[slot], sizeof a->text[slot], "%llu", (unsigned long long)v);
    return a->text[slot];
}

static void make_args(struct args *a, const char *path, const struct service_state *s, size_t listeners)
{
    *a = (struct args){ .n = 0 };
    add_arg(a, path, NULL);
    add_arg(a, "-r", role_name(s->plan.role));
    add_arg(a, "-n", s->plan.name);
    add_arg(a, "-t", service_type_name(s->plan.type));
    add_arg(a, "-c", all.conf.config_dir);
    add_arg(a, "-g", number(a, 0, s->generation));
    add_arg(a, "-l", number(a, 1, listeners));
    if (s->plan.max_clients > 0)
        add_arg(a, "-m", number(a, 2, s->plan.max_clients));
    if (s->plan.verbose)
        add_arg(a, "-v", NULL);
    for (size_t i = 0; i < s->plan.overrides.n; i++)
        add_arg(a, "-o", s->plan.overrides.p[i]);
}

/* What a daemon may know of master's environment. */
static void make_env(char *env[], size_t max)
{
    static const char *const kept[] = { "TZ=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "XAUTHORITY=" };
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", lang[] = "LC_ALL=C";
    size_t n = 0;
    env[n++] = path;
    env[n++] = lang;
    for (char **e = environ; *e != NULL && n + 1 < max; e++)
        for (size_t i = 0; i + 1 < N_ELEMS(kept); i++)
            if (strncmp(*e, kept[i], strlen(kept[i])) == 0)
                env[n++] = *e;
    env[n] = NULL;
}

static void program_path(const struct service_state *s, char *buf, size_t cap)
{
    (void)snprintf(buf, cap, "%s/%s", all.conf.program_dir, s->plan.program);
}

static pid_t run_program(const struct service_state *s, int control)
{
    char path[1024], *env[16];
    struct args args;
    struct err err = { 0 };
    int fds[2 + 17] = { control, all.conf.log_out };
    size_t n = 2;
    if (s->plan.role == ROLE_LOG)
        fds[n++] = all.conf.log_in;
    for (size_t i = 0; i < s->fds.n; i++)
        fds[n++] = s->fds.fds[i];
    program_path(s, path, sizeof path);
    make_args(&args, path, s, n - 2);
    make_env(env, N_ELEMS(env));
    struct proc_plan plan = { .path = path, .argv = args.argv, .env = env, .fds = fds, .n_fds = n,
                              .std_out = s->plan.role == ROLE_LOG ? all.conf.std_out : -1 };
    pid_t pid = proc_start(&plan, &err);
    if (pid < 0)
        log_warning("%s: %s", path, err.text);
    return pid;
}

static void retry_later(struct service_state *s);

static void start_child(struct service_state *s, uint64_t needed_by)
{
    int sv[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) != 0) {
        log_warning("control socket of %s: %s", s->plan.name, strerror(errno));
        retry_later(s);
        return;
    }
    pid_t pid = run_program(s, sv[1]);
    (void)close(sv[1]);
    if (pid < 0) {
        (void)close(sv[0]);
        retry_later(s);
        return;
    }
    struct child *c = xcalloc(1, sizeof *c);
    c->pid = pid;
    c->id = ++all.last_id;
    c->needed_by = needed_by;
    c->service = s;
    c->started = clock_mono_ms();
    c->control = chan_new(sv[0], ROLE_MASTER, s->plan.role, &control_ops, c);
    s->alive++;
    list_append(&all.children, &c->node);
    introduce_to_all(c);
}

static void on_again(struct timer *t) { fill(container_of(t, struct service_state, again)); }

static void retry_later(struct service_state *s)
{
    s->backoff = s->backoff == 0 ? BACKOFF_MIN_MS : MIN(s->backoff * 2, (int64_t)BACKOFF_MAX_MS);
    timer_set(&s->again, deadline_in(s->backoff), on_again);
}

/* A role that must be alone waits for its predecessor's end. */
static bool predecessor_lives(const struct service_state *s)
{
    if (start_of(s) != START_ALONE)
        return false;
    LIST_EACH(it, &all.services) {
        const struct service_state *o = container_of(it, struct service_state, node);
        if (o != s && o->plan.role == s->plan.role && o->alive > 0)
            return true;
    }
    return false;
}

/* Bring a service to its number of processes. */
static void fill(struct service_state *s)
{
    if (s->retired || all.phase > 0 || heap_has(&s->again.node) || predecessor_lives(s))
        return;
    if (start_of(s) != START_NEEDED) {
        while (s->alive < s->plan.processes && !heap_has(&s->again.node))
            start_child(s, 0);
        return;
    }
    while (s->needs.n > 0 && s->alive < s->plan.processes && !heap_has(&s->again.node)) {
        uint64_t who = s->needs.p[0];
        s->needs.n--;
        memmove(s->needs.p, s->needs.p + 1, s->needs.n * sizeof *s->needs.p);
        start_child(s, who);
    }
}

/* ---- what children say ---- */

static void on_need(struct child *c, enum role role)
{
    LIST_EACH(it, &all.services) {
        struct service_state *s = container_of(it, struct service_state, node);
        if (s->retired || s->plan.role != role || start_of(s) != START_NEEDED || !role_may_talk(role, role_of(c)))
            continue;
        if (s->needs.n < NEEDS_MAX)
            vec_push(&s->needs, c->id);
        fill(s);
        return;
    }
}

/* Only of those that were started for c. */
static void on_give_up(const struct child *c, uint64_t peer_id)
{
    LIST_EACH(it, &all.children) {
        struct child *o = container_of(it, struct child, node);
        if (o->id != peer_id || o->needed_by != c->id || o->given_up)
            continue;
        o->given_up = true;
        log_warning("service %s: pid %ld does not answer: killed", o->service->plan.name, (long)o->pid);
        (void)kill(-o->pid, SIGKILL);
    }
}

static void on_control(struct chan *ch, enum ipc_type type, uint32_t id, void *msg)
{
    struct child *c = chan_user(ch);
    (void)id;
    if (type == IPC_NEED) {
        on_need(c, (enum role)((struct ipc_need *)msg)->role);
    } else if (type == IPC_GIVE_UP) {
        on_give_up(c, ((struct ipc_give_up *)msg)->peer_id);
    } else if (type == IPC_HELLO && ((struct ipc_hello *)msg)->schema_hash != ipc_schema_hash()) {
        log_error("%s/%s is of another build than master: install all programs together", all.conf.program_dir, c->service->plan.program);
        (void)kill(c->pid, SIGKILL);
    } else if (type == IPC_HELLO) {
        c->said_hello = true;
        if (all.coming_up && are_up())
            say_up(true);
    }
}

/* ---- the end of children ---- */

static void forget_needs(uint64_t id)
{
    LIST_EACH(it, &all.services) {
        struct service_state *s = container_of(it, struct service_state, node);
        size_t kept = 0;
        for (size_t i = 0; i < s->needs.n; i++)
            if (s->needs.p[i] != id)
                s->needs.p[kept++] = s->needs.p[i];
        s->needs.n = kept;
    }
}

static void free_service(struct service_state *s)
{
    struct plan_list one = { 0 };
    timer_cancel(&s->again);
    list_remove(&s->node);
    vec_push(&one.v, s->plan);
    plan_done(&one);
    vec_done(&s->needs);
    free(s);
}

static void log_end(const struct child *c, int status, bool young)
{
    char path[1024];
    struct buf what = { 0 };
    struct service_state *s = c->service;
    if (c->given_up || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return;
    program_path(s, path, sizeof path);
    proc_describe_status(status, &what);
    log_warning("process %s pid %ld %s", path, (long)c->pid, buf_cstr(&what));
    buf_done(&what);
    if (young && !s->throttled && s->backoff > 0) {
        log_warning("%s: bad command startup -- throttling", path);
        s->throttled = true;
    }
}

static void restart(struct service_state *s, int status, bool young)
{
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (young && !killed) {
        retry_later(s);
        return;
    }
    s->backoff = 0;
    s->throttled = false;
    if (killed && !heap_has(&s->again.node))
        timer_set(&s->again, deadline_in(AFTER_KILL_MS), on_again);
    fill(s);
}

static void successors_start(enum role role)
{
    LIST_EACH(it, &all.services) {
        struct service_state *s = container_of(it, struct service_state, node);
        if (s->plan.role == role)
            fill(s);
    }
}

static void on_end(struct child *c, int status)
{
    struct service_state *s = c->service;
    bool young = clock_mono_ms() - c->started < YOUNG_MS && !c->draining;
    bool clean = c->given_up || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
    log_end(c, status, young);
    /* What it forked ends with the system, and with nothing else. */
    if (all.phase > 0)
        (void)kill(-c->pid, SIGTERM);
    list_remove(&c->node);
    timer_cancel(&c->overdue);
    chan_free(c->control);
    forget_needs(c->id);
    s->alive--;
    if (!s->retired && all.phase == 0) {
        if (start_of(s) == START_NEEDED && clean)
            fill(s);
        else
            restart(s, status, young);
    } else {
        enum role role = s->plan.role;
        if (s->alive == 0 && s->retired)
            free_service(s);
        successors_start(role);
    }
    free(c);
}

bool children_ended(pid_t pid, int status)
{
    LIST_EACH(it, &all.children) {
        struct child *c = container_of(it, struct child, node);
        if (c->pid == pid) {
            on_end(c, status);
            return true;
        }
    }
    return false;
}

/* ---- generations ---- */

static void drain_child(struct child *c, uint32_t grace)
{
    struct ipc_drain drain = { .grace_seconds = grace };
    c->draining = true;
    (void)chan_send(c->control, IPC_DRAIN, 0, &drain);
}

static void on_overdue(struct timer *t)
{
    struct child *c = container_of(t, struct child, overdue);
    log_warning("service %s: pid %ld does not end: killed, since its successor waits", c->service->plan.name, (long)c->pid);
    (void)kill(-c->pid, SIGKILL);
}

/* Who must be alone has a limited time to go; the others go when their sessions end, and who works for one process with that one. */
static void drain_predecessor(struct child *c)
{
    if (c->needed_by != 0)
        return;
    if (start_of(c->service) != START_ALONE) {
        drain_child(c, 0);
        return;
    }
    int64_t grace = role_of(c) == ROLE_QMGR ? QUEUE_STOP_MS : HELPER_STOP_MS;
    drain_child(c, (uint32_t)(grace / 1000));
    timer_set(&c->overdue, deadline_in(grace + KILL_MS), on_overdue);
}

static void retire_all(void)
{
    LIST_EACH(it, &all.services) {
        struct service_state *s = container_of(it, struct service_state, node);
        s->retired = true;
        timer_cancel(&s->again);
        s->needs.n = 0;
        if (s->alive == 0)
            free_service(s);
    }
}

static void copy_strings(const struct plan *from, struct plan *to)
{
    *to = *from;
    memset(&to->overrides, 0, sizeof to->overrides);
    memset(&to->sockets, 0, sizeof to->sockets);
    for (size_t i = 0; i < from->overrides.n; i++)
        vec_push(&to->overrides, xstrdup(from->overrides.p[i]));
}

static void add_service(const struct plan *p, const struct service_fds *fds, unsigned generation)
{
    struct service_state *s = xcalloc(1, sizeof *s);
    copy_strings(p, &s->plan);
    s->fds = *fds;
    s->generation = generation;
    list_append(&all.services, &s->node);
}

void children_start(const struct plan_list *plan, const struct service_fds *fds, unsigned generation)
{
    retire_all();
    for (size_t i = 0; i < plan->v.n; i++)
        add_service(&plan->v.p[i], &fds[i], generation);
    /* The successors are introduced before the predecessors are asked to go: nobody is ever without a peer that has one. */
    LIST_EACH(it, &all.services) {
        struct service_state *s = container_of(it, struct service_state, node);
        fill(s);
    }
    LIST_EACH(it, &all.children) {
        struct child *c = container_of(it, struct child, node);
        if (c->service->retired && !c->draining)
            drain_predecessor(c);
    }
    all.coming_up = true;
    timer_set(&all.up, deadline_in(UP_MS), on_up_late);
}

/* ---- the stop ---- */

static const uint32_t phases[] = {
    0,
    ROLE_BIT(SMTPD) | ROLE_BIT(LMTPD) | ROLE_BIT(SUBMITD) | ROLE_BIT(PICKUP) | ROLE_BIT(OUT) | ROLE_BIT(ROUTER) | ROLE_BIT(ACTOR) |
        ROLE_BIT(BOUNCE) | ROLE_BIT(TLS) | ROLE_BIT(LOGIN) | ROLE_BIT(SESSION),
    ROLES_ANY & ~ROLE_BIT(LOG),
    ROLES_ANY,
};

static bool in_phase(const struct child *c) { return (phases[all.phase] >> role_of(c) & 1) != 0; }

static void signal_phase(int signo)
{
    LIST_EACH(it, &all.children) {
        struct child *c = container_of(it, struct child, node);
        if (in_phase(c))
            (void)kill(-c->pid, signo);
    }
}

static void enter_phase(unsigned phase)
{
    uint32_t grace = phase == 1 ? all.conf.stop_grace : QUEUE_STOP_MS / 1000;
    all.phase = phase;
    all.kill_at = deadline_in((int64_t)grace * 1000 + KILL_MS);
    LIST_EACH(it, &all.children) {
        struct child *c = container_of(it, struct child, node);
        if (in_phase(c))
            drain_child(c, grace);
    }
}

static bool phase_done(void)
{
    LIST_EACH(it, &all.children) {
        if (in_phase(container_of(it, struct child, node)))
            return false;
    }
    return true;
}

static void stop_poll(struct timer *t)
{
    if (clock_mono_ms() >= all.kill_at)
        signal_phase(SIGKILL);
    while (all.phase < N_ELEMS(phases) && phase_done()) {
        if (all.phase + 1 == N_ELEMS(phases)) {
            all.conf.on_stopped();
            return;
        }
        enter_phase(all.phase + 1);
    }
    timer_set(t, deadline_in(all.phase == 1 ? POLL_MS : POLL_MS / 10), stop_poll);
}

void children_stop(void)
{
    if (all.phase > 0)
        return;
    enter_phase(1);
    timer_set(&all.poll, clock_mono_ms(), stop_poll);
}
