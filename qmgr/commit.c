/* SPDX-License-Identifier: ISC
 *
 * commit.c - the end of a turn: everything that was appended goes out in one
 * write and, if mail waits for its 250, one sync, off the loop. Also what keeps
 * the ring flowing: messages that are old, or in its oldest segment, become
 * files; and the state of the disk that the receiving processes are told.
 */
#include "qmgr.h"
#include <errno.h>
#include <sys/statvfs.h>

enum { LAZY_SYNC_MS = 50, SPILLS_MAX = 8, SECOND_MS = 1000, FRAME_CONTENT_MAX = 131072, RETRY_MS = 1000, SAY_MS = 60000 };

static struct {
    struct job job;
    struct journal_batch *batch;
    int64_t not_before;             /* the journal failed again: when to try next */
    int64_t say_after;
} running;

static void send_acks(struct ack_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        struct ipc_result_ack ack = { .job = list->p[i].job, .n = list->p[i].n };
        if (list->p[i].chan != NULL)
            (void)chan_send(list->p[i].chan, IPC_RESULT_ACK, 0, &ack);
    }
    list->n = 0;
}

static void send_refusals(void)
{
    for (size_t i = 0; i < qm.refusals.n; i++)
        if (qm.refusals.p[i].in != NULL)
            refuse(qm.refusals.p[i].in, 0, str_from(qm.refusals.p[i].id), 451, "4.3.0", "Error: queue file write error");
    qm.refusals.n = 0;
}

/* One failure is answered by another segment at once; while they go on, the disk gets time, and the log one line a minute. */
static void write_failed(const struct err *err)
{
    int64_t now = clock_mono_ms();
    if (!journal_is_failed(qm.q.j)) {
        log_error("%s; the mail of this batch is refused, the segment is given up", err->text);
        return;
    }
    running.not_before = now + RETRY_MS;
    send_refusals();
    if (now < running.say_after)
        return;
    running.say_after = now + SAY_MS;
    log_error("%s; queue journal cannot be written; no mail is taken until it can", err->text);
}

static void finish(void)
{
    struct err err;
    struct journal_batch *b = running.batch;
    bool synced = journal_batch_syncs(b);
    running.batch = NULL;
    qm.committing = false;
    if (queue_commit_done(&qm.q, b, &err) < 0) {
        write_failed(&err);
        check_space();
        commit_soon();
        return;
    }
    send_acks(&qm.acks_writing);
    if (synced) {
        running.say_after = 0;
        send_refusals();
    }
}

static void batch_thread(struct job *job) { (void)job; journal_batch_run(running.batch); }
static void batch_finished(struct job *job) { (void)job; finish(); commit_soon(); }

static void sync_lazy(struct timer *t);

static void commit_now(bool sync)
{
    if (qm.committing || clock_mono_ms() < running.not_before)
        return;
    struct journal_batch *b = queue_commit_begin(&qm.q, sync);
    if (b == NULL) {
        send_acks(&qm.acks);
        return;
    }
    struct ack_list swap = qm.acks_writing;     /* empty here */
    qm.acks_writing = qm.acks;
    qm.acks = swap;
    running.batch = b;
    qm.committing = true;
    if (journal_batch_syncs(b)) {
        offload_submit(&running.job, batch_thread, batch_finished);
        return;
    }
    journal_batch_run(b);
    finish();
    if (journal_is_dirty(qm.q.j) && !heap_has(&qm.sync_timer.node))
        timer_set(&qm.sync_timer, clock_mono_ms() + LAZY_SYNC_MS, sync_lazy);
}

static void sync_lazy(struct timer *t)
{
    if (qm.committing)
        timer_set(t, clock_mono_ms() + LAZY_SYNC_MS, sync_lazy);
    else
        commit_now(true);
}

static void at_turn_end(struct deferred *d) { (void)d; commit_now(false); }
void commit_soon(void) { loop_defer(&qm.turn_end, at_turn_end); }

/* Durable, refused */

static void on_durable(void *user, struct qmsg *m)
{
    struct active *a = active_of(m);
    (void)user;
    if (a->in != NULL) {
        struct ipc_msg_done done = { .queue_id = str_from(m->id) };
        (void)chan_send(a->in->chan, IPC_MSG_DONE, 0, &done);
        a->in = NULL;
    }
    if (a->notice_of != NULL)
        notice_durable(a);
    msg_activate(m);
}

static void on_refused(void *user, struct qmsg *m)
{
    struct active *a = active_of(m);
    (void)user;
    if (a->in != NULL) {
        struct refusal r = { .in = a->in };
        memcpy(r.id, m->id, sizeof r.id);
        vec_push(&qm.refusals, r);
    }
    struct qmsg *of = a->notice_of;
    for (uint32_t i = 0; of != NULL && i < m->n_settles; i++) {   /* the notice has to be made again */
        struct qrcpt *r = &of->rcpts[m->settles[i].n];
        if (r->state == RCPT_COMPOSING)
            r->state = a->forwarded ? RCPT_IDLE : RCPT_BOUNCED;
    }
    if (of != NULL) {
        active_of(of)->composing--;
        active_of(of)->next_rcpt = 1;
        if (m->n_settles == 0)
            of->holds--;
    }
    msg_drop(a);
}
const struct queue_ops commit_queue_ops = { on_durable, on_refused };

/* Spill */

struct spill_job { struct job job; struct qspill spill; struct active *a; };

static void spill_more(struct deferred *d);

static void spill_thread(struct job *job) { queue_spill_run(&container_of(job, struct spill_job, job)->spill); }

