/* SPDX-License-Identifier: ISC
 *
 * An mbox as a file: locks, and appending one message.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "os/clock.h"
#include "proto/date.h"
#include "store/mbox.h"
#include "store/private.h"

enum { POLL_US = 20000 };

/* --- locks ------------------------------------------------------------------------ */

static int fcntl_lock(int fd, bool write, unsigned seconds, struct err *err)
{
    struct flock lock = { .l_type = write ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
    int64_t end = clock_mono_ms() + (int64_t)seconds * 1000;
    while (fcntl(fd, F_SETLK, &lock) < 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return err_sys(err, ERR_TEMP, "lock mailbox");
        if (clock_mono_ms() >= end) {
            errno = EAGAIN;
            return err_sys(err, ERR_TEMP, "mailbox is locked by another program");
        }
        usleep(POLL_US);
    }
    return 0;
}

int mbox_file_lock(struct mbox_file *f, bool write, unsigned lock_seconds, struct err *err)
{
    char lock_name[64];
    if (fcntl_lock(f->fd, write, lock_seconds, err) < 0)
        return -1;
    int n = snprintf(lock_name, sizeof(lock_name), "%s.lock", f->name);
    if (!write || n < 0 || (size_t)n >= sizeof(lock_name))
        return 0;
    if (dotlock_take(&f->dot, f->dir, lock_name, lock_seconds, err) == 0 || err->sys == EACCES || err->sys == EROFS)
        return 0;
    mbox_file_unlock(f);
    return -1;
}

void mbox_file_unlock(struct mbox_file *f)
{
    struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };
    dotlock_drop(&f->dot);
    if (f->fd >= 0)
        (void)fcntl(f->fd, F_SETLK, &lock);
}

/* --- opening ----------------------------------------------------------------------- */

/* A mailbox in a directory that others may write to must be the user's own plain file. */
static int check_owner(const struct mbox_file *f, struct err *err)
{
    struct stat st;
    errno = 0;
    if (fstat(f->fd, &st) < 0)
        return err_sys(err, ERR_TEMP, "mailbox %s", f->name);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_PERM, "mailbox %s is not a regular file", f->name);
    if (st.st_uid != geteuid())
        return err_set(err, ERR_PERM, "mailbox %s is not owned by recipient", f->name);
    return st.st_nlink > 1 ? err_set(err, ERR_PERM, "mailbox %s has more than one name", f->name) : 0;
}

static int open_at(struct mbox_file *f, bool write, struct err *err)
{
    int flags = (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    f->fd = openat(f->dir, f->name, flags);
    if (f->fd < 0 && errno == ENOENT && write) {
        f->fd = openat(f->dir, f->name, flags | O_CREAT | O_EXCL, 0600);
        f->created = f->fd >= 0;
    }
    return f->fd < 0 ? err_sys(err, ERR_TEMP, "open mailbox %s", f->name) : check_owner(f, err);
}

int mbox_file_open(const char *path, bool write, unsigned lock_seconds, struct mbox_file *ret, struct err *err)
{
    struct mbox_file f = { .fd = -1, .dir = -1 };
    ptrdiff_t slash = str_rchr(str_from(path), '/');
    if (slash < 0)
        return err_set(err, ERR_CONFIG, "mailbox %s is not an absolute path", path);
    char *dir = str_to_heap(str_head(str_from(path), slash == 0 ? 1 : (size_t)slash));
    f.name = xstrdup(path + slash + 1);
    f.dir = fs_open_dir(AT_FDCWD, dir);
    int rc = f.dir < 0 ? err_sys(err, ERR_TEMP, "open directory %s", dir) : open_at(&f, write, err);
    if (rc == 0 && lock_seconds > 0)
        rc = mbox_file_lock(&f, write, lock_seconds, err);
    free(dir);
    if (rc < 0)
        mbox_file_close(&f);
    else
        *ret = f;
    return rc;
}

void mbox_file_close(struct mbox_file *f)
{
    mbox_file_unlock(f);
    if (f->fd >= 0)
        close(f->fd);
    if (f->dir >= 0)
        close(f->dir);
    free(f->name);
    *f = (struct mbox_file){ .fd = -1, .dir = -1 };
}

/* --- appending ---------------------------------------------------------------------- */

void mbox_from_line(struct buf *out, struct str sender, int64_t when)
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct date_civil c = date_civil(when != 0 ? when : clock_wall_ms() / 1000, 0);
    buf_puts(out, "From ");
    for (size_t i = 0; i < sender.n; i++)
        buf_putc(out, sender.p[i] > ' ' && sender.p[i] != 127 ? sender.p[i] : '_');
    if (sender.n == 0)
        buf_puts(out, "MAILER-DAEMON");
    buf_printf(out, " %s %s %2u %02u:%02u:%02u %lld\n", days[c.weekday], months[c.month - 1], c.day, c.hour, c.minute, c.second, (long long)c.year);
}

static void put_escaped(struct buf *out, struct str message)
{
    struct str line;
    while (message.n > 0) {
        bool ended = str_cut(message, '\n', &line, &message);
        if (str_starts(line, STR("From ")))
            buf_putc(out, '>');
        buf_add(out, line);
        buf_putc(out, '\n');
        if (!ended)
            break;
    }
    buf_putc(out, '\n');
}

/* A crash may have left half a message: what follows must begin on a line of its own, after an empty one. */
static int end_last_message(const struct mbox_file *f, off_t size)
{
    char last[2] = { '\n', '\n' };
    size_t n = size < 2 ? (size_t)size : 2;
    if (n > 0 && pread(f->fd, last + 2 - n, n, size - (off_t)n) != (ssize_t)n)
        return -1;
    size_t lacking = last[1] != '\n' ? 2 : last[0] != '\n' ? 1 : 0;
    return lacking == 0 ? 0 : fs_write_all(f->fd, "\n\n", lacking);
}

static int append_locked(struct mbox_file *f, struct str text, uint64_t limit, struct err *err)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0)
        return err_sys(err, ERR_TEMP, "mailbox %s", f->name);
    if (limit > 0 && (uint64_t)st.st_size + text.n > limit) {
        errno = EFBIG;
        return err_sys(err, ERR_LIMIT, "mailbox %s", f->name);
    }
    int rc = 0;
    if (lseek(f->fd, 0, SEEK_END) < 0 || end_last_message(f, st.st_size) < 0 || fs_write_all(f->fd, text.p, text.n) < 0 || fsync(f->fd) < 0) {
        rc = err_sys(err, ERR_TEMP, "write mailbox %s", f->name);
        (void)!ftruncate(f->fd, st.st_size);
    }
    if (rc == 0 && f->created)
        rc = fs_sync_dir(f->dir, NULL, err);
    return rc;
}

int mbox_append(const char *path, struct str from_line, struct str message, unsigned lock_seconds, uint64_t limit, struct err *err)
{
    struct mbox_file f;
    struct buf text = buf_make(0);
    if (mbox_file_open(path, true, lock_seconds == 0 ? 30 : lock_seconds, &f, err) < 0)
        return -1;
    buf_add(&text, from_line);
    put_escaped(&text, message);
    int rc = append_locked(&f, buf_str(&text), limit, err);
    buf_done(&text);
    mbox_file_close(&f);
    return rc;
}
