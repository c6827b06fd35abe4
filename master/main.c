/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     master - starts, watches, reloads and stops the mail system
 *
 * SYNOPSIS
 *     master [-c config_dir] [-d | -i | -s] [-w] [-v]
 *     master -t [-c config_dir]
 *     master --print-roles
 *
 * DESCRIPTION
 *     Reads main.cf and master.cf, opens the listeners, starts the daemons,
 *     makes the channels between them, and restarts what dies. Without -d, -i
 *     or -s it goes to the background, and the command returns when the system
 *     is up or has said why not. -t: exit status 0 when no master is running.
 *
 *     SIGHUP    a new generation: the new configuration is read, new processes
 *               start, old ones finish their sessions. A configuration that
 *               does not hold leaves the old one running.
 *     SIGTERM   orderly end: sessions and deliveries, helpers and queue, log.
 *
 *     With NOTIFY_SOCKET in its environment it tells the service manager
 *     (Type=notify) when its processes have started, that it reloads, that it
 *     stops, and its process id.
 *
 * SECURITY
 *     Runs as root (or as the user of a private instance). Parses its
 *     configuration, and from its children frames of a few numbers; no byte
 *     from the network, nothing from a file that others may write. It never
 *     connects to anything; the service manager gets single datagrams.
 *
 * DIAGNOSTICS
 *     "daemon started -- version V, configuration DIR"; "reload -- version V,
 *     configuration DIR"; "terminating on signal N"; "warning: process PATH
 *     pid N exit status N" or "killed by signal N"; "warning: PATH: bad
 *     command startup -- throttling".
 */
#include "base/log.h"
#include "children.h"
#include "daemon/skeleton.h"
#include "event/loop.h"
#include "instance.h"
#include "listen.h"
#include "notify.h"
#include "os/priv.h"
#include "spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOG_BUFFER = 8 << 20 };

struct options { const char *config_dir; bool foreground, test, verbose; };

static struct {
    char config_dir[4096], program_dir[4096];
    struct options options;
    struct config *config;
    struct daemon_conf frame;
    struct master_conf conf;
    struct plan_list plan;
    bool private_instance;
    struct priv_account owner;
    unsigned generation;
    int log_in, log_out;
} master = { .log_in = -1, .log_out = -1 };

#define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct master_conf, k, m, name, def, lo, hi, doc)
static const struct param master_rows[] = { MASTER_PARAMS(ROW) };

/* ---- configuration ---- */

struct loaded { struct config *config; struct daemon_conf frame; struct master_conf conf; struct plan_list plan; };

static void log_lines(struct buf *lines)
{
    struct str rest = buf_str(lines), line;
    while (str_token(&rest, "\n", &line))
        log_warning("%.*s", STR_FMT(line));
    buf_done(lines);
}

static int load(struct loaded *ret, struct err *err)
{
    struct loaded l = { .config = config_load(master.config_dir, err) };
    struct param_table frame = daemon_param_table(), own = { master_rows, N_ELEMS(master_rows) };
    struct buf warnings = { 0 };
    if (l.config == NULL)
        return -1;
    config_register(l.config, &frame);
    config_register(l.config, &own);
    if (config_fill(l.config, &frame, &l.frame, err) != 0 || config_fill(l.config, &own, &l.conf, err) != 0 ||
        plan_make(l.config, &l.conf, &l.plan, &warnings, err) != 0) {
        buf_done(&warnings);
        config_free(l.config);
        return -1;
    }
    log_lines(&warnings);
    *ret = l;
    return 0;
}

static void adopt(struct loaded *l)
{
    plan_done(&master.plan);
    if (master.config != NULL)
        config_free(master.config);
    master.config = l->config;
    master.frame = l->frame;
    master.conf = l->conf;
    master.plan = l->plan;
}

/* Services whose program is not installed are left out, each with one line. */
static void drop_missing_programs(struct plan_list *plan)
{
    size_t kept = 0;
    for (size_t i = 0; i < plan->v.n; i++) {
        char path[5000];
        struct plan *p = &plan->v.p[i];
        (void)snprintf(path, sizeof path, "%s/%s", master.program_dir, p->program);
        if (access(path, X_OK) == 0)
            plan->v.p[kept++] = *p;
        else
            log_error("service %s: program %s: %s; the service does not run", p->name, path, strerror(errno));
    }
    plan->v.n = kept;
}

/* ---- listeners ---- */

