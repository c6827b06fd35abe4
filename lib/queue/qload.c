/* SPDX-License-Identifier: ISC
 *
 * qload.c - queue files read back: our own, and those of a Postfix that ran
 * here before (pointer records, recipients in the extracted segment, DSN
 * parameters as attributes).
 */
#include "base/num.h"
#include "base/vec.h"
#include "queue/qmsg.h"
#include <errno.h>
#include <fcntl.h>

enum { FILE_MAX_WHOLE = 1 << 28, HEAD_READ = 128, PASS_OVER_MIN = 1 << 16 };

struct loading {
    struct qmsg *m;
    VEC(uint64_t) marks;    /* of the recipients, in order */
    VEC(bool) done;
    bool has_time, in_content;
    uint64_t gap;           /* bytes of content that were not read */
    uint64_t shift;         /* from the place of a record in what was read to its place in the file */
};

static void note_attr(struct loading *l, struct qrec *rec)
{
    struct str name, value;
    uint64_t v;
    qrec_from_file(rec);
    if (rec->type != QREC_ATTR || !qrec_attr(rec->data, &name, &value))
        return;
    if (str_eqz(name, "postern_lsn") && num_parse_u64(value, UINT64_MAX, &v)) {
        l->m->lsn = v;
        l->m->foreign = false;
    }
    if (str_eqz(name, "postern_flags") && num_parse_u64(value, UINT32_MAX, &v))
        l->m->flags = (uint32_t)v;
}

static bool is_own_attr(const struct qrec *rec)
{
    return rec->type == QREC_ATTR && str_starts(rec->data, STR("postern_"));
}

/* One envelope record of the file, into the form that channels and the journal use. */
static bool take_record(struct loading *l, struct qrec rec)
{
    uint64_t us;
    switch (rec.type) {
    case QREC_TIME:
        if (!l->has_time && !qrec_parse_time(rec.data, &us))
            return false;
        if (!l->has_time)
            l->m->arrival_us = us;
        l->has_time = true;
        return true;
    case QREC_RCPT:
    case QREC_DONE:
        vec_push(&l->marks, rec.at + l->shift);
        vec_push(&l->done, rec.type == QREC_DONE);
        qrec_put(&l->m->envelope, QREC_RCPT, rec.data);
        return true;
    case QREC_WARN:
        l->m->warn_mark = rec.at + l->shift;
        qrec_put(&l->m->envelope, QREC_WARN, rec.data);
        return true;
    case QREC_ATTR:
        note_attr(l, &rec);
        if (!is_own_attr(&rec))
            qrec_put(&l->m->envelope, rec.type, rec.data);
        return true;
    case QREC_SENDER: case QREC_FULLNAME: case QREC_INSPECTOR: case QREC_FILTER: case QREC_VERP: case QREC_ORIG:
    case QREC_DSN_RET: case QREC_DSN_ENVID: case QREC_DSN_ORCPT: case QREC_DSN_NOTIFY:
        qrec_put(&l->m->envelope, rec.type, rec.data);
        return true;
    default:
        return true;
    }
}

/* Envelope records up to M, content skipped (its size is known), then the extracted ones up to E. */
static bool read_records(struct loading *l, struct str file)
{
    struct qrec_iter it = qrec_iter(file);
    struct qrec rec;
    enum qrec_result r;
    struct qrec_size size = { 0 };
    while ((r = qrec_next(&it, &rec)) == QREC_OK) {
        if (rec.type == QREC_SIZE && size.data_offset == 0) {
            if (!qrec_parse_size(rec.data, &size))
                return false;
            l->m->content_size = size.content_size != 0 ? size.content_size : size.content_records;
        } else if (rec.type == QREC_MESSAGE) {
            l->m->content_at = rec.end;
            l->in_content = true;
            uint64_t end = rec.end + size.content_records;
            if (l->gap > 0)
                l->shift = l->gap;
            else if (size.data_offset == rec.end && end <= file.n)
                it.at = (size_t)end;
        } else if (rec.type == QREC_EXTRACTED) {
            l->m->content_end = rec.at + l->shift;
            l->in_content = false;
        } else if (rec.type == QREC_END) {
            l->m->complete = !l->in_content && l->m->content_end != 0;
            return true;
        } else if (rec.type == QREC_KILL) {
            return false;
        } else if (!l->in_content && !take_record(l, rec)) {
            return false;
        }
    }
    return false;
}

static void apply_marks(struct loading *l)
{
    struct qmsg *m = l->m;
    m->n_left = 0;
    for (uint32_t i = 0; i < m->n_rcpt && i < l->marks.n; i++) {
        m->rcpts[i].mark_at = l->marks.p[i];
        m->rcpts[i].done = l->done.p[i];
        m->n_left += !l->done.p[i];
    }
}

static int parse_file(struct qmsg *m, struct str file, uint64_t gap, struct err *err)
{
    static const char RECORDS[] = "AS<iLVonORWFI";
    struct loading l = { .m = m, .gap = gap };
    int r = 0;
    m->foreign = true;
    if (!read_records(&l, file) || !m->complete)
        r = err_set(err, ERR_PROTO, "%s/%s: not a complete queue file", qplace_name(m->place), m->id);
    else if (l.marks.n == 0)
        r = err_set(err, ERR_PROTO, "%s/%s: no recipients", qplace_name(m->place), m->id);
    else if (qmsg_parse_envelope(m, RECORDS, (uint32_t)l.marks.n, err) == 0)
        apply_marks(&l);
    else
        r = -1;
    vec_done(&l.marks);
    vec_done(&l.done);
    return r;
}

