/* SPDX-License-Identifier: ISC
 *
 * priv.h - giving up privileges so that they cannot be taken back.
 *
 * priv_drop() does everything in the one order that works (bounding set, root,
 * groups, gid, uid, capabilities, no_new_privs, not dumpable) and then proves
 * it: setting uid and gid back must fail, the ids must read as asked for, and
 * no capability beyond the kept ones may be left. A step that fails is an
 * error; a caller that goes on after it is a bug.
 */
#ifndef OS_PRIV_H
#define OS_PRIV_H
#include "base/err.h"
#include "base/vec.h"
#include <sys/types.h>

struct priv_account { uid_t uid; gid_t gid; VEC(gid_t) groups; };

/* From the system's user database; with_groups: its supplementary groups too. -1 and *err names the account that is missing. */
int priv_account_find(const char *name, bool with_groups, struct priv_account *ret, struct err *err);
/* Add a group by name; missing: no effect, since distributions differ (shadow). */
void priv_account_add_group(struct priv_account *a, const char *group);
void priv_account_done(struct priv_account *a);

#define PRIV_CAP(name) (UINT64_C(1) << CAP_##name)

struct priv_plan {
    const struct priv_account *account; /* NULL: ids stay as they are */
    const char *root;                   /* chroot to it; NULL: no */
    const char *cwd;                    /* seen from the new root; NULL: stay */
    uint64_t keep_caps;                 /* PRIV_CAP bits, also the new bounding set */
    bool starts_programs;               /* of users, which may be setuid or setgid: no limit of the bounding set, no no_new_privs */
};

int priv_drop(const struct priv_plan *plan, struct err *err);
/*
 * A process that waited as root becomes a user for good: groups, gid, uid,
 * no capabilities, proof. Refuses uid 0 and gid 0. starts_programs: no
 * no_new_privs, since what it starts for the user may be setuid.
 */
int priv_become(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups, bool starts_programs, struct err *err);
#endif