static int open_listeners(const struct plan_list *plan, const struct master_conf *conf, struct service_fds *fds, struct err *err)
{
    struct listen_plan lp = { .inet_interfaces = conf->inet_interfaces, .inet_protocols = conf->inet_protocols,
                              .owner = master.private_instance ? (uid_t)-1 : master.owner.uid };
    listen_begin();
    for (size_t i = 0; i < plan->v.n; i++) {
        const struct plan *p = &plan->v.p[i];
        for (size_t k = 0; k < p->sockets.n; k++) {
            if (listen_open(&p->sockets.p[k], &lp, fds[i].fds, &fds[i].n, N_ELEMS(fds[i].fds), err) == 0)
                continue;
            return p->line == 0 ? err_prefix(err, "service %s", p->name) : err_prefix(err, "%s: line %u: service %s", plan->file, p->line, p->name);
        }
    }
    for (size_t i = 0; i < plan->spawn.n; i++)
        if (listen_open(&(struct plan_socket){ .name = plan->spawn.p[i].socket }, &lp, fds[plan->v.n + i].fds, &fds[plan->v.n + i].n, N_ELEMS(fds->fds), err) != 0)
            return err_prefix(err, "%s: service %s", plan->file, plan->spawn.p[i].name);
    return 0;
}

/* ---- signals ---- */

static void start_generation(struct service_fds *fds)
{
    children_start(&master.plan, fds, ++master.generation);
    spawn_start(&master.plan, fds + master.plan.v.n);
    free(fds);
}

static void stay(const struct err *err)
{
    log_error("%s; the old configuration stays", err->text);
    notify_ready("the configuration that was to be read has an error: the one before stays");
}

static void on_up(bool every)
{
    notify_ready(every ? "up" : "up, except for services that do not start, or not yet: the log says why");
}

static void on_hup(int signo)
{
    struct err err = { 0 };
    struct loaded l = { 0 };
    (void)signo;
    notify_reloading();
    log_info("reload -- version %s, configuration %s", master.conf.mail_version, master.config_dir);
    if (load(&l, &err) != 0) {
        stay(&err);
        return;
    }
    drop_missing_programs(&l.plan);
    struct service_fds *fds = xcalloc(l.plan.v.n + l.plan.spawn.n + 1, sizeof *fds);
    if (open_listeners(&l.plan, &l.conf, fds, &err) != 0) {
        stay(&err);
        plan_done(&l.plan);
        config_free(l.config);
        free(fds);
        return;
    }
    listen_end();
    adopt(&l);
    start_generation(fds);
}

static void on_term(int signo)
{
    log_info("terminating on signal %d", signo);
    notify_stopping();
    spawn_stop();
    listen_close_all();
    children_stop();
}

static void on_chld(int signo)
{
    int status;
    pid_t pid;
    (void)signo;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (!children_ended(pid, status))
            (void)spawn_reaped(pid, status);
}

/* ---- start ---- */

static void usage(void)
{
    (void)fprintf(stderr, "usage: master [-c config_dir] [-d] [-t] [-v] [--print-roles]\n");
    exit(64);
}

static void print_roles(void)
{
    struct buf out = { 0 };
    role_table_print(&out);
    (void)fwrite(out.p, 1, out.n, stdout);
    buf_done(&out);
    exit(fflush(stdout) == 0 ? 0 : 1);
}

static struct options parse_options(int argc, char **argv)
{
    const char *env = getenv("MAIL_CONFIG");
    struct options o = { .config_dir = env != NULL ? env : "/etc/postfix" };
    int c;
    if (argc == 2 && strcmp(argv[1], "--print-roles") == 0)
        print_roles();
    while ((c = getopt(argc, argv, "c:De:distvw")) != -1) {
        switch (c) {
        case 'c': o.config_dir = optarg; break;
        case 'd': case 'i': case 's': o.foreground = true; break;
        case 't': o.test = true; break;
        case 'v': o.verbose = true; break;
        case 'D': case 'e': case 'w': break;
        default: usage();
        }
    }
    if (optind != argc)
        usage();
    return o;
}

/* The daemons lie beside master. daemon_directory of an old main.cf may point to Postfix's. */
static void find_places(const char *argv0)
{
    ssize_t n = readlink("/proc/self/exe", master.program_dir, sizeof master.program_dir - 1);
    char *slash = n > 0 || realpath(argv0, master.program_dir) != NULL ? strrchr(master.program_dir, '/') : NULL;
    if (slash == NULL)
        log_fatal("directory of this program: %s", strerror(errno));
    *slash = '\0';
    if (realpath(master.options.config_dir, master.config_dir) == NULL)
        log_fatal("configuration directory %s: %s", master.options.config_dir, strerror(errno));
}

static void find_owner(void)
{
    struct err err = { 0 };
    if (!master.private_instance && priv_account_find(master.conf.mail_owner, false, &master.owner, &err) != 0)
        log_fatal("mail_owner: %s", err.text);
}

static void make_places(void)
{
    struct err err = { 0 };
    struct group *g = master.private_instance ? NULL : getgrnam(master.conf.setgid_group);
    if (!master.private_instance && g == NULL)
        log_fatal("setgid_group: group \"%s\" does not exist: create it with \"addgroup --system %s\"", master.conf.setgid_group, master.conf.setgid_group);
    struct instance_plan plan = {
        .queue_directory = master.frame.queue_directory, .data_directory = master.conf.data_directory, .empty_directory = master.frame.empty_directory,
        .owner = master.private_instance ? (uid_t)-1 : master.owner.uid, .owner_gid = master.private_instance ? (gid_t)-1 : master.owner.gid,
        .drop_gid = g == NULL ? (gid_t)-1 : g->gr_gid,
    };
    pid_t who;
    if (instance_make_dirs(&plan, &err) != 0 || instance_lock(&err, &who) != 0)
        log_fatal("%s", err.text);
}

