/* SPDX-License-Identifier: ISC */
#include "conf/save.h"
#include "base/buf.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, struct str text)
{
    while (text.n > 0) {
        ssize_t n = write(fd, text.p, text.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text = str_skip(text, (size_t)n);
    }
    return 0;
}

void conf_sync_parent(const char *path)
{
    struct buf dir = buf_make(0);
    const char *slash = strrchr(path, '/');
    buf_add(&dir, slash == NULL ? STR(".") : str_make(path, MAX((size_t)(slash - path), (size_t)1)));
    int fd = open(buf_cstr(&dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    buf_done(&dir);
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
}

static int fill(int fd, const char *path, struct str text, unsigned mode)
{
    struct stat st;
    bool there = stat(path, &st) == 0;
    if (there && (st.st_uid != geteuid() || st.st_gid != getegid()) && fchown(fd, st.st_uid, st.st_gid) < 0 && geteuid() == 0)
        return -1;
    if (fchmod(fd, there ? st.st_mode & 07777 : (mode_t)mode) < 0 || write_all(fd, text) < 0)
        return -1;
    return fsync(fd);
}

/* real: path behind its symlinks; tmp: a name beside it. */
static int save_as(const char *path, const char *real, const char *tmp, struct str text, unsigned mode, struct err *err)
{
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "create %s", tmp);
    int rc = fill(fd, real, text, mode);
    if (close(fd) < 0)
        rc = -1;
    if (rc == 0)
        rc = rename(tmp, real);
    if (rc < 0) {
        (void)err_sys(err, ERR_CONFIG, "write %s", path);
        (void)unlink(tmp);
        return -1;
    }
    conf_sync_parent(real);
    return 0;
}

int conf_save(const char *path, struct str text, unsigned mode, struct err *err)
{
    char real[PATH_MAX];
    struct buf tmp = buf_make(0);
    if (realpath(path, real) == NULL && (errno != ENOENT || !str_to_fixed(str_from(path), real, sizeof real)))
        return err_sys(err, ERR_CONFIG, "%s", path);
    buf_printf(&tmp, "%s.tmp.%ld", real, (long)getpid());
    int rc = save_as(path, real, buf_cstr(&tmp), text, mode, err);
    buf_done(&tmp);
    return rc;
}

int conf_lock(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "lock %s", path);
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
        if (tries == 100) {
            (void)close(fd);
            return err_set(err, ERR_TEMP, "%s: locked by another program for ten seconds", path);
        }
        (void)usleep(100000);
    }
    return fd;
}
