/* SPDX-License-Identifier: ISC
 *
 * NAME
 *      deliver-bounce - composes bounces and notices
 *
 * DESCRIPTION
 *      For each COMPOSE of qmgr (a message, and what became of some of its
 *      recipients) answers with a new message: a non-delivery notification, a
 *      delay notice, a success report, or a copy for the postmaster, as
 *      RFC 3464 has them. qmgr writes it and what it settles in one record, so
 *      no notice is sent twice and none is lost.
 *
 * SECURITY
 *      Runs as postern-out in an empty root without capabilities. It reads
 *      messages of strangers (their header, and the body to return it) and
 *      talks to qmgr only. What it composes has the null sender; qmgr sees to it.
 *
 * DIAGNOSTICS
 *      qmgr logs "ID: sender non-delivery notification: ID2" once it is in the
 *      queue; here only what could not be composed is said.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"
#include "daemon/daemon.h"
#include "os/clock.h"
#include "params.h"
#include "proto/dsn.h"
#include "proto/qrec.h"

enum { RETURN_MAX = 140000, RCPTS_TEXT_MAX = 60000 };

struct bounce_conf { BOUNCE_PARAMS(PARAM_MEMBER) };
#define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct bounce_conf, k, m, name, def, lo, hi, doc)
static const struct param bounce_rows[] = { BOUNCE_PARAMS(ROW) };
static const struct param_table bounce_params = { bounce_rows, N_ELEMS(bounce_rows) };

/* One COMPOSE whose recipients are coming. Lives in its arena. */
struct work {
    struct list node;
    struct arena arena;
    struct ipc_compose c;
    int file;
    struct dsn_rcpt *rcpts;
    size_t n, expected, text;
};

static struct {
    struct bounce_conf conf;
    struct list works;
    struct chan *qmgr;
} self;

/* --- the message that is returned ------------------------------------------------- */

static void read_records(struct str records, size_t from, bool headers_only, struct buf *out)
{
    struct qrec_iter it = qrec_iter(records);
    struct str text;
    bool ends, begins = true;
    it.at = from;
    while (qrec_content_next(&it, &text, &ends) == QREC_OK && out->n + text.n < RETURN_MAX) {
        if (headers_only && begins && ends && text.n == 0)
            break;
        buf_add(out, text);
        if (ends)
            buf_putc(out, '\n');
        begins = ends;
    }
}

static void read_message(const struct work *w, bool headers_only, struct buf *out)
{
    struct stat st;
    if (w->file < 0) {
        read_records(w->c.content, 0, headers_only, out);
        return;
    }
    if (fstat(w->file, &st) < 0 || w->c.content_at >= w->c.content_end || w->c.content_end > (uint64_t)st.st_size)
        return;
    void *map = mmap(NULL, (size_t)w->c.content_end, PROT_READ, MAP_PRIVATE, w->file, 0);
    if (map == MAP_FAILED)
        return;
    read_records(str_make(map, (size_t)w->c.content_end), (size_t)w->c.content_at, headers_only, out);
    munmap(map, (size_t)w->c.content_end);
}

/* RFC 3461 5.2.2, 6.2: what RET asked for; success and delay reports never return the body. */
static bool only_header(const struct ipc_compose *c)
{
    return c->kind != BOUNCE_FAILURE || c->ret == RET_HDRS || c->content_size > self.conf.size_limit;
}

/* --- the notice --------------------------------------------------------------------- */

static int zone_minutes(time_t now)
{
    struct tm tm;
    return localtime_r(&now, &tm) == NULL ? 0 : (int)(tm.tm_gmtoff / 60);
}

static struct str notice_to(const struct work *w)
{
    return w->c.kind == BOUNCE_POSTMASTER ? str_from(self.conf.notice_recipient) : w->c.sender;
}

static void put_content(struct str text, struct buf *out)
{
    struct qrec_writer writer = { .out = out };
    qrec_put_content(&writer, text);
    qrec_content_end(&writer);
    buf_done(&writer.line);
}

static void put_envelope(const struct work *w, struct buf *out)
{
    qrec_put_attr(out, "message_origin", STR("local"));
    qrec_put_attr(out, "rewrite_context", STR("local"));
    qrec_put(out, QREC_SENDER, STR(""));
    qrec_putf(out, QREC_DSN_NOTIFY, "%d", NOTIFY_NEVER);
    qrec_put(out, QREC_ORIG, notice_to(w));
    qrec_put(out, QREC_RCPT, notice_to(w));
}

static void compose(struct work *w, struct buf *out)
{
    struct buf message = buf_make(RETURN_MAX + 4096);
    int64_t now = clock_wall_ms() / 1000;
    struct dsn_notice n = {
        .kind = (enum dsn_kind)w->c.kind, .hostname = str_from(self.conf.myhostname), .origin = str_from(self.conf.myorigin),
        .mail_name = str_from(self.conf.mail_name), .queue_id = w->c.queue_id, .new_id = w->c.new_id, .sender = w->c.sender,
        .to = notice_to(w), .envid = w->c.envid, .now = now, .arrival = (int64_t)(w->c.arrival_us / 1000000), .zone = zone_minutes(now),
        .retry_until = (int64_t)(w->c.arrival_us / 1000000) + self.conf.lifetime, .utf8 = w->c.smtputf8, .rcpts = w->rcpts,
        .n_rcpts = w->n, .headers_only = only_header(&w->c),
    };
    read_message(w, n.headers_only, &message);
    n.message = buf_str(&message);
    dsn_compose(out, &n);
    buf_done(&message);
}

