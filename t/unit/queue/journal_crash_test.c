/* SPDX-License-Identifier: ISC
 *
 * journal_crash_test.c - the queue under random work, with a crash after every
 * system call: at least 20,000 images are recovered and compared with what had
 * been promised. Lost: an acknowledged recipient that is neither done nor in
 * the queue. Torn: a message that differs from what was submitted. Revived: a
 * refused message, or a recipient that was durably done.
 */
#include "queue/queue.h"
#include "simfs.inc"
#include "tap.h"
#include <time.h>

/* Millions of short-lived blocks: the sanitizer keeps fewer of them back. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "quarantine_size_mb=2:malloc_context_size=1"; }

enum { RUNS = 8, STEPS = 160, IMAGES_WANTED = 20000, RCPT_MAX = 3, NEVER = 1 << 30 };

/* What the world knows about a message, as indexes into the log of operations. */
struct truth {
    char id[QID_MAX + 1];
    uint32_t number, n_rcpt;
    int acked, refused;
    bool pending_refusal;
    int done[RCPT_MAX];             /* told to be done */
    int done_durable[RCPT_MAX];     /* and that is on stable storage */
    int by[RCPT_MAX];               /* truth of the message that replaces it, or -1 */
    int of;                         /* a replacement: truth of the message whose recipient it was to replace, or -1 */
    uint32_t of_rcpt;
    uint64_t done_lsn[RCPT_MAX];
};
struct world {
    struct simfs fs;
    struct queue q;
    VEC(struct truth) truths;
};
static struct world w;
static unsigned long images, lost, torn, revived, split, damaged;
static bool errors_injected;

static uint64_t state;
static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}
static bool coin(void) { return (rnd() & 1u) != 0; }
static int now(void) { return (int)w.fs.log.n; }

static void text_of(uint32_t number, struct buf *out)
{
    uint64_t x = number * 2654435761u + 1;
    size_t lines = number % 23 + 1;
    for (size_t i = 0; i < lines; i++) {
        char line[80];
        for (size_t k = 0; k < sizeof line; k++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            line[k] = (char)('a' + (x >> 40) % 26);
        }
        qrec_put(out, QREC_LINE, str_make(line, sizeof line));
    }
}

static struct truth *truth_by_id(const char *id)
{
    for (size_t i = w.truths.n; i > 0; i--)
        if (strcmp(w.truths.p[i - 1].id, id) == 0)
            return &w.truths.p[i - 1];
    return NULL;
}

static void on_durable(void *user, struct qmsg *m)
{
    (void)user;
    struct truth *t = truth_by_id(m->id);
    t->acked = now();
    for (size_t i = 0; i < w.truths.n; i++)
        for (uint32_t n = 0; n < w.truths.p[i].n_rcpt; n++)
            if (w.truths.p[i].by[n] == (int)(t - w.truths.p))
                w.truths.p[i].done[n] = w.truths.p[i].done_durable[n] = now();
}

static void on_refused(void *user, struct qmsg *m)
{
    (void)user;
    struct truth *t = truth_by_id(m->id);
    t->pending_refusal = true;
    for (size_t i = 0; i < w.truths.n; i++)
        for (uint32_t n = 0; n < w.truths.p[i].n_rcpt; n++)
            if (w.truths.p[i].by[n] == (int)(t - w.truths.p))
                w.truths.p[i].by[n] = -1;
    queue_forget(&w.q, m);
}
static const struct queue_ops ops = { on_durable, on_refused };

static struct qmsg *make_message(void)
{
    struct truth *t = vec_add(&w.truths);
    queue_new_id(&w.q, NULL, t->id);
    t->number = (uint32_t)w.truths.n;
    t->n_rcpt = (uint32_t)(rnd() % RCPT_MAX) + 1;
    t->acked = t->refused = NEVER;
    t->of = -1;
    struct qmsg *m = qmsg_new(t->id);
    m->arrival_us = 1700000000000000u + t->number;
    qrec_putz(&m->envelope, QREC_SENDER, "sender@example.test");
    for (uint32_t i = 0; i < t->n_rcpt; i++) {
        qrec_putf(&m->envelope, QREC_RCPT, "r%u@example.test", i);
        t->done[i] = t->done_durable[i] = NEVER;
        t->by[i] = -1;
        t->done_lsn[i] = 0;
    }
    struct err err;
    if (qmsg_parse_envelope(m, QMSG_CHANNEL_RECORDS, t->n_rcpt, &err) < 0)
        abort();
    text_of(t->number, &m->content);
    (void)qrec_content_size(buf_str(&m->content), &m->content_size);
    return m;
}

