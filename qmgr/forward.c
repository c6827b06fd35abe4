/* SPDX-License-Identifier: ISC
 *
 * forward.c - a forward (alias, .forward): a new message takes the place of a
 * recipient. Both are one record of the journal; a message that has no room
 * there becomes a file first, and settles the recipient when the file is
 * durable: a crash in between costs one extra copy.
 */
#include "qmgr.h"
#include "ipc/schema.h"

enum { RECORD_ROOM = 4096 };

/* It became a file before the queue manager restarted: the router says so again. */
static bool is_repeated(const struct ipc_replace *rep)
{
    const struct qmsg *m = queue_find(&qm.q, rep->queue_id);
    return m != NULL && m->durable;
}

static struct qmsg *make(struct active *a, const struct ipc_replace *rep, const char *id, const char **ret_why)
{
    struct err err;
    uint64_t prepended = 0;
    struct qmsg *n = qmsg_new(id);
    n->arrival_us = (uint64_t)clock_wall_us();
    n->flags = a->m->flags & (uint32_t)(MSG_SMTPUTF8 | MSG_8BIT);
    buf_add(&n->envelope, rep->envelope);
    *ret_why = NULL;
    if (!qrec_content_size(rep->prepend, &prepended) || qmsg_parse_envelope(n, QMSG_CHANNEL_RECORDS, rep->n_rcpt, &err) < 0)
        *ret_why = "mail system error: malformed forward";
    else if (!a->m->in_memory && (a->m->place == QPLACE_RING || qmsg_load_content(&qm.io, a->m, &err) < 0))
        *ret_why = "mail system error: content cannot be read";
    if (*ret_why != NULL) {
        qmsg_free(n);
        return NULL;
    }
    buf_add(&n->content, rep->prepend);
    buf_add(&n->content, buf_str(&a->m->content));
    n->content_size = a->m->content_size + prepended;
    n->in_memory = true;
    if (a->m->place != QPLACE_RING && a->m->content.n > qm.conf.inline_limit) {
        buf_done(&a->m->content);
        a->m->in_memory = false;
    }
    return n;
}

/* ---- in the journal ---- */

static bool to_journal(struct active *a, uint32_t rcpt, struct qmsg *n)
{
    if (!queue_has_room(&qm.q, n->content.n + n->envelope.n + RECORD_ROOM))
        return false;
    n->settles = xcalloc(1, sizeof *n->settles);
    n->settles[n->n_settles++] = (struct qsettle){ a->m, rcpt };
    if (queue_submit(&qm.q, n) < 0) {
        n->n_settles = 0;
        return false;
    }
    struct active *na = msg_new_active(n);
    na->forwarded = true;
    na->notice_of = a->m;
    return true;
}

/* ---- as a file ---- */

struct forward_job { struct job job; struct qspill spill; struct active *a, *na; uint32_t rcpt; };

static void file_thread(struct job *job) { queue_spill_run(&container_of(job, struct forward_job, job)->spill); }

static void file_finished(struct job *job)
{
    struct forward_job *f = container_of(job, struct forward_job, job);
    struct active *a = f->a, *na = f->na;
    struct late_order late = tool_late_order(na);
    struct err err;
    qm.spills--;
    na->spilling = false;
    a->composing--;
    a->m->holds--;
    if (queue_spill_done(&f->spill, &err) == 0) {
        list_remove(&na->ring_node);
        buf_done(&na->m->content);
        na->m->in_memory = false;
        na->m->durable = true;
        msg_settle(a, f->rcpt, OUTCOME_FORWARDED, STR("2.0.0"), STR("forwarded"));
        msg_activate(na->m);
    } else {
        log_warning("%s", err.text);
        msg_set_reason(&a->m->rcpts[f->rcpt], RCPT_DEFERRED, STR("4.3.0"), STR("insufficient queue space to forward the message"), STR(""), STR(""));
        msg_drop(na);
    }
    free(f);
    tool_carry_out(&late);
    commit_soon();
    msg_check(a);
}

static void to_file(struct active *a, uint32_t rcpt, struct qmsg *n)
{
    struct forward_job *f = xcalloc(1, sizeof *f);
    queue_adopt(&qm.q, n);
    f->a = a;
    f->na = msg_new_active(n);
    f->rcpt = rcpt;
    f->na->spilling = true;
    a->m->holds++;
    qm.spills++;
    queue_spill_begin(&qm.q, n, QPLACE_ACTIVE, 0, &f->spill);
    offload_submit(&f->job, file_thread, file_finished);
}

void forward_take(struct chan *c, const struct ipc_replace *rep)
{
    struct jobs *job = htab_get(&qm.jobs, str_make(&rep->job, sizeof rep->job));
    char id[QID_MAX + 1];
    const char *why;
    result_ack(c, rep->job, rep->n);
    if (job == NULL || job->w->chan != c || job->notice || !result_is_awaited(job, rep->n) || !qid_is_valid(rep->queue_id) ||
        !str_to_fixed(rep->queue_id, id, sizeof id) || wait_knows(id))
        return;
    struct active *a = job->a;
    if (queue_find(&qm.q, rep->queue_id) != NULL) {
        if (!is_repeated(rep))
            return;
        msg_settle(a, rep->n, OUTCOME_FORWARDED, STR("2.0.0"), STR("forwarded"));
        result_ended(job, rep->n);
        return;
    }
    struct qmsg *n = make(a, rep, id, &why);
    if (n == NULL) {
        msg_set_reason(&a->m->rcpts[rep->n], RCPT_DEFERRED, STR("4.3.0"), str_from(why), STR(""), STR(""));
        log_warning("%s: %s", a->m->id, why);
    } else {
        if (!to_journal(a, rep->n, n))
            to_file(a, rep->n, n);
        a->m->rcpts[rep->n].state = RCPT_COMPOSING;
        a->composing++;
    }
    commit_soon();
    result_ended(job, rep->n);
}
