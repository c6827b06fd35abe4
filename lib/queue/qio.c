/* SPDX-License-Identifier: ISC */
#include "queue/qio.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int sys_open(struct qio *io, const char *path, int flags, unsigned mode)
{
    int fd;
    do
        fd = openat(io->dir_fd, path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, (mode_t)mode);
    while (fd < 0 && errno == EINTR);
    return fd;
}

static void sys_close(struct qio *io, int fd) { (void)io; (void)close(fd); }

static ssize_t sys_pread(struct qio *io, int fd, void *p, size_t n, uint64_t at)
{
    ssize_t got;
    (void)io;
    do
        got = pread(fd, p, n, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got;
}

static int sys_pwrite(struct qio *io, int fd, const void *p, size_t n, uint64_t at)
{
    const char *from = p;
    (void)io;
    while (n > 0) {
        ssize_t put = pwrite(fd, from, n, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            errno = put == 0 ? EIO : errno;
            return -1;
        }
        from += put;
        n -= (size_t)put;
        at += (uint64_t)put;
    }
    return 0;
}

static int sys_sync(struct qio *io, int fd) { (void)io; return fdatasync(fd); }

static void convert(const struct stat *st, struct qio_stat *ret)
{
    *ret = (struct qio_stat){ .size = (uint64_t)st->st_size, .mtime = st->st_mtime, .mode = st->st_mode, .ino = st->st_ino, .uid = st->st_uid };
}

static int sys_fstat(struct qio *io, int fd, struct qio_stat *ret)
{
    struct stat st;
    (void)io;
    if (fstat(fd, &st) < 0)
        return -1;
    convert(&st, ret);
    return 0;
}

static int sys_stat(struct qio *io, const char *path, struct qio_stat *ret)
{
    struct stat st;
    if (fstatat(io->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    convert(&st, ret);
    return 0;
}

static int sys_chmod(struct qio *io, int fd, unsigned mode) { (void)io; return fchmod(fd, (mode_t)mode); }

static int sys_set_mtime(struct qio *io, const char *path, int64_t seconds)
{
    struct timespec t[2] = { { .tv_sec = (time_t)seconds }, { .tv_sec = (time_t)seconds } };
    return utimensat(io->dir_fd, path, t, AT_SYMLINK_NOFOLLOW);
}

static int sys_rename(struct qio *io, const char *from, const char *to) { return renameat(io->dir_fd, from, io->dir_fd, to); }
static int sys_unlink(struct qio *io, const char *path) { return unlinkat(io->dir_fd, path, 0); }
static int sys_mkdir(struct qio *io, const char *path) { return mkdirat(io->dir_fd, path, 0700); }

static int sys_sync_dir(struct qio *io, const char *path)
{
    int fd = openat(io->dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    int r = fsync(fd), saved = errno;
    (void)close(fd);
    errno = saved;
    return r;
}

static int sys_list(struct qio *io, const char *dir, void (*fn)(void *arg, const char *name, bool is_dir), void *arg)
{
    int fd = openat(io->dir_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (d == NULL) {
        int saved = errno;
        if (fd >= 0)
            (void)close(fd);
        errno = saved;
        return -1;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat st;
        bool is_dir = e->d_type == DT_DIR;
        if (e->d_name[0] == '.')
            continue;
        if (e->d_type == DT_UNKNOWN)
            is_dir = fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
        fn(arg, e->d_name, is_dir);
    }
    (void)closedir(d);
    return 0;
}

void qio_init_system(struct qio *io, int dir_fd)
{
    *io = (struct qio){
        .open = sys_open, .close = sys_close, .pread = sys_pread, .pwrite = sys_pwrite, .sync = sys_sync,
        .fstat = sys_fstat, .stat = sys_stat, .chmod = sys_chmod, .set_mtime = sys_set_mtime, .rename = sys_rename,
        .unlink = sys_unlink, .mkdir = sys_mkdir, .sync_dir = sys_sync_dir, .list = sys_list, .dir_fd = dir_fd,
    };
}

int qio_read_all(struct qio *io, int fd, void *p, size_t n, uint64_t at)
{
    char *to = p;
    while (n > 0) {
        ssize_t got = io->pread(io, fd, to, n, at);
        if (got <= 0) {
            errno = got == 0 ? EIO : errno;
            return -1;
        }
        to += got;
        n -= (size_t)got;
        at += (uint64_t)got;
    }
    return 0;
}
