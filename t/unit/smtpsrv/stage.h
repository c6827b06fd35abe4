/* SPDX-License-Identifier: ISC
 *
 * stage.h - an SMTP server engine on a stage: configuration as text, a client
 * that reads a script, a queue manager that takes every message and remembers
 * it. All in one process, over socketpairs.
 *
 * Script: one line each.
 *   > TEXT      send TEXT and CR LF        >> TEXT    send TEXT as it is; \r \n \0 \\ are escapes
 *   < PREFIX    the next reply (its last line) begins so
 *   <* TEXT     ... or any of its lines is so
 *   <!* TEXT    ... none of its lines is so
 *   <closed     the server closes
 */
#ifndef T_SMTPSRV_STAGE_H
#define T_SMTPSRV_STAGE_H
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "event/conn.h"
#include "proto/qrec.h"
#include "smtpsrv/smtpsrv.h"
#include "tap.h"

struct stage_message { struct buf envelope, routes, content; uint32_t flags; bool from_file; };
struct stage {
    struct config *config;
    struct smtpsrv_all conf;
    struct smtpsrv *srv;
    struct queue_client *queue;
    struct chan *qmgr;
    VEC(struct stage_message) got;
    struct stage_message open;
    int file;
    unsigned aborted;
    unsigned refuse_with;           /* reply code for messages, 0 = take them */
    const char *client;             /* address */
    const char *script;
    bool ok, ended;
    int client_fd, server_fd;
    char wrong[300];
};
static struct stage stage;
static struct buf stage_log;
static uint32_t stage_next_id;
static int (*stage_connect)(const char *endpoint, int64_t deadline, struct err *err);

static inline void stage_on_log(const char *program, struct str line)
{
    buf_printf(&stage_log, "%s|%.*s\n", program, STR_FMT(line));
}

static inline bool stage_logged(const char *text)
{
    return strstr(buf_cstr(&stage_log), text) != NULL;
}

/* ---- qmgr ---- */

static inline void qmgr_ids(struct chan *c, uint32_t id, uint32_t n)
{
    struct buf b = buf_make(0);
    for (uint32_t i = 0; i < n; i++) {
        buf_printf(&b, "4Test%04x", ++stage_next_id);
        buf_putc(&b, '\0');
    }
    const struct ipc_ids ids = { .n = n, .ids = buf_str(&b) };
    (void)chan_send(c, IPC_IDS, id, &ids);
    buf_done(&b);
}

static inline void qmgr_done(struct chan *c, uint32_t id, struct str queue_id)
{
    const struct ipc_msg_done done = { .queue_id = queue_id };
    const struct ipc_msg_refused no = { .queue_id = queue_id, .code = stage.refuse_with, .dsn = STR("4.3.1"), .text = STR("disk full") };
    if (stage.refuse_with != 0)
        (void)chan_send(c, IPC_MSG_REFUSED, id, &no);
    else
        (void)chan_send(c, IPC_MSG_DONE, 0, &done);      /* as qmgr answers batches: by queue id */
}

static inline void qmgr_submit(struct chan *c, uint32_t id, const struct ipc_msg_submit *m)
{
    if (stage.refuse_with == 0) {
        struct stage_message *g = vec_add(&stage.got);
        buf_add(&g->envelope, m->envelope);
        buf_add(&g->routes, m->routes);
        buf_add(&g->content, m->content);
        g->flags = m->flags;
    }
    qmgr_done(c, id, m->queue_id);
}

static inline void qmgr_open(struct chan *c, uint32_t id, const struct ipc_msg_open *m)
{
    stage.open = (struct stage_message){ .flags = m->flags, .from_file = true };
    buf_add(&stage.open.envelope, m->envelope);
    buf_add(&stage.open.routes, m->routes);
    stage.file = memfd_create("message", MFD_CLOEXEC);
    const struct ipc_msg_file file = { .queue_id = m->queue_id, .file = stage.file };
    (void)chan_send(c, IPC_MSG_FILE, id, &file);
}

static inline void qmgr_commit(struct chan *c, uint32_t id, const struct ipc_msg_commit *m)
{
    char *room = buf_room(&stage.open.content, m->records_size + 1);
    ssize_t n = pread(stage.file, room, m->records_size + 1, 0);
    buf_added(&stage.open.content, n > 0 ? (size_t)n : 0);
    (void)close(stage.file);
    vec_push(&stage.got, stage.open);
    qmgr_done(c, id, m->queue_id);
}

