/* SPDX-License-Identifier: ISC
 *
 * notice.c - what a sender is told: bounces, delays, successes. A process of
 * the bounce role composes the text; the notice is a message of the queue, and
 * the recipients that it settles are done if and only if it is durable.
 */
#include "qmgr.h"
#include "ipc/schema.h"
#include <unistd.h>

bool notice_is_wanted(const struct qrcpt *r, uint32_t bit)
{
    return r->notify == 0 ? bit != NOTIFY_SUCCESS : (r->notify & NOTIFY_NEVER) == 0 && (r->notify & bit) != 0;
}

static void send_rcpt(const struct jobs *job, const struct qrcpt *r, unsigned outcome)
{
    struct ipc_compose_rcpt c = { .job = job->number, .address = r->address, .orig = r->orig, .orcpt = r->orcpt, .outcome = outcome,
        .dsn = str_from(r->dsn), .text = str_head(str_from(r->reason == NULL ? "" : r->reason), 4000),
        .remote_mta = str_head(str_from(r->remote_mta == NULL ? "" : r->remote_mta), 256),
        .remote_reply = str_head(str_from(r->remote_reply == NULL ? "" : r->remote_reply), 2000) };
    (void)chan_send(job->w->chan, IPC_COMPOSE_RCPT, 0, &c);
}

static void send_compose(struct jobs *job, struct str sender)
{
    const struct active *a = job->a;
    const struct qmsg *m = a->m;
    int fd = m->in_memory ? -1 : queue_open_file(&qm.q, m);
    struct ipc_compose c = { .job = job->number, .kind = job->kind, .queue_id = str_from(m->id), .new_id = str_from(job->new_id),
        .sender = sender, .envid = m->envid, .ret = m->ret, .smtputf8 = (m->flags & MSG_SMTPUTF8) != 0, .arrival_us = m->arrival_us,
        .content_size = m->content_size, .n_rcpt = (uint32_t)job->rcpts.n, .content = { "", 0 }, .content_at = m->content_at,
        .content_end = m->content_end, .file = fd };
    if (m->in_memory) {
        c.content = str_head(buf_str(&m->content), 131072);
        c.content_at = c.content_end = 0;
    }
    (void)chan_send(job->w->chan, IPC_COMPOSE, 0, &c);
    for (size_t i = 0; i < job->rcpts.n; i++)
        send_rcpt(job, &m->rcpts[job->rcpts.p[i]], job->kind == BOUNCE_DELAY ? OUTCOME_DEFERRED : job->kind == BOUNCE_SUCCESS ? OUTCOME_SENT : OUTCOME_BOUNCED);
    if (fd >= 0) {
        chan_flush(job->w->chan);
        (void)close(fd);
    }
}

enum { COMPOSE_RCPTS_MAX = 500, COMPOSE_QUEUED_MAX = 1 << 20, COMPOSE_AGAIN_MS = 10000 };

bool notice_compose(struct active *a, unsigned kind, enum rcpt_state state, struct str sender)
{
    struct worker *w = worker_pick(&qm.bouncers, NULL);
    if (a->not_before > clock_mono_ms())
        return false;
    if (w == NULL)
        daemon_need(ROLE_BOUNCE);
    if (w == NULL || chan_queued(w->chan) > COMPOSE_QUEUED_MAX)
        return false;
    struct jobs *job = job_new(a, w);
    job->notice = true;
    job->kind = kind;
    make_id(job->new_id);
    uint32_t bit = kind == BOUNCE_DELAY ? NOTIFY_DELAY : kind == BOUNCE_SUCCESS ? NOTIFY_SUCCESS : NOTIFY_FAILURE;
    for (uint32_t i = 0; i < a->m->n_rcpt && job->rcpts.n < COMPOSE_RCPTS_MAX; i++) {
        struct qrcpt *r = &a->m->rcpts[i];
        if (r->state != state || !notice_is_wanted(r, bit) || (kind == BOUNCE_SUCCESS && r->outcome != OUTCOME_SENT))
            continue;
        vec_push(&job->rcpts, i);
        r->outcome = 0;
        if (kind == BOUNCE_FAILURE)
            r->state = RCPT_COMPOSING;
    }
    a->composing++;
    send_compose(job, sender);
    return true;
}

static struct qmsg *notice_message(const struct jobs *job, const struct ipc_composed *c)
{
    struct err err;
    struct qmsg *n = qmsg_new(job->new_id);
    uint64_t size;
    n->arrival_us = (uint64_t)clock_wall_us();
    n->flags = job->a->m->flags & MSG_SMTPUTF8;
    buf_add(&n->envelope, c->envelope);
    buf_add(&n->content, c->content);
    uint32_t n_rcpt = 0;
    struct qrec rec;
    for (struct qrec_iter it = qrec_iter(c->envelope); qrec_next(&it, &rec) == QREC_OK;)
        n_rcpt += rec.type == QREC_RCPT;
    bool null_sender = false;
    if (!qrec_content_size(c->content, &size) || qmsg_parse_envelope(n, QMSG_CHANNEL_RECORDS, n_rcpt, &err) < 0 ||
        !(null_sender = n->sender.n == 0 || job->kind == BOUNCE_POSTMASTER)) {
        log_error("%s: notice from the bounce process is malformed%s", job->a->m->id, null_sender ? "" : ": bad sender or records");
        qmsg_free(n);
        return NULL;
    }
    n->content_size = size;
    return n;
}

void notice_failed(struct jobs *job)
{
    struct active *a = job->a;
    a->composing--;
    for (size_t i = 0; i < job->rcpts.n; i++) {
        struct qrcpt *r = &a->m->rcpts[job->rcpts.p[i]];
        if (r->state == RCPT_COMPOSING)
            r->state = RCPT_BOUNCED;
        if (job->kind == BOUNCE_SUCCESS)
            r->outcome = OUTCOME_SENT;
    }
    job_free(job);
    sched_soon();
}

void notice_composed(struct jobs *job, const struct ipc_composed *c)
{
    struct active *a = job->a;
    struct qmsg *n = c->failed ? NULL : notice_message(job, c);
    if (n == NULL) {
        a->not_before = clock_mono_ms() + COMPOSE_AGAIN_MS;
        notice_failed(job);
        return;
    }
    if (job->kind == BOUNCE_FAILURE || job->kind == BOUNCE_POSTMASTER) {
        n->settles = xcalloc(job->rcpts.n + 1, sizeof *n->settles);
        for (size_t i = 0; i < job->rcpts.n; i++)
            n->settles[n->n_settles++] = (struct qsettle){ a->m, job->rcpts.p[i] };
    }
    if (queue_submit(&qm.q, n) < 0) {
        log_warning("%s: no room for the notice in the queue journal; tried again later", a->m->id);
        qmsg_free(n);
        notice_failed(job);
        return;
    }
    struct active *na = msg_new_active(n);
    na->notice_of = a->m;
    na->notice_kind = job->kind;
    if (n->n_settles == 0)
        a->m->holds++;
    job_free(job);
    commit_soon();
}

void notice_durable(struct active *na)
{
    struct qmsg *of = na->notice_of;
    if (of != NULL)
        active_of(of)->composing--;
    if (of != NULL && !na->forwarded && (na->notice_kind == BOUNCE_DELAY || na->notice_kind == BOUNCE_SUCCESS))
        of->holds--;
    na->notice_of = NULL;
    if (of == NULL)
        return;
    for (uint32_t i = 0; i < of->n_rcpt; i++)
        if (of->rcpts[i].done)
            of->rcpts[i].state = RCPT_SETTLED;
    sched_soon();
    msg_check(active_of(of));
}
