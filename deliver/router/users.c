/* SPDX-License-Identifier: ISC
 *
 * The user database may ask the network: it is asked on a thread.
 */
#include <errno.h>
#include <pwd.h>
#include "event/offload.h"
#include "router.h"

struct lookup {
    struct job job;
    char name[256];
    char text[8192];        /* what the entry's strings point into */
    struct passwd entry, *found;
    int rc;
};

static void run(struct job *job)
{
    struct lookup *l = container_of(job, struct lookup, job);
    l->rc = getpwnam_r(l->name, &l->entry, l->text, sizeof(l->text), &l->found);
}

enum map_result user_find(struct str name, struct arena *a, struct act_user *ret, struct err *err)
{
    struct lookup *l = ARENA_NEW(a, struct lookup);
    if (!str_to_fixed(name, l->name, sizeof(l->name)) || name.n == 0)
        return MAP_NONE;
    offload_run(&l->job, run);
    if (l->rc != 0 && l->rc != ENOENT && l->rc != ESRCH) {
        errno = l->rc;
        err_sys(err, ERR_TEMP, "user database: %s", l->name);
        return MAP_TEMP;
    }
    if (l->found == NULL)
        return MAP_NONE;
    *ret = (struct act_user){ l->entry.pw_name, l->entry.pw_dir, l->entry.pw_uid, l->entry.pw_gid, 0 };
    return MAP_FOUND;
}
