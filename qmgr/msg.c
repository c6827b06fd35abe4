/* SPDX-License-Identifier: ISC
 *
 * msg.c - what becomes of a message: when no recipient is in work any more, the
 * bounced ones are returned, the deferred ones wait, and a message without
 * recipients leaves the queue.
 */
#include "qmgr.h"
#include "base/enc.h"
#include "ipc/schema.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct active *msg_new_active(struct qmsg *m)
{
    struct active *a = xcalloc(1, sizeof *a);
    a->m = m;
    m->user = a;
    list_append(&qm.active, &a->node);
    list_init(&a->ring_node);
    if (m->place == QPLACE_RING)
        list_append(&qm.in_ring, &a->ring_node);
    return a;
}

void msg_drop(struct active *a)
{
    sched_forget(a);
    list_remove(&a->node);
    list_remove(&a->ring_node);
    queue_forget(&qm.q, a->m);
    free(a);
}

void msg_set_reason(struct qrcpt *r, enum rcpt_state state, struct str dsn, struct str text, struct str mta, struct str reply)
{
    free(r->reason);
    free(r->remote_mta);
    free(r->remote_reply);
    struct buf b = { 0 };
    enc_printable(&b, text);
    r->reason = xstrdup(buf_cstr(&b));
    buf_reset(&b);
    enc_printable(&b, mta);
    r->remote_mta = mta.n == 0 ? NULL : xstrdup(buf_cstr(&b));
    buf_reset(&b);
    enc_printable(&b, reply);
    r->remote_reply = reply.n == 0 ? NULL : xstrdup(buf_cstr(&b));
    buf_done(&b);
    (void)snprintf(r->dsn, sizeof r->dsn, "%.*s", (int)MIN(dsn.n, sizeof r->dsn - 1), dsn.p);
    r->state = (uint8_t)state;
}

void msg_settle(struct active *a, uint32_t n, unsigned outcome, struct str dsn, struct str text)
{
    a->m->rcpts[n].state = RCPT_SETTLED;
    queue_settle(&qm.q, a->m, n, outcome, dsn, text);
    commit_soon();
}

static void log_active(struct active *a)
{
    const struct qmsg *m = a->m;
    struct buf sender = { 0 };
    if (a->logged)
        return;
    a->logged = true;
    enc_printable(&sender, m->sender);
    log_info("%s: from=<%s>, size=%llu, nrcpt=%u (queue active)", m->id, buf_cstr(&sender), (unsigned long long)m->content_size, m->n_left);
    buf_done(&sender);
}

static bool is_expired(const struct qmsg *m)
{
    uint64_t life = m->sender.n == 0 ? qm.conf.bounce_lifetime : qm.conf.queue_lifetime;
    return m->arrival_us / 1000000 + life < (uint64_t)(clock_wall_ms() / 1000);
}

void msg_activate(struct qmsg *m)
{
    struct active *a = active_of(m);
    if (m->n_left == 0 || (m->flags & MSG_HOLD) != 0 || a->hold_it || a->delete_it) {
        a->hold_it = m->n_left > 0 && !a->delete_it;
        msg_check(a);
        return;
    }
    if (needs_file(a)) {
        make_file(a);                   /* comes back */
        return;
    }
    a->active_us = (uint64_t)clock_wall_us();
    log_active(a);
    for (uint32_t i = 0; i < m->n_rcpt; i++)
        if (m->rcpts[i].state != RCPT_BUSY)     /* in flight since an earlier queue manager */
            m->rcpts[i].state = m->rcpts[i].done ? RCPT_SETTLED : RCPT_IDLE;
    sched_message(a);
}

/* ---- the end of an attempt ---- */

static uint32_t count_state(const struct qmsg *m, enum rcpt_state state)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n_rcpt; i++)
        n += m->rcpts[i].state == state;
    return n;
}

static bool notifies(const char *class_name)
{
    struct str rest = str_from(qm.conf.notify_classes), token;
    while (str_token(&rest, ", \t", &token))
        if (str_ieqz(token, class_name))
            return true;
    return false;
}

static void settle_quietly(struct active *a, bool all)
{
    for (uint32_t i = 0; i < a->m->n_rcpt; i++) {
        struct qrcpt *r = &a->m->rcpts[i];
        if (r->state == RCPT_BOUNCED && (all || !notice_is_wanted(r, NOTIFY_FAILURE)))
            msg_settle(a, i, OUTCOME_BOUNCED, str_from(r->dsn), str_from(r->reason == NULL ? "" : r->reason));
    }
}

