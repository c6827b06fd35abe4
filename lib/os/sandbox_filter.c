/* SPDX-License-Identifier: ISC
 *
 * sandbox_filter.c - the seccomp classes, as lists of system calls by name.
 * A name that this architecture does not have is left out.
 */
#include "base/buf.h"
#include "os/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

int sandbox_filter_enter(const struct sandbox_plan *plan, struct err *err);
int sandbox_filter_prepare(enum sandbox_class class, struct err *err);

/* Every process: memory, time, descriptors it has, threads of its own, its end. */
static const char basic[] =
    "read write readv writev pread64 pwrite64 preadv pwritev recvmsg sendmsg recvfrom sendto recvmmsg sendmmsg "
    "accept accept4 shutdown getsockname getpeername getsockopt setsockopt close close_range dup dup2 dup3 fcntl lseek "
    "epoll_wait epoll_pwait epoll_pwait2 epoll_ctl epoll_create1 poll ppoll select pselect6 eventfd2 signalfd4 timerfd_create timerfd_settime "
    "pipe pipe2 sendfile splice fstat fstatfs fsync fdatasync ftruncate fallocate sync_file_range fadvise64 "
    "munmap mremap madvise brk mincore "
    "clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom sysinfo "
    "futex set_robust_list get_robust_list rseq sched_yield sched_getaffinity "
    "rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall "
    "getpid gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getrusage uname times "
    "exit exit_group membarrier";

/* Answered with EACCES by a class that has no files. */
static const char paths[] =
    "open openat openat2 creat stat lstat statx access faccessat faccessat2 readlink readlinkat getcwd chdir "
    "mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat chmod fchmodat chown lchown fchownat "
    "utimensat statfs truncate";

static const char files[] =
    "open openat openat2 creat stat lstat statx newfstatat access faccessat faccessat2 readlink readlinkat getcwd chdir fchdir "
    "mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat chmod fchmod fchmodat fchown "
    "utimensat utime utimes statfs getdents64 flock syncfs copy_file_range truncate umask "
    "inotify_init1 inotify_add_watch inotify_rm_watch msync";

static const char helpers[] = "vfork execve wait4 waitid kill setsid prctl capget setpgid prlimit64 setresuid setresgid setuid setgid setgroups getsid arch_prctl set_tid_address dup2 pipe getpgrp";
static const char forker[] = "fork vfork wait4 waitid kill setresuid setresgid setgroups setuid setgid capset capget chroot chdir setsid prlimit64 "
                             "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp set_tid_address clone clone3";

/* What a session does not keep of its zygote's calls, beside those below that it keeps in part. */
static const char lost[] = "fork vfork wait4 waitid setresuid setresgid setgroups setuid setgid capset capget chroot setsid "
                           "landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp set_tid_address";

static const struct { const char *calls; unsigned classes; uint32_t action; } rows[] = {
#define IN(c) (1u << SANDBOX_##c)
    { basic, ~0u, SCMP_ACT_ALLOW },
    { paths, IN(NET) | IN(CLIENT), SCMP_ACT_ERRNO(EACCES) },
    { files, IN(FILES) | IN(LOOKUP) | IN(WORKER) | IN(FORKER), SCMP_ACT_ALLOW },
    { "connect bind", IN(CLIENT) | IN(LOOKUP) | IN(WORKER), SCMP_ACT_ALLOW },
    /* A log line to a socket that vanished must not end a process: an error is enough. */
    { "connect bind listen socket", IN(NET) | IN(FILES), SCMP_ACT_ERRNO(EACCES) },
    { "ioctl", IN(LOOKUP) | IN(WORKER), SCMP_ACT_ALLOW },
    { "ioctl", ~(IN(LOOKUP) | IN(WORKER)), SCMP_ACT_ERRNO(ENOTTY) },      /* stdio asks whether a file is a terminal */
    { helpers, IN(WORKER), SCMP_ACT_ALLOW },
    { forker, IN(FORKER), SCMP_ACT_ALLOW },
};

