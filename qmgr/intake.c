/* SPDX-License-Identifier: ISC
 *
 * intake.c - mail from the receiving processes: leases of queue ids, checks of
 * what they may put into the queue, small messages into the journal, large ones
 * as files that the sender writes.
 */
#include "qmgr.h"
#include "ipc/schema.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { LEASES_MAX = 4096, IDS_PER_CALL = 256, BIGS_MAX = 256, FILE_PATIENCE_MS = 10000, KEY_PATIENCE_MS = 10000 };

struct big { struct job job; struct qbig b; struct active *a; struct intake *in; struct list node, all_node; bool running; };

/* Ids */

static bool id_is_taken(void *user, const char *id)
{
    (void)user;
    return wait_knows(id) || htab_get(&qm.leases, str_from(id)) != NULL;
}

void make_id(char ret[QID_MAX + 1]) { queue_new_id(&qm.q, id_is_taken, ret); }

static void lease_free(struct lease *l)
{
    (void)htab_remove(&qm.leases, str_from(l->id));
    list_remove(&l->node);
    l->in->n_leases--;
    free(l);
}

static void lease(struct intake *in, const char *id)
{
    struct lease *l = xcalloc(1, sizeof *l);
    (void)str_to_fixed(str_from(id), l->id, sizeof l->id);
    l->in = in;
    list_append(&in->leases, &l->node);
    in->n_leases++;
    (void)htab_put(&qm.leases, str_from(l->id), l);
}

/* The directories may not have been looked at yet. */
static bool has_file(const char *id)
{
    static const enum qplace places[] = { QPLACE_INCOMING, QPLACE_ACTIVE, QPLACE_DEFERRED, QPLACE_HOLD };
    struct qio_stat st;
    char path[QPATH_MAX];
    for (size_t i = 0; i < N_ELEMS(places); i++) {
        qid_path(qplace_name(places[i]), id, "", path);
        if (qm.io.stat(&qm.io, path, &st) == 0)
            return true;
    }
    return false;
}

/* Ids of messages that came in half while our predecessor was there. An id of anything that there is, is not given twice. */
static void ids_held(struct intake *in, const struct ipc_ids_held *msg)
{
    struct str rest = msg->ids, one;
    char id[QID_MAX + 1];
    for (uint32_t i = 0; i < msg->n && !in->asked_ids && in->n_leases < LEASES_MAX && str_cut(rest, '\0', &one, &rest); i++)
        if (qid_is_valid(one) && str_to_fixed(one, id, sizeof id) && !id_is_known(id) && !has_file(id))
            lease(in, id);
}

static void ids_wanted(struct intake *in, uint32_t id, uint32_t n)
{
    in->asked_ids = true;
    struct buf ids = { 0 };
    uint32_t given = 0;
    for (; given < MIN(n, (uint32_t)IDS_PER_CALL) && in->n_leases < LEASES_MAX; given++) {
        char name[QID_MAX + 1];
        make_id(name);
        lease(in, name);
        buf_put(&ids, name, strlen(name) + 1);
    }
    struct ipc_ids reply = { .n = given, .ids = buf_str(&ids) };
    (void)chan_send(in->chan, IPC_IDS, id, &reply);
    buf_done(&ids);
}

bool lease_take(struct intake *in, struct str id)
{
    struct lease *l = htab_get(&qm.leases, id);
    if (l == NULL || l->in != in)
        return false;
    lease_free(l);
    return true;
}

/* Replies carry the request's id; MSG_DONE for a batch comes with 0 and names the queue id. */
void refuse(struct intake *in, uint32_t req, struct str id, uint32_t code, const char *dsn, const char *text)
{
    struct ipc_msg_refused r = { .queue_id = id, .code = code, .dsn = str_from(dsn), .text = str_from(text) };
    (void)chan_send(in->chan, IPC_MSG_REFUSED, req, &r);
}

