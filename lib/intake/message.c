/* SPDX-License-Identifier: ISC */
#include "intake/message.h"
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>
#include "intake/checks.h"
#include "intake/trace.h"
#include "proto/qrec.h"

enum { FILE_BLOCK = 64 << 10, ENVELOPE_MAX = 4 << 20, ROUTES_MAX = 2 << 20, LOG_LINE = 1000, SCRATCH_MAX = 8 << 20 };

int intake_open(struct intake *in, const struct intake_conf *conf, const struct resolve_conf *rconf, struct config *config, struct err *err)
{
    in->conf = conf;
    in->rconf = rconf;
    in->resolve = resolve_open(rconf, config, err);
    if (in->resolve == NULL)
        return -1;
    in->expand = expand_open(conf, rconf, in->resolve, config, err);
    in->header_checks = map_list_open(conf->header_checks, MAP_NO_FOLD, config, err);
    return in->expand == NULL || in->header_checks == NULL ? -1 : 0;
}

void intake_close(struct intake *in)
{
    expand_close(in->expand);
    resolve_close(in->resolve);
    if (in->header_checks != NULL)
        map_list_free(in->header_checks);
}

void intake_log(const struct intake *in, const char *program, const char *fmt, ...)
{
    char line[LOG_LINE];
    va_list ap;
    if (in->log == NULL)
        return;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n > 0)
        in->log(program, str_make(line, MIN((size_t)n, sizeof line - 1)));
}

static bool fail(struct intake_msg *m, unsigned code, const char *dsn, const char *text)
{
    if (m->failed.code == 0) {
        m->failed.code = code;
        (void)str_to_fixed(str_from(dsn), m->failed.dsn, sizeof m->failed.dsn);
        (void)str_to_fixed(str_from(text), m->failed.text, sizeof m->failed.text);
    }
    return false;
}

bool intake_begin(struct intake_msg *m, struct intake *in, struct arena *a, uint64_t arrival_us, int64_t deadline)
{
    struct queue_reply why;
    *m = (struct intake_msg){ .in = in, .arena = a, .arrival_us = arrival_us, .fd = -1,
        .envelope.limit = ENVELOPE_MAX, .rcpts.limit = ENVELOPE_MAX, .routes.limit = ROUTES_MAX };
    if (!queue_client_await(in->queue, deadline, &why))
        return fail(m, why.code, why.dsn, why.text);
    if (!queue_client_take_id(in->queue, deadline, m->id))
        return fail(m, 451, "4.3.0", "Error: queue file write error");
    return true;
}

void intake_attr(struct intake_msg *m, const char *name, struct str value)
{
    qrec_put_attr(&m->attrs, name, value);
}

enum expand_result intake_sender(struct intake_msg *m, struct str address, enum smtp_ret ret, struct str envid, struct err *err)
{
    char number[2] = { (char)('0' + (int)ret), '\0' };
    enum expand_result r = expand_sender(m->in->expand, address, m->arena, &m->sender, err);
    if (r != EXPAND_OK)
        return r;
    qrec_put(&m->envelope, QREC_SENDER, m->sender);
    if (m->in->conf->content_filter[0] != '\0')
        qrec_putz(&m->envelope, QREC_FILTER, m->in->conf->content_filter);
    if (ret != SMTP_RET_NONE)
        qrec_putz(&m->envelope, QREC_DSN_RET, number);
    if (envid.n > 0)
        qrec_put(&m->envelope, QREC_DSN_ENVID, envid);
    return EXPAND_OK;
}

static void put_rcpt(struct intake_msg *m, struct str address, struct str orig, unsigned notify, struct str orcpt, const struct resolved *where)
{
    if (orcpt.n > 0)
        qrec_put(&m->rcpts, QREC_DSN_ORCPT, orcpt);
    if (notify != 0)
        qrec_putf(&m->rcpts, QREC_DSN_NOTIFY, "%u", notify);
    if (!str_eq(orig, address))
        qrec_put(&m->rcpts, QREC_ORIG, orig);
    qrec_put(&m->rcpts, QREC_RCPT, address);
    buf_add(&m->routes, where->transport);
    buf_putc(&m->routes, '\0');
    buf_add(&m->routes, where->nexthop);
    buf_putc(&m->routes, '\0');
    m->n_rcpt++;
}

static bool seen(const struct intake_msg *m, struct str address)
{
    for (size_t i = 0; i < m->seen.addrs.n; i++)
        if (str_ieq(m->seen.addrs.p[i], address))
            return true;
    return false;
}