static bool is_double_bounce(struct str sender)
{
    struct str user = str_from(qm.conf.double_bounce_sender);
    return user.n > 0 && str_istarts(sender, user) && (sender.n == user.n || sender.p[user.n] == '@');
}

/* The postmaster's own copy came back: the end of the line. */
static bool is_for_postmaster(const struct qmsg *m)
{
    struct str name = str_from(qm.conf.twobounce_recipient);
    for (uint32_t i = 0; i < m->n_rcpt; i++) {
        struct str first = m->rcpts[i].orig.n > 0 ? m->rcpts[i].orig : m->rcpts[i].address;
        if (str_istarts(first, name) && (first.n == name.n || first.p[name.n] == '@'))
            return true;
    }
    return false;
}

/* False: cannot be done now. */
static bool return_bounced(struct active *a)
{
    settle_quietly(a, (a->m->flags & MSG_NO_BOUNCE) != 0);
    if (count_state(a->m, RCPT_BOUNCED) == 0)
        return true;
    if (is_double_bounce(a->m->sender)) {
        log_warning("%s: undeliverable postmaster notification discarded", a->m->id);
        settle_quietly(a, true);
        return true;
    }
    if (a->m->sender.n > 0)
        return notice_compose(a, BOUNCE_FAILURE, RCPT_BOUNCED, a->m->sender);
    if (!notifies("2bounce") || is_for_postmaster(a->m)) {
        settle_quietly(a, true);        /* a notice that cannot be delivered goes nowhere */
        return true;
    }
    return notice_compose(a, BOUNCE_FAILURE, RCPT_BOUNCED, str_from(qm.conf.twobounce_recipient));
}

static void expire(struct active *a)
{
    struct qmsg *m = a->m;
    if (!(is_expired(m) || a->expired) || count_state(m, RCPT_DEFERRED) == 0)
        return;
    struct buf sender = { 0 };
    enc_printable(&sender, m->sender);
    log_info("%s: from=<%s>, status=%s, returned to sender", m->id, buf_cstr(&sender), a->expired ? "force-expired" : "expired");
    buf_done(&sender);
    for (uint32_t i = 0; i < m->n_rcpt; i++)
        if (m->rcpts[i].state == RCPT_DEFERRED)
            m->rcpts[i].state = RCPT_BOUNCED;
}

static void warn_of_delay(struct active *a)
{
    struct qmsg *m = a->m;
    if (m->warn_at == 0 || m->warn_at > (uint64_t)(clock_wall_ms() / 1000) || a->warned || m->sender.n == 0)
        return;
    bool any = false;
    for (uint32_t i = 0; i < m->n_rcpt; i++)
        any |= m->rcpts[i].state == RCPT_DEFERRED && notice_is_wanted(&m->rcpts[i], NOTIFY_DELAY);
    if (any && notice_compose(a, BOUNCE_DELAY, RCPT_DEFERRED, m->sender)) {
        a->warned = true;
        queue_clear_warn(&qm.q, m);
    }
}

/* Delivered recipients whose sender asked to be told. False: cannot be done now. */
static bool tell_success(struct active *a)
{
    bool any = false;
    for (uint32_t i = 0; i < a->m->n_rcpt; i++)
        any |= a->m->rcpts[i].state == RCPT_SETTLED && a->m->rcpts[i].outcome == OUTCOME_SENT;
    return !any || a->m->sender.n == 0 || notice_compose(a, BOUNCE_SUCCESS, RCPT_SETTLED, a->m->sender);
}

enum { PARK_AGAIN_MS = 10000, UNLOADED_SECONDS = 60 };
struct park_job { struct job job; struct qspill spill; struct active *a; int64_t when; };

static void parked(struct active *a, enum qplace place, int64_t when)
{
    char id[QID_MAX + 1];
    memcpy(id, a->m->id, sizeof id);
    if (place == QPLACE_DEFERRED)
        queue_write_reasons(&qm.q, a->m);
    msg_drop(a);
    wait_add(id, place, when * 1000);
    commit_soon();
}

static void park_thread(struct job *job) { queue_spill_run(&container_of(job, struct park_job, job)->spill); }