/* As things stand, but it may come again. */
static void refuse_now(struct intake *in, uint32_t req, struct str id)
{
    struct ipc_msg_refused r = { .queue_id = id, .code = 451, .dsn = STR("4.3.0"), .text = STR("Error: queue file write error"), .again = true };
    (void)chan_send(in->chan, IPC_MSG_REFUSED, req, &r);
}

/* authd tells the keys when it meets us; at a start, and at a reload, it may come after its clients. */
static bool key_may_come(const struct intake *in, struct str token)
{
    return token.n > 0 && !in->foreign_auth && qm.keys.keys[0].serial == 0 && loop_now() < qm.started_at + KEY_PATIENCE_MS;
}

/* False, and the process has its answer, while nothing can be taken. */
static bool is_open_for(struct intake *in, uint32_t req, struct str id, struct str token)
{
    if (qm.state_code == 452) {
        (void)lease_take(in, id);
        refuse(in, req, id, 452, "4.3.1", "Insufficient system storage");
        return false;
    }
    if (qm.state_code == 0 && !key_may_come(in, token))
        return true;
    refuse_now(in, req, id);
    return false;
}

/* Checks */

static struct str attr_value(const struct qmsg *m, const char *name)
{
    struct qrec rec;
    struct str n, v;
    for (struct qrec_iter it = qrec_iter(m->attrs); qrec_next(&it, &rec) == QREC_OK;)
        if (qrec_attr(rec.data, &n, &v) && str_eqz(n, name))
            return v;
    return (struct str){ "", 0 };
}

/* A process may name a user only if that user logged in there, as far as our own authd can know. */
static bool login_is_proven(const struct intake *in, const struct qmsg *m, struct str token)
{
    struct token_claim claim = { .user = attr_value(m, "sasl_username"), .service = STR("smtp"), .channel = chan_peer_id(in->chan) };
    if (claim.user.n == 0 && attr_value(m, "sasl_method").n == 0)
        return true;
    if (in->foreign_auth)
        return true;
    claim.remote = attr_value(m, "client_address");
    if (claim.remote.n == 0)
        claim.remote = attr_value(m, "log_client_address");
    return token_verify(&qm.keys, &claim, clock_wall_ms() / 1000, token);
}

/* The recipients' transports must exist; lmtpd delivers to local mailboxes only. */
static bool routes_are_allowed(const struct intake *in, const struct qmsg *m)
{
    bool local_only = chan_peer_role(in->chan) == ROLE_LMTPD;
    for (uint32_t i = 0; i < m->n_rcpt; i++) {
        const struct transport *t = m->rcpts[i].transport.n == 0 ? NULL : transport_get(m->rcpts[i].transport);
        if (m->rcpts[i].transport.n > 0 && (t == NULL || (local_only && t->role != ROLE_ROUTER)))
            return false;
    }
    return true;
}

static const char *check_message(const struct intake *in, const struct qmsg *m, struct str token)
{
    if (!login_is_proven(in, m, token))
        return "names a login that it cannot prove";
    if (!routes_are_allowed(in, m))
        return "names a transport that it may not use";
    return NULL;
}

static struct qmsg *make_message(struct intake *in, struct str id, uint64_t arrival_us, uint32_t flags, uint32_t n_rcpt, struct str envelope,
                                 struct str routes, struct str token, struct err *err)
{
    char name[QID_MAX + 1];
    if (!qid_is_valid(id) || !str_to_fixed(id, name, sizeof name) || !lease_take(in, id)) {
        (void)err_set(err, ERR_PROTO, "queue id is not leased");
        return NULL;
    }
    if (n_rcpt > qm.conf.recipients_max || (flags & ~(uint32_t)(MSG_HOLD | MSG_SMTPUTF8 | MSG_8BIT | MSG_VERP | MSG_NO_BOUNCE)) != 0) {
        (void)err_set(err, ERR_PROTO, "too many recipients or unknown flags");
        return NULL;
    }
    struct qmsg *m = qmsg_new(name);
    m->arrival_us = arrival_us;
    m->flags = flags;
    buf_add(&m->envelope, envelope);
    buf_add(&m->routes, routes);
    const char *why = NULL;
    if (qmsg_parse_envelope(m, QMSG_CHANNEL_RECORDS, n_rcpt, err) < 0 || (why = check_message(in, m, token)) != NULL) {
        if (why != NULL)
            (void)err_set(err, ERR_PROTO, "%s: %s", name, why);
        qmsg_free(m);
        return NULL;
    }
    if (qm.conf.delay_warning != 0)
        m->warn_at = arrival_us / 1000000 + qm.conf.delay_warning;
    return m;
}

