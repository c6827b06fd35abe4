/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     pickup - takes up the mail that sendmail left in maildrop
 *
 * DESCRIPTION
 *     Looks into maildrop when it is told to (a connection to public/pickup)
 *     and once in a while, and takes each complete file through the same
 *     rewriting, routing and header fix-ups as mail from the network, into the
 *     queue. A file is removed after qmgr has said that the message is
 *     durable; one that qmgr has but that could not be removed is remembered by
 *     its identity and not taken again.
 *
 * SECURITY
 *     Runs as mail_owner with maildrop as its root. The files are written by
 *     any local user and are read as such: see intake/drop.h for all that one
 *     may hold. A link, a device, a file with two names, an unknown record or
 *     attribute is refused, named in the log, and set aside as "refused-NAME".
 *     A message that is refused for what it says (header_checks) goes back to its sender.
 *     The owner of the file is who the mail is from, in log and Received field.
 *
 * DIAGNOSTICS
 *     "ID: uid=N from=<S>" per message, as Postfix's pickup.
 */
#include "base/log.h"
#include "daemon/daemon.h"
#include "intake/drop.h"
#include "intake/message.h"
#include "intake/trace.h"
#include "ipc/schema.h"
#include "maildrop.h"
#include "params.h"
#include "proto/qrec.h"
#include "map/map.h"
#include <unistd.h>

enum { SUBMIT_PATIENCE_MS = 300000, TAKEN_MAX = 1000, MEMORY_MAX = 256 << 20 };

struct identity { dev_t dev; ino_t ino; struct timespec changed; };
static struct {
    struct pickup_conf conf;
    struct intake intake;
    struct cond wake;
    bool told, busy;
    VEC(struct identity) taken;         /* in the queue, but still in maildrop */
} self;