static void park_finished(struct job *job)
{
    struct park_job *p = container_of(job, struct park_job, job);
    struct active *a = p->a;
    enum qplace place = p->spill.place;
    struct late_order late = tool_late_order(a);
    struct err err;
    a->spilling = false;
    qm.spills--;
    if (queue_spill_done(&p->spill, &err) == 0) {
        if (a->delete_it || a->m->n_left == 0)
            msg_check(a);
        else
            parked(a, place, p->when);
    } else {
        a->not_before = clock_mono_ms() + PARK_AGAIN_MS;
        log_warning("%s; it stays in the queue journal and is tried again", err.text);
    }
    tool_carry_out(&late);
    commit_soon();
    free(p);
}

/* Out of memory into a directory, with the time of the next attempt. */
static void park(struct active *a, enum qplace place, int64_t when)
{
    struct err err;
    if (a->spilling || a->not_before > clock_mono_ms())
        return;                         /* msg_check comes back */
    if (a->m->place != QPLACE_RING) {
        if (queue_move(&qm.q, a->m, place, when, place == QPLACE_HOLD, &err) < 0) {
            if (err.sys == ENOENT) {
                log_error("%s: its queue file is gone, and the message with it", a->m->id);
                msg_drop(a);
                return;
            }
            log_warning("%s", err.text);
            a->not_before = clock_mono_ms() + PARK_AGAIN_MS;
            return;
        }
        parked(a, place, when);
        return;
    }
    struct park_job *p = xcalloc(1, sizeof *p);
    p->a = a;
    p->when = when;
    a->spilling = true;
    qm.spills++;
    queue_spill_begin(&qm.q, a->m, place, when, &p->spill);
    offload_submit(&p->job, park_thread, park_finished);
}

void msg_unload(struct active *a)
{
    for (uint32_t i = 0; i < a->m->n_rcpt; i++)
        if (a->m->rcpts[i].state == RCPT_BUSY || a->m->rcpts[i].state == RCPT_BOUNCED || a->m->rcpts[i].state == RCPT_COMPOSING)
            return;
    if (a->composing == 0 && a->m->holds == 0 && !a->spilling && a->m->place != QPLACE_RING)
        park(a, QPLACE_DEFERRED, clock_wall_ms() / 1000 + UNLOADED_SECONDS);
}

static int64_t next_attempt(const struct qmsg *m)
{
    int64_t now = clock_wall_ms() / 1000, age = now - (int64_t)(m->arrival_us / 1000000);
    int64_t wait = MAX(MIN(age, (int64_t)qm.conf.maximal_backoff), (int64_t)qm.conf.minimal_backoff);
    return now + wait;
}

static bool remove_done(struct active *a)
{
    struct qmsg *m = a->m;
    char id[QID_MAX + 1];
    memcpy(id, m->id, sizeof id);
    if (a->spilling || m->holds > 0)
        return false;
    if (m->moved_lsn > journal_durable_lsn(qm.q.j)) {
        commit_soon();
        return false;
    }
    sched_forget(a);
    list_remove(&a->node);
    if (!queue_remove(&qm.q, m)) {
        list_append(&qm.active, &a->node);
        return false;
    }
    list_remove(&a->ring_node);
    free(a);
    log_info("%s: removed", id);
    return true;
}

bool msg_delete(struct active *a)
{
    a->delete_it = true;
    msg_check(a);
    return true;
}

void msg_check(struct active *a)
{
    struct qmsg *m = a->m;
    if (a->working > 0 || a->composing > 0 || !m->durable || a->spilling)
        return;
    if (a->delete_it)
        for (uint32_t i = 0; i < m->n_rcpt; i++)
            queue_settle(&qm.q, m, i, OUTCOME_BOUNCED, STR(""), STR("deleted"));
    if (!qm.draining && !a->delete_it) {
        if (!tell_success(a) || a->composing > 0)
            return;
    }
    if (m->n_left == 0) {
        (void)remove_done(a);
        return;
    }
    if (a->hold_it) {
        park(a, QPLACE_HOLD, 0);
        return;
    }
    if (qm.draining)
        return;                         /* commit.c makes it a file where it is */
    expire(a);
    if (count_state(m, RCPT_BOUNCED) > 0 && (!return_bounced(a) || a->composing > 0))
        return;
    if (m->n_left == 0) {
        (void)remove_done(a);
        return;
    }
    warn_of_delay(a);
    if (a->composing > 0)
        return;
    if (count_state(m, RCPT_DEFERRED) > 0 && count_state(m, RCPT_IDLE) == 0)
        park(a, QPLACE_DEFERRED, next_attempt(m));
}
