/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "store/private.h"

enum store_result store_error(const struct err *err)
{
    return err->kind == ERR_LIMIT || fs_is_full(err->sys) ? STORE_LIMIT : err->sys == EROFS ? STORE_READ_ONLY : STORE_FAILED;
}

bool folder_exists(struct store *s, const char *subdir)
{
    struct stat st;
    struct buf path = buf_make(512);
    buf_printf(&path, "%s%scur", subdir, subdir[0] == '\0' ? "" : "/");
    bool yes = fstatat(s->dir, buf_cstr(&path), &st, 0) == 0 && S_ISDIR(st.st_mode);
    buf_done(&path);
    return yes;
}

static int make_file(int dir, const char *name, struct err *err)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(err, ERR_TEMP, "create %s", name);
    close(fd);
    return 0;
}

/* cur/ comes last: a folder without it does not exist yet. */
int folder_make(struct store *s, const char *subdir, struct err *err)
{
    static const char *const parts[] = { "tmp", "new", "cur" };
    bool root = subdir[0] == '\0';
    if (!root && fs_make_dir(s->dir, subdir, 0700, err) < 0)
        return -1;
    int dir = fs_open_dir(s->dir, root ? "." : subdir);
    if (dir < 0)
        return err_sys(err, ERR_TEMP, "open %s/%s", s->root, subdir);
    int result = root ? 0 : make_file(dir, "maildirfolder", err);
    for (size_t i = 0; i < N_ELEMS(parts) && result == 0; i++)
        if (mkdirat(dir, parts[i], 0700) < 0 && errno != EEXIST)
            result = err_sys(err, ERR_TEMP, "mkdir %s/%s/%s", s->root, subdir, parts[i]);
    if (result == 0)
        result = fs_sync_dir(dir, NULL, err);
    close(dir);
    return result;
}
