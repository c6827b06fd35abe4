/* SPDX-License-Identifier: ISC */
#include "queue/queue.h"
#include "base/enc.h"
#include "base/num.h"
#include "os/clock.h"
#include <errno.h>
#include <fcntl.h>

const char *queue_dir(size_t i)
{
    static const char *const names[] = { "incoming", "active", "deferred", "hold", "corrupt", "defer", "bounce", "trace", "flush", "saved" };
    return i < N_ELEMS(names) ? names[i] : NULL;
}

int queue_make_dirs(struct qio *io, struct err *err)
{
    for (size_t i = 0; queue_dir(i) != NULL; i++)
        if (io->mkdir(io, queue_dir(i)) < 0 && errno != EEXIST)
            return err_sys(err, ERR_CONFIG, "create queue directory %s", queue_dir(i));
    return 0;
}

int queue_open(struct queue *q, struct qio *io, uint64_t journal_size, const struct queue_ops *ops, void *user, struct err *err)
{
    *q = (struct queue){ .io = io, .ops = ops, .user = user };
    list_init(&q->collecting);
    list_init(&q->writing);
    q->j = journal_open(io, QUEUE_JOURNAL_PATH, journal_size, err);
    return q->j == NULL ? -1 : 0;
}

void queue_close(struct queue *q)
{
    struct qmsg *m;
    for (size_t pos = 0; (m = htab_each(&q->by_id, &pos)) != NULL;)
        qmsg_free(m);
    htab_done(&q->by_id);
    journal_close(q->j);
    q->j = NULL;
}

struct qmsg *queue_find(const struct queue *q, struct str id) { return htab_get(&q->by_id, id); }

void queue_new_id(struct queue *q, bool (*taken)(void *user, const char *id), char ret[QID_MAX + 1])
{
    do {
        /* The number starts at the journal's LSN, itself at least the time of day: it does not repeat across restarts. */
        if (q->id_number == 0)
            q->id_number = journal_next_lsn(q->j);
        q->id_number++;
        /* Short ones keep to the ten columns that listings have for them. */
        if (q->long_ids)
            qid_make_long((uint64_t)clock_wall_us(), q->id_number & 0xffffffffu, ret);
        else
            qid_make_short((uint64_t)clock_wall_us(), 0x10000u | (q->id_number & 0xfffffu), ret);
    } while (queue_find(q, str_from(ret)) != NULL || (taken != NULL && taken(q->user, ret)));
}

static void register_message(struct queue *q, struct qmsg *m)
{
    ASSERT(htab_put(&q->by_id, str_from(m->id), m) == NULL);
}

static void pin(struct queue *q, struct qmsg *m, unsigned slot)
{
    journal_pin(q->j, slot);
    m->slot = slot;
    m->pinned = true;
}

static void unpin_old(struct queue *q, struct qmsg *m)
{
    if (m->old_pinned)
        journal_unpin(q->j, m->old_slot);
    m->old_pinned = false;
}

void queue_unpin(struct queue *q, struct qmsg *m)
{
    unpin_old(q, m);
    if (m->pinned)
        journal_unpin(q->j, m->slot);
    m->pinned = false;
}

void queue_forget(struct queue *q, struct qmsg *m)
{
    queue_unpin(q, m);
    for (uint32_t i = 0; i < m->n_settles; i++)
        m->settles[i].of->holds--;
    if (queue_find(q, str_from(m->id)) == m)
        (void)htab_remove(&q->by_id, str_from(m->id));
    qmsg_free(m);
}

/* Appending */

enum { HEAD_ROOM = 256 };

bool queue_has_room(const struct queue *q, size_t payload) { return journal_has_room(q->j, payload + HEAD_ROOM); }

