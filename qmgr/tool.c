/* SPDX-License-Identifier: ISC
 *
 * tool.c - the queue's public sockets: public/showq lists it, public/qmgr takes
 * orders as frames, public/flush and a byte on public/qmgr are kicks.
 */
#include "qmgr.h"
#include "event/conn.h"
#include "ipc/schema.h"
#include "queue/showq.h"
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WRITE_MS = 60000, ORDER_MS = 600000 };

/* ---- listing ---- */

static void list_memory(struct buf *out)
{
    LIST_EACH(it, &qm.active) {
        const struct active *a = container_of(it, struct active, node);
        if (a->m->durable && a->m->n_left > 0)
            showq_message(out, a->m, a->hold_it ? "hold" : a->active_us == 0 ? "incoming" : "active");
    }
}

struct id_name { char id[QID_MAX + 1]; enum qplace place; };

static void send_list(struct conn *c)
{
    struct buf out = { 0 };
    VEC(struct id_name) ids = { 0 };
    struct waiting *w;
    showq_begin(&out);
    list_memory(&out);
    for (size_t pos = 0; (w = htab_each(&qm.waiting, &pos)) != NULL;) {
        struct id_name *n = vec_add(&ids);
        memcpy(n->id, w->id, sizeof n->id);
        n->place = w->place;
    }
    for (size_t i = 0; i < ids.n && !conn_is_broken(c); i++) {
        (void)showq_file(&out, &qm.io, ids.p[i].place, ids.p[i].id);
        if (out.n > 16384) {
            conn_put(c, buf_str(&out));         /* other fibers may run: ids is our own copy */
            buf_reset(&out);
        }
        (void)fiber_yield();
    }
    showq_end(&out);
    conn_put(c, buf_str(&out));
    (void)conn_flush(c, deadline_in(WRITE_MS));
    buf_done(&out);
    vec_done(&ids);
}

/* ---- orders ---- */

static void log_order(const char *id, const char *what)
{
    char ident[64];
    QM_IDENT(ident, "postsuper");
    log_as(ident, LOG_INFO_LEVEL, "%s: %s", id, what);
}

static bool in_queue(const char *wanted, const char *queue) { return *wanted == '\0' || strcmp(wanted, queue) == 0; }

static bool do_delete(const char *id, const char *queue)
{
    struct qmsg *m = queue_find(&qm.q, str_from(id));
    struct waiting *w = htab_get(&qm.waiting, str_from(id));
    if (m != NULL && in_queue(queue, "active")) {
        log_order(id, "removed");
        sched_unqueue(active_of(m));
        return msg_delete(active_of(m));
    }
    if (w == NULL || !in_queue(queue, qplace_name(w->place)) || queue_remove_file(&qm.io, w->place, id) < 0)
        return false;
    queue_remove_reasons(&qm.q, id);
    log_order(id, "removed");
    wait_remove(w->id);
    return true;
}

static bool do_hold(const char *id, const char *queue)
{
    struct qmsg *m = queue_find(&qm.q, str_from(id));
    struct waiting *w = htab_get(&qm.waiting, str_from(id));
    if (m != NULL && in_queue(queue, "active")) {
        active_of(m)->hold_it = true;
        sched_unqueue(active_of(m));
        log_order(id, "placed on hold");
        msg_check(active_of(m));
        return true;
    }
    if (w == NULL || w->place != QPLACE_DEFERRED || !in_queue(queue, "deferred"))
        return false;
    char from[QPATH_MAX], to[QPATH_MAX];
    qid_path("deferred", id, "", from);
    qid_path("hold", id, "", to);
    if (qm.io.rename(&qm.io, from, to) < 0)
        return false;
    wait_add(id, QPLACE_HOLD, 0);
    log_order(id, "placed on hold");
    return true;
}

static bool do_release(const char *id, const char *queue)
{
    struct qmsg *m = queue_find(&qm.q, str_from(id));
    struct waiting *w = htab_get(&qm.waiting, str_from(id));
    struct active *a = NULL;
    if (m != NULL && active_of(m)->hold_it && in_queue(queue, "hold")) {   /* its file could not be written */
        a = active_of(m);
        a->hold_it = false;
        m->flags &= ~(uint32_t)MSG_HOLD;
    } else if (w != NULL && w->place == QPLACE_HOLD && in_queue(queue, "hold")) {
        a = wait_load(id, QPLACE_HOLD);
    }
    if (a == NULL)
        return false;
    log_order(id, "released from hold");
    msg_activate(a->m);
    return true;
}