/* Where it goes: to its sender, if it was refused. */
static enum resolve_result route(struct intake_msg *m, struct str address, struct resolved *ret, struct err *err)
{
    if (m->refused.n == 0)
        return resolve_address(m->in->resolve, m->sender, address, m->arena, ret, err);
    *ret = (struct resolved){ .class = CLASS_DEFAULT, .transport = STR("error"), .nexthop = m->refused, .recipient = address };
    return RESOLVE_OK;
}

/* Everything in list, once each. */
static enum expand_result put_all(struct intake_msg *m, const struct expand_list *list, struct str orig, unsigned notify, struct str orcpt, struct err *err)
{
    for (size_t i = 0; i < list->addrs.n; i++) {
        struct resolved where;
        if (seen(m, list->addrs.p[i]))
            continue;
        if (route(m, list->addrs.p[i], &where, err) == RESOLVE_TEMP)
            return EXPAND_TEMP;
        put_rcpt(m, where.recipient, orig, notify, orcpt, &where);
        vec_push(&m->seen.addrs, list->addrs.p[i]);
    }
    return m->rcpts.full || m->routes.full ? EXPAND_TOO_MANY : EXPAND_OK;
}

static void free_list(void *list)
{
    vec_done(&((struct expand_list *)list)->addrs);
}

enum expand_result intake_rcpt(struct intake_msg *m, struct str address, unsigned notify, struct str orcpt, const struct resolved *where, struct err *err)
{
    struct expand_list list = { 0 };
    struct cleanup undo;
    enum expand_result r = EXPAND_OK;
    cleanup_push(&undo, free_list, &list);
    if (where != NULL && !seen(m, address)) {
        put_rcpt(m, where->recipient, address, notify, orcpt, where);
        vec_push(&m->seen.addrs, address);
        r = m->rcpts.full || m->routes.full ? EXPAND_TOO_MANY : EXPAND_OK;
    } else if (where == NULL) {
        r = expand_recipient(m->in->expand, address, m->arena, &list, err);
        if (r == EXPAND_OK)
            r = put_all(m, &list, address, notify, orcpt, err);
        list.addrs.n = 0;
    }
    if (r == EXPAND_OK && m->refused.n == 0) {
        r = expand_bcc(m->in->expand, m->sender, address, m->arena, &list, err);
        if (r == EXPAND_OK)
            r = put_all(m, &list, STR(""), SMTP_NOTIFY_NEVER, STR(""), err);
    }
    cleanup_pop(&undo, true);
    return r;
}

void intake_prepend(struct intake_msg *m, struct str field)
{
    m->prepend = str_printf(m->arena, "%.*s%.*s\n", STR_FMT(m->prepend), STR_FMT(field));
}

/* ---- content ---- */

/* A field that is missing: "Resent-" in front when the message was resent (RFC 5322 §3.6.6). */
static void add_field(struct intake_msg *m, const char *name, void (*put)(struct intake_msg *m, struct buf *b))
{
    struct buf b = buf_make(0);
    buf_printf(&b, "%s%s: ", m->header.is_resent ? "Resent-" : "", name);
    put(m, &b);
    header_pass_add(&m->header, buf_str(&b));
    buf_done(&b);
}

static void put_from(struct intake_msg *m, struct buf *b)
{
    if (m->from_name.n > 0)
        buf_printf(b, "%.*s <", STR_FMT(m->from_name));
    if (m->sender.n == 0)
        buf_printf(b, "MAILER-DAEMON@%s", m->in->rconf->myorigin);
    smtp_address_put(b, m->sender);
    if (m->from_name.n > 0)
        buf_putc(b, '>');
}

static void put_date(struct intake_msg *m, struct buf *b) { trace_date(b, (int64_t)(m->arrival_us / 1000000)); }

static void put_message_id(struct intake_msg *m, struct buf *b)
{
    size_t start = b->n;
    trace_message_id(b, (int64_t)(m->arrival_us / 1000000), m->id, m->in->rconf->myhostname);
    (void)str_to_fixed(str_skip(buf_str(b), start), m->header.message_id, sizeof m->header.message_id);
}

