/* SPDX-License-Identifier: ISC
 *
 * qstart.c - from what is on disk to messages in memory: the ring first, then
 * the files of incoming/ and active/. Nothing is written before all of the
 * ring has been read, and all of it can be done again.
 */
#include "base/enc.h"
#include "base/num.h"
#include "base/reader.h"
#include "base/vec.h"
#include "queue/queue.h"
#include <errno.h>
#include <fcntl.h>

struct file_note { char id[QID_MAX + 1]; uint64_t size; uint32_t crc; };
struct replaced { char id[QID_MAX + 1]; uint64_t arrival_us; uint32_t n; };

struct start {
    struct queue *q;
    const struct queue_found *found;
    VEC(struct qmsg *) live;        /* in LSN order; NULL = gone */
    VEC(struct file_note) files;
    VEC(struct replaced) replaced;  /* of messages that were files already */
    VEC(char *) names;
};

/* Records come in LSN order, and so do the messages: search from the end. */
static struct qmsg **by_lsn(struct start *s, uint64_t lsn)
{
    for (size_t i = s->live.n; lsn != 0 && i > 0; i--)
        if (s->live.p[i - 1] != NULL && s->live.p[i - 1]->lsn == lsn)
            return &s->live.p[i - 1];
    return NULL;
}

static void drop(struct start *s, struct qmsg **at)
{
    (void)s;
    qmsg_free(*at);
    *at = NULL;
}

static void set_done(struct start *s, struct qmsg **at, uint32_t n)
{
    struct qmsg *m = *at;
    if (n >= m->n_rcpt || m->rcpts[n].done)
        return;
    m->rcpts[n].done = true;
    if (--m->n_left == 0)
        drop(s, at);
}

/*
 * Written again after an I/O error. The record it names may itself have been
 * declared void, with an older one still readable: what counts is the message.
 */
static void drop_superseded(struct start *s, const struct qmsg *m)
{
    for (size_t i = 0; i < s->live.n; i++) {
        struct qmsg *old = s->live.p[i];
        if (old != NULL && strcmp(old->id, m->id) == 0 && old->arrival_us == m->arrival_us)
            drop(s, &s->live.p[i]);
    }
}

static void add_message(struct start *s, const struct journal_record *rec, struct str payload)
{
    struct err why;
    struct qmsg *m = qmsg_from_journal(payload, &why);
    if (m == NULL) {
        s->found->bad(s->q->user, QUEUE_JOURNAL_PATH, &why);
        return;
    }
    m->lsn = rec->lsn;
    m->slot = rec->slot;
    m->durable = true;
    if (rec->type == JREC_MESSAGE && rec->ref != 0)
        drop_superseded(s, m);
    if (m->n_left == 0)
        qmsg_free(m);
    else
        vec_push(&s->live, m);
}

static void settle(struct start *s, const struct journal_record *rec)
{
    const uint8_t *p = (const uint8_t *)rec->payload.p;
    struct qmsg **at = by_lsn(s, rec->ref);
    if (at != NULL && rec->payload.n >= 8)
        set_done(s, at, get_be32(p + 4));
}

static void note_replaced(struct start *s, struct str id, uint64_t arrival_us, uint32_t n)
{
    struct replaced *r = vec_add(&s->replaced);
    *r = (struct replaced){ .arrival_us = arrival_us, .n = n };
    (void)str_to_fixed(id, r->id, sizeof r->id);
}

static void replace(struct start *s, const struct journal_record *rec)
{
    struct reader r = reader_make(rec->payload);
    for (uint32_t n_settles = reader_u32(&r); n_settles > 0 && !r.bad; n_settles--) {
        uint64_t lsn = reader_u64(&r), arrival_us = reader_u64(&r);
        uint32_t n = reader_u32(&r);
        struct str id = reader_bytes(&r, reader_u8(&r));
        struct qmsg **at = r.bad ? NULL : by_lsn(s, lsn);
        if (at != NULL)
            set_done(s, at, n);
        if (!r.bad)
            note_replaced(s, id, arrival_us, n);
    }
    add_message(s, rec, reader_bytes(&r, r.n));     /* nothing of a bad one, which is then reported */
}

