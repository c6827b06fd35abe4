/* SPDX-License-Identifier: ISC */
#include "base/log.h"
#include "daemon/skeleton.h"
#include "event/offload.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DRAIN_POLL_MS = 50, DRAIN_POLL_LATER_MS = 500, DRAIN_SOON_MS = 10000, STOP_GRACE_MS = 2000, LEAVE_MS = 3000 };

static struct {
    struct daemon_ctx ctx;
    struct daemon_conf conf;
    struct daemon_path_list paths;
    const struct role_ops *ops;
    const struct role_row *row;
    struct chan *control;
    bool confined, draining, stopping;
    int64_t grace_until, drained_at;
    struct timer drain_timer;
} self;

#define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct daemon_conf, k, m, name, def, lo, hi, doc)
static const struct param daemon_rows[] = { DAEMON_PARAMS(ROW) };

struct param_table daemon_param_table(void) { return (struct param_table){ daemon_rows, N_ELEMS(daemon_rows) }; }

/* ---- the end ---- */

bool daemon_is_draining(void) { return self.draining; }
bool daemon_is_ending(void) { return self.draining && self.grace_until != FOREVER; }

/* What peers have sent before they heard that this process ends was work, too. */
static bool is_idle(int64_t now)
{
    return serve_clients() == 0 && (chan_all_left() || now - self.drained_at > LEAVE_MS) && (self.ops->idle == NULL || self.ops->idle());
}

static void drain_poll(struct timer *t)
{
    int64_t now = clock_mono_ms();
    if (is_idle(now) || (self.stopping && now >= self.grace_until)) {
        loop_stop();
        return;
    }
    if (!self.stopping && now >= self.grace_until) {
        /* The time to finish is over: sessions get their 421, and a moment to say it. */
        self.stopping = true;
        self.grace_until = now + STOP_GRACE_MS;
        serve_cancel_clients();
    }
    /* Some sessions last for days. */
    timer_set(t, now + (now - self.drained_at < DRAIN_SOON_MS || self.stopping ? DRAIN_POLL_MS : DRAIN_POLL_LATER_MS), drain_poll);
}

/* grace in seconds, 0 = as long as it takes. */
static void begin_drain(uint32_t grace)
{
    int64_t until = grace == 0 ? FOREVER : deadline_in((int64_t)grace * 1000);
    if (self.draining) {
        self.grace_until = MIN(self.grace_until, until);
        self.drained_at = clock_mono_ms();
        timer_set(&self.drain_timer, self.drained_at, drain_poll);
        return;
    }
    self.draining = true;
    self.grace_until = until;
    self.drained_at = clock_mono_ms();
    serve_close_listeners();
    if (self.ops->on_drain != NULL)
        self.ops->on_drain();
    chan_leave_all();
    timer_set(&self.drain_timer, clock_mono_ms(), drain_poll);
}

void daemon_drain(void) { begin_drain(0); }
static void on_sigterm(int signo)
{
    (void)signo;
    begin_drain(5);
}

/* ---- master ---- */

static void on_job(struct chan *c, enum ipc_type type, uint32_t id, void *msg) { self.ops->on_job(c, type, id, msg); }

/* It let us go, or is gone. */
static void on_employer_closed(struct chan *c)
{
    chan_free(c);
    begin_drain(0);
}

static void add_employer(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_job, .on_closed = on_employer_closed };
    if (peer->role == self.ops->works_for)
        (void)daemon_chan(peer, fd, &ops, NULL);
    else
        (void)close(fd);
}

static void on_control(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)c;
    (void)id;
    if (type == IPC_DRAIN) {
        begin_drain(((struct ipc_drain *)msg)->grace_seconds);
    } else if (type == IPC_PEER) {
        struct ipc_peer *peer = msg;
        int fd = chan_take_fd(&peer->channel);
        if (fd < 0)
            return;
        if (peer->role == ROLE_BROKER && self.ctx.role != ROLE_BROKER)
            broker_client_peer(peer, fd);
        else if (peer->role == ROLE_LOOKUP && self.ctx.role != ROLE_LOOKUP)
            lookup_client_peer(peer, fd);
        else if (peer->role == ROLE_KEYS && self.ops->keys != NULL)
            self.ops->keys(&self.ctx, peer, fd);
        else if (self.ops->on_job != NULL)
            add_employer(peer, fd);
        else if (self.ops->on_peer != NULL)
            self.ops->on_peer(peer, fd);
        else
            (void)close(fd);
    }
}

/* Without master there is no more work: finish what is running. */
static void on_control_closed(struct chan *c)
{
    (void)c;
    begin_drain(0);
}

static const struct chan_ops control_ops = { .on_message = on_control, .on_closed = on_control_closed };

static void join_master(void)
{
    self.control = chan_new(DAEMON_FD_CONTROL, self.ctx.role, ROLE_MASTER, &control_ops, NULL);
    struct ipc_hello hello = { .schema_hash = ipc_schema_hash(), .pid = (uint32_t)getpid() };
    (void)chan_send(self.control, IPC_HELLO, 0, &hello);
}

void daemon_give_up(uint64_t peer_id)
{
    struct ipc_give_up msg = { .peer_id = peer_id };
    if (self.control != NULL)
        (void)chan_send(self.control, IPC_GIVE_UP, 0, &msg);
}

void daemon_need(enum role role)
{
    struct ipc_need need = { .role = (uint32_t)role };
    if (self.control != NULL)
        (void)chan_send(self.control, IPC_NEED, 0, &need);
}