/* Every account that a role of the plan runs as exists: one line for the first that does not. */
static void check_accounts(void)
{
    for (size_t i = 0; !master.private_instance && i < master.plan.v.n; i++) {
        const struct role_row *row = role_row(master.plan.v.p[i].role);
        struct buf name = { 0 };
        struct priv_account a = { 0 };
        struct err err = { 0 };
        if (row->user[0] != '\0' && (config_expand(master.config, str_from(row->user), &name, &err) != 0 ||
                                     priv_account_find(buf_cstr(&name), false, &a, &err) != 0))
            log_fatal("service %s: %s", master.plan.v.p[i].name, err.text);
        buf_done(&name);
    }
}

/* All lines go through one socket pair whose reading end lives as long as master: nothing is lost while the log role restarts. */
static void open_log_socket(void)
{
    int sv[2], size = LOG_BUFFER, on = 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) != 0)
        log_fatal("log socket: %s", strerror(errno));
    for (int i = 0; i < 2; i++)     /* the reader's too: so it knows the room */
        if (setsockopt(sv[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
            (void)setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
        log_fatal("log socket: %s", strerror(errno));
    master.log_in = sv[0];
    master.log_out = sv[1];
}

/* Sanitizer reports and the like, in a private instance that runs in the background. */
static void redirect_stdio(void)
{
    char path[4200] = "/dev/null";
    const char *slash = strrchr(master.conf.maillog_file, '/');
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), err_fd = -1;
    if (master.private_instance && slash != NULL && master.conf.maillog_file[0] == '/')
        (void)snprintf(path, sizeof path, "%.*s/stderr", (int)(slash - master.conf.maillog_file), master.conf.maillog_file);
    err_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    (void)dup2(null_fd, 0);
    (void)dup2(null_fd, 1);
    (void)dup2(err_fd >= 0 ? err_fd : null_fd, 2);
    (void)close(null_fd);
    if (err_fd >= 0)
        (void)close(err_fd);
}

static void stopped(void)
{
    listen_close_all();
    _exit(0);
}

static void set_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    (void)umask(077);
}

static void run(struct service_fds *fds, int ready_fd)
{
    struct err err = { 0 };
    struct children_conf cc = { .program_dir = master.program_dir, .config_dir = master.config_dir, .log_in = master.log_in, .log_out = master.log_out,
                                .std_out = master.options.foreground ? 1 : -1, .stop_grace = master.conf.stop_grace, .on_stopped = stopped, .on_up = on_up };
    char ok = 0;
    if (instance_write_pid(&err) != 0)
        log_fatal("%s", err.text);
    if (!master.options.foreground)
        redirect_stdio();
    log_to_socket(master.log_out);
    loop_init();
    loop_on_signal(SIGCHLD, on_chld);
    loop_on_signal(SIGHUP, on_hup);
    loop_on_signal(SIGTERM, on_term);
    loop_on_signal(SIGINT, on_term);
    children_init(&cc);
    log_info("daemon started -- version %s, configuration %s", master.conf.mail_version, master.config_dir);
    start_generation(fds);
    if (ready_fd >= 0) {
        (void)!write(ready_fd, &ok, 1);
        (void)close(ready_fd);
    }
    loop_run();
}

/* -t needs to know where the lock is, and nothing else. */
static int test_lock(void)
{
    struct err err = { 0 };
    struct param_table frame = daemon_param_table();
    struct config *c = config_load(master.config_dir, &err);
    if (c == NULL || config_fill(c, &frame, &master.frame, &err) != 0)
        log_fatal("%s", err.text);
    bool running = instance_is_running(master.frame.queue_directory);
    config_free(c);
    return running ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct err err = { 0 };
    struct loaded l = { 0 };
    log_set_ident("postfix/master");
    master.options = parse_options(argc, argv);
    log_set_verbose(master.options.verbose);
    notify_init();
    find_places(argv[0]);
    if (master.options.test)
        return test_lock();
    if (load(&l, &err) != 0)
        log_fatal("%s", err.text);
    adopt(&l);
    master.private_instance = geteuid() != 0 || master.frame.private_instance;
    set_limits();
    find_owner();
    make_places();
    drop_missing_programs(&master.plan);
    check_accounts();
    struct service_fds *fds = xcalloc(master.plan.v.n + master.plan.spawn.n + 1, sizeof *fds);
    if (open_listeners(&master.plan, &master.conf, fds, &err) != 0)
        log_fatal("%s", err.text);
    open_log_socket();
    int ready_fd = master.options.foreground ? -1 : instance_daemonize(&err);
    if (!master.options.foreground && ready_fd < 0)
        log_fatal("%s", err.text);
    run(fds, ready_fd);
    return 0;
}
