/* SPDX-License-Identifier: ISC */
#include "auth/passwd_file.h"
#include "base/enc.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 20, TRIES = 3, LOCK_WAIT_MS = 2000, LOCK_STEP_MS = 50 };

int passwd_dir_lock(int dir_fd, const char *sub, int wait_ms, struct err *err)
{
    int fd = openat(dir_fd, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "%s", sub);
    for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_STEP_MS) {
        if (waited >= wait_ms || (errno != EWOULDBLOCK && errno != EINTR)) {
            (void)close(fd);
            return err_set(err, ERR_TEMP, "the directory is locked by another program for %d s", wait_ms / 1000);
        }
        (void)usleep(LOCK_STEP_MS * 1000);
    }
    return fd;
}

bool passwd_text_replace(struct str text, struct str user, struct str old, struct str new, struct buf *out)
{
    struct str rest = text, line;
    struct passwd_entry e;
    while (rest.n > 0) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        /* As it is read: the first of two equal names counts. */
        if (line.n == 0 || line.p[0] == '#' || !passwd_line_parse(line, &e) || !str_eq(e.user, user))
            continue;
        if (e.password.n == 0 || !secret_eq(e.password, old))
            return false;
        size_t at = (size_t)(e.password.p - text.p);
        buf_add(out, str_head(text, at));
        buf_add(out, new);
        buf_add(out, str_skip(text, at + old.n));
        return true;
    }
    return false;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int check_file(const struct stat *st, const char *name, struct err *err)
{
    if (S_ISLNK(st->st_mode))
        return err_set(err, ERR_CONFIG, "%s is a symbolic link: name the file itself in postern_passdb", name);
    if (!S_ISREG(st->st_mode) || st->st_size > FILE_MAX)
        return err_set(err, ERR_CONFIG, "%s is not a regular file, or too large", name);
    if (st->st_uid != geteuid())
        return err_set(err, ERR_CONFIG, "%s belongs to another user: chown it to postern_auth_user, or remove rehash", name);
    if (st->st_nlink != 1)
        return err_set(err, ERR_CONFIG, "%s has other names (hard links): remove them, or remove rehash", name);
    return 0;
}

static int read_file(int dir, const char *name, struct buf *text, struct stat *ret_st, struct err *err)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(err, ERR_TEMP, "%s", name);
    if (check_file(&st, name, err) < 0)
        return -1;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
    char *p = fd < 0 ? NULL : buf_room(text, (size_t)st.st_size + 1);
    ssize_t n = -1;
    size_t at = 0;
    while (p != NULL && at <= (size_t)st.st_size && (n = read(fd, p + at, (size_t)st.st_size + 1 - at)) > 0)
        at += (size_t)n;
    int rc = n < 0 ? err_sys(err, ERR_TEMP, "read %s", name) : at != (size_t)st.st_size ? err_set(err, ERR_TEMP, "%s changed while it was read", name) : 0;
    if (fd >= 0)
        (void)close(fd);
    text->n = rc == 0 ? at : 0;
    *ret_st = st;
    return rc;
}

static int write_beside(int dir, const char *tmp, const struct stat *like, struct str text, struct err *err)
{
    /* What a crash left; nobody else writes here while we have the lock. */
    (void)unlinkat(dir, tmp, 0);
    int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "create %s (the directory must belong to postern_auth_user)", tmp);
    int rc = like->st_gid == getegid() || fchown(fd, (uid_t)-1, like->st_gid) == 0 ? 0 : err_sys(err, ERR_CONFIG, "its group cannot be kept: chgrp it to that of postern_auth_user");
    if (rc == 0 && fchmod(fd, like->st_mode & 07777) < 0)
        rc = err_sys(err, ERR_TEMP, "%s", tmp);
    while (rc == 0 && text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno != EINTR)
            rc = err_sys(err, ERR_TEMP, "write %s", tmp);
        text = str_skip(text, n < 0 ? 0 : (size_t)n);
    }
    if (rc == 0 && fsync(fd) < 0)
        rc = err_sys(err, ERR_TEMP, "write %s", tmp);
    if (close(fd) < 0 && rc == 0)
        rc = err_sys(err, ERR_TEMP, "write %s", tmp);
    return rc;
}

/* 1: the file was changed meanwhile by somebody who asks for no lock. */
static int replace(int dir, const char *name, const char *tmp, const struct stat *read_as, struct str text, struct err *err)
{
    struct stat now;
    int rc = write_beside(dir, tmp, read_as, text, err);
    if (rc == 0 && (fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) < 0 || !is_same(&now, read_as)))
        rc = 1;
    if (rc == 0 && renameat(dir, tmp, dir, name) < 0)
        rc = err_sys(err, ERR_TEMP, "rename %s", tmp);
    if (rc != 0)
        (void)unlinkat(dir, tmp, 0);
    else
        (void)fsync(dir);
    return rc;
}

static enum passwd_save save_locked(int dir, const char *name, struct str user, struct str old, struct str new, struct err *err)
{
    struct buf tmp = buf_make(0);
    enum passwd_save result = PASSWD_FAILED;
    bool again = true;
    buf_printf(&tmp, "%s.rehash.tmp", name);
    for (int i = 0; again && i < TRIES; i++) {
        struct buf text = buf_make(0), out = buf_make(0);
        struct stat st = { 0 };
        int rc = read_file(dir, name, &text, &st, err);
        again = false;
        if (rc == 0 && !passwd_text_replace(buf_str(&text), user, old, new, &out))
            result = PASSWD_CHANGED;
        else if (rc == 0) {
            rc = replace(dir, name, buf_cstr(&tmp), &st, buf_str(&out), err);
            result = rc == 0 ? PASSWD_SAVED : PASSWD_FAILED;
            again = rc == 1;
        }
        secret_wipe(text.p, text.n);
        secret_wipe(out.p, out.n);
        buf_done(&text);
        buf_done(&out);
    }
    if (again)
        (void)err_set(err, ERR_TEMP, "%s is being changed by another program", name);
    buf_done(&tmp);
    return result;
}

enum passwd_save passwd_file_save(int dir_fd, const char *name, struct str user, struct str old, struct str new, struct err *err)
{
    struct buf sub = buf_make(0);
    const char *slash = strrchr(name, '/');
    if (str_chr(new, ':') >= 0 || str_chr(new, '\n') >= 0 || new.n == 0) {
        (void)err_set(err, ERR_PERM, "a stored password of this scheme does not fit a passwd-file");
        return PASSWD_FAILED;
    }
    buf_add(&sub, slash == NULL ? STR(".") : str_make(name, (size_t)(slash - name)));
    int dir = passwd_dir_lock(dir_fd, buf_cstr(&sub), LOCK_WAIT_MS, err);
    buf_done(&sub);
    if (dir < 0)
        return PASSWD_FAILED;
    enum passwd_save result = save_locked(dir, slash == NULL ? name : slash + 1, user, old, new, err);
    (void)close(dir);
    return result;
}