static inline void qmgr_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    if (type == IPC_IDS_WANT)
        qmgr_ids(c, id, ((struct ipc_ids_want *)msg)->n);
    else if (type == IPC_MSG_SUBMIT)
        qmgr_submit(c, id, msg);
    else if (type == IPC_MSG_OPEN)
        qmgr_open(c, id, msg);
    else if (type == IPC_MSG_COMMIT)
        qmgr_commit(c, id, msg);
    else if (type == IPC_MSG_ABORT)
        stage.aborted++;
}
static inline void qmgr_closed(struct chan *c) { (void)c; }
static const struct chan_ops qmgr_ops = { qmgr_message, qmgr_closed };

/* ---- opening and closing ---- */

static inline bool stage_open_service(enum smtpsrv_kind kind, const char *main_cf, bool quiet)
{
    static const char base[] = "myhostname = mx.our.test\nmydomain = our.test\nmydestination = our.test, mx.our.test\nmynetworks = 198.51.100.0/24\n"
                               "compatibility_level = 3.6\nlocal_recipient_maps = inline:{{u=u} {v=v} {postmaster=p}}\nalias_maps =\n"
                               "inet_interfaces = 192.0.2.1\nsmtpd_peername_lookup = no\nsmtpd_error_sleep_time = 0\nvirtual_alias_maps =\n"
                               "virtual_mailbox_maps =\ncanonical_maps =\n";
    struct buf text = buf_make(0);
    struct err err = { 0 };
    int pair[2];
    buf_puts(&text, base);
    buf_puts(&text, main_cf);
    stage = (struct stage){ .client = "203.0.113.9", .file = -1 };
    buf_reset(&stage_log);
    stage.config = config_parse("/nonexistent", "main.cf", buf_str(&text), &err);
    buf_done(&text);
    const struct param_table params = smtpsrv_params();
    if (stage.config == NULL || config_fill(stage.config, &params, &stage.conf, &err) < 0) {
        printf("# %s\n", err.text);
        return false;
    }
    stage.queue = queue_client_new(NULL);
    const struct smtpsrv_env env = { .kind = kind, .conf = &stage.conf, .config = stage.config, .service = "smtp", .queue = stage.queue, .log = stage_on_log,
                                     .connect = stage_connect };
    stage.srv = smtpsrv_open(&env, &err);
    if (stage.srv == NULL) {
        if (!quiet)
            printf("# %s\n", err.text);
        buf_puts(&stage_log, err.text);
        queue_client_free(stage.queue);
        config_free(stage.config);
        return false;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    stage.qmgr = chan_new(pair[0], ROLE_QMGR, ROLE_SMTPD, &qmgr_ops, NULL);
    queue_client_attach(stage.queue, chan_new(pair[1], ROLE_SMTPD, ROLE_QMGR, queue_client_ops(), stage.queue));
    return true;
}
static inline bool stage_open(const char *main_cf) { return stage_open_service(SMTPSRV_MX, main_cf, false); }

static inline void stage_forget(void)
{
    for (size_t i = 0; i < stage.got.n; i++) {
        buf_done(&stage.got.p[i].envelope);
        buf_done(&stage.got.p[i].routes);
        buf_done(&stage.got.p[i].content);
    }
    stage.got.n = 0;
    buf_reset(&stage_log);
}

static inline void stage_close(void)
{
    stage_forget();
    vec_done(&stage.got);
    smtpsrv_close(stage.srv);
    queue_client_free(stage.queue);
    chan_free(stage.qmgr);
    config_free(stage.config);
    loop_turn(loop_now());
}

/* ---- the client ---- */

static inline void send_raw(struct conn *c, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char ch = text.p[i];
        if (ch == '\\' && i + 1 < text.n) {
            ch = text.p[++i];
            ch = ch == 'r' ? '\r' : ch == 'n' ? '\n' : ch == '0' ? '\0' : ch;
        }
        conn_put(c, str_make(&ch, 1));
    }
    (void)conn_flush(c, deadline_in(5000));
}

/* The lines of one reply; false when the server is gone. */
static inline bool read_reply(struct conn *c, struct buf *lines, struct buf *last)
{
    struct str line;
    buf_reset(lines);
    do {
        if (conn_read_line(c, 4096, deadline_in(10000), &line) != READ_OK)
            return false;
        buf_add(lines, line);
        buf_putc(lines, '\n');
        buf_reset(last);
        buf_add(last, line);
    } while (line.n > 3 && line.p[3] == '-');
    return true;
}

static inline bool has_line(const struct buf *lines, struct str want)
{
    struct str rest = buf_str(lines), line;
    while (str_cut(rest, '\n', &line, &rest))
        if (str_eq(str_skip(line, 4), want))
            return true;
    return false;
}

