/* SPDX-License-Identifier: ISC */
#include "store/flaglog.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "os/clock.h"
#include "store/fs.h"

static const char log_name[] = "postern-flags";
enum { LOG_MAX = 256 << 20 };

void flaglog_close(struct flaglog *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

static bool read_head(const struct flaglog *l, struct flag_head *ret)
{
    char bytes[FLAG_HEAD_SIZE];
    return pread(l->fd, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes) && flag_head_parse(str_make(bytes, sizeof(bytes)), ret);
}

bool flaglog_has_news(const struct flaglog *l)
{
    struct stat st;
    struct flag_head head;
    if (l->fd < 0 || fstat(l->fd, &st) < 0)
        return false;
    if ((uint64_t)st.st_size > MAX(l->at, (uint64_t)FLAG_HEAD_SIZE))
        return true;
    return read_head(l, &head) && head.generation != l->generation;
}

/* Whole records only: what flag_record_next() takes. */
static void keep_whole(struct flaglog *l, struct buf *out, size_t from)
{
    struct str rest = str_skip(buf_str(out), from);
    struct flag_record r;
    while (flag_record_next(&rest, l->generation, &r))
        l->modseq = MAX(l->modseq, r.modseq);
    out->n -= rest.n;
    l->at += out->n - from;
}

int flaglog_read(struct flaglog *l, struct buf *out, bool *ret_restarted, struct err *err)
{
    struct flag_head head;
    struct stat st;
    *ret_restarted = false;
    if (l->fd < 0)
        return 0;
    if (fstat(l->fd, &st) < 0)
        return err_sys(err, ERR_TEMP, "fstat %s", log_name);
    if (st.st_size < FLAG_HEAD_SIZE || !read_head(l, &head))
        return 0;
    if (head.generation != l->generation || l->at == 0) {
        *ret_restarted = l->at != 0;
        l->generation = head.generation;
        l->at = FLAG_HEAD_SIZE;
    }
    l->modseq = MAX(l->modseq, head.modseq);
    uint64_t size = (uint64_t)st.st_size;
    if (size <= l->at)
        return 0;
    if (size - l->at > LOG_MAX)
        return err_set(err, ERR_LIMIT, "%s is larger than expected", log_name);
    size_t from = out->n, want = (size_t)(size - l->at);
    char *room = buf_room(out, want);
    ssize_t got = room == NULL ? 0 : pread(l->fd, room, want, (off_t)l->at);
    if (got < 0)
        return err_sys(err, ERR_TEMP, "read %s", log_name);
    buf_added(out, (size_t)got);
    keep_whole(l, out, from);
    return 0;
}

int flaglog_lock(struct flaglog *l, struct err *err)
{
    if (l->fd < 0)
        return err_set(err, ERR_PERM, "%s cannot be written", log_name);
    while (flock(l->fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return err_sys(err, ERR_TEMP, "lock %s", log_name);
    return 0;
}

void flaglog_unlock(struct flaglog *l)
{
    if (l->fd >= 0)
        flock(l->fd, LOCK_UN);
}

static int write_head(struct flaglog *l, uint32_t generation, uint64_t modseq, struct err *err)
{
    struct buf b = buf_make(FLAG_HEAD_SIZE);
    flag_head_put(&b, &(struct flag_head){ generation, modseq });
    int result = pwrite(l->fd, b.p, b.n, 0) == (ssize_t)b.n ? 0 : err_sys(err, ERR_TEMP, "write %s", log_name);
    buf_done(&b);
    if (result == 0) {
        l->generation = generation;
        l->modseq = MAX(l->modseq, modseq);
    }
    return result;
}

/* The head is written before the first records; both are covered by one sync. */
int flaglog_append(struct flaglog *l, struct str records, uint64_t modseq, struct err *err)
{
    if (l->at < FLAG_HEAD_SIZE)
        return err_set(err, ERR_TEMP, "%s has no head", log_name);
    ssize_t put = pwrite(l->fd, records.p, records.n, (off_t)l->at);
    if (put != (ssize_t)records.n || fdatasync(l->fd) < 0) {
        int result = err_sys(err, ERR_TEMP, "write %s", log_name);
        (void)!ftruncate(l->fd, (off_t)l->at);
        return result;
    }
    if (ftruncate(l->fd, (off_t)(l->at + records.n)) < 0)
        return err_sys(err, ERR_TEMP, "truncate %s", log_name);
    l->at += records.n;
    l->modseq = MAX(l->modseq, modseq);
    return 0;
}

/* A new file, or one whose head was damaged: start it with a generation that no record in it can have. */
static int ensure_head(struct flaglog *l, struct err *err)
{
    struct flag_head head;
    if (read_head(l, &head))
        return 0;
    if (flaglog_lock(l, err) < 0)
        return -1;
    int result = read_head(l, &head) ? 0 : write_head(l, (uint32_t)clock_wall_ms() | 1, 0, err);
    if (result < 0 && fs_is_full(err->sys)) {
        flaglog_unlock(l);      /* flags cannot be stored, mail can be read and removed */
        return 0;
    }
    if (result == 0 && ftruncate(l->fd, FLAG_HEAD_SIZE) < 0)
        result = err_sys(err, ERR_TEMP, "truncate %s", log_name);
    flaglog_unlock(l);
    return result;
}

int flaglog_open(struct flaglog *l, int dir, bool create, struct err *err)
{
    *l = (struct flaglog){ .fd = openat(dir, log_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600) };
    if (l->fd < 0)
        return !create && errno == ENOENT ? 0 : err_sys(err, ERR_TEMP, "open %s", log_name);
    if (create && ensure_head(l, err) < 0) {
        flaglog_close(l);
        return -1;
    }
    l->generation = 0;
    l->at = 0;
    return 0;
}

int flaglog_open_to_read(struct flaglog *l, int dir, struct err *err)
{
    *l = (struct flaglog){ .fd = openat(dir, log_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) };
    return l->fd >= 0 || errno == ENOENT || errno == EACCES ? 0 : err_sys(err, ERR_TEMP, "open %s", log_name);
}

int flaglog_empty(struct flaglog *l, uint64_t modseq, struct err *err)
{
    if (write_head(l, l->generation + 1, modseq, err) < 0)
        return -1;
    l->at = FLAG_HEAD_SIZE;
    if (ftruncate(l->fd, FLAG_HEAD_SIZE) < 0)
        return err_sys(err, ERR_TEMP, "truncate %s", log_name);
    return 0;
}

int flaglog_note(struct flaglog *l, uint64_t modseq, struct err *err)
{
    return write_head(l, l->generation, modseq, err) < 0 && !fs_is_full(err->sys) ? -1 : 0;
}