static int open_file(struct qio *io, struct qmsg *m, struct qio_stat *ret_st, struct err *err)
{
    char path[QPATH_MAX];
    qid_path(qplace_name(m->place), m->id, "", path);
    int fd = io->open(io, path, O_RDONLY, 0);
    if (fd < 0) {
        (void)(errno == ENOENT ? err_set(err, ERR_NONE, "%s is gone", path) : err_sys(err, ERR_TEMP, "open %s", path));
        return -1;
    }
    if (io->fstat(io, fd, ret_st) < 0) {
        io->close(io, fd);
        return err_sys(err, ERR_TEMP, "stat %s", path);
    }
    if ((ret_st->mode & 0100) != 0 && (ret_st->mode & 0170000) == 0100000)
        return fd;
    io->close(io, fd);
    return err_set(err, ERR_NONE, "%s is still being written", path);
}

static int read_range(struct qio *io, int fd, uint64_t at, uint64_t n, struct buf *out, struct err *err)
{
    if (n > FILE_MAX_WHOLE)
        return err_set(err, ERR_LIMIT, "queue file of %llu bytes is too large", (unsigned long long)n);
    char *to = buf_room(out, (size_t)n);
    if (to == NULL || qio_read_all(io, fd, to, (size_t)n, at) < 0)
        return err_sys(err, ERR_TEMP, "read queue file");
    buf_added(out, (size_t)n);
    return 0;
}

static bool has_edits(struct str records)
{
    struct qrec_iter it = qrec_iter(records);
    struct qrec rec;
    it.raw = true;
    while (qrec_next(&it, &rec) == QREC_OK)
        if (rec.type == QREC_POINTER || rec.type == QREC_PAD)
            return true;
    return false;
}

/*
 * The file without its content, whose place and size the first record has. gap:
 * bytes left out; 0 = the whole file, also when pointer records (of a milter's
 * edits) may lead anywhere.
 */
static int read_envelope(struct qio *io, int fd, uint64_t file_size, struct buf *out, uint64_t *ret_gap, struct err *err)
{
    struct qrec rec;
    struct qrec_size size = { 0 };
    *ret_gap = 0;
    if (read_range(io, fd, 0, MIN(file_size, (uint64_t)HEAD_READ), out, err) < 0)
        return -1;
    bool known = qrec_peek(buf_str(out), &rec) == QREC_OK && rec.type == QREC_SIZE && qrec_parse_size(rec.data, &size);
    buf_reset(out);
    if (known && size.content_records >= PASS_OVER_MIN && size.data_offset <= file_size && size.content_records <= file_size - size.data_offset) {
        uint64_t end = size.data_offset + size.content_records;
        if (read_range(io, fd, 0, size.data_offset, out, err) < 0 || read_range(io, fd, end, file_size - end, out, err) < 0)
            return -1;
        if (!has_edits(buf_str(out))) {
            *ret_gap = size.content_records;
            return 0;
        }
        buf_reset(out);
    }
    return read_range(io, fd, 0, file_size, out, err);
}

struct qmsg *qmsg_load(struct qio *io, enum qplace place, const char *id, struct err *err)
{
    struct qmsg *m = qmsg_new(id);
    struct qio_stat st;
    struct buf file = { 0 };
    uint64_t gap = 0;
    m->place = place;
    int fd = open_file(io, m, &st, err);
    int r = fd < 0 ? -1 : read_envelope(io, fd, st.size, &file, &gap, err);
    if (r == 0)
        r = parse_file(m, buf_str(&file), gap, err);
    if (fd >= 0)
        io->close(io, fd);
    buf_done(&file);
    if (r < 0) {
        qmsg_free(m);
        return NULL;
    }
    m->file_size = st.size;
    if (place != QPLACE_INCOMING)
        m->flags &= ~1u;
    return m;
}

/* Pointers of a milter's edits are followed here, so that what is handed on is plain N and L records. */
static int copy_content(struct qmsg *m, struct str file, struct err *err)
{
    struct qrec_iter it = qrec_iter(file);
    struct qrec rec;
    it.at = (size_t)m->content_at;
    while (qrec_next(&it, &rec) == QREC_OK) {
        if (rec.type == QREC_EXTRACTED)
            return 0;
        if (rec.type == QREC_LINE || rec.type == QREC_PART)
            qrec_put(&m->content, rec.type, rec.data);
    }
    return err_set(err, ERR_PROTO, "%s: content is damaged", m->id);
}

int qmsg_load_content(struct qio *io, struct qmsg *m, struct err *err)
{
    struct qio_stat st;
    struct buf file = { 0 };
    int fd = open_file(io, m, &st, err);
    if (fd < 0)
        return -1;
    buf_reset(&m->content);
    uint64_t n = m->content_end - m->content_at;
    int r = read_range(io, fd, m->content_at, n, &m->content, err);
    if (r == 0 && m->foreign && has_edits(buf_str(&m->content))) {
        buf_reset(&m->content);
        r = read_range(io, fd, 0, st.size, &file, err);
        r = r == 0 ? copy_content(m, buf_str(&file), err) : r;
        (void)qrec_content_size(buf_str(&m->content), &m->content_size);
    }
    io->close(io, fd);
    buf_done(&file);
    m->in_memory = r == 0;
    return r;
}