struct chan *daemon_chan(const struct ipc_peer *peer, int fd, const struct chan_ops *ops, void *user)
{
    struct chan *c = chan_new(fd, self.ctx.role, (enum role)peer->role, ops, user);
    char service[65];
    (void)snprintf(service, sizeof service, "%.*s", STR_FMT(peer->service));
    chan_set_peer(c, peer->peer_id, service);
    if (self.draining)
        chan_leave(c);
    return c;
}

void daemon_allow_path(const char *path, unsigned access)
{
    ASSERT(!self.confined);
    struct daemon_path p = { xstrdup(path), access };
    vec_push(&self.paths.v, p);
}

/* ---- the start ---- */

static void start_log(const char *program, const struct role_ops *roles, size_t n_roles)
{
    char ident[128];
    struct stat st;
    (void)snprintf(ident, sizeof ident, "postfix/%s", program);
    log_set_ident(ident);
    /* Who writes the lines cannot tell by them why it does not. */
    bool is_log = n_roles == 1 && roles[0].role == ROLE_LOG;
    if (!is_log && fstat(DAEMON_FD_LOG, &st) == 0 && S_ISSOCK(st.st_mode))
        log_to_socket(DAEMON_FD_LOG);
}

/* "postfix/submission" + "smtpd"; a row with a whole ident keeps it. */
static void name_log(void)
{
    char ident[128];
    const char *name = self.row->log_name;
    if (strcmp(name, "dovecot") == 0)
        log_set_ident(name);
    else if (snprintf(ident, sizeof ident, "%s/%s", self.conf.syslog_name, name) > 0)
        log_set_ident(ident);
}

static const struct role_ops *find_role(const struct daemon_options *o, const struct role_ops *roles, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (o->role == NULL ? n == 1 : strcmp(role_name(roles[i].role), o->role) == 0)
            return &roles[i];
    (void)err_set(err, ERR_CONFIG, "this program has no role \"%s\"", o->role == NULL ? "" : o->role);
    return NULL;
}

static int load_config(const struct daemon_options *o, struct err *err)
{
    struct config *c = config_load(o->config_dir, err);
    if (c == NULL)
        return -1;
    struct param_table frame = daemon_param_table();
    config_register(c, &frame);
    if (self.ops->params != NULL)
        config_register(c, self.ops->params);
    for (size_t i = 0; i < o->overrides.n; i++)
        if (config_override(c, str_from(o->overrides.p[i]), err) != 0)
            return -1;
    if (config_fill(c, &frame, &self.conf, err) != 0)
        return -1;
    if (self.ops->params != NULL && config_fill(c, self.ops->params, self.ops->conf, err) != 0)
        return -1;
    self.ctx = (struct daemon_ctx){
        .role = self.ops->role, .service = o->service, .config_dir = o->config_dir, .generation = o->generation, .config = c,
        .private_instance = geteuid() != 0 || self.conf.private_instance, .queue_directory = self.conf.queue_directory,
    };
    return 0;
}

static void set_limits(void)
{
    struct rlimit files, none = { 0, 0 };
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
#ifndef POSTERN_SANITIZED
    (void)setrlimit(RLIMIT_CORE, &none);
#else
    (void)none;
#endif
    (void)umask(077);
    tzset();
}

static void log_lag(int64_t ms, const char *name)
{
    log_warning("event loop was kept for %lld ms by %s", (long long)ms, name);
}

/* Everything before the drop, and the drop. */
static int prepare(const struct daemon_options *o, const struct role_ops *roles, size_t n_roles, struct err *err)
{
    self.ops = find_role(o, roles, n_roles, err);
    if (self.ops == NULL)
        return -1;
    self.row = role_row(self.ops->role);
    ASSERT(self.row != NULL);
    if (load_config(o, err) != 0)
        return -1;
    name_log();
    log_set_verbose(o->verbose);
    set_limits();
    loop_init();
    if (!self.ops->blocks)
        loop_on_lag(log_lag);
    broker_client_init(&self.ctx);
    if (self.ops->keys != NULL)
        self.ops->keys(&self.ctx, NULL, -1);
    if (self.ops->before_drop != NULL && self.ops->before_drop(&self.ctx, err) != 0)
        return -1;
    struct sandbox_report report;
    if (daemon_confine(self.row, &self.ctx, &self.conf, &self.paths, &report, err) != 0)
        return -1;
    self.confined = true;
    log_debug("role %s, generation %u: %s", role_name(self.ctx.role), self.ctx.generation, report.text);
    return 0;
}

/* A process that forks or changes ids has no threads: their ids would stay behind. */
static bool may_have_threads(void)
{
    return self.row->caps == 0;
}

int daemon_main(int argc, char **argv, const char *program, const struct role_ops *roles, size_t n_roles)
{
    struct daemon_options o = { 0 };
    struct err err = { 0 };
    start_log(program, roles, n_roles);
    if (daemon_options_parse(argc, argv, &o, &err) != 0 || prepare(&o, roles, n_roles, &err) != 0)
        log_fatal("%s", err.text);
    (void)fcntl(DAEMON_FD_CONTROL, F_SETFD, FD_CLOEXEC);
    (void)fcntl(DAEMON_FD_LOG, F_SETFD, FD_CLOEXEC);
    if (may_have_threads())
        offload_start(OFFLOAD_THREADS);
    loop_on_signal(SIGTERM, on_sigterm);
    join_master();
    serve_start(self.ops, o.listeners, o.max_clients);
    if (self.ops->start != NULL)
        self.ops->start(&self.ctx);
    loop_run();
    (void)fflush(NULL);
    _exit(0);
}