#define RESOLVE_ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct pickup_conf, k, resolve.m, name, def, lo, hi, doc)
#define INTAKE_ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct pickup_conf, k, intake.m, name, def, lo, hi, doc)
#define PICKUP_ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct pickup_conf, k, m, name, def, lo, hi, doc)
static const struct param rows[] = { RESOLVE_PARAMS(RESOLVE_ROW) INTAKE_PARAMS(INTAKE_ROW) PICKUP_PARAMS(PICKUP_ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

static void want_queue(void) { daemon_need(ROLE_QMGR); }
static void on_log(const char *program, struct str line) { log_as(program, LOG_INFO_LEVEL, "%.*s", STR_FMT(line)); }

static int open_tables(const struct daemon_ctx *d, struct err *err)
{
    self.intake.queue = queue_client_new(want_queue);
    map_set_users(daemon_lookup);
    map_set_connect(daemon_connect);
    self.intake.log = on_log;
    return intake_open(&self.intake, &self.conf.intake, &self.conf.resolve, d->config, err);
}

static bool is_taken(const struct stat *st)
{
    for (size_t i = 0; i < self.taken.n; i++) {
        const struct identity *t = &self.taken.p[i];
        if (t->dev == st->st_dev && t->ino == st->st_ino && t->changed.tv_sec == st->st_ctim.tv_sec && t->changed.tv_nsec == st->st_ctim.tv_nsec)
            return true;
    }
    return false;
}

static void remember(const struct stat *st)
{
    if (self.taken.n < TAKEN_MAX)
        vec_push(&self.taken, ((struct identity){ st->st_dev, st->st_ino, st->st_ctim }));
}

/* ---- one message ---- */

static bool put_envelope(struct intake_msg *m, const struct drop *d, const struct stat *st)
{
    struct err err = { 0 };
    intake_attr(m, "rewrite_context", STR("local"));
    intake_attr(m, "log_message_origin", STR("local"));
    if (intake_sender(m, d->sender, d->ret, d->envid, &err) != EXPAND_OK) {
        log_warning("%s: %s", m->id, err.text);
        return false;
    }
    log_info("%s: uid=%lu from=<%.*s>", m->id, (unsigned long)st->st_uid, STR_FMT(d->sender));
    for (size_t i = 0; i < d->rcpts.n; i++) {
        const struct drop_rcpt *r = &d->rcpts.p[i];
        struct str to = resolve_rewrite(m->in->resolve, r->address, m->arena);
        if (intake_rcpt(m, to, r->notify, r->orcpt, NULL, &err) != EXPAND_OK) {
            log_warning("%s: <%.*s>: %s", m->id, STR_FMT(r->address), err.text);
            return false;
        }
    }
    return true;
}

static bool put_content(struct intake_msg *m, const struct drop *d, const struct stat *st)
{
    struct buf received = buf_make(0);
    trace_received_local(&received, str_from(self.conf.resolve.myhostname), str_from(self.conf.intake.mail_name), st->st_uid, str_from(m->id),
                         (int64_t)(m->arrival_us / 1000000));
    bool ok = intake_start_content(m, buf_str(&received));
    buf_done(&received);
    struct qrec_iter it = qrec_iter(d->content);
    struct str text;
    bool ends;
    while (ok && qrec_content_next(&it, &text, &ends) == QREC_OK) {
        intake_line(m, text, ends);
        intake_flow(m, deadline_in(SUBMIT_PATIENCE_MS));
    }
    return ok;
}

/* refused: empty, or what the sender gets it back with. */
static bool submit(const struct drop *d, const struct stat *st, struct str refused, struct arena *a, struct queue_reply *why)
{
    struct intake_msg m;
    bool ok = intake_begin(&m, &self.intake, a, (uint64_t)clock_wall_us(), deadline_in(10000));
    if (ok) {
        m.refused = refused;
        m.fix_headers = true;
        m.context = HEADER_LOCAL;
        m.origin = STR("local");
        m.from_name = d->full_name;
        m.flags = (d->eight_bit ? MSG_8BIT : 0u) | (d->smtputf8 ? MSG_SMTPUTF8 : 0u);
        ok = put_envelope(&m, d, st) && put_content(&m, d, st) && intake_commit(&m, deadline_in(SUBMIT_PATIENCE_MS));
    }
    *why = m.failed;
    intake_abandon(&m);
    return ok;
}

/* What is refused for good, its sender must hear of: nobody waits at the other end of a pipe. */
static bool send_back(const struct drop *d, const struct stat *st, struct arena *a, struct queue_reply *why)
{
    struct str text = str_printf(a, "%s %s", why->dsn, why->text);
    return submit(d, st, text, a, why);
}

static void refuse(const char *name, const char *why)
{
    int done = maildrop_set_aside(name);
    if (done > 0)
        log_warning("maildrop/%s: %s; set aside as maildrop/refused-%s", name, why, name);
    else
        log_warning("maildrop/%s: %s; %s", name, why, done == 0 ? "removed" : "cannot be removed");
}

static void submit_file(const char *name, struct str file, const struct stat *st)
{
    struct drop d;
    struct err err = { 0 };
    struct queue_reply why = { 0 };
    struct arena a = arena_make(MEMORY_MAX);
    if (drop_parse(file, &d, &err) < 0) {
        refuse(name, err.text);
    } else if (submit(&d, st, STR(""), &a, &why) || (why.code >= 500 && send_back(&d, st, &a, &why))) {
        if (!maildrop_remove(name, st)) {
            log_warning("maildrop/%s: is in the queue but cannot be removed: %m", name);
            remember(st);
        }
    } else if (why.code >= 500) {
        refuse(name, why.text);
    }
    drop_done(&d);
    arena_done(&a);
}

static void take_up(const char *name)
{
    struct buf file = buf_make(0);
    struct stat st;
    struct err err = { 0 };
    uint64_t limit = self.conf.intake.message_size_limit;
    uint64_t max = limit == 0 ? MEMORY_MAX : MIN((uint64_t)MEMORY_MAX, limit + limit / 4 + (4 << 20));
    switch (maildrop_read(name, max, &file, &st, &err)) {
    case DROP_READY:
        if (!is_taken(&st))
            submit_file(name, buf_str(&file), &st);
        break;
    case DROP_BAD:
        refuse(name, err.text);
        break;
    case DROP_LATER:
        if (err.kind != ERR_NONE)
            log_warning("maildrop/%s: %s", name, err.text);
        break;
    case DROP_GONE:
        break;
    }
    buf_done(&file);
}

static void scan(void)
{
    struct drop_list list = { 0 };
    struct err err = { 0 };
    struct queue_reply closed;
    if (maildrop_list(&list, &err) < 0)
        log_warning("%s", err.text);
    for (size_t i = 0; i < list.names.n && !daemon_is_draining() && queue_client_is_open(self.intake.queue, &closed); i++)
        take_up(list.names.p[i].text);
    vec_done(&list.names);
}

/* ---- the process ---- */

static void run(void *arg)
{
    (void)arg;
    while (!daemon_is_draining()) {
        self.told = false;
        self.busy = true;
        scan();
        self.busy = false;
        if (!self.told && cond_wait(&self.wake, deadline_in((int64_t)self.conf.interval * 1000)) == WAIT_CANCELLED)
            return;
    }
}

static void wake(void)
{
    self.told = true;
    cond_signal(&self.wake);
}

static void start(const struct daemon_ctx *d)
{
    (void)d;
    daemon_need(ROLE_QMGR);
    if (fiber_start("pickup", run, NULL) == NULL)
        log_fatal("no memory for the pickup fiber");
}

/* Who connects says no more than that there is something. */
static void on_client(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    (void)peer;
    (void)local;
    (void)close(fd);
    wake();
}

static void on_peer(const struct ipc_peer *peer, int fd)
{
    if (peer->role != ROLE_QMGR) {
        (void)close(fd);
        return;
    }
    queue_client_attach(self.intake.queue, daemon_chan(peer, fd, queue_client_ops(), self.intake.queue));
    wake();
}

static bool idle(void) { return !self.busy; }

int main(int argc, char **argv)
{
    const struct role_ops role = { .role = ROLE_PICKUP, .params = &params, .conf = &self.conf, .before_drop = open_tables, .start = start,
                                   .on_client = on_client, .on_peer = on_peer, .on_drain = wake, .idle = idle };
    return daemon_main(argc, argv, "pickup", &role, 1);
}