/* Which recipients of which messages: LSN, and for messages that are files only, id and arrival. */
static void put_settles(const struct qmsg *m, struct buf *out)
{
    buf_be32(out, m->n_settles);
    for (uint32_t i = 0; i < m->n_settles; i++) {
        const struct qmsg *of = m->settles[i].of;
        buf_be64(out, of->lsn);
        buf_be64(out, of->arrival_us);
        buf_be32(out, m->settles[i].n);
        buf_putc(out, (char)strlen(of->id));
        buf_puts(out, of->id);
    }
}

int queue_submit(struct queue *q, struct qmsg *m)
{
    struct buf head = { 0 };
    unsigned slot = 0;
    enum journal_type type = m->n_settles > 0 ? JREC_REPLACE : JREC_MESSAGE;
    if (type == JREC_REPLACE)
        put_settles(m, &head);
    qmsg_put_journal(m, &head);
    uint64_t lsn = journal_append(q->j, type, 0, buf_str(&head), buf_str(&m->content), true, &slot);
    buf_done(&head);
    if (lsn == 0)
        return -1;
    m->lsn = lsn;
    m->place = QPLACE_RING;
    m->in_memory = true;
    pin(q, m, slot);
    register_message(q, m);
    list_append(&q->collecting, &m->commit_node);
    for (uint32_t i = 0; i < m->n_settles; i++)
        m->settles[i].of->holds++;
    return 0;
}

void queue_adopt(struct queue *q, struct qmsg *m)
{
    m->place = QPLACE_RING;
    m->in_memory = true;
    register_message(q, m);
}

/* One byte in place, as Postfix does it; lost by a power cut it costs an extra copy, never a loss. */
static void mark_in_file(struct queue *q, const struct qmsg *m, uint64_t at, char type, bool sync)
{
    char path[QPATH_MAX];
    if (m->place == QPLACE_RING || at == 0)
        return;
    qid_path(qplace_name(m->place), m->id, "", path);
    int fd = q->io->open(q->io, path, O_WRONLY, 0);
    if (fd < 0)
        return;
    (void)q->io->pwrite(q->io, fd, &type, 1, at);
    if (sync)
        (void)q->io->sync(q->io, fd);
    q->io->close(q->io, fd);
}

static void mark_done(struct queue *q, struct qmsg *m, uint32_t n, bool sync)
{
    if (m->rcpts[n].done)
        return;
    m->rcpts[n].done = true;
    m->n_left--;
    mark_in_file(q, m, m->rcpts[n].mark_at, QREC_DONE, sync);
}

void queue_settle(struct queue *q, struct qmsg *m, uint32_t n, unsigned outcome, struct str dsn, struct str text)
{
    ASSERT(n < m->n_rcpt);
    if (m->rcpts[n].done)
        return;
    if (m->pinned) {
        struct buf payload = { 0 };
        unsigned slot;
        buf_be32(&payload, 1);
        buf_be32(&payload, n);
        buf_be32(&payload, outcome);
        buf_printf(&payload, "%.*s %.*s", STR_FMT(dsn), STR_FMT(str_head(text, 200)));
        (void)journal_append(q->j, JREC_RCPT, m->lsn, buf_str(&payload), (struct str){ "", 0 }, false, &slot);
        buf_done(&payload);
    }
    mark_done(q, m, n, false);
}

int queue_remove_file(struct qio *io, enum qplace place, const char *id)
{
    char path[QPATH_MAX];
    qid_path(qplace_name(place), id, "", path);
    return io->unlink(io, path);
}

bool queue_remove(struct queue *q, struct qmsg *m)
{
    ASSERT(m->n_left == 0 || m->holds == 0);
    if (m->holds > 0 || !list_is_empty(&m->commit_node))
        return false;
    if (m->place != QPLACE_RING) {
        if (m->moved_lsn > journal_durable_lsn(q->j))
            return false;
        (void)queue_remove_file(q->io, m->place, m->id);
        queue_remove_reasons(q, m->id);
    }
    queue_forget(q, m);
    return true;
}