static bool do_requeue(const char *id, const char *queue)
{
    struct waiting *w = htab_get(&qm.waiting, str_from(id));
    if (w == NULL || !in_queue(queue, qplace_name(w->place)))
        return queue_find(&qm.q, str_from(id)) != NULL && in_queue(queue, "active");
    struct active *a = wait_load(id, w->place);
    if (a == NULL)
        return false;
    queue_remove_reasons(&qm.q, id);
    log_order(id, "requeued");
    msg_activate(a->m);
    return true;
}

static bool do_expire(const char *id, const char *queue)
{
    struct waiting *w = htab_get(&qm.waiting, str_from(id));
    struct qmsg *m = queue_find(&qm.q, str_from(id));
    if (m != NULL && in_queue(queue, "active")) {
        active_of(m)->expired = true;
        log_order(id, "expired");
        return true;
    }
    if (w == NULL || !in_queue(queue, qplace_name(w->place)))
        return false;
    struct active *a = wait_load(id, w->place);
    if (a == NULL)
        return false;
    a->expired = true;
    a->active_us = (uint64_t)clock_wall_us();
    log_order(id, "expired");
    for (uint32_t i = 0; i < a->m->n_rcpt; i++)
        if (!a->m->rcpts[i].done)
            msg_set_reason(&a->m->rcpts[i], RCPT_DEFERRED, STR("4.7.0"), STR("message was force-expired by the administrator"), STR(""), STR(""));
    msg_check(a);
    return true;
}

static bool site_matches(const struct qmsg *m, struct str site)
{
    for (uint32_t i = 0; i < m->n_rcpt; i++) {
        ptrdiff_t at = str_rchr(m->rcpts[i].address, '@');
        if (!m->rcpts[i].done && at >= 0 && str_ieq(str_skip(m->rcpts[i].address, (size_t)at + 1), site))
            return true;
    }
    return false;
}

static uint32_t flush_site(struct str site)
{
    VEC(struct id_name) ids = { 0 };
    struct waiting *w;
    uint32_t n = 0;
    for (size_t pos = 0; (w = htab_each(&qm.waiting, &pos)) != NULL;)
        if (w->place == QPLACE_DEFERRED)
            memcpy(vec_add(&ids)->id, w->id, sizeof w->id);
    for (size_t i = 0; i < ids.n; i++) {
        struct err err;
        struct qmsg *m = qmsg_load(&qm.io, QPLACE_DEFERRED, ids.p[i].id, &err);
        if (m != NULL && site_matches(m, site)) {
            wait_flush(ids.p[i].id);
            n++;
        }
        qmsg_free(m);
    }
    vec_done(&ids);
    return n;
}

static uint32_t flush(const struct ipc_queue_order *o, const char *id)
{
    dest_flush_dead();
    if (o->op == QUEUE_FLUSH_SITE)
        return flush_site(o->queue_id);
    if (o->op == QUEUE_FLUSH)
        wait_scan();
    wait_flush(o->op == QUEUE_FLUSH ? NULL : id);
    return 1;
}

/* Between memory and a file: the last order counts, when it is there. */
static bool order_later(struct active *a, uint32_t op, const char *queue)
{
    if (!in_queue(queue, a->hold_it ? "hold" : "active") || (op == QUEUE_RELEASE && !a->hold_it))
        return false;
    a->order = op;
    return true;
}

static bool one_order(uint32_t op, const char *id, const char *queue)
{
    struct qmsg *m = queue_find(&qm.q, str_from(id));
    if (m != NULL && active_of(m)->spilling && op != QUEUE_DELETE)
        return order_later(active_of(m), op, queue);
    switch (op) {
    case QUEUE_DELETE: return do_delete(id, queue);
    case QUEUE_HOLD: return do_hold(id, queue);
    case QUEUE_RELEASE: return do_release(id, queue);
    case QUEUE_REQUEUE: return do_requeue(id, queue);
    case QUEUE_EXPIRE: return do_expire(id, queue);
    default: return false;
    }
}

