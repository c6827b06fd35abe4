/* SPDX-License-Identifier: ISC
 *
 * results.c - what the delivering processes say: results, notices, what they
 * still have in flight; and what their death means. Forwards: forward.c.
 */
#include "qmgr.h"
#include "base/enc.h"
#include "ipc/schema.h"

enum { ASK_MS = 1500, SUSPECT_STRIKES = 3 };

void result_ack(struct chan *c, uint64_t job, uint32_t n)
{
    struct ack ack = { .chan = c, .job = job, .n = n };
    vec_push(&qm.acks, ack);
    commit_soon();
}

bool result_is_awaited(const struct jobs *job, uint32_t n)
{
    return n < job->a->m->n_rcpt && job->a->m->rcpts[n].job == job && job->a->m->rcpts[n].state == RCPT_BUSY;
}

void result_ended(struct jobs *job, uint32_t n)
{
    struct active *a = job->a;
    if (a->m->rcpts[n].strikes > 0)
        qm.suspect_busy = false;
    a->m->rcpts[n].job = NULL;
    a->m->rcpts[n].strikes = 0;
    a->working--;
    if (--job->left == 0)
        job_finish(job);
    msg_check(a);
}

static void on_result(struct chan *c, const struct ipc_result *res)
{
    struct jobs *job = htab_get(&qm.jobs, str_make(&res->job, sizeof res->job));
    result_ack(c, res->job, res->n);
    if (job == NULL || job->w->chan != c || job->notice || !result_is_awaited(job, res->n))
        return;                 /* of a job that an earlier queue manager gave: the message is known, so is its state */
    struct active *a = job->a;
    struct qrcpt *r = &a->m->rcpts[res->n];
    struct dest *d = job->d;
    switch (res->outcome) {
    case OUTCOME_SENT:
    case OUTCOME_FORWARDED:
        msg_set_reason(r, RCPT_SETTLED, res->dsn, res->text, res->remote_mta, res->remote_reply);
        r->outcome = (r->notify & NOTIFY_SUCCESS) != 0 && !res->dsn_passed_on && res->outcome == OUTCOME_SENT ? OUTCOME_SENT : 0;
        msg_settle(a, res->n, res->outcome, res->dsn, res->text);
        break;
    case OUTCOME_BOUNCED:
        msg_set_reason(r, qm.conf.soft_bounce ? RCPT_DEFERRED : RCPT_BOUNCED, res->dsn, res->text, res->remote_mta, res->remote_reply);
        break;
    default:
        msg_set_reason(r, RCPT_DEFERRED, res->dsn, res->text, res->remote_mta, res->remote_reply);
        break;
    }
    if (d != NULL)
        dest_feedback(d, res->next_hop_failed && res->outcome == OUTCOME_DEFERRED, res->dsn, res->text);
    result_ended(job, res->n);
}

static void on_composed(struct chan *c, const struct ipc_composed *composed)
{
    struct jobs *job = htab_get(&qm.jobs, str_make(&composed->job, sizeof composed->job));
    if (job != NULL && job->w->chan == c && job->notice)
        notice_composed(job, composed);
}

/* What a living process still delivers for the queue manager before us. */
static void on_inflight(struct chan *c, const struct ipc_inflight *f)
{
    struct worker *w = chan_user(c);
    struct qmsg *m = queue_find(&qm.q, f->queue_id);
    if (m == NULL || f->n >= m->n_rcpt || m->rcpts[f->n].done || m->rcpts[f->n].state != RCPT_IDLE)
        return;
    struct jobs *job = htab_get(&qm.jobs, str_make(&f->job, sizeof f->job));
    if (job == NULL) {
        job = job_new(active_of(m), w);
        (void)htab_remove(&qm.jobs, str_make(&job->number, sizeof job->number));
        job->number = f->job;
        (void)htab_put(&qm.jobs, str_make(&job->number, sizeof job->number), job);
    } else if (job->a != active_of(m)) {
        return;
    }
    vec_push(&job->rcpts, f->n);
    job->left++;
    m->rcpts[f->n].state = RCPT_BUSY;
    m->rcpts[f->n].job = job;
    active_of(m)->working++;
}