static void submit(struct qmsg *m)
{
    if (!queue_has_room(&w.q, m->envelope.n + m->content.n) || queue_submit(&w.q, m) < 0) {
        struct truth *t = truth_by_id(m->id);
        t->pending_refusal = true;
        qmsg_free(m);
    }
}

static struct qmsg *pick_message(void)
{
    struct qmsg *m;
    size_t n = 0, k = 0;
    for (size_t pos = 0; (m = htab_each(&w.q.by_id, &pos)) != NULL;)
        n += m->durable;
    if (n == 0)
        return NULL;
    size_t want = rnd() % n;
    for (size_t pos = 0; (m = htab_each(&w.q.by_id, &pos)) != NULL;)
        if (m->durable && k++ == want)
            return m;
    return NULL;
}

/* A recipient that is not done and not about to be replaced. */
static bool pick_rcpt(const struct qmsg *m, uint32_t *ret)
{
    const struct truth *t = truth_by_id(m->id);
    for (uint32_t i = 0; i < m->n_rcpt; i++)
        if (!m->rcpts[i].done && t->by[i] < 0) {
            *ret = i;
            return true;
        }
    return false;
}

static void step_settle(void)
{
    struct qmsg *m = pick_message();
    uint32_t n;
    if (m == NULL || !pick_rcpt(m, &n))
        return;
    struct truth *t = truth_by_id(m->id);
    t->done[n] = now();
    t->done_lsn[n] = m->pinned ? journal_next_lsn(w.q.j) : 0;
    queue_settle(&w.q, m, n, 1, STR("2.0.0"), STR("ok"));
}

static void step_replace(void)
{
    struct qmsg *m = pick_message();
    uint32_t n;
    if (m == NULL || !pick_rcpt(m, &n))
        return;
    char id[QID_MAX + 1];
    memcpy(id, m->id, sizeof id);
    struct qmsg *notice = make_message();
    notice->settles = xcalloc(1, sizeof *notice->settles);
    notice->settles[0] = (struct qsettle){ m, n };
    notice->n_settles = 1;
    if (!queue_has_room(&w.q, 4096) || queue_submit(&w.q, notice) < 0) {
        truth_by_id(notice->id)->pending_refusal = true;
        qmsg_free(notice);
        return;
    }
    truth_by_id(id)->by[n] = (int)(w.truths.n - 1);
    truth_by_id(notice->id)->of = (int)(truth_by_id(id) - w.truths.p);
    truth_by_id(notice->id)->of_rcpt = n;
}

static void step_spill(void)
{
    static const enum qplace places[] = { QPLACE_ACTIVE, QPLACE_DEFERRED, QPLACE_HOLD };
    struct qmsg *m = pick_message();
    struct err err;
    if (m == NULL)
        return;
    enum qplace place = places[rnd() % 3];
    if (m->place != QPLACE_RING) {
        (void)queue_move(&w.q, m, place, 0, true, &err);
        return;
    }
    struct qspill s;
    queue_spill_begin(&w.q, m, place, 1700000000, &s);
    queue_spill_run(&s);
    (void)queue_spill_done(&s, &err);
}

static void step_big(void)
{
    struct qmsg *m = make_message();
    struct buf content = m->content;
    struct qbig big;
    struct err err;
    int fd;
    m->content = (struct buf){ 0 };
    if (queue_big_begin(&w.q, m, &big, &fd, &err) == 0) {
        (void)w.fs.io.pwrite(&w.fs.io, fd, content.p, content.n, m->content_at);
        w.fs.io.close(&w.fs.io, fd);
        big.records_size = content.n;
        queue_big_run(&big);
        if (queue_big_done(&big, &err) < 0) {
            truth_by_id(m->id)->pending_refusal = false;    /* a file that may be there or not: no promise */
            qmsg_free(m);
        }
    }
    buf_done(&content);
}