struct late_order tool_late_order(struct active *a)
{
    struct late_order late = { .op = a->order };
    memcpy(late.id, a->m->id, sizeof late.id);
    a->order = 0;
    return late;
}

void tool_carry_out(const struct late_order *o)
{
    if (o->op != 0)
        (void)one_order(o->op, o->id, "");
}

static uint32_t order_all(uint32_t op, const char *queue)
{
    VEC(struct id_name) ids = { 0 };
    struct waiting *w;
    uint32_t n = 0;
    LIST_EACH(it, &qm.active)
        memcpy(vec_add(&ids)->id, container_of(it, struct active, node)->m->id, QID_MAX + 1);
    for (size_t pos = 0; (w = htab_each(&qm.waiting, &pos)) != NULL;)
        memcpy(vec_add(&ids)->id, w->id, sizeof w->id);
    for (size_t i = 0; i < ids.n; i++)
        n += one_order(op, ids.p[i].id, queue);
    vec_done(&ids);
    return n;
}

struct client { struct cond gone; bool closed, trusted; };

static uint32_t carry_out(const struct ipc_queue_order *o, bool trusted, const char **ret_error)
{
    char id[257], queue[17];
    *ret_error = "";
    bool flushes = o->op == QUEUE_FLUSH || o->op == QUEUE_FLUSH_ID || o->op == QUEUE_FLUSH_SITE;
    bool anyone = strcmp(qm.conf.flush_users, "static:anyone") == 0;
    if (!trusted && !(flushes && anyone)) {
        *ret_error = "permission denied";
        return 0;
    }
    if (qm.draining || !str_to_fixed(o->queue_id, id, sizeof id) || !str_to_fixed(o->queue, queue, sizeof queue)) {
        *ret_error = qm.draining ? "the mail system is stopping" : "bad queue id";
        return 0;
    }
    if (flushes)
        return flush(o, id);
    if (strcmp(id, "ALL") == 0)
        return order_all(o->op, queue);
    if (!qid_is_valid(o->queue_id)) {
        *ret_error = "bad queue id";
        return 0;
    }
    return one_order(o->op, id, queue) ? 1 : 0;
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct client *client = chan_user(c);
    const char *error;
    if (type != IPC_QUEUE_ORDER)
        return;
    struct ipc_queue_done done = { .n = carry_out(msg, client->trusted, &error) };
    done.text = str_from(error);
    (void)chan_send(c, IPC_QUEUE_DONE, id, &done);
    commit_soon();
}

static void on_closed(struct chan *c)
{
    struct client *client = chan_user(c);
    client->closed = true;
    cond_signal(&client->gone);
}
static const struct chan_ops tool_ops = { on_message, on_closed };

static bool is_trusted(int fd)
{
    struct ucred cred;
    socklen_t n = sizeof cred;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 && (cred.uid == 0 || cred.uid == geteuid());
}

static void take_orders(int fd)
{
    struct client client = { .trusted = is_trusted(fd) };
    struct chan *c = chan_new(fd, ROLE_QMGR, ROLE_TOOL, &tool_ops, &client);
    int64_t until = deadline_in(ORDER_MS);
    while (!client.closed && cond_wait(&client.gone, until) == WAIT_OK)
        ;
    chan_free(c);
}

static void list_queue(int fd)
{
    if (!is_trusted(fd) && strcmp(qm.conf.mailq_users, "static:anyone") != 0) {
        (void)close(fd);
        return;
    }
    struct conn *c = conn_new(fd, 512);
    send_list(c);
    conn_free(c);
}

void tool_client(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    const struct sockaddr_un *un = (const void *)local;
    (void)peer;
    const char *path = un->sun_family == AF_UNIX ? un->sun_path : "";
    const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    if (strcmp(name, "showq") == 0) {
        list_queue(fd);
    } else if (strcmp(name, "qmgr") == 0) {
        take_orders(fd);
    } else {
        wait_flush(NULL);
        (void)close(fd);
    }
}