/* ---- processes ---- */

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct worker *w = chan_user(c);
    if (type == IPC_RESULT)
        on_result(c, msg);
    else if (type == IPC_REPLACE)
        forward_take(c, msg);
    else if (type == IPC_RESOLVED)
        sched_resolved(id, msg);
    else if (type == IPC_COMPOSED)
        on_composed(c, msg);
    else if (type == IPC_INFLIGHT)
        on_inflight(c, msg);
    else if (type == IPC_IDS_WANT) {
        struct buf ids = { 0 };
        uint32_t n = MIN(((struct ipc_ids_want *)msg)->n, 256u);
        for (uint32_t i = 0; i < n; i++) {
            char name[QID_MAX + 1];
            make_id(name);
            buf_put(&ids, name, strlen(name) + 1);
        }
        struct ipc_ids reply = { .n = n, .ids = buf_str(&ids) };
        (void)chan_send(c, IPC_IDS, id, &reply);
        buf_done(&ids);
    } else if (type == IPC_INFLIGHT_END) {
        w->ready = true;
        sched_soon();
    }
}

static void to_corrupt(struct active *a, const char *address)
{
    struct err err;
    log_error("%s: delivery to <%s> ended its process %d times; the message is saved in corrupt/", a->m->id, address, SUSPECT_STRIKES);
    if (a->m->place == QPLACE_RING) {
        struct qspill s;
        queue_spill_begin(&qm.q, a->m, QPLACE_CORRUPT, 0, &s);
        queue_spill_run(&s);
        if (queue_spill_done(&s, &err) < 0)
            log_warning("%s", err.text);
    } else if (queue_move(&qm.q, a->m, QPLACE_CORRUPT, 0, true, &err) < 0) {
        log_warning("%s", err.text);
    }
    if (a->m->place == QPLACE_CORRUPT && a->working == 0 && a->composing == 0)
        msg_drop(a);
    commit_soon();
}

/* Strike: each recipient that was in flight is a suspect now. */
static void strike(struct jobs *job)
{
    struct active *a = job->a;
    for (size_t i = 0; i < job->rcpts.n; i++) {
        uint32_t n = job->rcpts.p[i];
        struct qrcpt *r = &a->m->rcpts[n];
        if (!result_is_awaited(job, n))
            continue;
        if (r->strikes > 0)
            qm.suspect_busy = false;
        r->job = NULL;
        r->state = RCPT_IDLE;
        r->maybe_done = 1;
        r->strikes++;
        a->working--;
        if (r->strikes >= SUSPECT_STRIKES && a->working == 0 && !a->spilling) {
            struct buf address = { 0 };
            enc_printable(&address, r->address);
            job->rcpts.n = 0;
            job_finish(job);
            to_corrupt(a, buf_cstr(&address));
            buf_done(&address);
            return;
        }
    }
    job_finish(job);
    if (!qm.draining)
        sched_message(a);
}

static void on_closed(struct chan *c)
{
    struct worker *w = chan_user(c);
    struct jobs *job;
    VEC(struct jobs *) mine = { 0 };
    list_remove(&w->node);
    for (size_t pos = 0; (job = htab_each(&qm.jobs, &pos)) != NULL;)
        if (job->w == w)
            vec_push(&mine, job);
    sched_forget_resolving(c, NULL);
    for (size_t i = 0; i < qm.acks.n; i++)
        if (qm.acks.p[i].chan == c)
            qm.acks.p[i].chan = NULL;
    for (size_t i = 0; i < qm.acks_writing.n; i++)
        if (qm.acks_writing.p[i].chan == c)
            qm.acks_writing.p[i].chan = NULL;
    for (size_t i = 0; i < mine.n; i++) {
        if (mine.p[i]->notice)
            notice_failed(mine.p[i]);
        else
            strike(mine.p[i]);
    }
    vec_done(&mine);
    free(w);
    chan_free(c);
    sched_soon();
}
const struct chan_ops worker_ops = { on_message, on_closed };

void worker_peer(struct chan *c)
{
    struct worker *w = chan_user(c);
    enum role role = chan_peer_role(c);
    w->chan = c;
    w->ready = role == ROLE_BOUNCE;
    w->ask_until = clock_mono_ms() + ASK_MS;
    list_append(role == ROLE_BOUNCE ? &qm.bouncers : role == ROLE_ROUTER ? &qm.routers : &qm.outs, &w->node);
    if (role != ROLE_BOUNCE) {
        struct ipc_inflight_ask ask = { 0 };
        (void)chan_send(c, IPC_INFLIGHT_ASK, 0, &ask);
    }
    sched_soon();
}

