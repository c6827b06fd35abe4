/* SPDX-License-Identifier: ISC
 *
 * spill.c - messages as files: a ring message that becomes one, a large message
 * that is one from the start, and the way between the directories. Always
 * ID.tmp, sync, rename, sync of the directory.
 */
#include "base/enc.h"
#include "base/num.h"
#include "os/clock.h"
#include "queue/queue.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void queue_spill_begin(struct queue *q, struct qmsg *m, enum qplace place, int64_t mtime, struct qspill *s)
{
    *s = (struct qspill){ .q = q, .m = m, .place = place, .mtime = mtime };
    ASSERT(m->place == QPLACE_RING && m->in_memory);
    m->holds++;
    qmsg_put_file(m, &s->data);
}

static int fail(struct qspill *s, const char *what)
{
    s->error = errno == 0 ? EIO : errno;
    s->what = what;
    return -1;
}

static int open_tmp(struct qio *io, const char *path, const char *dir)
{
    int fd = io->open(io, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 && errno == ENOENT && strchr(dir, '/') != NULL && io->mkdir(io, dir) == 0)
        fd = io->open(io, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    return fd;
}

static int write_tmp(struct qspill *s, const char *tmp, const char *dir)
{
    struct qio *io = s->q->io;
    int fd = open_tmp(io, tmp, dir);
    if (fd < 0)
        return fail(s, "create");
    int r = 0;
    if (s->data.full || io->pwrite(io, fd, s->data.p, s->data.n, 0) < 0)
        r = fail(s, "write");
    else if (io->chmod(io, fd, 0700) < 0 || io->sync(io, fd) < 0)
        r = fail(s, "sync");
    io->close(io, fd);
    return r;
}

void queue_spill_run(struct qspill *s)
{
    struct qio *io = s->q->io;
    char tmp[QPATH_MAX], path[QPATH_MAX], dir[QPATH_MAX];
    qid_path(qplace_name(s->place), s->m->id, ".tmp", tmp);
    qid_path(qplace_name(s->place), s->m->id, "", path);
    qid_dir(qplace_name(s->place), s->m->id, dir);
    int r = write_tmp(s, tmp, dir);
    if (r == 0 && s->mtime != 0 && io->set_mtime(io, tmp, s->mtime) < 0)
        r = fail(s, "set the time of");
    if (r == 0 && io->rename(io, tmp, path) < 0)
        r = fail(s, "rename");
    if (r == 0 && io->sync_dir(io, dir) < 0)
        r = fail(s, "sync the directory of");
    if (r < 0)
        (void)io->unlink(io, tmp);
}

/* The ring keeps the message until MOVED is on disk; a file that is there with the same LSN wins before that. */
static void moved(struct queue *q, struct qmsg *m)
{
    unsigned slot;
    if (m->pinned) {
        m->moved_lsn = journal_append(q->j, JREC_MOVED, m->lsn, (struct str){ "", 0 }, (struct str){ "", 0 }, false, &slot);
    }
    queue_unpin(q, m);
}

int queue_spill_done(struct qspill *s, struct err *err)
{
    struct queue *q = s->q;
    struct qmsg *m = s->m;
    m->holds--;
    if (s->error != 0) {
        for (uint32_t i = 0; i < m->n_rcpt; i++)
            m->rcpts[i].mark_at = 0;
        errno = s->error;
        (void)err_sys(err, ERR_TEMP, "%s queue file %s/%s", s->what, qplace_name(s->place), m->id);
    } else {
        m->place = s->place;
        for (uint32_t i = 0; i < m->n_rcpt; i++) {      /* done while the file was being written */
            if (m->rcpts[i].done && s->data.p[m->rcpts[i].mark_at] != QREC_DONE) {
                m->rcpts[i].done = false;
                m->n_left++;
                queue_settle(q, m, i, 0, STR(""), STR(""));
            }
        }
        moved(q, m);
    }
    buf_done(&s->data);
    return s->error != 0 ? -1 : 0;
}

int queue_move(struct queue *q, struct qmsg *m, enum qplace place, int64_t mtime, bool durable, struct err *err)
{
    struct qio *io = q->io;
    char from[QPATH_MAX], to[QPATH_MAX], from_dir[QPATH_MAX], to_dir[QPATH_MAX];
    ASSERT(m->place != QPLACE_RING);
    qid_path(qplace_name(m->place), m->id, "", from);
    qid_path(qplace_name(place), m->id, "", to);
    qid_dir(qplace_name(m->place), m->id, from_dir);
    qid_dir(qplace_name(place), m->id, to_dir);
    if (mtime != 0)
        (void)io->set_mtime(io, from, mtime);
    if (m->place != place) {
        int r = io->rename(io, from, to);
        if (r < 0 && errno == ENOENT) {
            (void)io->mkdir(io, to_dir);
            r = io->rename(io, from, to);       /* still not: the file is gone */
        }
        if (r < 0)
            return err_sys(err, ERR_TEMP, "rename queue file %s to %s", from, to);
        m->place = place;
    }
    if (durable && (io->sync_dir(io, to_dir) < 0 || io->sync_dir(io, from_dir) < 0))
        return err_sys(err, ERR_TEMP, "sync queue directory %s", to_dir);
    return 0;
}

/* Large messages */

int queue_big_begin(struct queue *q, struct qmsg *m, struct qbig *b, int *ret_fd, struct err *err)
{
    struct qio *io = q->io;
    char tmp[QPATH_MAX];
    struct buf head = { 0 };
    *b = (struct qbig){ .q = q, .m = m, .fd = -1 };
    m->place = QPLACE_INCOMING;
    qmsg_put_file_head(m, &head);
    qid_path("incoming", m->id, ".tmp", tmp);
    b->fd = io->open(io, tmp, O_RDWR | O_CREAT | O_EXCL, 0600);
    int r = b->fd < 0 || io->pwrite(io, b->fd, head.p, head.n, 0) < 0 ? err_sys(err, ERR_TEMP, "create queue file %s", tmp) : 0;
    buf_done(&head);
    if (r == 0) {
        /* The writer gets a description of its own, to be closed before the commit. */
        *ret_fd = io->open(io, tmp, O_WRONLY | O_APPEND, 0);
        r = *ret_fd < 0 ? err_sys(err, ERR_TEMP, "open queue file %s", tmp) : 0;
    }
    if (r < 0)
        queue_big_abort(b);
    return r;
}

void queue_big_abort(struct qbig *b)
{
    char tmp[QPATH_MAX];
    qid_path("incoming", b->m->id, ".tmp", tmp);
    if (b->fd >= 0)
        b->q->io->close(b->q->io, b->fd);
    b->fd = -1;
    (void)b->q->io->unlink(b->q->io, tmp);
}

static int big_fail(struct qbig *b, int error, const char *what)
{
    b->error = error == 0 ? EIO : error;
    b->what = what;
    return -1;
}

/* CRC, and proof that the content is nothing but N and L records that end where they should. */
static int check_content(struct qbig *b)
{
    struct qmsg *m = b->m;
    struct buf chunk = { 0 };
    uint64_t at = m->content_at, end = m->content_end, size = 0;
    int r = 0;
    while (r == 0 && at < end) {
        size_t n = (size_t)MIN(end - at, 1u << 18);
        struct qrec rec;
        buf_reset(&chunk);
        char *to = buf_room(&chunk, n);
        if (qio_read_all(b->q->io, b->fd, to, n, at) < 0) {
            r = big_fail(b, errno, "read");
            break;
        }
        size_t used = 0;
        while (qrec_peek(str_make(to + used, n - used), &rec) == QREC_OK && (rec.type == QREC_LINE || rec.type == QREC_PART)) {
            size += rec.data.n + (rec.type == QREC_LINE);
            used += rec.end;
        }
        if (used == 0)
            r = big_fail(b, EPROTO, "check the content of");
        b->crc = crc32c(b->crc, to, used);
        at += used;
    }
    buf_done(&chunk);
    m->content_size = size;
    return r;
}

/* Nobody else may still hold a writable descriptor: a read lease is granted only then. */
static int take_lease(struct qbig *b, const char *tmp)
{
    struct qio *io = b->q->io;
    io->close(io, b->fd);
    b->fd = io->open(io, tmp, O_RDONLY, 0);
    if (b->fd < 0)
        return big_fail(b, errno, "open");
    if (fcntl(b->fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN)
        return big_fail(b, EBUSY, "take a lease on (it is still open for writing)");
    return 0;
}

static int end_file(struct qbig *b, const char *tmp)
{
    struct qio *io = b->q->io;
    struct qmsg *m = b->m;
    struct buf tail = { 0 }, size = { 0 };
    struct qio_stat st;
    int r = 0;
    if (io->fstat(io, b->fd, &st) < 0 || st.size != m->content_end)
        return big_fail(b, EPROTO, "check the size of");
    if (check_content(b) < 0)
        return -1;
    (void)fcntl(b->fd, F_SETLEASE, F_UNLCK);    /* our own writable descriptor follows */
    int fd = io->open(io, tmp, O_WRONLY, 0);
    qmsg_put_file_end(&tail);
    qmsg_put_size_record(m, &size);
    if (fd < 0 || io->pwrite(io, fd, tail.p, tail.n, m->content_end) < 0 || io->pwrite(io, fd, size.p, size.n, 0) < 0)
        r = big_fail(b, errno, "end");
    else if (io->chmod(io, fd, 0700) < 0 || io->sync(io, fd) < 0)
        r = big_fail(b, errno, "sync");
    if (fd >= 0)
        io->close(io, fd);
    m->file_size = m->content_end + tail.n;
    buf_done(&tail);
    buf_done(&size);
    return r;
}

void queue_big_run(struct qbig *b)
{
    struct qio *io = b->q->io;
    char tmp[QPATH_MAX], path[QPATH_MAX];
    qid_path("incoming", b->m->id, ".tmp", tmp);
    qid_path("incoming", b->m->id, "", path);
    b->m->content_end = b->m->content_at + b->records_size;
    if (take_lease(b, tmp) < 0 || end_file(b, tmp) < 0)
        return;
    if (io->rename(io, tmp, path) < 0 || io->sync_dir(io, "incoming") < 0)
        (void)big_fail(b, errno, "rename");
}

int queue_big_done(struct qbig *b, struct err *err)
{
    struct qmsg *m = b->m;
    struct queue *q = b->q;
    struct buf payload = { 0 };
    uint8_t crc[4];
    unsigned slot;
    if (b->error != 0) {
        errno = b->error;
        (void)err_sys(err, b->error == EPROTO || b->error == EBUSY ? ERR_PROTO : ERR_TEMP, "%s queue file incoming/%s", b->what, m->id);
        queue_big_abort(b);
        (void)queue_remove_file(q->io, QPLACE_INCOMING, m->id);
        return -1;
    }
    q->io->close(q->io, b->fd);
    b->fd = -1;
    put_be32(crc, b->crc);
    buf_put(&payload, crc, sizeof crc);
    buf_printf(&payload, "%s %llu", m->id, (unsigned long long)m->file_size);
    m->lsn = journal_append(q->j, JREC_FILE, 0, buf_str(&payload), (struct str){ "", 0 }, true, &slot);
    buf_done(&payload);
    if (m->lsn == 0) {
        (void)queue_remove_file(q->io, QPLACE_INCOMING, m->id);
        return err_set(err, ERR_TEMP, "queue journal is full");
    }
    if (queue_find(q, str_from(m->id)) == NULL)
        (void)htab_put(&q->by_id, str_from(m->id), m);
    list_append(&q->collecting, &m->commit_node);
    return 0;
}

int queue_open_file(struct queue *q, const struct qmsg *m)
{
    char path[QPATH_MAX];
    qid_path(qplace_name(m->place), m->id, "", path);
    return q->io->open(q->io, path, O_RDONLY, 0);
}

/* Defer logs: paragraphs of name=value lines, as Postfix's bounce daemon keeps them. */

void queue_write_reasons(struct queue *q, const struct qmsg *m)
{
    struct qio *io = q->io;
    char path[QPATH_MAX], dir[QPATH_MAX];
    struct buf text = { 0 };
    for (uint32_t i = 0; i < m->n_rcpt; i++) {
        const struct qrcpt *r = &m->rcpts[i];
        if (r->done || r->reason == NULL)
            continue;
        buf_printf(&text, "\n\n<%.*s>: %s\nrecipient=%.*s\noffset=%llu\n", STR_FMT(r->address), r->reason, STR_FMT(r->address),
                   (unsigned long long)r->mark_at);
        if (r->orig.n > 0 && !str_eq(r->orig, r->address))
            buf_printf(&text, "original_recipient=%.*s\n", STR_FMT(r->orig));
        if (r->orcpt.n > 0)
            buf_printf(&text, "dsn_orig_rcpt=%.*s\n", STR_FMT(r->orcpt));
        if (r->notify != 0)
            buf_printf(&text, "notify_flags=%u\n", r->notify);
        buf_printf(&text, "status=%s\naction=delayed\nreason=%s\n", r->dsn, r->reason);
    }
    qid_path("defer", m->id, "", path);
    qid_dir("defer", m->id, dir);
    int fd = text.n == 0 ? -1 : open_tmp(io, path, dir);
    if (fd >= 0) {
        (void)io->pwrite(io, fd, text.p, text.n, 0);
        io->close(io, fd);
    }
    buf_done(&text);
}

void queue_remove_reasons(struct queue *q, const char *id)
{
    char path[QPATH_MAX];
    qid_path("defer", id, "", path);
    (void)q->io->unlink(q->io, path);
}