static void note_durable_marks(void)
{
    for (size_t i = 0; i < w.truths.n; i++)
        for (uint32_t n = 0; n < w.truths.p[i].n_rcpt; n++) {
            struct truth *t = &w.truths.p[i];
            if (t->done_lsn[n] != 0 && t->done_durable[n] == NEVER && t->done_lsn[n] <= journal_durable_lsn(w.q.j))
                t->done_durable[n] = now();
        }
}

static void step_commit(bool sync)
{
    struct err err;
    struct journal_batch *b = queue_commit_begin(&w.q, sync);
    if (b == NULL)
        return;
    bool synced = journal_batch_syncs(b);
    journal_batch_run(b);
    if (queue_commit_done(&w.q, b, &err) < 0) {
        for (size_t i = 0; i < w.truths.n; i++)     /* numbers were given anew */
            for (uint32_t n = 0; n < w.truths.p[i].n_rcpt; n++)
                w.truths.p[i].done_lsn[n] = 0;
        return;
    }
    note_durable_marks();
    for (size_t i = 0; synced && i < w.truths.n; i++)
        if (w.truths.p[i].pending_refusal && w.truths.p[i].refused == NEVER)
            w.truths.p[i].refused = now();
}

static void remove_done(void)
{
    struct qmsg *m;
    for (size_t pos = 0; (m = htab_each(&w.q.by_id, &pos)) != NULL;)
        if (m->durable && m->n_left == 0 && queue_remove(&w.q, m))
            pos = 0;
}

/* The oldest segment must become free, or nothing more fits. */
static void spill_oldest(void)
{
    struct qmsg *m;
    struct err err;
    int slot = journal_free_segments(w.q.j) <= 2 ? journal_oldest_slot(w.q.j) : -1;
    for (size_t pos = 0; slot >= 0 && (m = htab_each(&w.q.by_id, &pos)) != NULL;)
        if (m->durable && m->pinned && (int)m->slot == slot && m->holds == 0) {
            struct qspill s;
            queue_spill_begin(&w.q, m, QPLACE_ACTIVE, 0, &s);
            queue_spill_run(&s);
            (void)queue_spill_done(&s, &err);
        }
}

static void work(bool with_errors)
{
    for (int i = 0; i < STEPS; i++) {
        switch (rnd() % 10) {
        case 0: case 1: case 2: case 3: submit(make_message()); break;
        case 4: case 5: step_settle(); break;
        case 6: step_replace(); break;
        case 7: step_spill(); break;
        case 8: if (rnd() % 3 == 0) step_big(); break;
        default: break;
        }
        if (with_errors && rnd() % 15 == 0)
            *(coin() ? &w.fs.fail_syncs : &w.fs.fail_writes) = rnd() % 4 == 0 ? 12 : 1;    /* 12: all segments in turn */
        if (rnd() % 3 == 0)
            step_commit(coin());
        remove_done();
        spill_oldest();
    }
    step_commit(true);
    step_commit(true);
}

/* Recovery and judgement */

static void ignore_durable(void *user, struct qmsg *m) { (void)user; (void)m; }
static const struct queue_ops quiet = { ignore_durable, ignore_durable };
static void on_found(void *user, struct qmsg *m) { (void)user; (void)m; }
static void on_bad(void *user, const char *path, const struct err *why)
{
    (void)user;
    if (getenv("CRASH_VERBOSE") != NULL && images < 2000)
        printf("# image %lu: %s: %s\n", images, path, why->text);
}
static const struct queue_found found = { on_found, on_bad };

static void load_listed(void *arg, const char *id, const struct qio_stat *st)
{
    struct queue *q = arg;
    struct err err;
    (void)st;
    if (queue_find(q, str_from(id)) == NULL) {
        (void)(queue_load(q, QPLACE_DEFERRED, id, 1 << 20, &err) == NULL && queue_load(q, QPLACE_HOLD, id, 1 << 20, &err) == NULL);
    }
}

static bool same_content(struct queue *q, struct qmsg *m, const struct truth *t)
{
    static struct buf texts[4096];         /* made once: this is called for every message of every image */
    struct err err;
    if (texts[t->number].n == 0)
        text_of(t->number, &texts[t->number]);
    struct buf want = texts[t->number];
    if (m->content.n == 0)
        (void)qmsg_load_content(q->io, m, &err);
    bool same = str_eq(buf_str(&want), buf_str(&m->content)) && m->n_rcpt == t->n_rcpt && str_eqz(m->sender, "sender@example.test");
    return same;
}