static void note_file(struct start *s, const struct journal_record *rec)
{
    struct str id, size;
    struct file_note *f;
    uint64_t bytes;
    if (rec->payload.n < 4 || !str_cut(str_skip(rec->payload, 4), ' ', &id, &size) || !num_parse_u64(size, INT64_MAX, &bytes))
        return;
    f = vec_add(&s->files);
    *f = (struct file_note){ .size = bytes, .crc = get_be32((const uint8_t *)rec->payload.p) };
    if (!str_to_fixed(id, f->id, sizeof f->id))
        s->files.n--;
}

static void on_record(void *user, const struct journal_record *rec)
{
    struct start *s = user;
    struct qmsg **at;
    switch (rec->type) {
    case JREC_MESSAGE: add_message(s, rec, rec->payload); break;
    case JREC_REPLACE: replace(s, rec); break;
    case JREC_RCPT: settle(s, rec); break;
    case JREC_FILE: note_file(s, rec); break;
    case JREC_MOVED:
        at = by_lsn(s, rec->ref);
        if (at != NULL)
            drop(s, at);
        break;
    case JREC_VOID: case JREC_STATE: case JREC_KEY: break;
    default: break;
    }
}

/* What cannot be read any more is kept for a person to look at. */
static void on_damage(void *user, uint64_t offset, struct str raw)
{
    struct start *s = user;
    struct qio *io = s->q->io;
    struct err why;
    char path[QPATH_MAX];
    s->q->damaged++;
    (void)snprintf(path, sizeof path, "corrupt/journal.%llu", (unsigned long long)offset);
    int fd = raw.n == 0 ? -1 : io->open(io, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd >= 0) {
        (void)io->pwrite(io, fd, raw.p, raw.n, 0);
        io->close(io, fd);
    }
    (void)err_set(&why, ERR_PERM, "%zu damaged bytes at offset %llu of the queue journal; kept as %s", raw.n,
                  (unsigned long long)offset, path);
    s->found->bad(s->q->user, QUEUE_JOURNAL_PATH, &why);
}

/* Files */

static bool crc_matches(struct queue *q, const struct qmsg *m, uint32_t want)
{
    uint32_t crc = 0;
    char *chunk = xmalloc(1 << 18);
    int fd = queue_open_file(q, m);
    bool ok = fd >= 0;
    for (uint64_t at = m->content_at; ok && at < m->content_end;) {
        size_t n = (size_t)MIN(m->content_end - at, 1u << 18);
        ok = qio_read_all(q->io, fd, chunk, n, at) == 0;
        crc = ok ? crc32c(crc, chunk, n) : crc;
        at += n;
    }
    if (fd >= 0)
        q->io->close(q->io, fd);
    free(chunk);
    return ok && crc == want;
}

static bool is_intact(struct start *s, const struct qmsg *m)
{
    for (size_t i = s->files.n; i > 0; i--) {
        const struct file_note *f = &s->files.p[i - 1];
        if (strcmp(f->id, m->id) == 0)
            return f->size == m->file_size && crc_matches(s->q, m, f->crc);
    }
    return true;
}

static void to_corrupt(struct start *s, enum qplace place, const char *id, const struct err *why)
{
    char from[QPATH_MAX], to[QPATH_MAX];
    qid_path(qplace_name(place), id, "", from);
    qid_path("corrupt", id, "", to);
    (void)s->q->io->rename(s->q->io, from, to);
    s->found->bad(s->q->user, from, why);
}

static struct qmsg **ring_copy(struct start *s, const struct qmsg *file)
{
    for (size_t i = 0; i < s->live.n; i++)
        if (s->live.p[i] != NULL && strcmp(s->live.p[i]->id, file->id) == 0)
            return &s->live.p[i];
    return NULL;
}

