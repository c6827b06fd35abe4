/* SPDX-License-Identifier: ISC */
#include "keep.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The directory may be another user's: a link there must not lead elsewhere. */
int keep_open(const char *data_directory, const char *name, const char *what)
{
    char path[4096];
    struct stat st;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", data_directory, name) >= sizeof path)
        return -1;
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid())
        return fd;
    log_warning("%s: %s: %s not kept over restarts", path, fd < 0 ? strerror(errno) : "not a file of our own", what);
    if (fd >= 0)
        close(fd);
    return -1;
}

bool keep_load(int fd, struct buf *ret)
{
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0 || (uint64_t)st.st_size > ret->limit)
        return false;
    char *room = buf_room(ret, (size_t)st.st_size);
    ssize_t n = room == NULL ? -1 : pread(fd, room, (size_t)st.st_size, 0);
    if (n > 0)
        buf_added(ret, (size_t)n);
    return n > 0;
}

void keep_save(int fd, struct str text, const char *name)
{
    if (fd >= 0 && (ftruncate(fd, 0) != 0 || pwrite(fd, text.p, text.n, 0) != (ssize_t)text.n))
        log_warning("%s: not written: %s", name, strerror(errno));
}