static void judge_revived(const struct qmsg *m, const struct truth *t, uint32_t n, int at)
{
    if (m->rcpts[n].done || t->done_durable[n] >= at)
        return;
    if (revived++ < 10)
        printf("# revived: lsn %llu id %s image %lu op %d message %u rcpt %u in %s, durable at %d by %d\n", (unsigned long long)m->lsn % 100000000, m->id, images, at, t->number, n,
               qplace_name(m->place), t->done_durable[n], t->by[n]);
}

static void judge_found(struct queue *q, int at)
{
    struct qmsg *m;
    for (size_t pos = 0; (m = htab_each(&q->by_id, &pos)) != NULL;) {
        const struct truth *t = truth_by_id(m->id);
        if (t == NULL || !same_content(q, m, t))
            torn++;
        else if (t->refused < at)
            revived++;
        else
            for (uint32_t n = 0; n < m->n_rcpt; n++)
                judge_revived(m, t, n, at);
    }
}

static bool is_live(struct queue *q, const struct truth *t, uint32_t n)
{
    struct qmsg *m = queue_find(q, str_from(t->id));
    return m != NULL && n < m->n_rcpt && !m->rcpts[n].done;
}

/* By one that was not acknowledged: it may be there or not, with what it settles. */
static bool is_replaced(struct queue *q, int of, uint32_t n)
{
    for (size_t i = 0; i < w.truths.n; i++)
        if (w.truths.p[i].of == of && w.truths.p[i].of_rcpt == n && is_live(q, &w.truths.p[i], 0))
            return true;
    return false;
}

static void judge_promises(struct queue *q, int at)
{
    for (size_t i = 0; i < w.truths.n; i++) {
        const struct truth *t = &w.truths.p[i];
        for (uint32_t n = 0; t->acked < at && n < t->n_rcpt; n++) {
            bool live = is_live(q, t, n);
            if (t->done[n] < at || live)
                continue;
            /* Only its replacement may have ended it, and must then be there itself. */
            const struct truth *by = t->by[n] < 0 ? NULL : &w.truths.p[t->by[n]];
            if (is_replaced(q, (int)i, n))
                continue;
            if (by == NULL && getenv("CRASH_VERBOSE") != NULL && lost < 10)
                printf("# lost: image %lu op %d message %u acked %d rcpt %u in_queue %d\n", images, at, t->number, t->acked, n,
                       queue_find(q, str_from(t->id)) != NULL);
            if (by == NULL)
                lost++;
            else if (!is_live(q, by, 0))
                split++;
        }
    }
}

static int recover(struct simfs *image, int at, bool again)
{
    struct queue q;
    struct err err;
    if (queue_make_dirs(&image->io, &err) < 0 || queue_open(&q, &image->io, 8 * 16384, &quiet, NULL, &err) < 0) {
        printf("# %s\n", err.text);
        return -1;
    }
    int r = queue_recover(&q, &found, &err);
    if (r < 0)
        printf("# %s\n", err.text);
    (void)queue_scan(&q, QPLACE_DEFERRED, load_listed, &q);
    (void)queue_scan(&q, QPLACE_HOLD, load_listed, &q);
    judge_found(&q, at);
    judge_promises(&q, at);
    damaged += errors_injected ? 0 : q.damaged;
    if (again) {        /* a new start writes its first records; the next crash must find the same */
        struct qmsg *m = NULL;
        size_t pos = 0;
        while ((m = htab_each(&q.by_id, &pos)) != NULL && !m->pinned)
            ;
        if (m != NULL && journal_free_segments(q.j) > 0) {
            struct qspill s;
            queue_spill_begin(&q, m, QPLACE_ACTIVE, 0, &s);
            queue_spill_run(&s);
            (void)queue_spill_done(&s, &err);
        }
        struct journal_batch *b = queue_commit_begin(&q, true);
        if (b != NULL) {
            journal_batch_run(b);
            (void)queue_commit_done(&q, b, &err);
        }
    }
    queue_close(&q);
    return r;
}

