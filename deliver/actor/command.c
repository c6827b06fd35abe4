/* SPDX-License-Identifier: ISC
 *
 * COMMAND and PIPE: a program of the user's, with the message on standard
 * input, a clean environment, no descriptor but 0, 1 and 2, a session of its
 * own and a time limit. What it exits with says what becomes of the message.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include "actor.h"
#include "base/arena.h"
#include "os/clock.h"

enum { OUTPUT_MAX = 2000, ARGS_MAX = 1000 };

/* --- what an exit status means ------------------------------------------------- */

static const struct { int status; const char *dsn, *text; } exits[] = {
    { EX_USAGE, "5.3.0", "command line usage error" },       { EX_DATAERR, "5.6.0", "data format error" },
    { EX_NOINPUT, "5.3.0", "cannot open input" },            { EX_NOUSER, "5.1.1", "user unknown" },
    { EX_NOHOST, "5.1.2", "host name unknown" },             { EX_UNAVAILABLE, "5.3.0", "service unavailable" },
    { EX_SOFTWARE, "5.3.0", "internal software error" },     { EX_OSERR, "4.3.0", "system resource problem" },
    { EX_OSFILE, "5.3.0", "critical OS file missing" },      { EX_CANTCREAT, "5.2.0", "can't create user output file" },
    { EX_IOERR, "4.3.0", "input/output error" },             { EX_TEMPFAIL, "4.3.0", "temporary failure" },
    { EX_PROTOCOL, "5.5.0", "remote error in protocol" },    { EX_NOPERM, "5.7.0", "permission denied" },
    { EX_CONFIG, "5.3.5", "local configuration error" },
};

/* A command may say its own status: "5.7.1 text" (RFC 3463). */
static bool own_status(struct str out, char dsn[16])
{
    if (out.n < 5 || (out.p[0] != '4' && out.p[0] != '5') || out.p[1] != '.')
        return false;
    struct str word, rest;
    str_cut(out, ' ', &word, &rest);
    for (size_t i = 0; i < word.n; i++)
        if (!ascii_is_digit(word.p[i]) && word.p[i] != '.')
            return false;
    return str_to_fixed(word, dsn, 16);
}

static void judge(int status, struct str command, struct str output, struct action_result *r)
{
    static char dsn[16];
    struct str line = str_trim(output);
    buf_reset(&r->text);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        r->outcome = OUTCOME_SENT;
        r->dsn = "2.0.0";
        buf_printf(&r->text, "delivered to command: %.*s", STR_FMT(command));
        return;
    }
    r->dsn = "5.3.0";
    const char *text = NULL;
    if (WIFEXITED(status))
        for (size_t i = 0; i < N_ELEMS(exits); i++)
            if (exits[i].status == WEXITSTATUS(status)) {
                r->dsn = exits[i].dsn;
                text = exits[i].text;
            }
    if (own_status(line, dsn))
        r->dsn = dsn;
    if (WIFSIGNALED(status)) {
        r->dsn = "4.3.0";
        buf_printf(&r->text, "Command died with signal %d: \"%.*s\"", WTERMSIG(status), STR_FMT(command));
    } else if (text != NULL) {
        buf_puts(&r->text, text);
    } else {
        buf_printf(&r->text, "Command died with status %d: \"%.*s\"", WEXITSTATUS(status), STR_FMT(command));
    }
    r->outcome = r->dsn[0] == '4' ? OUTCOME_DEFERRED : OUTCOME_BOUNCED;
    if (line.n > 0) {
        buf_puts(&r->text, ". Command output: ");
        for (size_t i = 0; i < line.n; i++)
            buf_putc(&r->text, line.p[i] == '\n' || line.p[i] == '\r' ? ' ' : line.p[i]);
    }
}

/* --- the child ------------------------------------------------------------------ */

/* NUL-separated text as a vector of C strings. */
static char **split_nul(struct str text, char *copy)
{
    char **v = xcalloc(ARGS_MAX + 1, sizeof(*v));
    size_t n = 0, at = 0;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    while (at < text.n && n < ARGS_MAX) {
        v[n++] = copy + at;
        at += strlen(copy + at) + 1;
    }
    return v;
}

_Noreturn static void run_child(int in, int out, const char *home, char *const argv[], char *const env[])
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(EX_OSERR);
    close_range(3, ~0u, 0);
    if (home[0] == '\0' || chdir(home) < 0)
        if (chdir("/") < 0)
            _exit(EX_OSERR);
    execve(argv[0], argv, env);
    _exit(errno == ENOENT ? EX_OSFILE : EX_TEMPFAIL);
}

/* --- feeding it ------------------------------------------------------------------- */

struct feed { int in, out; int64_t end; struct buf *output; bool timed_out, deaf; };

static void take_output(struct feed *f)
{
    char piece[1024];
    ssize_t n = read(f->out, piece, sizeof(piece));
    if (n > 0 && f->output->n < OUTPUT_MAX)
        buf_put(f->output, piece, MIN((size_t)n, OUTPUT_MAX - f->output->n));
    if (n == 0) {
        close(f->out);
        f->out = -1;
    }
}