/* A file and a record of the same message: the file wins, with everything that the ring knows to be done. */
static bool merge_ring_copy(struct start *s, struct qmsg *m)
{
    struct qmsg **at = ring_copy(s, m);
    if (at == NULL)
        return true;
    if (m->n_rcpt == (*at)->n_rcpt && m->arrival_us == (*at)->arrival_us && m->lsn != 0) {
        for (uint32_t i = 0; i < m->n_rcpt; i++)
            if ((*at)->rcpts[i].done)
                queue_settle(s->q, m, i, 0, STR(""), STR(""));
        drop(s, at);
        return true;
    }
    return false;
}

static void apply_replaced(struct start *s, struct qmsg *m)
{
    for (size_t i = 0; i < s->replaced.n; i++) {
        const struct replaced *r = &s->replaced.p[i];
        if (strcmp(r->id, m->id) == 0 && r->arrival_us == m->arrival_us && r->n < m->n_rcpt)
            queue_settle(s->q, m, r->n, 0, STR(""), STR(""));
    }
}

static void take_file(struct start *s, enum qplace place, const char *id)
{
    struct err why = { .kind = ERR_NONE };
    struct qmsg *m = qmsg_load(s->q->io, place, id, &why);
    if (m == NULL) {
        if (why.kind == ERR_PROTO)
            to_corrupt(s, place, id, &why);
        else if (why.kind != ERR_NONE)
            s->found->bad(s->q->user, id, &why);
        return;
    }
    if (!is_intact(s, m) || !merge_ring_copy(s, m)) {
        (void)err_set(&why, ERR_PROTO, "%s: file does not match what the queue journal says about it", id);
        to_corrupt(s, place, id, &why);
        qmsg_free(m);
        return;
    }
    apply_replaced(s, m);
    m->durable = true;
    (void)htab_put(&s->q->by_id, str_from(m->id), m);
    s->found->found(s->q->user, m);
}

static void on_name(void *arg, const char *name, bool is_dir)
{
    struct start *s = arg;
    if (!is_dir && qid_is_valid(str_from(name)))
        vec_push(&s->names, xstrdup(name));
}

static void take_directory(struct start *s, enum qplace place)
{
    (void)s->q->io->list(s->q->io, qplace_name(place), on_name, s);
    for (size_t i = 0; i < s->names.n; i++) {
        if (queue_find(s->q, str_from(s->names.p[i])) == NULL)
            take_file(s, place, s->names.p[i]);
        free(s->names.p[i]);
    }
    s->names.n = 0;
}

/* A ring message may have been spilled to deferred/ or hold/ just before the end. */
static bool spilled_elsewhere(struct start *s, struct qmsg **at)
{
    static const enum qplace others[] = { QPLACE_DEFERRED, QPLACE_HOLD };
    for (size_t i = 0; i < N_ELEMS(others); i++) {
        struct err why;
        struct qmsg *m = qmsg_load(s->q->io, others[i], (*at)->id, &why);
        if (m == NULL)
            continue;
        bool same = merge_ring_copy(s, m);
        qmsg_free(m);
        if (same)
            return true;
    }
    return false;
}

static void take_ring(struct start *s)
{
    for (size_t i = 0; i < s->live.n; i++) {
        struct qmsg *m = s->live.p[i];
        if (m == NULL || spilled_elsewhere(s, &s->live.p[i]))
            continue;
        if (queue_find(s->q, str_from(m->id)) != NULL)      /* a stranger has its id */
            queue_new_id(s->q, NULL, m->id);
        journal_pin(s->q->j, m->slot);
        m->pinned = true;
        (void)htab_put(&s->q->by_id, str_from(m->id), m);
        s->found->found(s->q->user, m);
    }
}