void queue_clear_warn(struct queue *q, struct qmsg *m)
{
    struct buf rec = { 0 };
    char path[QPATH_MAX];
    m->warn_at = 0;
    if (m->place == QPLACE_RING || m->warn_mark == 0)
        return;
    qrec_putf(&rec, QREC_WARN, "%15d", 0);
    qid_path(qplace_name(m->place), m->id, "", path);
    int fd = q->io->open(q->io, path, O_WRONLY, 0);
    if (fd >= 0) {
        (void)q->io->pwrite(q->io, fd, rec.p, rec.n, m->warn_mark);
        q->io->close(q->io, fd);
    }
    buf_done(&rec);
}

/* Commit */

static void move_all(struct list *from, struct list *to)
{
    LIST_EACH(it, from) {
        list_remove(it);
        list_append(to, it);
    }
}

struct journal_batch *queue_commit_begin(struct queue *q, bool sync)
{
    struct journal_batch *b = journal_batch_take(q->j, sync);
    if (b != NULL)
        move_all(&q->collecting, &q->writing);
    return b;
}

static void became_durable(struct queue *q, struct qmsg *m)
{
    m->durable = true;
    for (uint32_t i = 0; i < m->n_settles; i++) {
        /* Synced in a file: the mark must outlive the REPLACE record, or the notice would be sent again. */
        mark_done(q, m->settles[i].of, m->settles[i].n, true);
        m->settles[i].of->holds--;
    }
    m->n_settles = 0;
    q->ops->on_durable(q->user, m);
}

/*
 * A message of the condemned segment goes to the next one, under a new number
 * that supersedes the old. The copy that is durable stays until the new one is.
 */
static void write_again(struct queue *q, struct qmsg *m)
{
    struct buf head = { 0 };
    unsigned slot = 0;
    qmsg_put_journal(m, &head);
    uint64_t lsn = journal_append(q->j, JREC_MESSAGE, m->lsn, buf_str(&head), buf_str(&m->content), true, &slot);
    buf_done(&head);
    if (m->old_pinned) {
        journal_unpin(q->j, m->slot);
        m->slot = m->old_slot;
        m->lsn = m->old_lsn;
        m->old_pinned = false;
    }
    if (lsn == 0)
        return;             /* no room: the durable copy is the one that counts */
    m->old_slot = m->slot;
    m->old_lsn = m->lsn;
    m->old_pinned = true;
    m->lsn = lsn;
    pin(q, m, slot);
    q->rewritten = true;
}

static void release_old(struct queue *q)
{
    struct qmsg *m;
    for (size_t pos = 0; q->rewritten && (m = htab_each(&q->by_id, &pos)) != NULL;)
        unpin_old(q, m);
    q->rewritten = false;
}

static void refuse_list(struct queue *q, struct list *list)
{
    while (!list_is_empty(list)) {
        struct qmsg *m = container_of(list->next, struct qmsg, commit_node);
        list_remove(&m->commit_node);
        queue_unpin(q, m);
        if (m->place == QPLACE_INCOMING) {      /* a large message: its file must not come back */
            (void)queue_remove_file(q->io, m->place, m->id);
            (void)q->io->sync_dir(q->io, "incoming");
        }
        q->ops->on_refused(q->user, m);
    }
}

int queue_commit_done(struct queue *q, struct journal_batch *b, struct err *err)
{
    unsigned condemned;
    bool synced = journal_batch_syncs(b);
    if (journal_batch_done(q->j, &b, &condemned, err) < 0) {
        refuse_list(q, &q->writing);
        refuse_list(q, &q->collecting);
        struct qmsg *m;
        for (size_t pos = 0; (m = htab_each(&q->by_id, &pos)) != NULL;)
            if (m->pinned && (m->slot == condemned || m->old_pinned))  /* old: the new copy was in what failed */
                write_again(q, m);
        return -1;
    }
    if (synced)
        release_old(q);
    while (synced && !list_is_empty(&q->writing)) {
        struct qmsg *m = container_of(q->writing.next, struct qmsg, commit_node);
        list_remove(&m->commit_node);
        became_durable(q, m);
    }
    return 0;
}