static void reject_bad(struct intake *in, uint32_t req, struct str id, const struct err *err)
{
    log_warning("message from %s process (%s) refused: %s", role_name(chan_peer_role(in->chan)), chan_peer_service(in->chan), err->text);
    refuse(in, req, id, 451, "4.3.0", "Error: internal error");
}

/* Small messages */

static void on_submit(struct intake *in, uint32_t req, const struct ipc_msg_submit *s)
{
    struct err err;
    uint64_t size;
    if (!is_open_for(in, req, s->queue_id, s->token))
        return;
    struct qmsg *m = make_message(in, s->queue_id, s->arrival_us, s->flags, s->n_rcpt, s->envelope, s->routes, s->token, &err);
    if (m == NULL || !qrec_content_size(s->content, &size)) {
        if (m != NULL)
            (void)err_set(&err, ERR_PROTO, "content is not made of content records");
        qmsg_free(m);
        reject_bad(in, req, s->queue_id, &err);
        return;
    }
    buf_add(&m->content, s->content);
    m->content_size = size;
    if (!queue_has_room(&qm.q, m->envelope.n + m->routes.n + m->content.n + 4096) || queue_submit(&qm.q, m) < 0) {
        refuse(in, req, s->queue_id, 452, "4.3.1", "Insufficient system storage");
        qmsg_free(m);
        check_space();
        return;
    }
    msg_new_active(m)->in = in;
    commit_soon();
}

/* Large messages */

static struct big *big_find(struct intake *in, struct str id)
{
    LIST_EACH(it, &in->bigs) {
        struct big *b = container_of(it, struct big, node);
        if (str_eqz(id, b->a->m->id) && !b->running)
            return b;
    }
    return NULL;
}

static struct list writing = { &writing, &writing };

/* Its file may have its name already, while nobody but the thread knows. */
bool intake_is_writing(const char *id)
{
    LIST_EACH(it, &writing)
        if (strcmp(container_of(it, struct big, all_node)->a->m->id, id) == 0)
            return true;
    return false;
}

/* A slow client shall not keep the successor, and with it all mail, waiting; its message is refused with a 451. */
bool intake_awaits_files(void)
{
    LIST_EACH(it, &writing)
        if (container_of(it, struct big, all_node)->running || loop_now() < qm.drained_at + FILE_PATIENCE_MS)
            return true;
    return false;
}

static void big_free(struct big *b)
{
    list_remove(&b->node);
    list_remove(&b->all_node);
    free(b);
    qm.bigs--;
}

static void big_drop(struct big *b)
{
    queue_big_abort(&b->b);
    msg_drop(b->a);
    big_free(b);
}

static void on_open(struct intake *in, uint32_t req, const struct ipc_msg_open *o)
{
    struct err err;
    int fd = -1;
    if (!is_open_for(in, req, o->queue_id, o->token))
        return;
    if (qm.bigs >= BIGS_MAX) {
        refuse(in, req, o->queue_id, 452, "4.3.1", "Insufficient system storage");
        return;
    }
    struct qmsg *m = make_message(in, o->queue_id, o->arrival_us, o->flags, o->n_rcpt, o->envelope, o->routes, o->token, &err);
    if (m == NULL) {
        reject_bad(in, req, o->queue_id, &err);
        return;
    }
    struct big *b = xcalloc(1, sizeof *b);
    if (queue_big_begin(&qm.q, m, &b->b, &fd, &err) < 0) {
        log_warning("%s", err.text);
        refuse(in, req, o->queue_id, err.sys == ENOSPC || err.sys == EDQUOT ? 452 : 451, err.sys == ENOSPC ? "4.3.1" : "4.3.0",
               err.sys == ENOSPC ? "Insufficient system storage" : "Error: queue file write error");
        qmsg_free(m);
        free(b);
        return;
    }
    b->a = msg_new_active(m);
    b->in = in;
    qm.bigs++;
    list_append(&in->bigs, &b->node);
    list_append(&writing, &b->all_node);
    struct ipc_msg_file reply = { .queue_id = o->queue_id, .file = fd };
    (void)chan_send(in->chan, IPC_MSG_FILE, req, &reply);
    chan_flush(in->chan);
    (void)close(fd);
}

