/* SPDX-License-Identifier: ISC
 *
 * The root prologue: everything that runs before the ids are gone. It reads
 * one BECOME from the router and nothing else.
 */
#include <grp.h>
#include <pwd.h>
#include <unistd.h>
#include "actor.h"
#include "os/priv.h"

enum { GROUPS_MAX = 1024 };

/* The user's supplementary groups, if it has a login name; only its gid if not. */
static size_t find_groups(const char *user, gid_t gid, gid_t groups[GROUPS_MAX])
{
    int n = GROUPS_MAX;
    groups[0] = gid;
    if (user[0] == '\0' || getgrouplist(user, gid, groups, &n) < 0 || n < 1)
        return 1;
    size_t kept = 0;
    for (int i = 0; i < n; i++)
        if (groups[i] != 0)     /* group root is never given to a delivery */
            groups[kept++] = groups[i];
    return kept;
}

/* The name must be that uid's: a name that means someone else would bring that one's groups. */
static bool name_fits(const char *user, uid_t uid)
{
    const struct passwd *pw = user[0] == '\0' ? NULL : getpwnam(user);
    return pw != NULL && pw->pw_uid == uid;
}

int actor_become(const struct ipc_become *who, bool private_instance, struct actor_user *ret, struct err *err)
{
    struct actor_user u = { .uid = who->uid, .gid = who->gid, .spool_gid = who->spool_gid };
    if (!str_to_fixed(who->user, u.name, sizeof(u.name)) || !str_to_fixed(who->home, u.home, sizeof(u.home)))
        return err_set(err, ERR_PERM, "user name or home is too long");
    if (private_instance) {
        if (who->uid != geteuid())
            return err_set(err, ERR_PERM, "a private instance has one uid, %u; told to become %u", (unsigned)geteuid(), who->uid);
        *ret = u;
        return 0;
    }
    if (who->uid == 0 || who->gid == 0)
        return err_set(err, ERR_PERM, "uid %u, gid %u: mail is never delivered as root", who->uid, who->gid);
    static gid_t groups[GROUPS_MAX + 1];
    size_t n = find_groups(name_fits(u.name, u.uid) ? u.name : "", u.gid, groups);
    if (u.spool_gid != 0)
        groups[n++] = u.spool_gid;
    /* Its commands may be setuid (vacation, procmail): no no_new_privs. */
    if (priv_become(u.uid, u.gid, groups, n, true, err) < 0)
        return -1;
    *ret = u;
    return 0;
}
