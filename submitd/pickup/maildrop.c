/* SPDX-License-Identifier: ISC */
#include "maildrop.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int maildrop_list(struct drop_list *list, struct err *err)
{
    DIR *dir = opendir(".");
    const struct dirent *e;
    if (dir == NULL)
        return err_sys(err, ERR_TEMP, "maildrop");
    while (list->names.n < DROP_LIST_MAX && (e = readdir(dir)) != NULL) {
        struct str name = str_from(e->d_name);
        if (name.p[0] == '.' || str_starts(name, STR("refused-")))
            continue;
        (void)str_to_fixed(name, vec_add(&list->names)->text, sizeof list->names.p->text);
    }
    (void)closedir(dir);
    return 0;
}

/* A user made this file, and may still be at work on it. */
static enum drop_state check(const struct stat *st, uint64_t max, struct err *err)
{
    if (!S_ISREG(st->st_mode))
        return err_set(err, ERR_PROTO, "not a regular file"), DROP_BAD;
    if ((st->st_mode & S_IXUSR) == 0)
        return DROP_LATER;
    if (st->st_nlink != 1)
        return err_set(err, ERR_PROTO, "has %lu links", (unsigned long)st->st_nlink), DROP_BAD;
    if (st->st_size <= 0 || (uint64_t)st->st_size > max)
        return err_set(err, ERR_LIMIT, "has %lld bytes", (long long)st->st_size), DROP_BAD;
    return DROP_READY;
}

static bool read_all(int fd, size_t n, struct buf *out)
{
    while (n > 0) {
        char *room = buf_room(out, n);
        ssize_t got = room == NULL ? -1 : read(fd, room, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        buf_added(out, (size_t)got);
        n -= (size_t)got;
    }
    return true;
}

enum drop_state maildrop_read(const char *name, uint64_t max, struct buf *out, struct stat *ret_st, struct err *err)
{
    int fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    enum drop_state state;
    if (fd < 0 && errno == ENOENT)
        return DROP_GONE;
    if (fd < 0)
        return err_sys(err, errno == ELOOP || errno == EACCES || errno == ENXIO ? ERR_PERM : ERR_TEMP, "open"), errno == ELOOP || errno == ENXIO ? DROP_BAD : DROP_LATER;
    if (fstat(fd, ret_st) < 0)
        state = DROP_LATER;
    else
        state = check(ret_st, max, err);
    if (state == DROP_READY && !read_all(fd, (size_t)ret_st->st_size, out)) {
        (void)err_set(err, ERR_TEMP, "changed while it was read");
        state = DROP_BAD;
    }
    (void)close(fd);
    return state;
}

bool maildrop_remove(const char *name, const struct stat *st)
{
    struct stat now;
    if (lstat(name, &now) < 0)
        return errno == ENOENT;
    if (now.st_dev != st->st_dev || now.st_ino != st->st_ino)
        return true;            /* another one took its name: that is a message of its own */
    return unlink(name) == 0 || errno == ENOENT;
}

int maildrop_set_aside(const char *name)
{
    char aside[300];
    struct stat st;
    /* What is no file holds nothing that could be looked at later. */
    if (lstat(name, &st) == 0 && !S_ISREG(st.st_mode))
        return unlink(name) == 0 ? 0 : -1;
    (void)snprintf(aside, sizeof aside, "refused-%.250s", name);
    return rename(name, aside) == 0 ? 1 : -1;
}
