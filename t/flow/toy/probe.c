/* SPDX-License-Identifier: ISC
 *
 * probe.c - enters the confinement of a role as a daemon does, then tries one
 * thing. Exit status 0: it worked; 1: denied, and errno is printed; death by
 * SIGSYS: denied; 3: the confinement itself failed.
 *
 * probe CONFIG_DIR ROLE ATTEMPT [ARGUMENT]
 *
 * The role "user" is what a session zygote's child becomes: user 12345 with
 * CONFIG_DIR/../home and nothing else.
 */
#include "base/log.h"
#include "base/num.h"
#include "daemon/skeleton.h"
#include "os/priv.h"
#include "os/sandbox.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static bool try_read(const char *path)
{
    char c;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, &c, 1) >= 0;
}
static bool try_write(const char *path) { return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0; }
static bool try_list(const char *path) { return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0; }

static bool inet_address(const char *port, struct sockaddr_in *ret)
{
    uint32_t n;
    if (!num_parse_u32(str_from(port), 65535, &n))
        return false;
    *ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)n), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    return true;
}

static bool try_connect(const char *port)
{
    struct sockaddr_in sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return inet_address(port, &sa) && fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0;
}

static bool try_bind(const char *port)
{
    struct sockaddr_in sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return inet_address(port, &sa) && fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(fd, 1) == 0;
}

static bool try_unix(const char *path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return str_to_fixed(str_from(path), sa.sun_path, sizeof sa.sun_path) && fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0;
}

static bool try_raw(const char *unused)
{
    (void)unused;
    return socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP) >= 0;
}

static bool try_fork(const char *unused)
{
    (void)unused;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid;
}

static bool try_exec(const char *path)
{
    char *const argv[] = { NULL, NULL }, *const env[] = { NULL };
    (void)execve(path, argv, env);
    return false;
}

static bool try_mmap_exec(const char *unused)
{
    (void)unused;
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool try_mprotect_exec(const char *unused)
{
    (void)unused;
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p != MAP_FAILED && mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0;
}

static pid_t pid_of(const char *text)
{
    uint32_t pid = 0;
    (void)num_parse_u32(str_from(text), INT32_MAX, &pid);
    return (pid_t)pid;
}
static bool try_kill(const char *pid) { return kill(pid_of(pid), 0) == 0; }
static bool try_ptrace(const char *pid) { return ptrace(PTRACE_ATTACH, pid_of(pid), NULL, NULL) == 0; }
static bool try_peek(const char *pid)
{
    char c;
    struct iovec mine = { &c, 1 }, its = { &c, 1 };
    errno = 0;
    return process_vm_readv(pid_of(pid), &mine, 1, &its, 1, 0) >= 0 || errno == EFAULT;
}

static bool try_root(const char *unused)
{
    (void)unused;
    return setresuid(0, 0, 0) == 0 && getuid() == 0;
}
static bool try_other_user(const char *unused)
{
    (void)unused;
    return setresgid(12345, 12345, 12345) == 0 && setresuid(12345, 12345, 12345) == 0;
}
static bool try_chroot(const char *unused)
{
    (void)unused;
    return chroot(".") == 0;
}
static bool try_mount(const char *unused)
{
    (void)unused;
    return mount("none", ".", "tmpfs", 0, NULL) == 0;
}
static bool try_userns(const char *unused)
{
    (void)unused;
    return unshare(CLONE_NEWUSER) == 0;
}
static bool try_bpf(const char *unused)
{
    (void)unused;
    return syscall(SYS_bpf, 0, NULL, 0) >= 0;
}
static bool try_proc(const char *unused)
{
    (void)unused;
    return try_read("/proc/1/environ");
}
static bool try_nothing(const char *unused)
{
    (void)unused;
    return true;
}
static bool try_state(const char *unused)
{
    char line[256];
    (void)unused;
    struct stat st;
    (void)snprintf(line, sizeof line, "uid=%u gid=%u groups=%d nnp=%d dumpable=%d root_ino=%llu\n", getuid(), getgid(), getgroups(0, NULL),
                   prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), stat("/", &st) == 0 ? (unsigned long long)st.st_ino : 0ULL);
    return write(1, line, strlen(line)) > 0;
}

static const struct { const char *name; bool (*run)(const char *argument); } attempts[] = {
    { "nothing", try_nothing }, { "state", try_state }, { "read", try_read }, { "write", try_write }, { "list", try_list },
    { "connect", try_connect }, { "bind", try_bind }, { "unix", try_unix }, { "raw", try_raw }, { "fork", try_fork },
    { "exec", try_exec }, { "mmap-exec", try_mmap_exec }, { "mprotect-exec", try_mprotect_exec }, { "kill", try_kill },
    { "ptrace", try_ptrace }, { "peek", try_peek }, { "root", try_root }, { "other-user", try_other_user }, { "chroot", try_chroot },
    { "mount", try_mount }, { "userns", try_userns }, { "bpf", try_bpf }, { "proc", try_proc },
};

static int confine(const char *config_dir, enum role role, struct err *err)
{
    static struct daemon_conf conf;
    struct daemon_ctx ctx = { .role = role, .service = "probe", .config_dir = config_dir, .generation = 1 };
    struct param_table frame = daemon_param_table();
    struct daemon_path_list none = { 0 };
    struct sandbox_report report;
    ctx.config = config_load(config_dir, err);
    if (ctx.config == NULL || config_fill(ctx.config, &frame, &conf, err) != 0)
        return -1;
    ctx.private_instance = conf.private_instance || geteuid() != 0;
    if (daemon_confine(role_row(role), &ctx, &conf, &none, &report, err) != 0)
        return -1;
    (void)fprintf(stderr, "%s\n", report.text);
    return 0;
}

/* As lib/login does after its fork. */
static int confine_user(const char *config_dir, struct err *err)
{
    char home[4096];
    (void)snprintf(home, sizeof home, "%s/../home", config_dir);
    struct sandbox_path path = { home, SANDBOX_READ | SANDBOX_WRITE };
    struct sandbox_plan plan = { .class = SANDBOX_SESSION, .limit_paths = true, .paths = &path, .n_paths = 1 };
    struct sandbox_report report;
    return priv_become(12345, 12345, NULL, 0, false, err) != 0 ? -1 : sandbox_enter(&plan, &report, err);
}

int main(int argc, char **argv)
{
    struct err err = { 0 };
    bool user = argc >= 4 && strcmp(argv[2], "user") == 0;
    enum role role = user ? ROLE_SESSION : argc >= 4 ? role_by_name(argv[2]) : ROLE_COUNT;
    if (role_row(role) == NULL || confine(argv[1], role, &err) != 0 || (user && confine_user(argv[1], &err) != 0)) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 3;
    }
    for (size_t i = 0; i < N_ELEMS(attempts); i++) {
        if (strcmp(attempts[i].name, argv[3]) != 0)
            continue;
        errno = 0;
        if (attempts[i].run(argc > 4 ? argv[4] : "."))
            _exit(0);
        (void)fprintf(stderr, "denied: %s\n", strerror(errno));
        _exit(1);
    }
    return 3;
}