/* RFC 6409 §8: what a submission may lack. Also says which message this is, as cleanup does. */
static void on_header_end(void *arg)
{
    struct intake_msg *m = arg;
    struct header_pass *h = &m->header;
    const struct header_has *has = h->is_resent ? &h->resent : &h->own;
    bool fix = m->fix_headers || m->in->conf->add_missing_headers;
    if (fix && !has->message_id)
        add_field(m, "Message-ID", put_message_id);
    if (fix && !has->date)
        add_field(m, "Date", put_date);
    if (fix && !has->from)
        add_field(m, "From", put_from);
    if (!h->has_to && m->in->conf->undisclosed_header[0] != '\0')
        header_pass_add(h, str_from(m->in->conf->undisclosed_header));
    intake_log(m->in, "postfix/cleanup", "%s: message-id=%s", m->id, h->message_id[0] != '\0' ? h->message_id : "<>");
}

struct rewriting { struct intake_msg *m; enum addr_role role; struct arena scratch; struct err err; };

static enum addr_verdict rewrite_address(void *arg, struct str address, struct str *ret)
{
    struct rewriting *w = arg;
    arena_done(&w->scratch);
    enum expand_result r = expand_header(w->m->in->expand, w->m->context, w->role, address, &w->scratch, ret, &w->err);
    return r != EXPAND_OK ? ADDR_STOP : str_eq(*ret, address) ? ADDR_SAME : ADDR_CHANGED;
}

static void free_scratch(void *scratch) { arena_done(scratch); }
static void free_text(void *text) { buf_done(text); }

/* The addresses of a field. False: the field does not go in as it is. */
static bool rewrite_field(struct intake_msg *m, struct str field)
{
    struct str name, value;
    struct rewriting w = { .m = m, .scratch = arena_make(SCRATCH_MAX) };
    struct buf now = buf_make(0);
    struct cleanup free_arena, free_buf;
    if (!str_cut(field, ':', &name, &value) || (w.role = addr_field_role(str_trim(name))) == ADDR_ROLE_NONE)
        return true;
    cleanup_push(&free_arena, free_scratch, &w.scratch);
    cleanup_push(&free_buf, free_text, &now);
    enum addr_verdict v = addr_field_rewrite(str_trim(name), value, rewrite_address, &w, &now);
    if (v == ADDR_CHANGED)
        header_pass_add(&m->header, buf_str(&now));
    if (v == ADDR_STOP) {
        intake_log(m->in, "postfix/cleanup", "warning: %s: %s -- message not accepted, try again later", m->id, w.err.text);
        (void)fail(m, 451, "4.3.0", "Error: queue file write error");
    }
    cleanup_pop(&free_buf, true);
    cleanup_pop(&free_arena, true);
    return v == ADDR_SAME;
}

/* False: the field does not go in as it is. */
static bool on_field(void *arg, struct str field)
{
    struct intake_msg *m = arg;
    if (!map_list_is_empty(m->in->header_checks) && !checks_header(m, field))
        return false;
    return m->context == HEADER_LEFT_ALONE || rewrite_field(m, field);
}

bool intake_start_content(struct intake_msg *m, struct str received)
{
    const struct intake_conf *c = m->in->conf;
    struct expand_list list = { 0 };
    struct err err = { 0 };
    struct cleanup undo;
    cleanup_push(&undo, free_list, &list);
    enum expand_result r = m->refused.n > 0 ? EXPAND_OK : expand_bcc(m->in->expand, m->sender, STR(""), m->arena, &list, &err);
    if (r == EXPAND_OK)
        r = put_all(m, &list, STR(""), SMTP_NOTIFY_NEVER, STR(""), &err);
    cleanup_pop(&undo, true);
    if (r != EXPAND_OK)
        return fail(m, 451, "4.3.0", "Error: queue file write error");
    m->header = (struct header_pass){ .out = &m->content, .size_max = c->header_size_limit, .fields_max = c->header_count_limit,
                                      .hops_max = c->hopcount_limit, .on_end = on_header_end, .arg = m };
    if (m->refused.n == 0 && (m->context != HEADER_LEFT_ALONE || !map_list_is_empty(m->in->header_checks)))
        m->header.on_field = on_field;
    if (m->prepend.n > 0)
        header_pass_add(&m->header, str_head(m->prepend, m->prepend.n - 1));
    header_pass_add(&m->header, received);
    return true;
}

void intake_line(struct intake_msg *m, struct str line, bool ends)
{
    uint64_t limit = m->in->conf->message_size_limit;
    m->size += line.n + ends;
    if (m->failed.code != 0)
        return;
    if (limit > 0 && m->size > limit) {
        (void)fail(m, 552, "5.3.4", "Error: message file too big");
        buf_reset(&m->content);
        return;
    }
    header_pass_line(&m->header, line, ends);
    if (m->refused.n > 0)
        return;
    if (m->header.fault == HEADER_LOOP)
        (void)fail(m, 554, "5.4.0", "Error: too many hops");
    else if (m->header.fault == HEADER_TOO_MANY)
        (void)fail(m, 552, "5.3.4", "Error: too many header fields");
}

