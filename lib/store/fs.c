/* SPDX-License-Identifier: ISC */
#include "store/fs.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#include "base/num.h"
#include "os/clock.h"

int fs_open_dir(int at, const char *path) { return openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

static int read_all(int fd, size_t size, struct buf *out)
{
    for (;;) {
        char *room = buf_room(out, size - out->n + 1);
        if (room == NULL) {
            errno = EFBIG;
            return -1;
        }
        ssize_t got = read(fd, room, size - out->n + 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return (int)got;
        buf_added(out, (size_t)got);
        if (out->n > size)
            size = out->n * 2;
    }
}

int fs_read(int dir, const char *name, size_t max, struct buf *out, struct stat *ret_st, struct err *err)
{
    struct stat st;
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? 1 : err_sys(err, ERR_TEMP, "open %s", name);
    int result = 0;
    if (fstat(fd, &st) < 0)
        result = err_sys(err, ERR_TEMP, "fstat %s", name);
    else if (!S_ISREG(st.st_mode))
        result = err_set(err, ERR_PERM, "%s is not a regular file", name);
    else if ((uint64_t)st.st_size > max)
        result = err_set(err, ERR_LIMIT, "%s is larger than %zu bytes", name, max);
    else if (read_all(fd, (size_t)st.st_size, out) < 0)
        result = err_sys(err, ERR_TEMP, "read %s", name);
    else if (ret_st != NULL)
        *ret_st = st;
    close(fd);
    return result;
}

bool fs_is_full(int sys) { return sys == ENOSPC || sys == EDQUOT || sys == EFBIG; }
bool fs_is_forbidden(int sys) { return sys == EROFS || sys == EACCES || sys == EPERM; }

int fs_write_all(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n > 0) {
        ssize_t put = write(fd, at, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

int fs_sync_dir(int dir, const char *name, struct err *err)
{
    int fd = openat(dir, name == NULL ? "." : name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_TEMP, "open directory %s", name == NULL ? "." : name);
    int result = fsync(fd) < 0 ? err_sys(err, ERR_TEMP, "fsync directory %s", name == NULL ? "." : name) : 0;
    close(fd);
    return result;
}

static int write_synced(int dir, const char *tmp, struct str content, mode_t mode, struct err *err)
{
    int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return err_sys(err, ERR_TEMP, "create %s", tmp);
    int result = 0;
    if (fs_write_all(fd, content.p, content.n) < 0)
        result = err_sys(err, ERR_TEMP, "write %s", tmp);
    else if (fsync(fd) < 0)
        result = err_sys(err, ERR_TEMP, "fsync %s", tmp);
    close(fd);
    return result;
}

int fs_replace(int dir, const char *name, struct str content, mode_t mode, struct err *err)
{
    struct buf tmp = buf_make(300);
    buf_printf(&tmp, "%s.tmp", name);
    int result = write_synced(dir, buf_cstr(&tmp), content, mode, err);
    if (result == 0 && renameat(dir, buf_cstr(&tmp), dir, name) < 0)
        result = err_sys(err, ERR_TEMP, "rename %s", buf_cstr(&tmp));
    if (result < 0)
        unlinkat(dir, buf_cstr(&tmp), 0);
    else
        result = fs_sync_dir(dir, NULL, err);
    buf_done(&tmp);
    return result;
}

int fs_make_dir(int dir, const char *name, mode_t mode, struct err *err)
{
    if (mkdirat(dir, name, mode) < 0)
        return errno == EEXIST ? 0 : err_sys(err, ERR_TEMP, "mkdir %s", name);
    return fs_sync_dir(dir, NULL, err);
}

static int make_level(struct buf *path, mode_t mode, struct err *err)
{
    struct stat st;
    if (stat(buf_cstr(path), &st) == 0)
        return 0;
    if (mkdir(buf_cstr(path), mode) < 0 && errno != EEXIST)
        return err_sys(err, ERR_TEMP, "mkdir %s", buf_cstr(path));
    ptrdiff_t slash = str_rchr(buf_str(path), '/');
    struct buf parent = buf_make(4200);
    buf_add(&parent, str_head(buf_str(path), slash <= 0 ? 1 : (size_t)slash));
    int result = fs_sync_dir(AT_FDCWD, buf_cstr(&parent), err);
    buf_done(&parent);
    return result;
}

int fs_make_dirs(const char *path, mode_t mode, struct err *err)
{
    struct buf at = buf_make(4096);
    struct str level, rest = str_from(path);
    int result = path[0] == '/' ? 0 : err_set(err, ERR_CONFIG, "%s is not an absolute path", path);
    while (result == 0 && str_token(&rest, "/", &level)) {
        buf_putc(&at, '/');
        buf_add(&at, level);
        result = make_level(&at, mode, err);
    }
    buf_done(&at);
    return result;
}

/* --- dotlock --------------------------------------------------------------- */

enum { STALE_SECONDS = 120, TOUCH_SECONDS = 10, POLL_US = 10000 };

static bool owner_is_gone(struct str text)
{
    char host[256] = "";
    struct str pid, name;
    int64_t n;
    gethostname(host, sizeof(host) - 1);
    if (!str_cut(str_trim(text), ':', &pid, &name) || !str_eqz(name, host))
        return false;
    return num_parse_i64(pid, 1, INT32_MAX, &n) && kill((pid_t)n, 0) < 0 && errno == ESRCH;
}

/* Remove the lock if nobody keeps it. Looks at the same inode twice so that a new lock is not removed for an old one. */
static void break_stale(int dir, const char *name)
{
    struct stat st, again;
    struct err err;
    struct buf text = buf_make(1024);
    if (fs_read(dir, name, 512, &text, &st, &err) == 0) {
        time_t changed = MAX(st.st_mtime, st.st_ctime);
        bool stale = changed + STALE_SECONDS < clock_wall_ms() / 1000 || (text.n > 0 && owner_is_gone(buf_str(&text)));
        if (stale && fstatat(dir, name, &again, AT_SYMLINK_NOFOLLOW) == 0 && again.st_ino == st.st_ino && again.st_dev == st.st_dev)
            unlinkat(dir, name, 0);
    }
    buf_done(&text);
}

/* A file with our name in it; linked to the lock's name it is there whole or not at all, however we end. */
static int write_claim(const struct dotlock *l, const char *claim)
{
    char host[256] = "", text[320];
    unlinkat(l->dir, claim, 0);
    int fd = openat(l->dir, claim, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    gethostname(host, sizeof(host) - 1);
    int n = snprintf(text, sizeof(text), "%d:%s", (int)getpid(), host);
    int rc = fs_write_all(fd, text, (size_t)n);
    int saved = errno;
    if (rc < 0 && fs_is_full(saved))        /* a lock without a name: who wants to make room must be let in */
        rc = ftruncate(fd, 0);
    close(fd);
    errno = saved;
    return rc;
}

static int try_lock(struct dotlock *l, const char *claim)
{
    struct stat st;
    if (linkat(l->dir, claim, l->dir, l->name, 0) < 0 || fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    l->touched = (time_t)(clock_mono_ms() / 1000);
    l->held = true;
    return 0;
}

static int wait_for_lock(struct dotlock *l, const char *claim, unsigned seconds, struct err *err)
{
    int64_t end = clock_mono_ms() + (int64_t)seconds * 1000, look = clock_mono_ms();
    while (try_lock(l, claim) < 0) {
        if (errno != EEXIST)
            return err_sys(err, ERR_TEMP, "create %s", l->name);
        if (clock_mono_ms() >= look) {
            break_stale(l->dir, l->name);
            look = clock_mono_ms() + 1000;
        }
        if (clock_mono_ms() >= end)
            return err_set(err, ERR_TEMP, "%s is held by another program", l->name);
        usleep(POLL_US);
    }
    return 0;
}

int dotlock_take(struct dotlock *l, int dir, const char *name, unsigned seconds, struct err *err)
{
    char claim[96];
    *l = (struct dotlock){ .dir = dir };
    ASSERT(str_to_fixed(str_from(name), l->name, sizeof(l->name)));
    snprintf(claim, sizeof(claim), "%s.%d", name, (int)getpid());
    if (write_claim(l, claim) < 0)
        return err_sys(err, ERR_TEMP, "create %s", name);
    int rc = wait_for_lock(l, claim, seconds, err);
    int saved = errno;
    unlinkat(dir, claim, 0);
    errno = saved;
    return rc;
}

bool dotlock_touch(struct dotlock *l)
{
    struct stat st;
    time_t now = (time_t)(clock_mono_ms() / 1000);
    if (now - l->touched < TOUCH_SECONDS)
        return true;
    l->touched = now;
    if (fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != l->ino || st.st_dev != l->dev)
        return false;
    return utimensat(l->dir, l->name, NULL, AT_SYMLINK_NOFOLLOW) == 0;
}

void dotlock_drop(struct dotlock *l)
{
    struct stat st;
    if (l->held && fstatat(l->dir, l->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == l->ino && st.st_dev == l->dev)
        unlinkat(l->dir, l->name, 0);
    l->held = false;
}