/* Add every call of a list of names. */
static int add_calls(scmp_filter_ctx ctx, uint32_t action, const char *names)
{
    struct str rest = str_from(names), name;
    while (str_token(&rest, " ", &name)) {
        char z[64];
        int nr = str_to_fixed(name, z, sizeof z) ? seccomp_syscall_resolve_name(z) : __NR_SCMP_ERROR;
        if (nr == __NR_SCMP_ERROR || nr < 0)
            continue;
        int rc = seccomp_rule_add(ctx, action, nr, 0);
        if (rc != 0 && rc != -EEXIST)
            return rc;
    }
    return 0;
}

static int add_sockets(scmp_filter_ctx ctx, enum sandbox_class class)
{
    static const int families[] = { AF_INET, AF_INET6, AF_UNIX, AF_NETLINK };
    size_t n = class == SANDBOX_CLIENT ? 2 : class == SANDBOX_LOOKUP || class == SANDBOX_WORKER ? 4 : 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
    /* A pair of one's own reaches nobody: tls makes one per client. */
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
    return rc;
}

/* Calls that are allowed with some arguments only. */
static int add_narrow(scmp_filter_ctx ctx, enum sandbox_class class, uint64_t self)
{
    bool own_code = class == SANDBOX_LOOKUP || class == SANDBOX_WORKER;    /* they load modules: NSS, PAM */
    bool no_files = class == SANDBOX_NET || class == SANDBOX_CLIENT;
    int rc = 0;
    if (own_code) {
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 0);
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 0);
    } else {
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    }
    /* fstat() is newfstatat(fd, "") in today's libc. */
    if (no_files) {
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1, SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH));
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(newfstatat), 1, SCMP_A3(SCMP_CMP_NE, AT_EMPTY_PATH));
    }
    /* Threads, not processes: the offload pool is made inside the sandbox. */
    if (class == SANDBOX_WORKER) {
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 0);
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone3), 0);
    } else if (class != SANDBOX_FORKER) {
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);   /* its flags are in memory: libc falls back to clone */
    }
    /* abort() and the report of a refused call; nobody else may be signalled. */
    if (class != SANDBOX_FORKER && class != SANDBOX_WORKER)
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A0(SCMP_CMP_EQ, self));
    /* A lock's owner: does that process still live? No signal is sent. */
    if (class == SANDBOX_FILES)
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A1(SCMP_CMP_EQ, 0));
    if (class == SANDBOX_FORKER || class == SANDBOX_WORKER)
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 0);
    else
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, self));
    /* Names of threads and VMAs, dumpable, capability reads: harmless; a filter of its own: narrower only. */
    if (class != SANDBOX_WORKER)
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 0);
    if (class != SANDBOX_WORKER && class != SANDBOX_FORKER)
        rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_EQ, 0));
    return rc;
}

/* On top of FORKER: short, since every session compiles it anew in the kernel. */
static int fill_session(scmp_filter_ctx ctx, uint64_t self)
{
    int rc = add_calls(ctx, SCMP_ACT_TRAP, lost);
    rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_TRAP, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_TRAP, SCMP_SYS(kill), 2, SCMP_A0(SCMP_CMP_NE, self), SCMP_A1(SCMP_CMP_NE, 0));
    rc = rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_TRAP, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_NE, self));
    return rc != 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_TRAP, SCMP_SYS(prlimit64), 1, SCMP_A0(SCMP_CMP_NE, 0));
}

static int fill(scmp_filter_ctx ctx, enum sandbox_class class, uint64_t self)
{
    int rc = 0;
    if (class == SANDBOX_SESSION)
        return fill_session(ctx, self);
    /* Sockets by family first: an unconditional rule for the same call would swallow them. */
    rc = add_sockets(ctx, class);
    for (size_t i = 0; rc == 0 && i < N_ELEMS(rows); i++)
        if ((rows[i].classes >> class & 1) != 0)
            rc = add_calls(ctx, rows[i].action, rows[i].calls);
    return rc != 0 ? rc : add_narrow(ctx, class, self);
}