static void after_spill(struct active *a)
{
    if (a->active_us == 0 && a->m->place != QPLACE_RING && !a->m->in_memory)
        msg_activate(a->m);             /* it waited for its file */
    else if (qm.q.by_id.n > qm.conf.active_limit && a->m->n_left > 0 && !qm.draining)
        msg_unload(a);
    else
        msg_check(a);
}

static void spill_finished(struct job *job)
{
    struct spill_job *s = container_of(job, struct spill_job, job);
    struct active *a = s->a;
    struct late_order late = tool_late_order(a);
    struct err err;
    qm.spills--;
    a->spilling = false;
    if (queue_spill_done(&s->spill, &err) < 0)
        log_warning("%s; it stays in the queue journal", err.text);
    commit_soon();
    free(s);
    if (a->m->place != QPLACE_RING)
        list_remove(&a->ring_node);
    loop_defer(&qm.spill_more, spill_more);
    if (a->m->place != QPLACE_RING && a->m->content.n > FRAME_CONTENT_MAX) {
        buf_done(&a->m->content);
        a->m->in_memory = false;
    }
    tool_carry_out(&late);
    if (queue_find(&qm.q, str_from(late.id)) != NULL)       /* the order may have put it away */
        after_spill(a);
}

/* False: too many are running. */
static bool spill(struct active *a, enum qplace place)
{
    if (a->spilling || qm.spills >= SPILLS_MAX || a->m->place != QPLACE_RING || !a->m->durable)
        return false;
    struct spill_job *s = xcalloc(1, sizeof *s);
    s->a = a;
    a->spilling = true;
    qm.spills++;
    queue_spill_begin(&qm.q, a->m, place, 0, &s->spill);
    offload_submit(&s->job, spill_thread, spill_finished);
    return true;
}

/* What is too large for a frame (a forward of a large message) must be a file before it can be delivered. */
bool needs_file(const struct active *a) { return a->m->place == QPLACE_RING && a->m->content.n > FRAME_CONTENT_MAX; }
void make_file(struct active *a) { (void)spill(a, QPLACE_ACTIVE); }

static void spill_old(void)
{
    uint64_t now = (uint64_t)clock_wall_us(), age = (uint64_t)qm.conf.spill_after * 1000000;
    bool tight = journal_free_segments(qm.q.j) <= 2;
    int oldest = journal_oldest_slot(qm.q.j);
    LIST_EACH(it, &qm.in_ring) {
        struct active *a = container_of(it, struct active, ring_node);
        if (qm.spills >= SPILLS_MAX)
            return;
        bool old = a->active_us != 0 && a->active_us + age < now;
        if (old || qm.draining || needs_file(a) || (tight && (int)a->m->slot == oldest))
            (void)spill(a, QPLACE_ACTIVE);
    }
}

static void spill_more(struct deferred *d) { (void)d; spill_old(); }

bool everything_spilled(void)
{
    LIST_EACH(it, &qm.active) {
        struct active *a = container_of(it, struct active, node);
        if (a->m->place == QPLACE_RING || a->spilling)
            return false;
    }
    /* Also a record that waits for the end of this turn: who is behind it has no answer yet. */
    bool written = journal_durable_lsn(qm.q.j) + 1 == journal_next_lsn(qm.q.j);
    return qm.spills == 0 && !intake_awaits_files() && !qm.committing && written;
}

/* State of the disk */

static uint32_t state_of_disk(const char **ret_dsn, const char **ret_text)
{
    struct statvfs vfs;
    *ret_dsn = "4.3.1";
    *ret_text = "Insufficient system storage";
    if (journal_is_failed(qm.q.j) || qm.draining) {
        *ret_dsn = "4.3.0";
        *ret_text = "Error: queue file write error";
        return 451;
    }
    if (journal_free_segments(qm.q.j) < 2 && !queue_has_room(&qm.q, qm.conf.inline_limit * 2))
        return 452;
    if (statvfs(".", &vfs) < 0)
        return 0;
    uint64_t free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    return free_bytes < MAX(qm.conf.queue_minfree, qm.conf.message_size_limit / 2 * 3) ? 452 : 0;
}

void send_queue_state(struct intake *in)
{
    const char *dsn, *text;
    uint32_t code = state_of_disk(&dsn, &text);
    struct ipc_queue_state state = { .code = code, .dsn = str_from(code == 0 ? "" : dsn), .text = str_from(code == 0 ? "" : text) };
    if (in->state_sent != code + 1)
        (void)chan_send(in->chan, IPC_QUEUE_STATE, 0, &state);
    in->state_sent = code + 1;
}

void check_space(void)
{
    const char *dsn, *text;
    uint32_t code = state_of_disk(&dsn, &text);
    if (code != qm.state_code && code != 0 && !qm.draining)
        log_warning("no mail is taken: %s", code == 452 ? "not enough free queue space (see queue_minfree and message_size_limit)" : text);
    qm.state_code = code;
    LIST_EACH(it, &qm.intakes)
        send_queue_state(container_of(it, struct intake, node));
}

static void every_second(struct timer *t)
{
    spill_old();
    check_space();
    LIST_EACH(it, &qm.active) {         /* files whose MOVED record had to be synced before they may go */
        struct active *a = container_of(it, struct active, node);
        if (a->m->durable && a->m->n_left == 0 && a->working == 0)
            msg_check(a);
    }
    commit_now(journal_is_dirty(qm.q.j));
    sched_soon();
    timer_set(t, clock_mono_ms() + (qm.draining ? 20 : SECOND_MS), every_second);
}

void commit_start(void) { every_second(&qm.second); }

/* A clean stop leaves an empty ring: everything becomes a file. */
void commit_stop(void)
{
    check_space();
    timer_set(&qm.second, clock_mono_ms(), every_second);
}