static void one_image(const struct simfs *stable, const unsigned *pending, size_t n_pending, unsigned variant, int at)
{
    static struct simfs image;
    simfs_copy(&image, stable);
    size_t names = 0, keep = 0;
    for (size_t i = 0; i < n_pending; i++)
        names += sim_is_name_op(w.fs.log.p[pending[i]].kind);
    keep = variant == 0 ? 0 : variant == 1 ? names : rnd() % (names + 1);
    for (size_t i = 0; i < n_pending; i++) {
        const struct sim_op *op = &w.fs.log.p[pending[i]];
        if (sim_is_name_op(op->kind)) {
            if (keep > 0 && keep--)
                simfs_apply(&image, op);
        } else if (variant == 1) {
            simfs_apply(&image, op);
        } else if (variant > 1) {
            simfs_apply_sectors(&image, op, coin);
        }
    }
    images++;
    if (recover(&image, at, variant == 3) == 0 && variant == 3)
        (void)recover(&image, at, false);
}

/* An operation that makes earlier ones durable takes them out of the pending list. */
static void make_stable(struct simfs *stable, unsigned *pending, size_t *n, const struct sim_op *op)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        const struct sim_op *p = &w.fs.log.p[pending[i]];
        bool now_stable = op->kind == SIM_SYNC_DIR ? sim_is_name_op(p->kind) : !sim_is_name_op(p->kind) && p->inode == op->inode;
        if (now_stable)
            simfs_apply(stable, p);
        else
            pending[kept++] = pending[i];
    }
    *n = kept;
}

/* The kernel takes the pages for written now: what did not get there never will. */
static void make_lost(struct simfs *stable, unsigned *pending, size_t *n, const struct sim_op *op)
{
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        const struct sim_op *p = &w.fs.log.p[pending[i]];
        if (!sim_is_name_op(p->kind) && p->inode == op->inode)
            simfs_apply_sectors(stable, p, coin);
        else
            pending[kept++] = pending[i];
    }
    *n = kept;
}

static void crash_everywhere(unsigned variants)
{
    struct simfs stable;
    VEC(unsigned) pending = { 0 };
    simfs_init(&stable);
    for (size_t i = 0; i < w.fs.log.n; i++) {
        const struct sim_op *op = &w.fs.log.p[i];
        if (op->kind == SIM_SYNC || op->kind == SIM_SYNC_DIR)
            make_stable(&stable, pending.p, &pending.n, op);
        else if (op->kind == SIM_SYNC_FAILED)
            make_lost(&stable, pending.p, &pending.n, op);
        else
            vec_push(&pending, (unsigned)i);
        for (unsigned v = 0; v < variants && i > 40; v++)
            one_image(&stable, pending.p, pending.n, v, (int)i + 1);
    }
    vec_done(&pending);
    simfs_done(&stable);
}

static void one_run(unsigned run)
{
    struct err err;
    state = 88172645463325252u + run * 7919u;
    memset(&w, 0, sizeof w);
    simfs_init(&w.fs);
    w.fs.logging = true;
    if (queue_make_dirs(&w.fs.io, &err) < 0 || w.fs.io.sync_dir(&w.fs.io, ".") < 0 ||
        queue_open(&w.q, &w.fs.io, 8 * 16384, &ops, NULL, &err) < 0 || queue_recover(&w.q, &found, &err) < 0) {
        printf("Bail out! %s\n", err.text);
        exit(1);
    }
    errors_injected = run % 2 == 1;
    work(errors_injected);
    queue_close(&w.q);
    crash_everywhere(5);
    simfs_done(&w.fs);
    vec_done(&w.truths);
}

int main(void)
{
    time_t start = time(NULL);
    for (unsigned run = 0; run < (getenv("CRASH_VERBOSE") != NULL ? 1 : RUNS) || (getenv("CRASH_VERBOSE") == NULL && images < IMAGES_WANTED && run < 4 * RUNS); run++)
        one_run(getenv("CRASH_RUN") != NULL ? 3 : run);
    printf("# %lu images in %ld s\n", images, (long)(time(NULL) - start));
    printf("# lost %lu, torn %lu, revived %lu, split %lu, taken for damage %lu\n", lost, torn, revived, split, damaged);
    OK(images >= IMAGES_WANTED, "at least 20,000 crash images were recovered");
    OK(lost == 0, "no acknowledged recipient was lost");
    OK(torn == 0, "no message was torn or mixed up");
    OK(revived == 0, "nothing that was refused or durably done came back");
    OK(split == 0, "a replacement and what it settles happen together or not at all");
    OK(damaged == 0, "a torn tail is never taken for damage, not even by the start after the next");
    return tap_done();
}
