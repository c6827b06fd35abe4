/* SPDX-License-Identifier: ISC */
#include "store/private.h"
#include <stdio.h>
#include <sys/inotify.h>

static bool watch(int fd, const char *root, const char *subdir, const char *what, uint32_t mask)
{
    struct buf path = buf_make(4096);
    buf_printf(&path, "%s/%s/%s", root, subdir, what);
    bool ok = !path.full && inotify_add_watch(fd, buf_cstr(&path), mask) >= 0;
    buf_done(&path);
    return ok;
}

bool box_watch(struct box *b, int inotify_fd)
{
    enum { MAIL = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE };
    if (b->mbox != NULL)
        return false;
    /* The folder itself: postern-flags is written to, uidlist and keywords are moved into place. */
    return watch(inotify_fd, b->store->root, b->subdir, "new", MAIL) &&
           watch(inotify_fd, b->store->root, b->subdir, "cur", MAIL) &&
           watch(inotify_fd, b->store->root, b->subdir, "", IN_MODIFY | IN_MOVED_TO);
}