/* Waits for either side; false when the time is over. */
static bool feed_wait(struct feed *f, bool writing)
{
    int64_t left = f->end - clock_mono_ms();
    struct pollfd p[2] = { { .fd = writing ? f->in : -1, .events = POLLOUT }, { .fd = f->out, .events = POLLIN } };
    if (left <= 0 || poll(p, 2, (int)MIN(left, (int64_t)60000)) < 0)
        return left > 0 && errno == EINTR;
    if (p[1].revents != 0)
        take_output(f);
    return true;
}

static int feed_piece(void *arg, struct str piece, struct err *err)
{
    struct feed *f = arg;
    (void)err;
    while (piece.n > 0 && !f->deaf && !f->timed_out) {
        ssize_t n = write(f->in, piece.p, piece.n);
        if (n > 0)
            piece = str_skip(piece, (size_t)n);
        else if (n < 0 && errno == EAGAIN)
            f->timed_out = !feed_wait(f, true);
        else if (n < 0 && errno != EINTR)
            f->deaf = true;     /* it does not want to read all of it: its exit status decides */
    }
    return 0;
}

static int feed_and_wait(const struct ipc_action *a, struct feed *f, pid_t pid, int *ret_status, struct err *err)
{
    int rc = content_each(a, feed_piece, f, err);
    close(f->in);
    while (rc == 0 && f->out >= 0 && !f->timed_out)
        f->timed_out = !feed_wait(f, false);
    if (rc < 0 || f->timed_out)
        kill(-pid, SIGKILL);
    bool reaped = false;
    while (!reaped) {
        pid_t got = waitpid(pid, ret_status, f->timed_out || rc < 0 ? 0 : WNOHANG);
        reaped = got == pid || (got < 0 && errno != EINTR);
        if (!reaped && got == 0) {
            if (clock_mono_ms() >= f->end) {
                f->timed_out = true;
                kill(-pid, SIGKILL);
            } else {
                usleep(5000);   /* it closed its output but goes on */
            }
        }
    }
    if (f->out >= 0)
        close(f->out);
    return rc;
}

static int start(char *const argv[], char *const env[], const char *home, struct feed *f, pid_t *ret_pid, struct err *err)
{
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) < 0)
        return err_sys(err, ERR_TEMP, "pipe");
    if (pipe2(out, O_CLOEXEC) < 0) {
        close(in[0]);
        close(in[1]);
        return err_sys(err, ERR_TEMP, "pipe");
    }
    pid_t pid = fork();
    if (pid == 0)
        run_child(in[0], out[1], home, argv, env);
    close(in[0]);
    close(out[1]);
    f->in = in[1];
    f->out = out[0];
    fcntl(f->in, F_SETFL, O_NONBLOCK);
    if (pid > 0) {
        *ret_pid = pid;
        return 0;
    }
    close(f->in);
    close(f->out);
    return err_sys(err, ERR_TEMP, "fork");
}

/* --- both kinds -------------------------------------------------------------------- */

/* Does the shell have work to do? Otherwise the words are the arguments. */
static char **command_argv(const struct ipc_action *a, char *copy)
{
    if (a->kind == ACTION_PIPE)
        return split_nul(a->path, copy);
    static char shell[] = "/bin/sh", option[] = "-c";
    char **v = xcalloc(4, sizeof(*v));
    memcpy(copy, a->path.p, a->path.n);
    copy[a->path.n] = '\0';
    v[0] = shell;
    v[1] = option;
    v[2] = copy;
    return v;
}

static void printable_command(const struct ipc_action *a, struct buf *out)
{
    for (size_t i = 0; i < a->path.n; i++)
        buf_putc(out, a->path.p[i] == '\0' ? ' ' : a->path.p[i]);
    while (out->n > 0 && out->p[out->n - 1] == ' ')
        out->n--;
}

void action_command(const struct ipc_action *a, const struct actor_user *user, struct action_result *r)
{
    struct err err = { 0 };
    struct buf output = buf_make(0), shown = buf_make(0);
    char *copy = xmalloc(a->path.n + 1), *env_copy = xmalloc(a->environment.n + 1);
    char **argv = command_argv(a, copy), **env = split_nul(a->environment, env_copy);
    struct feed f = { .output = &output, .end = clock_mono_ms() + (int64_t)(a->seconds == 0 ? 1000 : a->seconds) * 1000 };
    pid_t pid = 0;
    int status = 0, rc = argv[0] == NULL ? err_set(&err, ERR_PERM, "empty command") : start(argv, env, user->home, &f, &pid, &err);
    printable_command(a, &shown);
    if (rc == 0)
        rc = feed_and_wait(a, &f, pid, &status, &err);
    if (rc < 0) {
        action_failed(r, "command", &err);
    } else if (f.timed_out) {
        r->outcome = OUTCOME_DEFERRED;
        r->dsn = "4.3.0";
        buf_printf(&r->text, "Command time limit exceeded: \"%.*s\"", STR_FMT(buf_str(&shown)));
    } else {
        judge(status, buf_str(&shown), buf_str(&output), r);
    }
    free(argv);
    free(env);
    free(copy);
    free(env_copy);
    buf_done(&output);
    buf_done(&shown);
}