/* The envelope as one range: attributes, sender, recipients. */
static struct str whole_envelope(struct intake_msg *m)
{
    buf_add(&m->attrs, buf_str(&m->envelope));
    buf_add(&m->attrs, buf_str(&m->rcpts));
    return buf_str(&m->attrs);
}

static bool write_content(struct intake_msg *m)
{
    struct str rest = buf_str(&m->content);
    while (rest.n > 0) {
        ssize_t n = write(m->fd, rest.p, rest.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return errno == ENOSPC ? fail(m, 452, "4.3.1", "Error: insufficient system storage")
                                   : fail(m, 451, "4.3.0", "Error: queue file write error");
        rest = str_skip(rest, (size_t)n);
        m->written += (uint64_t)n;
    }
    buf_reset(&m->content);
    return true;
}

static bool open_file(struct intake_msg *m, int64_t deadline)
{
    const struct ipc_msg_open msg = {
        .queue_id = str_from(m->id), .arrival_us = m->arrival_us, .flags = m->flags, .token = m->token,
        .n_rcpt = m->n_rcpt, .envelope = whole_envelope(m), .routes = buf_str(&m->routes),
    };
    struct queue_reply why;
    if (!queue_client_open(m->in->queue, &msg, deadline, m->arena, &m->fd, &m->epoch, &why))
        return fail(m, why.code, why.dsn, why.text);
    return true;
}

void intake_flow(struct intake_msg *m, int64_t deadline)
{
    if (m->failed.code != 0 || m->discard)
        return;
    if (m->fd < 0 && m->content.n <= m->in->conf->inline_limit)
        return;
    if (m->fd >= 0 && m->content.n < FILE_BLOCK)
        return;
    if (m->fd >= 0 || open_file(m, deadline))
        (void)write_content(m);
}

static void release(struct intake_msg *m)
{
    if (m->fd >= 0)
        (void)close(m->fd);
    m->fd = -1;
    buf_done(&m->attrs);
    buf_done(&m->envelope);
    buf_done(&m->rcpts);
    buf_done(&m->routes);
    buf_done(&m->content);
    vec_done(&m->seen.addrs);
    header_pass_done(&m->header);
}

static bool commit_file(struct intake_msg *m, int64_t deadline, struct queue_reply *why)
{
    if (!write_content(m)) {
        *why = m->failed;
        return false;
    }
    (void)close(m->fd);
    m->fd = -1;
    const struct ipc_msg_commit msg = { .queue_id = str_from(m->id), .records_size = m->written, .content_size = m->header.size };
    return queue_client_commit(m->in->queue, m->epoch, &msg, deadline, why);
}

static bool commit_inline(struct intake_msg *m, int64_t deadline, struct queue_reply *why)
{
    const struct ipc_msg_submit msg = {
        .queue_id = str_from(m->id), .arrival_us = m->arrival_us, .flags = m->flags, .token = m->token, .n_rcpt = m->n_rcpt,
        .envelope = whole_envelope(m), .routes = buf_str(&m->routes), .content = buf_str(&m->content),
    };
    return queue_client_submit(m->in->queue, &msg, deadline, why);
}

bool intake_commit(struct intake_msg *m, int64_t deadline)
{
    struct queue_reply why = { 0 };
    if (m->failed.code == 0)
        header_pass_end(&m->header);
    if (m->failed.code == 0 && m->content.n > m->in->conf->inline_limit)
        intake_flow(m, deadline);
    if (m->failed.code != 0 || m->discard) {
        intake_abandon(m);
        return m->failed.code == 0;
    }
    bool ok = m->fd >= 0 ? commit_file(m, deadline, &why) : commit_inline(m, deadline, &why);
    if (!ok)
        (void)fail(m, why.code, why.dsn, why.text);
    m->id[0] = '\0';
    release(m);
    return ok;
}

void intake_abandon(struct intake_msg *m)
{
    if (m->in == NULL)
        return;
    bool opened = m->fd >= 0;
    release(m);
    if (m->id[0] == '\0')
        return;
    if (opened)
        queue_client_abort(m->in->queue, m->epoch, m->id);
    else
        queue_client_drop_id(m->in->queue, m->id);
    m->id[0] = '\0';
}
