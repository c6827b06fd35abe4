/* SPDX-License-Identifier: ISC */
#include "os/proc.h"
#include "base/num.h"
#include <dirent.h>
#include <sched.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_FD = 3, SPARE = 512, FD_CHECK_MAX = 65536 };

/* In the child: only async-signal-safe calls. */
static _Noreturn void become_program(const struct proc_plan *plan, int null_fd)
{
    int high[64];
    size_t n = MIN(plan->n_fds, N_ELEMS(high));
    for (size_t i = 0; i < n; i++)
        high[i] = fcntl(plan->fds[i], F_DUPFD_CLOEXEC, SPARE);
    bool ok = dup2(null_fd, 0) == 0 && dup2(plan->std_out >= 0 ? plan->std_out : null_fd, 1) == 1;
    for (size_t i = 0; i < n; i++)
        ok = ok && high[i] >= 0 && dup2(high[i], FIRST_FD + (int)i) >= 0;
    ok = ok && close_range(FIRST_FD + (unsigned)n, ~0u, 0) == 0;
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)setpgid(0, 0);
    if (ok)
        (void)execve(plan->path, plan->argv, plan->env);
    _exit(127);
}

pid_t proc_start(const struct proc_plan *plan, struct err *err)
{
    ASSERT(plan->n_fds <= 64);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return err_sys(err, ERR_TEMP, "open /dev/null");
    pid_t pid = fork();
    if (pid == 0)
        become_program(plan, null_fd);
    int saved = errno;
    (void)close(null_fd);
    errno = saved;
    return pid < 0 ? err_sys(err, ERR_TEMP, "fork") : pid;
}

void proc_describe_status(int status, struct buf *out)
{
    if (WIFSIGNALED(status))
        buf_printf(out, "killed by signal %d", WTERMSIG(status));
    else
        buf_printf(out, "exit status %d", WEXITSTATUS(status));
}

static int check_fd(int fd, struct err *err)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st) != 0)
        return 0;       /* the one that reads the directory, already gone */
    if ((flags & O_PATH) != 0 || S_ISDIR(st.st_mode))
        return err_set(err, ERR_PERM, "descriptor %d is a %s: it would lead out of the confinement", fd,
                       S_ISDIR(st.st_mode) ? "directory" : "path");
    return 0;
}

/* Without /proc, in a bare root: every number that a process just started can have. */
static int check_all(int from, struct err *err)
{
    int rc = 0;
    for (int fd = from; rc == 0 && fd < FD_CHECK_MAX; fd++)
        rc = check_fd(fd, err);
    return rc;
}

int proc_check_no_dirs(int from, struct err *err)
{
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL)
        return check_all(from, err);
    int rc = 0;
    for (struct dirent *e = readdir(d); rc == 0 && e != NULL; e = readdir(d)) {
        uint32_t fd;
        if (num_parse_u32(str_from(e->d_name), INT32_MAX, &fd) && (int)fd >= from && (int)fd != dirfd(d))
            rc = check_fd((int)fd, err);
    }
    (void)closedir(d);
    return rc;
}

unsigned proc_cpus(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 0 ? (unsigned)n : 1;
}
