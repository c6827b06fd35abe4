/* SPDX-License-Identifier: ISC
 *
 * NAME
 *      postfix - start, stop, reload and check the mail system
 *
 * SYNOPSIS
 *      postfix [-c config_dir] [-Dv] start | start-fg | stop | abort | reload |
 *              flush | status | check
 *
 * DESCRIPTION
 *      start checks the configuration and starts master; start-fg stays in the
 *      foreground. stop lets sessions and deliveries end; abort does not.
 *      reload starts a new generation with the configuration as it is now.
 *      flush tries all deferred mail. status tells whether the system runs.
 *      check names what would keep it from starting or from working, with file,
 *      line and remedy, and what this configuration asks for in vain.
 *
 * SECURITY
 *      Runs as who called it; the environment's MAIL_CONFIG counts as -c. The
 *      programs it starts are those of its own directory or /usr/lib/postern.
 *
 * DIAGNOSTICS
 *      Lines of postfix/postfix-script on standard error and in the log. Exit
 *      status 0, or 1 with a "fatal:" line; status: 0 = running.
 */
#include "postfix.h"
#include "base/log.h"
#include "base/num.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SYSLOG_MAIL_INFO (2 << 3 | 6)
enum { EXIT_USAGE = 64, STOP_SECONDS = 30, ABORT_SECONDS = 2 };
void syslog(int priority, const char *format, ...);

static struct {
    struct config *config;
    const char *dir;
    bool verbose;
} self;

/* ---- saying it ---- */

static void to_file(const char *path, const char *ident, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    char when[32], host[256] = "localhost";
    time_t now = time(NULL);
    struct tm tm;
    if (localtime_r(&now, &tm) == NULL || strftime(when, sizeof when, "%b %e %H:%M:%S", &tm) == 0)
        when[0] = '\0';
    (void)gethostname(host, sizeof host - 1);
    host[strcspn(host, ".")] = '\0';
    (void)dprintf(fd, "%s %s %s/postfix-script[%ld]: %s\n", when, host, ident, (long)getpid(), text);
    (void)close(fd);
}

void say(struct config *c, const char *severity, const char *fmt, ...)
{
    char text[2000], line[2100];
    struct err err;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)snprintf(line, sizeof line, "%s%s%s", severity, *severity == '\0' ? "" : ": ", text);
    const char *ident = c == NULL ? NULL : config_get(c, "syslog_name", &err);
    const char *file = c == NULL ? NULL : config_get(c, "maillog_file", &err);
    ident = ident == NULL ? "postfix" : ident;
    fprintf(stderr, "%s/postfix-script: %s\n", ident, line);
    if (file != NULL && *file == '/' && strncmp(file, "/dev/", 5) != 0)
        to_file(file, ident, line);
    else if (geteuid() == 0 && (file == NULL || *file == '\0'))
        syslog(SYSLOG_MAIL_INFO, "%s/postfix-script[%ld]: %s", ident, (long)getpid(), line);
}

/* ---- the running instance ---- */

/* Its pid file is locked as long as master lives. 0: it does not run. */
static pid_t running_master(void)
{
    char path[PATH_MAX], text[64];
    struct err err;
    uint32_t pid = 0;
    const char *queue = config_get(self.config, "queue_directory", &err);
    if (queue == NULL || snprintf(path, sizeof path, "%s/pid/master.pid", queue) >= (int)sizeof path)
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text);
    bool locked = flock(fd, LOCK_SH | LOCK_NB) < 0;
    (void)close(fd);
    if (!locked || n <= 0 || !num_parse_u32(str_trim(str_make(text, (size_t)n)), INT32_MAX, &pid))
        return 0;
    return (pid_t)pid;
}

static bool wait_stopped(int seconds)
{
    for (int i = 0; i < seconds * 20; i++) {
        if (running_master() == 0)
            return true;
        (void)usleep(50000);
    }
    return running_master() == 0;
}

/* The directory of the programs: this one's, or where they are installed. */
static void program_path(const char *name, char ret[PATH_MAX])
{
    char own[PATH_MAX - 64];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    if (n > 0) {
        own[n] = '\0';
        *strrchr(own, '/') = '\0';
        (void)snprintf(ret, PATH_MAX, "%s/%s", own, name);
        if (access(ret, X_OK) == 0)
            return;
    }
    (void)snprintf(ret, PATH_MAX, "/usr/lib/postern/%s", name);
}

