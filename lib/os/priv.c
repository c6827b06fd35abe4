/* SPDX-License-Identifier: ISC */
#include "os/priv.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPS_KNOWN = 64 };

int priv_account_find(const char *name, bool with_groups, struct priv_account *ret, struct err *err)
{
    errno = 0;
    struct passwd *pw = getpwnam(name);
    if (pw == NULL && errno != 0 && errno != ENOENT)
        return err_sys(err, ERR_TEMP, "look up user \"%s\"", name);
    if (pw == NULL)
        return err_set(err, ERR_CONFIG, "user \"%s\" does not exist: create it with \"adduser --system --group --no-create-home %s\"",
                       name, name);
    struct priv_account a = { .uid = pw->pw_uid, .gid = pw->pw_gid };
    if (with_groups) {
        gid_t some[256];
        int n = (int)N_ELEMS(some);
        if (getgrouplist(name, a.gid, some, &n) < 0)
            return err_set(err, ERR_CONFIG, "user \"%s\" is in more than %zu groups", name, N_ELEMS(some));
        for (int i = 0; i < n; i++)
            vec_push(&a.groups, some[i]);
    }
    *ret = a;
    return 0;
}

void priv_account_add_group(struct priv_account *a, const char *group)
{
    struct group *g = getgrnam(group);
    if (g != NULL)
        vec_push(&a->groups, g->gr_gid);
}

void priv_account_done(struct priv_account *a) { vec_done(&a->groups); }

/* What is not in `keep` can never be gained again, by no execve. Needs CAP_SETPCAP: without it there is nothing to gain. */
static int limit_bounding_set(uint64_t keep, struct err *err)
{
    for (unsigned long cap = 0; cap < CAPS_KNOWN; cap++) {
        if ((keep >> cap & 1) != 0 || prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM)
            return err_sys(err, ERR_PERM, "drop capability %lu from the bounding set", cap);
    }
    return 0;
}

static int set_caps(uint64_t keep, struct err *err)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &head, data) != 0)
        return err_sys(err, ERR_PERM, "capget");
    for (unsigned i = 0; i < 2; i++) {
        uint32_t bits = (uint32_t)(keep >> (32 * i)) & data[i].permitted;
        data[i] = (struct __user_cap_data_struct){ .effective = bits, .permitted = bits };
    }
    if (syscall(SYS_capset, &head, data) != 0)
        return err_sys(err, ERR_PERM, "capset");
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return 0;
}

static int change_root(const struct priv_plan *plan, struct err *err)
{
    if (plan->root != NULL && (chdir(plan->root) != 0 || chroot(".") != 0))
        return err_sys(err, ERR_PERM, "chroot %s", plan->root);
    if (plan->root != NULL && chdir("/") != 0)
        return err_sys(err, ERR_PERM, "chdir to the new root");
    if (plan->cwd != NULL && chdir(plan->cwd) != 0)
        return err_sys(err, ERR_PERM, "chdir %s", plan->cwd);
    return 0;
}

static int change_ids(uid_t uid, gid_t gid, const gid_t *groups, size_t n, bool keep_caps, struct err *err)
{
    if (setgroups(n, groups) != 0)
        return err_sys(err, ERR_PERM, "setgroups");
    if (setresgid(gid, gid, gid) != 0)
        return err_sys(err, ERR_PERM, "setresgid %lu", (unsigned long)gid);
    if (keep_caps && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
        return err_sys(err, ERR_PERM, "keep capabilities");
    if (setresuid(uid, uid, uid) != 0)
        return err_sys(err, ERR_PERM, "setresuid %lu", (unsigned long)uid);
    (void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    return 0;
}

static int prove_ids(uid_t uid, gid_t gid, struct err *err)
{
    uid_t r, e, s;
    gid_t rg, eg, sg;
    if (getresuid(&r, &e, &s) != 0 || getresgid(&rg, &eg, &sg) != 0 || r != uid || e != uid || s != uid ||
        rg != gid || eg != gid || sg != gid)
        return err_set(err, ERR_PERM, "user and group ids are not what was asked for");
    if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0 || setresuid(0, 0, 0) == 0))
        return err_set(err, ERR_PERM, "root could be taken back");
    if (uid != 0 && gid != 0 && (setgid(0) == 0 || setegid(0) == 0))
        return err_set(err, ERR_PERM, "group 0 could be taken back");
    return 0;
}

static int prove_caps(uint64_t keep, struct err *err)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct d[2];
    if (syscall(SYS_capget, &head, d) != 0)
        return err_sys(err, ERR_PERM, "capget");
    for (unsigned i = 0; i < 2; i++)
        if (((d[i].effective | d[i].permitted | d[i].inheritable) & ~(uint32_t)(keep >> (32 * i))) != 0)
            return err_set(err, ERR_PERM, "capabilities are left");
    return 0;
}

/* Shared end of both ways down. */
static int seal(bool starts_programs, struct err *err)
{
    if (!starts_programs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(err, ERR_PERM, "no_new_privs");
#ifndef POSTERN_SANITIZED       /* its reports read /proc/self */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_sys(err, ERR_PERM, "dumpable");
#endif
    return 0;
}

int priv_drop(const struct priv_plan *plan, struct err *err)
{
    const struct priv_account *a = plan->account;
    if ((!plan->starts_programs && limit_bounding_set(plan->keep_caps, err) != 0) || change_root(plan, err) != 0)
        return -1;
    if (a != NULL && change_ids(a->uid, a->gid, a->groups.p, a->groups.n, plan->keep_caps != 0, err) != 0)
        return -1;
    if (set_caps(plan->keep_caps, err) != 0 || prove_caps(plan->keep_caps, err) != 0)
        return -1;
    /* A process that keeps SETUID can, and shall, change its ids later. */
    bool may_change = (plan->keep_caps & (PRIV_CAP(SETUID) | PRIV_CAP(SETGID))) != 0;
    if (a != NULL && !may_change && prove_ids(a->uid, a->gid, err) != 0)
        return -1;
    return seal(plan->starts_programs, err);
}

int priv_become(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups, bool starts_programs, struct err *err)
{
    if (uid == 0 || gid == 0)
        return err_set(err, ERR_PERM, "refuse to act as uid %lu, gid %lu", (unsigned long)uid, (unsigned long)gid);
    if (change_ids(uid, gid, groups, n_groups, false, err) != 0 || set_caps(0, err) != 0)
        return -1;
    if (prove_caps(0, err) != 0 || prove_ids(uid, gid, err) != 0)
        return -1;
    return seal(starts_programs, err);
}