/* A bounce of a file message that was written before its recipients were marked in the file. */
static void mark_replaced_files(struct start *s)
{
    static const enum qplace others[] = { QPLACE_DEFERRED, QPLACE_HOLD };
    for (size_t i = 0; i < s->replaced.n; i++)
        for (size_t k = 0; k < N_ELEMS(others); k++) {
            struct err why;
            struct qmsg *m = qmsg_load(s->q->io, others[k], s->replaced.p[i].id, &why);
            if (m == NULL)
                continue;
            apply_replaced(s, m);
            if (m->n_left == 0)
                (void)queue_remove_file(s->q->io, others[k], m->id);
            qmsg_free(m);
        }
}

int queue_recover(struct queue *q, const struct queue_found *found, struct err *err)
{
    static const struct journal_ops ops = { on_record, on_damage };
    struct start s = { .q = q, .found = found };
    int r = journal_recover(q->j, &ops, &s, err);
    if (r == 0) {
        take_directory(&s, QPLACE_INCOMING);
        take_directory(&s, QPLACE_ACTIVE);
        mark_replaced_files(&s);
        take_ring(&s);
        journal_start(q->j);
    }
    vec_done(&s.live);
    vec_done(&s.files);
    vec_done(&s.replaced);
    vec_done(&s.names);
    return r;
}

/* Listing */

struct listing {
    struct queue *q;
    enum qplace place;
    void (*fn)(void *arg, const char *id, const struct qio_stat *st);
    void *arg;
    VEC(char *) dirs;
    VEC(char *) names;
};

static void on_entry(void *arg, const char *name, bool is_dir)
{
    struct listing *l = arg;
    if (is_dir && strlen(name) == 1 && qid_queue_is_hashed(qplace_name(l->place)))
        vec_push(&l->dirs, xstrdup(name));
    else if (!is_dir && qid_is_valid(str_from(name)))
        vec_push(&l->names, xstrdup(name));
}

static void report_names(struct listing *l, const char *dir)
{
    for (size_t i = 0; i < l->names.n; i++) {
        char path[QPATH_MAX];
        struct qio_stat st;
        (void)snprintf(path, sizeof path, "%.32s/%.40s", dir, l->names.p[i]);
        bool known = l->q->is_known != NULL && l->q->is_known(l->names.p[i]);
        if (!known && l->q->io->stat(l->q->io, path, &st) == 0 && (st.mode & 0170000) == 0100000 && (st.mode & 0100) != 0)
            l->fn(l->arg, l->names.p[i], &st);
        free(l->names.p[i]);
    }
    l->names.n = 0;
}

int queue_scan(struct queue *q, enum qplace place, void (*fn)(void *arg, const char *id, const struct qio_stat *st), void *arg)
{
    struct listing l = { .q = q, .place = place, .fn = fn, .arg = arg };
    int r = q->io->list(q->io, qplace_name(place), on_entry, &l);
    report_names(&l, qplace_name(place));
    size_t n_dirs = l.dirs.n;
    for (size_t i = 0; i < n_dirs; i++) {
        char dir[QPATH_MAX];
        (void)snprintf(dir, sizeof dir, "%s/%.1s", qplace_name(place), l.dirs.p[i]);
        (void)q->io->list(q->io, dir, on_entry, &l);
        report_names(&l, dir);
    }
    for (size_t i = 0; i < l.dirs.n; i++)
        free(l.dirs.p[i]);
    vec_done(&l.dirs);
    vec_done(&l.names);
    return r;
}

struct qmsg *queue_load(struct queue *q, enum qplace place, const char *id, uint64_t content_max, struct err *err)
{
    struct qmsg *m = qmsg_load(q->io, place, id, err);
    if (m == NULL)
        return NULL;
    if (m->content_end - m->content_at <= content_max && qmsg_load_content(q->io, m, err) < 0) {
        qmsg_free(m);
        return NULL;
    }
    m->durable = true;
    if (htab_put(&q->by_id, str_from(m->id), m) != NULL)
        UNREACHABLE();
    return m;
}
