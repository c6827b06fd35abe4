/* SPDX-License-Identifier: ISC */
#include "os/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const class_names[SANDBOX_CLASSES] = { "none", "net", "client", "files", "lookup", "worker", "forker", "session" };

const char *sandbox_class_name(enum sandbox_class class) { return (unsigned)class < SANDBOX_CLASSES ? class_names[class] : "?"; }

/* ---- Landlock, by its system calls: no library is needed ---- */

/* Rights by the ABI that brought them; the kernel's header of the build may be older. */
enum { LL_EXECUTE = 1 << 0, LL_WRITE_FILE = 1 << 1, LL_READ_FILE = 1 << 2, LL_READ_DIR = 1 << 3, LL_REMOVE_DIR = 1 << 4,
       LL_REMOVE_FILE = 1 << 5, LL_MAKE_CHAR = 1 << 6, LL_MAKE_DIR = 1 << 7, LL_MAKE_REG = 1 << 8, LL_MAKE_SOCK = 1 << 9,
       LL_MAKE_FIFO = 1 << 10, LL_MAKE_BLOCK = 1 << 11, LL_MAKE_SYM = 1 << 12, LL_REFER = 1 << 13, LL_TRUNCATE = 1 << 14,
       LL_IOCTL_DEV = 1 << 15 };
enum { LL_RULE_NET_PORT = 2, LL_NET_BIND_TCP = 1 << 0, LL_NET_CONNECT_TCP = 1 << 1, LL_SCOPE_ABSTRACT = 1 << 0, LL_SCOPE_SIGNAL = 1 << 1 };
enum { LL_FILE_RIGHTS = LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE | LL_IOCTL_DEV };
struct ll_ruleset { uint64_t fs, net, scoped; };

static const uint32_t fs_by_abi[] = { 0, (LL_MAKE_SYM << 1) - 1, (LL_REFER << 1) - 1, (LL_TRUNCATE << 1) - 1,
                                      (LL_TRUNCATE << 1) - 1, (LL_IOCTL_DEV << 1) - 1 };

int sandbox_landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? 0 : (int)abi;
}

static uint64_t rights_of(unsigned access)
{
    uint64_t rights = 0;
    if ((access & SANDBOX_READ) != 0)
        rights |= LL_READ_FILE | LL_READ_DIR;
    if ((access & SANDBOX_WRITE) != 0)
        rights |= LL_READ_FILE | LL_READ_DIR | LL_WRITE_FILE | LL_REMOVE_DIR | LL_REMOVE_FILE | LL_MAKE_DIR | LL_MAKE_REG |
                  LL_MAKE_SOCK | LL_MAKE_SYM | LL_REFER | LL_TRUNCATE;
    if ((access & SANDBOX_EXECUTE) != 0)
        rights |= LL_EXECUTE | LL_READ_FILE | LL_READ_DIR;
    return rights;
}

static int add_path(int ruleset, const struct sandbox_path *p, uint64_t handled, struct err *err)
{
    int fd = open(p->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : err_sys(err, ERR_PERM, "open %s", p->path);
    struct stat st;
    uint64_t rights = rights_of(p->access) & handled;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rights &= LL_FILE_RIGHTS;
    struct landlock_path_beneath_attr attr = { .allowed_access = rights, .parent_fd = fd };
    long rc = rights == 0 ? 0 : syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return rc == 0 ? 0 : err_sys(err, ERR_PERM, "landlock rule for %s", p->path);
}

/* A source address with a port of the kernel's choice (smtp_bind_address); any other port stays forbidden. */
static int allow_source_address(int ruleset, struct err *err)
{
    const struct { uint64_t allowed_access, port; } attr = { LL_NET_BIND_TCP, 0 };
    long rc = syscall(SYS_landlock_add_rule, ruleset, LL_RULE_NET_PORT, &attr, 0);
    return rc == 0 ? 0 : err_sys(err, ERR_PERM, "landlock rule for source addresses");
}

static int landlock_enter(const struct sandbox_plan *plan, struct sandbox_report *report, struct err *err)
{
    int abi = sandbox_landlock_abi();
    if (abi == 0 || !plan->limit_paths)
        return 0;
    struct ll_ruleset attr = { .fs = fs_by_abi[MIN((size_t)abi, N_ELEMS(fs_by_abi) - 1)] };
    size_t size = sizeof attr.fs;
    if (abi >= 4) {
        attr.net = plan->tcp_connect ? LL_NET_BIND_TCP : LL_NET_BIND_TCP | LL_NET_CONNECT_TCP;
        size = sizeof attr.fs + sizeof attr.net;
    }
    if (abi >= 6) {
        attr.scoped = LL_SCOPE_SIGNAL | (plan->class == SANDBOX_NET || plan->class == SANDBOX_CLIENT ? LL_SCOPE_ABSTRACT : 0);
        size = sizeof attr;
    }
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0)
        return err_sys(err, ERR_PERM, "landlock rule set");
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < plan->n_paths; i++)
        rc = add_path(ruleset, &plan->paths[i], attr.fs, err);
    if (rc == 0 && abi >= 4 && plan->tcp_connect)
        rc = allow_source_address(ruleset, err);
    if (rc == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        rc = err_sys(err, ERR_PERM, "landlock");
    (void)close(ruleset);
    report->landlock = rc == 0 ? abi : 0;
    return rc;
}

/* ---- the whole ---- */

/* In sandbox_filter.c. */
int sandbox_filter_enter(const struct sandbox_plan *plan, struct err *err);
int sandbox_filter_prepare(enum sandbox_class class, struct err *err);

int sandbox_prepare(enum sandbox_class class, struct err *err)
{
#ifdef POSTERN_SANITIZED
    (void)class, (void)err;
    return 0;
#else
    return sandbox_filter_prepare(class, err);
#endif
}

static void describe(const struct sandbox_plan *plan, struct sandbox_report *r)
{
    char ll[32] = "no landlock";
    if (r->landlock > 0)
        (void)snprintf(ll, sizeof ll, "landlock %d", r->landlock);
    (void)snprintf(r->text, sizeof r->text, "%sseccomp %s, %s", r->no_new_privs ? "no_new_privs, " : "",
                   r->seccomp ? sandbox_class_name(plan->class) : "off", ll);
}

int sandbox_enter(const struct sandbox_plan *plan, struct sandbox_report *ret, struct err *err)
{
    struct sandbox_report r = { .no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 };
    if (landlock_enter(plan, &r, err) != 0)
        return -1;
#ifndef POSTERN_SANITIZED
    if (plan->class != SANDBOX_NONE) {
        if (sandbox_filter_enter(plan, err) != 0)
            return -1;
        r.seccomp = true;
    }
#endif
    describe(plan, &r);
    *ret = r;
    return 0;
}
