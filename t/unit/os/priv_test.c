/* SPDX-License-Identifier: ISC */
#include "os/priv.h"
#include "tap.h"
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each case runs in a child, since there is no way back. */
static bool in_child(bool (*fn)(void))
{
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(fn() ? 0 : 1);
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool drop(uint64_t caps)
{
    struct err err = { 0 };
    struct priv_account a = { .uid = 65534, .gid = 65534 };
    struct priv_plan plan = { .account = &a, .root = "/proc", .cwd = "/", .keep_caps = caps };
    if (priv_drop(&plan, &err) == 0)
        return true;
    printf("# %s\n", err.text);
    return false;
}

static bool dropped(void)
{
    return drop(0) && getuid() == 65534 && getgid() == 65534 && getgroups(0, NULL) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
           setuid(0) != 0 && setgid(0) != 0 && access("/etc/passwd", R_OK) != 0 && prctl(PR_CAPBSET_READ, CAP_SETUID, 0, 0, 0) == 0 &&
           prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 0;
}
static bool kept(void)
{
    return drop(PRIV_CAP(SETUID)) && prctl(PR_CAPBSET_READ, CAP_SETUID, 0, 0, 0) == 1 && prctl(PR_CAPBSET_READ, CAP_SETGID, 0, 0, 0) == 0 &&
           setresuid(1234, 1234, 1234) == 0;
}
static bool become(uid_t uid, gid_t gid)
{
    struct err err = { 0 };
    return priv_become(uid, gid, NULL, 0, false, &err) == 0;
}
static bool becomes_user(void) { return become(1234, 1234) && getuid() == 1234 && setuid(0) != 0 && setuid(65534) != 0; }
static bool not_root(void) { return !become(0, 1234) && !become(1234, 0) && getuid() == 0; }

static void test_accounts(void)
{
    struct err err = { 0 };
    struct priv_account a = { 0 };
    OK(priv_account_find("root", true, &a, &err) == 0 && a.uid == 0 && a.groups.n >= 1, "an account is found, with its groups");
    priv_account_done(&a);
    OK(priv_account_find("no-such-user-x", false, &a, &err) != 0 && strstr(err.text, "no-such-user-x") != NULL, "a missing account is named");
}

int main(void)
{
    test_accounts();
    if (geteuid() != 0) {
        OK(true, "skipped: not root");
        return tap_done();
    }
    OK(in_child(dropped), "after the drop there is no way back: ids, groups, capabilities, root");
    OK(in_child(kept), "a capability that the plan keeps is kept, and no other");
    OK(in_child(becomes_user), "a process that waited as root becomes a user for good");
    OK(in_child(not_root), "it refuses to act as uid 0 or gid 0");
    return tap_done();
}