/* ---- the report of a refused call ---- */

enum { CALLS = 512, NAME_ROOM = 24 };
static char call_names[CALLS][NAME_ROOM];
static void (*tell)(const char *call, int number);

static void keep_names(void)
{
    for (int nr = 0; nr < CALLS; nr++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
        (void)snprintf(call_names[nr], NAME_ROOM, "%s", name == NULL ? "?" : name);
        free(name);
    }
}

/* Runs in the process that made the call: tells the log, then dies of it. */
static void on_refused(int signo, siginfo_t *info, void *context)
{
    (void)context;
    int nr = info->si_syscall;
    if (tell != NULL)
        tell(nr >= 0 && nr < CALLS ? call_names[nr] : "?", nr);
    (void)signal(signo, SIG_DFL);
    (void)raise(signo);
    _exit(128 + signo);
}

static void catch_refused(void)
{
    struct sigaction sa = { .sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_NODEFER };
    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGSYS, &sa, NULL);
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGSYS);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- a filter made ahead of time ---- */

/* No process has this id: it stands for the id of the process that will enter. */
enum { PID_PLACE = 0x7ffffff1, FILTER_MAX = 4096 };
static struct { enum sandbox_class class; struct sock_filter code[FILTER_MAX]; size_t n; } ready;

static scmp_filter_ctx make_filter(enum sandbox_class class, uint64_t self, int *ret_rc)
{
    scmp_filter_ctx ctx = seccomp_init(class == SANDBOX_SESSION ? SCMP_ACT_ALLOW : SCMP_ACT_TRAP);
    *ret_rc = ctx == NULL ? -ENOMEM : seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (*ret_rc == 0)
        *ret_rc = fill(ctx, class, self);
    return ctx;
}

static int fail(enum sandbox_class class, int rc, struct err *err)
{
    errno = -rc;
    return err_sys(err, ERR_PERM, "seccomp filter %s", sandbox_class_name(class));
}

/* The library writes to descriptors only. */
static int export_code(scmp_filter_ctx ctx)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    int rc = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
    ssize_t n = rc != 0 ? 0 : pread(fd, ready.code, sizeof ready.code, 0);
    if (fd >= 0)
        (void)close(fd);
    if (rc == 0 && (n <= 0 || (size_t)n % sizeof ready.code[0] != 0 || (size_t)n == sizeof ready.code))
        rc = -E2BIG;
    ready.n = rc == 0 ? (size_t)n / sizeof ready.code[0] : 0;
    return rc;
}

int sandbox_filter_prepare(enum sandbox_class class, struct err *err)
{
    int rc;
    keep_names();
    scmp_filter_ctx ctx = make_filter(class, PID_PLACE, &rc);
    if (rc == 0)
        rc = export_code(ctx);
    if (ctx != NULL)
        seccomp_release(ctx);
    ready.class = class;
    return rc == 0 ? 0 : fail(class, rc, err);
}

static int load_ready(void)
{
    uint32_t self = (uint32_t)getpid();
    struct sock_fprog program = { .len = (unsigned short)ready.n, .filter = ready.code };
    for (size_t i = 0; i < ready.n; i++)
        if (ready.code[i].k == PID_PLACE)
            ready.code[i].k = self;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        return -errno;
    return 0;
}

static int load_new(enum sandbox_class class)
{
    int rc;
    keep_names();
    scmp_filter_ctx ctx = make_filter(class, (uint64_t)getpid(), &rc);
    if (rc == 0)
        rc = seccomp_load(ctx);
    if (ctx != NULL)
        seccomp_release(ctx);
    return rc;
}

int sandbox_filter_enter(const struct sandbox_plan *plan, struct err *err)
{
    if (plan->class == SANDBOX_SESSION && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER)
        return fail(plan->class, -EPERM, err);
    tell = plan->on_refused;
    catch_refused();
    int rc = ready.n > 0 && ready.class == plan->class ? load_ready() : load_new(plan->class);
    return rc == 0 ? 0 : fail(plan->class, rc, err);
}
