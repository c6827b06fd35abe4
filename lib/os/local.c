/* SPDX-License-Identifier: ISC */
#include "os/local.h"
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int open_at(const char *path, struct sockaddr_un *ret, struct err *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    size_t n = strlen(path);
    if (n >= sizeof a.sun_path)
        return err_set(err, ERR_CONFIG, "%s: path of a socket is longer than %zu bytes", path, sizeof a.sun_path - 1);
    memcpy(a.sun_path, path, n);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_sys(err, ERR_TEMP, "socket for %s", path);
    *ret = a;
    return fd;
}

static int fail(int fd, struct err *err, const char *what, const char *path)
{
    (void)err_sys(err, ERR_TEMP, "%s %s", what, path);
    (void)close(fd);
    return -1;
}

int local_listen(const char *path, mode_t mode, int backlog, struct err *err)
{
    struct sockaddr_un a;
    struct stat st;
    int fd = open_at(path, &a, err);
    if (fd < 0)
        return -1;
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        (void)unlink(path);
    /* Not by its name afterwards: that may be another file by then. */
    mode_t old = umask(~mode & 0777);
    int rc = bind(fd, (const struct sockaddr *)(const void *)&a, sizeof a);
    (void)umask(old);
    if (rc < 0)
        return fail(fd, err, "bind", path);
    return listen(fd, backlog) < 0 ? fail(fd, err, "listen on", path) : fd;
}

int local_connect(const char *path, struct err *err)
{
    struct sockaddr_un a;
    int fd = open_at(path, &a, err);
    if (fd < 0)
        return -1;
    return connect(fd, (const struct sockaddr *)(const void *)&a, sizeof a) < 0 ? fail(fd, err, "connect to", path) : fd;
}

bool local_peer(int fd, uid_t *ret_uid, gid_t *ret_gid, pid_t *ret_pid)
{
    struct ucred c;
    socklen_t n = sizeof c;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0)
        return false;
    *ret_uid = c.uid;
    *ret_gid = c.gid;
    *ret_pid = c.pid;
    return true;
}