static int run(const char *program, const char *const args[])
{
    char path[PATH_MAX];
    char *argv[8] = { path };
    program_path(program, path);
    for (size_t i = 0; args[i] != NULL && i < N_ELEMS(argv) - 2; i++)
        argv[i + 1] = (char *)(uintptr_t)args[i];
    pid_t pid = fork();
    if (pid == 0) {
        (void)execv(path, argv);
        fprintf(stderr, "postfix: fatal: %s: %s\n", path, strerror(errno));
        _exit(EXIT_FAILURE);
    }
    int status;
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_FAILURE;
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

/* ---- commands ---- */

static bool config_holds(bool running, bool notes)
{
    struct check k = { .config = self.config, .running = running };
    check_all(&k, notes);
    return k.fatal == 0;
}

static int refuse_running(pid_t pid)
{
    say(self.config, "fatal", "the Postfix mail system is already running: PID: %ld", (long)pid);
    return EXIT_FAILURE;
}

static int refuse_not_running(void)
{
    say(self.config, "fatal", "the Postfix mail system is not running");
    return EXIT_FAILURE;
}

static int do_start(pid_t pid)
{
    if (pid != 0)
        return refuse_running(pid);
    if (!config_holds(false, false)) {
        say(self.config, "fatal", "the Postfix mail system is not started: correct what is said above");
        return EXIT_FAILURE;
    }
    say(self.config, "", "starting the Postfix mail system");
    const char *const args[] = { "-c", self.dir, "-w", self.verbose ? "-v" : NULL, NULL };
    int rc = run("master", args);
    if (rc == 0)
        return 0;
    say(self.config, "fatal", "the Postfix mail system could not be started (master: exit status %d)", rc);
    return EXIT_FAILURE;
}

static int do_start_fg(pid_t pid)
{
    char path[PATH_MAX];
    if (pid != 0)
        return refuse_running(pid);
    if (!config_holds(false, false))
        return EXIT_FAILURE;
    say(self.config, "", "starting the Postfix mail system");
    program_path("master", path);
    (void)execl(path, path, "-c", self.dir, getpid() == 1 ? "-i" : "-s", (char *)NULL);
    say(self.config, "fatal", "%s: %s", path, strerror(errno));
    return EXIT_FAILURE;
}

static int do_stop(pid_t pid)
{
    if (pid == 0)
        return refuse_not_running();
    say(self.config, "", "stopping the Postfix mail system");
    if (kill(pid, SIGTERM) < 0) {
        say(self.config, "fatal", "stop PID %ld: %s", (long)pid, strerror(errno));
        return EXIT_FAILURE;
    }
    if (wait_stopped(STOP_SECONDS))
        return 0;
    say(self.config, "warning", "after %d seconds PID %ld still runs; \"postfix abort\" ends it", STOP_SECONDS, (long)pid);
    return EXIT_FAILURE;
}

/* Children of a master that is gone see their control socket close, and exit. */
static int do_abort(pid_t pid)
{
    if (pid == 0)
        return refuse_not_running();
    say(self.config, "", "aborting the Postfix mail system");
    (void)kill(pid, SIGTERM);
    if (!wait_stopped(ABORT_SECONDS))
        (void)kill(pid, SIGKILL);
    return wait_stopped(ABORT_SECONDS) ? 0 : EXIT_FAILURE;
}

static int do_reload(pid_t pid)
{
    if (pid == 0)
        return refuse_not_running();
    if (!config_holds(true, false)) {
        say(self.config, "fatal", "not reloaded: correct what is said above; the running system is as it was");
        return EXIT_FAILURE;
    }
    say(self.config, "", "refreshing the Postfix mail system");
    return kill(pid, SIGHUP) == 0 ? 0 : EXIT_FAILURE;
}

static int do_flush(pid_t pid)
{
    if (pid == 0)
        return refuse_not_running();
    const char *const args[] = { "-c", self.dir, "-f", NULL };
    return run("postqueue", args);
}

static int do_status(pid_t pid)
{
    if (pid == 0) {
        say(NULL, "", "the Postfix mail system is not running");
        return EXIT_FAILURE;
    }
    say(NULL, "", "the Postfix mail system is running: PID: %ld", (long)pid);
    return 0;
}

static int do_check(pid_t pid)
{
    return config_holds(pid != 0, true) ? 0 : EXIT_FAILURE;
}

/* Scripts of packages call these; what they would do is done at every start. */
static int do_nothing(pid_t pid)
{
    (void)pid;
    return 0;
}

static const struct { const char *name; int (*run)(pid_t pid); } commands[] = {
    { "start", do_start }, { "start-fg", do_start_fg }, { "stop", do_stop }, { "quick-stop", do_stop }, { "abort", do_abort },
    { "drain", do_stop }, { "reload", do_reload }, { "flush", do_flush }, { "status", do_status }, { "check", do_check },
    { "set-permissions", do_nothing }, { "upgrade-configuration", do_nothing },
};

static int usage(void)
{
    fprintf(stderr, "postfix: fatal: usage: postfix [-c config_dir] [-Dv] start|start-fg|stop|abort|reload|flush|status|check\n");
    return EXIT_USAGE;
}

static int dispatch(const char *name)
{
    struct err err = { 0 };
    char real[PATH_MAX];
    if (realpath(self.dir, real) == NULL) {
        fprintf(stderr, "postfix: fatal: %s: %s\n", self.dir, strerror(errno));
        return EXIT_FAILURE;
    }
    self.dir = real;
    self.config = config_load(real, &err);
    if (self.config == NULL) {
        say(NULL, "fatal", "%s", err.text);
        return EXIT_FAILURE;
    }
    int rc = EXIT_USAGE;
    size_t i = 0;
    while (i < N_ELEMS(commands) && strcmp(commands[i].name, name) != 0)
        i++;
    if (i < N_ELEMS(commands))
        rc = commands[i].run(running_master());
    else
        say(NULL, "fatal", "unknown command: '%s'. Usage: postfix start|start-fg|stop|abort|reload|flush|status|check", name);
    config_free(self.config);
    return rc;
}

int main(int argc, char **argv)
{
    const char *dir = NULL;
    int c;
    while ((c = getopt(argc, argv, "c:Dv")) != -1) {
        if (c == 'c')
            dir = optarg;
        else if (c == 'v')
            self.verbose = true;
        else if (c != 'D')
            return usage();
    }
    if (optind + 1 > argc)
        return usage();
    self.dir = config_dir_choose(dir);
    return dispatch(argv[optind]);
}