static inline bool wrong(struct str line, const struct buf *last)
{
    (void)snprintf(stage.wrong, sizeof stage.wrong, "at \"%.*s\": got \"%.*s\"", STR_FMT(line), STR_FMT(buf_str(last)));
    return false;
}

static inline bool step(struct conn *c, struct str line, struct buf *lines, struct buf *last)
{
    if (str_starts(line, STR(">> "))) {
        send_raw(c, str_skip(line, 3));
    } else if (str_starts(line, STR("> "))) {
        conn_put(c, str_skip(line, 2));
        conn_puts(c, "\r\n");
        (void)conn_flush(c, deadline_in(5000));
    } else if (str_starts(line, STR("<* "))) {
        return has_line(lines, str_skip(line, 3)) || wrong(line, last);
    } else if (str_starts(line, STR("<!* "))) {
        return !has_line(lines, str_skip(line, 4)) || wrong(line, last);
    } else if (str_eqz(line, "<closed")) {
        buf_reset(last);
        return !read_reply(c, lines, last) || wrong(line, last);
    } else if (str_starts(line, STR("< "))) {
        buf_reset(last);
        return (read_reply(c, lines, last) && str_starts(buf_str(last), str_skip(line, 2))) || wrong(line, last);
    }
    return true;
}

static inline void client_fiber(void *arg)
{
    struct conn *c = conn_new(stage.client_fd, 8192);
    struct buf lines = buf_make(0), last = buf_make(0);
    struct str rest = str_from(stage.script), line;
    (void)arg;
    stage.ok = true;
    while (stage.ok && rest.n > 0) {
        (void)str_cut(rest, '\n', &line, &rest);
        stage.ok = step(c, line, &lines, &last);
    }
    buf_done(&lines);
    buf_done(&last);
    conn_free(c);
}

static inline void server_fiber(void *arg)
{
    struct sockaddr_storage peer = { 0 }, local = { 0 };
    struct sockaddr_in *p = (void *)&peer, *l = (void *)&local;
    (void)arg;
    p->sin_family = l->sin_family = AF_INET;
    p->sin_port = htons(4321);
    l->sin_port = htons(25);
    (void)inet_pton(AF_INET, stage.client, &p->sin_addr);
    (void)inet_pton(AF_INET, "192.0.2.1", &l->sin_addr);
    smtpsrv_serve(stage.srv, stage.server_fd, &peer, &local);
    stage.ended = true;
}

/* One session. True when every line of the script came true. */
static inline bool stage_run(const char *script)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return false;
    stage.server_fd = pair[0];
    stage.client_fd = pair[1];
    stage.script = script;
    stage.ended = false;
    (void)fiber_start("client", client_fiber, NULL);
    loop_turn(loop_now());          /* what the script says first is there before the server is */
    (void)fiber_start("server", server_fiber, NULL);
    int64_t end = deadline_in(20000);
    while (!stage.ended && clock_mono_ms() < end)
        loop_turn(deadline_in(1000));
    for (int i = 0; i < 3; i++)
        loop_turn(loop_now());
    if (!stage.ok)
        printf("# %s\n", stage.wrong);
    return stage.ok && stage.ended;
}

/* ---- what arrived ---- */

/* All data of envelope records of a type, each followed by ';'. */
static inline struct str envelope_of(size_t n, char type, struct buf *out)
{
    buf_reset(out);
    if (n >= stage.got.n)
        return STR("");
    struct qrec_iter it = qrec_iter(buf_str(&stage.got.p[n].envelope));
    struct qrec rec;
    while (qrec_next(&it, &rec) == QREC_OK)
        if (rec.type == type) {
            buf_add(out, rec.data);
            buf_putc(out, ';');
        }
    return buf_str(out);
}

/* The message as text, lines ending in LF. */
static inline const char *content_of(size_t n, struct buf *out)
{
    buf_reset(out);
    if (n < stage.got.n) {
        struct qrec_iter it = qrec_iter(buf_str(&stage.got.p[n].content));
        struct str text;
        bool ends;
        while (qrec_content_next(&it, &text, &ends) == QREC_OK) {
            buf_add(out, text);
            if (ends)
                buf_putc(out, '\n');
        }
    }
    return buf_cstr(out);
}
static inline bool content_has(size_t n, const char *text)
{
    struct buf b = buf_make(0);
    bool found = strstr(content_of(n, &b), text) != NULL;
    buf_done(&b);
    return found;
}
#endif
