/* SPDX-License-Identifier: ISC
 * data.c - DATA and BDAT: from the first byte of content to the reply that makes us responsible. */
#include "smtpsrv/session.h"
#include "intake/trace.h"
#include "ipc/schema.h"
#include "proto/smtp_body.h"

enum { COMMIT_PATIENCE_MS = 300000 };

static void on_line(void *arg, struct str text, bool ends)
{
    intake_line(arg, text, ends);
}

/* RFC 3848 and RFC 6531 §4.3. */
static struct str with_protocol(struct session *s)
{
    bool lmtp = s->srv->env.kind == SMTPSRV_LMTP;
    const char *base = lmtp ? "LMTP" : s->esmtp ? "ESMTP" : "SMTP";
    if (s->mail.smtputf8)
        base = lmtp ? "UTF8LMTP" : "UTF8SMTP";
    bool marks = lmtp || s->esmtp;
    return str_printf(&s->txn, "%s%s%s", base, marks && s->tls ? "S" : "", marks && s->sasl_user.n > 0 ? "A" : "");
}

static bool start_content(struct session *s)
{
    const struct tls_info *t = s->conf->tls_received ? conn_tls_info(s->conn) : NULL;
    struct trace trace = {
        .helo = s->helo, .client_name = s->name, .client_addr = s->rfc_addr, .myhostname = str_from(s->srv->rconf->myhostname),
        .mail_name = str_from(s->srv->intake.conf->mail_name), .protocol = with_protocol(s), .queue_id = str_from(s->msg.id),
        .recipient = s->n_rcpt == 1 ? s->rcpt : STR(""), .sasl_user = s->conf->sasl_header ? s->sasl_user : STR(""),
        .when = (int64_t)(s->msg.arrival_us / 1000000),
    };
    if (t != NULL) {
        trace.tls_protocol = t->protocol;
        trace.tls_cipher = t->cipher;
        trace.tls_bits = t->bits;
        trace.tls_alg_bits = t->alg_bits;
        trace.tls_key_exchange = t->key_exchange;
        trace.tls_signature = t->signature;
        trace.tls_digest = t->digest;
        trace.tls_client_cert = t->peer_has_cert;
    }
    struct buf b = buf_make(0);
    trace_received(&b, &trace);
    struct str received = str_dup(&s->txn, buf_str(&b));
    buf_done(&b);
    s->msg.discard = s->discard;
    s->msg.flags |= s->hold ? MSG_HOLD : 0u;
    if (s->prepend.n > 0)
        intake_prepend(&s->msg, str_head(s->prepend, s->prepend.n - 1));
    return intake_start_content(&s->msg, received);
}

/* A sender that drips bytes holds a session for at most bytes / smtpd_min_data_rate beyond the idle limit. */
static int64_t data_deadline(const struct session *s, int64_t begun, uint64_t bytes)
{
    int64_t idle = deadline_in((int64_t)s->conf->timeout * 1000);
    int64_t slowest = begun + (int64_t)s->conf->timeout * 1000 + (int64_t)(bytes * 1000 / s->conf->min_data_rate);
    return MIN(MIN(idle, slowest), s->deadline);
}

/* ---- the end of a message ---- */

static void fail_with(struct session *s, unsigned code, const char *dsn, const char *text)
{
    (void)reject_with(s, code, dsn, "%s", text);
    log_reject(s, "reject", "END-OF-MESSAGE", &s->reject);
    s->msg.failed.code = code;
    (void)str_to_fixed(str_from(dsn), s->msg.failed.dsn, sizeof s->msg.failed.dsn);
    (void)str_to_fixed(str_from(text), s->msg.failed.text, sizeof s->msg.failed.text);
}

static void apply_end_rules(struct session *s)
{
    s->where_text = "END-OF-MESSAGE";
    s->rcpt = STR("");
    s->rule_state = (struct rule_state){ .stage_name = "END-OF-MESSAGE" };
    if (s->msg.failed.code != 0 || s->srv->rules.stages[STAGE_EOD].n == 0)
        return;
    if (rules_apply(s, STAGE_EOD, "END-OF-MESSAGE") == V_REJECT)
        fail_with(s, s->reject.code, s->reject.dsn, str_to_cstr(&s->txn, s->reject.text));
    s->msg.discard |= s->discard;
    s->msg.flags |= s->hold ? MSG_HOLD : 0u;
}

/* RFC 2033 §4.2: LMTP answers once per recipient. */
static void reply_all(struct session *s, const char *line)
{
    uint32_t n = s->srv->env.kind == SMTPSRV_LMTP ? s->n_rcpt : 1;
    for (uint32_t i = 0; i < n; i++)
        reply(s, "%s", line);
}

static void finish_message(struct session *s, bool bdat)
{
    char id[QUEUE_ID_MAX];
    (void)str_to_fixed(str_from(s->msg.id), id, sizeof id);
    apply_end_rules(s);
    bool lost = conn_is_broken(s->conn) || fiber_is_cancelled();
    bool ok = !lost && intake_commit(&s->msg, deadline_in(COMMIT_PATIENCE_MS));
    struct str line = ok && bdat ? str_printf(&s->txn, "250 2.0.0 Ok: %llu bytes queued as %s", (unsigned long long)s->bdat_bytes, id)
                    : ok ? str_printf(&s->txn, "250 2.0.0 Ok: queued as %s", id)
                    : str_printf(&s->txn, "%u %s %s", s->msg.failed.code, s->msg.failed.dsn, s->msg.failed.text);
    if (!lost)
        reply_all(s, str_to_cstr(&s->txn, line));
    transaction_reset(s);
}