static void big_thread(struct job *job) { queue_big_run(&container_of(job, struct big, job)->b); }

static void big_finished(struct job *job)
{
    struct big *b = container_of(job, struct big, job);
    struct err err;
    if (queue_big_done(&b->b, &err) < 0) {
        log_warning("%s", err.text);
        if (b->in != NULL)
            refuse(b->in, 0, str_from(b->a->m->id), 451, "4.3.0", "Error: queue file write error");
        msg_drop(b->a);
    } else {
        b->a->in = b->in;
    }
    big_free(b);
    commit_soon();
}

static void on_commit(struct intake *in, uint32_t req, const struct ipc_msg_commit *c)
{
    struct big *b = big_find(in, c->queue_id);
    if (b == NULL || c->records_size > INT64_MAX / 2) {
        refuse(in, req, c->queue_id, 451, "4.3.0", "Error: no such message");
        return;
    }
    b->b.records_size = c->records_size;
    b->running = true;
    offload_submit(&b->job, big_thread, big_finished);
}

static void on_abort(struct intake *in, const struct ipc_msg_abort *abort)
{
    struct big *b = big_find(in, abort->queue_id);
    if (b != NULL)
        big_drop(b);
    else
        (void)lease_take(in, abort->queue_id);
}

/* Channels */

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct intake *in = chan_user(c);
    if (type == IPC_IDS_HELD)
        ids_held(in, msg);
    else if (type == IPC_IDS_WANT)
        ids_wanted(in, id, ((struct ipc_ids_want *)msg)->n);
    else if (type == IPC_MSG_SUBMIT)
        on_submit(in, id, msg);
    else if (type == IPC_MSG_OPEN)
        on_open(in, id, msg);
    else if (type == IPC_MSG_COMMIT)
        on_commit(in, id, msg);
    else if (type == IPC_MSG_ABORT)
        on_abort(in, msg);
}

/* What was committed goes on; what was not is forgotten. */
static void on_closed(struct chan *c)
{
    struct intake *in = chan_user(c);
    LIST_EACH(it, &in->bigs) {
        struct big *b = container_of(it, struct big, node);
        if (!b->running) {
            big_drop(b);
        } else {
            b->in = NULL;
            list_remove(&b->node);
        }
    }
    LIST_EACH(it, &in->leases)
        lease_free(container_of(it, struct lease, node));
    LIST_EACH(it, &qm.active) {
        struct active *a = container_of(it, struct active, node);
        if (a->in == in)
            a->in = NULL;
    }
    for (size_t i = 0; i < qm.refusals.n; i++)
        if (qm.refusals.p[i].in == in)
            qm.refusals.p[i].in = NULL;
    list_remove(&in->node);
    free(in);
    chan_free(c);
}
const struct chan_ops intake_ops = { on_message, on_closed };

void intake_peer(struct chan *c, bool foreign_auth)
{
    struct intake *in = chan_user(c);
    in->foreign_auth = foreign_auth;
    in->chan = c;
    list_init(&in->leases);
    list_init(&in->bigs);
    list_append(&qm.intakes, &in->node);
    send_queue_state(in);
}

void intake_key(const struct ipc_token_key *key) { (void)token_keys_add(&qm.keys, key->serial, key->key); }