static void work_free(struct work *w)
{
    list_remove(&w->node);
    if (w->file >= 0)
        close(w->file);
    struct arena a = w->arena;
    arena_done(&a);
}

static void finish(struct work *w)
{
    struct buf text = buf_make(230000), envelope = buf_make(8192), content = buf_make(262144);
    bool known = w->c.kind >= BOUNCE_FAILURE && w->c.kind <= BOUNCE_POSTMASTER;
    bool nobody = w->c.kind != BOUNCE_POSTMASTER && w->c.sender.n == 0;
    if (known && !nobody) {
        compose(w, &text);
        put_content(buf_str(&text), &content);
        put_envelope(w, &envelope);
    }
    bool failed = !known || nobody || text.full || content.full || envelope.full;
    struct ipc_composed answer = { .job = w->c.job, .failed = failed };
    if (!failed) {
        answer.envelope = buf_str(&envelope);
        answer.content = buf_str(&content);
    }
    if (failed)
        log_warning("%.*s: no notice could be composed", STR_FMT(w->c.queue_id));
    if (!chan_send(self.qmgr, IPC_COMPOSED, 0, &answer))
        log_warning("qmgr did not take a notice about %.*s", STR_FMT(w->c.queue_id));
    buf_done(&text);
    buf_done(&envelope);
    buf_done(&content);
    work_free(w);
}

/* --- qmgr ------------------------------------------------------------------------------ */

static void on_compose(struct ipc_compose *c)
{
    enum { RCPTS_MAX = 10000 };
    struct arena arena = arena_make(64 << 20);
    struct work *w = ARENA_NEW(&arena, struct work);
    w->c = *c;
    struct str *const strings[] = { &w->c.queue_id, &w->c.new_id, &w->c.sender, &w->c.envid, &w->c.content };
    for (size_t i = 0; i < N_ELEMS(strings); i++)
        *strings[i] = str_dup(&arena, *strings[i]);
    w->file = chan_take_fd(&c->file);
    w->expected = c->n_rcpt;
    w->rcpts = ARENA_ARRAY(&arena, struct dsn_rcpt, MIN(w->expected, (size_t)RCPTS_MAX) + 1);
    w->arena = arena;
    list_append(&self.works, &w->node);
    if (w->expected == 0)
        finish(w);
}

static enum dsn_action action_of(uint32_t outcome)
{
    return outcome == OUTCOME_SENT ? DSN_DELIVERED : outcome == OUTCOME_FORWARDED ? DSN_RELAYED : outcome == OUTCOME_DEFERRED ? DSN_DELAYED : DSN_FAILED;
}

/* Very many recipients: the notice names as many as fit; all are settled by it. */
static void add_rcpt(struct work *w, const struct ipc_compose_rcpt *m)
{
    enum { RCPTS_MAX = 10000 };
    size_t text = 3 * (m->address.n + m->orig.n + m->orcpt.n + m->text.n + m->remote_reply.n + 200);
    if (w->n >= RCPTS_MAX || w->text + text > RCPTS_TEXT_MAX)
        return;
    w->text += text;
    struct arena *a = &w->arena;
    w->rcpts[w->n++] = (struct dsn_rcpt){
        .address = str_dup(a, m->address), .orig = str_dup(a, m->orig), .orcpt = str_dup(a, m->orcpt), .action = action_of(m->outcome),
        .status = str_dup(a, m->dsn), .text = str_dup(a, m->text), .remote_mta = str_dup(a, m->remote_mta), .remote_reply = str_dup(a, m->remote_reply),
    };
}

static void on_rcpt(const struct ipc_compose_rcpt *m)
{
    LIST_EACH(it, &self.works) {
        struct work *w = container_of(it, struct work, node);
        if (w->c.job != m->job)
            continue;
        add_rcpt(w, m);
        if (--w->expected == 0)
            finish(w);
        return;
    }
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)c;
    (void)id;
    if (type == IPC_COMPOSE)
        on_compose(msg);
    else if (type == IPC_COMPOSE_RCPT)
        on_rcpt(msg);
}

static void drop_all(void)
{
    LIST_EACH(it, &self.works)
        work_free(container_of(it, struct work, node));
}

/* A new qmgr asks again for what the old one did not get. */
static void on_closed(struct chan *c)
{
    chan_free(c);
    if (self.qmgr != c)
        return;
    self.qmgr = NULL;
    drop_all();
}

static const struct chan_ops qmgr_ops = { .on_message = on_message, .on_closed = on_closed };

static void on_peer(const struct ipc_peer *peer, int fd)
{
    if (peer->role != ROLE_QMGR) {
        close(fd);
        return;
    }
    if (self.qmgr != NULL) {
        chan_free(self.qmgr);
        drop_all();
    }
    self.qmgr = daemon_chan(peer, fd, &qmgr_ops, NULL);
}


static bool idle(void) { return self.works.next == NULL || list_is_empty(&self.works); }

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_BOUNCE, .params = &bounce_params, .conf = &self.conf, .on_peer = on_peer, .idle = idle },
    };
    list_init(&self.works);
    return daemon_main(argc, argv, "deliver-bounce", roles, N_ELEMS(roles));
}