static void note_bare_lf(struct session *s, const struct smtp_body *b)
{
    if (!b->bare_lf)
        return;
    s->said_bare_lf = true;
    if (!str_ieqz(str_from(s->conf->forbid_bare_newline), "reject"))
        return;
    fail_with(s, s->conf->bare_newline_code, "5.5.2", "Error: bare <LF> received");
}

/* ---- DATA ---- */

/* Reads up to the end of the message. False: the connection is gone. */
static bool read_data(struct session *s, struct smtp_body *b)
{
    int64_t begun = loop_now();
    uint64_t bytes = 0;
    bool end = false;
    while (!end) {
        struct str in;
        enum read_result r = conn_fill(s->conn, 1, data_deadline(s, begun, bytes), &in);
        if (r != READ_OK) {
            session_lost(s, r, bytes);
            return false;
        }
        size_t used = smtp_body_feed(b, in, &end);
        conn_consume(s->conn, used);
        bytes += used;
        intake_flow(&s->msg, deadline_in(COMMIT_PATIENCE_MS));
        (void)fiber_yield();
    }
    return true;
}

static void free_body(void *body)
{
    smtp_body_done(body);
}

/* data rules, then the trace header. False: refused. */
static bool data_allowed(struct session *s)
{
    struct str rcpt = s->rcpt;
    s->where_text = s->where;
    s->rule_state = (struct rule_state){ .stage_name = s->where };
    s->rcpt = STR("");
    enum ruling v = s->srv->rules.stages[STAGE_DATA].n == 0 ? V_DUNNO : rules_apply(s, STAGE_DATA, s->where);
    if (v == V_REJECT) {
        reply_reject(s, s->where, &s->reject);
        return false;
    }
    s->rcpt = rcpt;
    if (start_content(s))
        return true;
    reply(s, "%u %s %s", s->msg.failed.code, s->msg.failed.dsn, s->msg.failed.text);
    return false;
}

void cmd_data(struct session *s, struct str args)
{
    struct smtp_body body;
    struct cleanup undo;
    (void)args;
    if (!data_allowed(s)) {
        transaction_reset(s);
        return;
    }
    reply(s, "354 End data with <CR><LF>.<CR><LF>");
    smtp_body_init(&body, true, s->srv->intake.conf->line_length_limit, on_line, &s->msg);
    cleanup_push(&undo, free_body, &body);
    bool complete = read_data(s, &body);
    if (complete) {
        s->where = "END-OF-MESSAGE";
        note_bare_lf(s, &body);
        bool hang_up = body.bare_lf && s->msg.failed.code == s->conf->bare_newline_code;
        finish_message(s, false);
        s->state = hang_up ? ST_CLOSING : s->state;
    }
    cleanup_pop(&undo, true);
}

/* ---- BDAT (RFC 3030) ---- */

/* Reads the chunk; with a body it becomes content, else it is thrown away. */
static bool read_chunk(struct session *s, uint64_t size)
{
    int64_t begun = loop_now();
    uint64_t left = size;
    while (left > 0) {
        struct str in;
        bool end;
        enum read_result r = conn_fill(s->conn, 1, data_deadline(s, begun, size - left), &in);
        if (r != READ_OK) {
            session_lost(s, r, size - left);
            return false;
        }
        in = str_head(in, (size_t)MIN((uint64_t)in.n, left));
        if (s->body != NULL)
            (void)smtp_body_feed(s->body, in, &end);
        conn_consume(s->conn, in.n);
        left -= in.n;
        if (s->body != NULL)
            intake_flow(&s->msg, deadline_in(COMMIT_PATIENCE_MS));
        (void)fiber_yield();
    }
    return true;
}

/* The first chunk starts the content. False: said why. */
static bool start_bdat(struct session *s)
{
    if (s->state == ST_BDAT)
        return true;
    if (s->state != ST_RCPT) {
        reply(s, s->state == ST_MAIL ? "554 5.5.1 Error: no valid recipients" : "503 5.5.1 Error: need RCPT command");
        return false;
    }
    if (!data_allowed(s)) {
        transaction_reset(s);
        return false;
    }
    s->body = xcalloc(1, sizeof *s->body);
    smtp_body_init(s->body, false, s->srv->intake.conf->line_length_limit, on_line, &s->msg);
    s->state = ST_BDAT;
    return true;
}

void cmd_bdat(struct session *s, struct str args)
{
    uint64_t size, limit = s->srv->intake.conf->message_size_limit;
    bool last;
    if (!smtp_bdat_parse(args, &size, &last)) {
        /* Where the chunk ends nobody knows: what follows must not be taken for commands. */
        reply(s, "521 5.5.4 Syntax: BDAT count [LAST]");
        s->state = ST_CLOSING;
        return;
    }
    if (limit > 0 && size > limit + limit / 2) {
        reply(s, "552 5.3.4 Chunk exceeds message size limit");
        s->state = ST_CLOSING;          /* swallowing it would take the client's time and ours for nothing */
        return;
    }
    bool started = start_bdat(s);
    if (!read_chunk(s, size))
        return;
    if (!started) {
        transaction_reset(s);           /* RFC 3030 section 2: after a chunk that was refused nothing of the message is left */
        return;
    }
    s->bdat_bytes += size;
    if (!last && s->msg.failed.code == 0) {
        reply(s, "250 2.0.0 Ok: %llu bytes", (unsigned long long)size);
        return;
    }
    smtp_body_finish(s->body);
    s->where = "END-OF-MESSAGE";
    finish_message(s, true);
}
