/* SPDX-License-Identifier: ISC */
#include "out.h"
#include "base/enc.h"
#include "proto/smtp_path.h"

static void put_path(struct buf *out, struct str address)
{
    buf_putc(out, '<');
    smtp_address_put(out, address);
    buf_putc(out, '>');
}

static void put_mail(struct session *s)
{
    const struct order *o = s->o;
    struct buf b = buf_make(8192);
    buf_puts(&b, "MAIL FROM:");
    put_path(&b, o->sender);
    if (s->features & F_SIZE)
        buf_printf(&b, " SIZE=%llu", (unsigned long long)o->content_size);
    if ((s->features & F_8BITMIME) && (o->flags & (MSG_8BIT | MSG_SMTPUTF8)))
        buf_puts(&b, " BODY=8BITMIME");
    if ((s->features & F_SMTPUTF8) && (o->flags & MSG_SMTPUTF8))
        buf_puts(&b, " SMTPUTF8");
    if ((s->features & F_DSN) && o->ret != RET_NONE)
        buf_puts(&b, o->ret == RET_FULL ? " RET=FULL" : " RET=HDRS");
    if ((s->features & F_DSN) && o->envid.n > 0) {
        buf_puts(&b, " ENVID=");
        enc_xtext(&b, o->envid);
    }
    buf_puts(&b, "\r\n");
    conn_put(s->conn, buf_str(&b));
    buf_done(&b);
}

static void put_notify(struct buf *b, uint32_t notify)
{
    static const struct { uint32_t bit; const char *name; } names[] = {
        { NOTIFY_NEVER, "NEVER" }, { NOTIFY_SUCCESS, "SUCCESS" }, { NOTIFY_FAILURE, "FAILURE" }, { NOTIFY_DELAY, "DELAY" },
    };
    const char *sep = " NOTIFY=";
    for (size_t i = 0; i < N_ELEMS(names); i++) {
        if (!(notify & names[i].bit))
            continue;
        buf_printf(b, "%s%s", sep, names[i].name);
        sep = ",";
    }
}

static void put_rcpt(struct session *s, const struct rcpt *r)
{
    struct buf b = buf_make(8192);
    struct str type, address;
    buf_puts(&b, "RCPT TO:");
    put_path(&b, r->address);
    if (s->features & F_DSN) {
        put_notify(&b, r->notify);
        if (str_cut(r->orcpt, ';', &type, &address)) {
            buf_printf(&b, " ORCPT=%.*s;", STR_FMT(type));
            enc_xtext(&b, address);
        }
    }
    buf_puts(&b, "\r\n");
    conn_put(s->conn, buf_str(&b));
    buf_done(&b);
}

/* ---- replies ---- */

static bool mail_reply(struct session *s)
{
    if (!session_reply(s, s->t->conf.mail_timeout, "sending MAIL FROM"))
        return false;
    if (s->reply.code / 100 == 2)
        return true;
    session_said(s, &s->o->why, "MAIL FROM command");
    return false;
}

/* False: the session is lost. */
static bool rcpt_reply(struct session *s, struct rcpt *r)
{
    struct reason why;
    if (!session_reply(s, s->t->conf.rcpt_timeout, "sending RCPT TO"))
        return false;
    r->accepted = s->reply.code / 100 == 2;
    if (r->accepted)
        return true;
    session_said(s, &why, "RCPT TO command");
    if (s->reply.code == 552) {         /* RFC 5321 section 4.5.3.1.10: too many recipients, by an old server */
        why.outcome = OUTCOME_DEFERRED;
        why.dsn[0] = '4';
    }
    if (why.outcome == OUTCOME_BOUNCED)
        order_settle(s->o, r, &why);
    else
        s->o->why = why;                /* another server may take it */
    return !s->dead;
}

static uint32_t count_accepted(const struct order *o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->n_rcpts; i++)
        n += !o->rcpts[i].settled && o->rcpts[i].accepted;
    return n;
}

/* 1: content may follow; 0: not; -1: the session is lost. */
static int data_reply(struct session *s)
{
    if (!session_reply(s, s->t->conf.data_init_timeout, "sending DATA command"))
        return -1;
    if (s->reply.code == 354)
        return 1;
    if (count_accepted(s->o) > 0)       /* otherwise "no valid recipients" says nothing new */
        session_said(s, &s->o->why, "DATA command");
    return s->dead ? -1 : 0;
}

/* ---- the envelope ---- */

static bool rset_reply(struct session *s)
{
    s->need_rset = false;
    return session_reply(s, s->t->conf.mail_timeout, "sending RSET");
}

/* All in one write; replies are read in order. Result as data_reply(). */
static int envelope_pipelined(struct session *s, struct rcpt **list, uint32_t n)
{
    bool rset = s->need_rset;
    if (rset)
        conn_puts(s->conn, "RSET\r\n");
    put_mail(s);
    for (uint32_t i = 0; i < n; i++)
        put_rcpt(s, list[i]);
    conn_puts(s->conn, "DATA\r\n");
    if (rset && !rset_reply(s))
        return -1;
    bool mail_ok = mail_reply(s);
    if (s->dead)
        return -1;
    const struct reason why = s->o->why;
    for (uint32_t i = 0; i < n; i++) {
        bool alive = mail_ok ? rcpt_reply(s, list[i]) : session_reply(s, s->t->conf.rcpt_timeout, "sending RCPT TO");
        if (!alive || s->dead)
            return -1;
    }
    int data = data_reply(s);
    if (!mail_ok) {
        s->o->why = why;                /* MAIL's refusal is the reason, whatever came later */
        if (data >= 0 && why.outcome == OUTCOME_BOUNCED)
            order_settle_rest(s->o, &why);
    }
    return data;
}

static int envelope_in_turn(struct session *s, struct rcpt **list, uint32_t n)
{
    if (s->need_rset) {
        conn_puts(s->conn, "RSET\r\n");
        if (!rset_reply(s))
            return -1;
    }
    put_mail(s);
    if (!mail_reply(s)) {
        if (!s->dead && s->o->why.outcome == OUTCOME_BOUNCED)
            order_settle_rest(s->o, &s->o->why);
        return s->dead ? -1 : 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        put_rcpt(s, list[i]);
        if (!rcpt_reply(s, list[i]))
            return -1;
    }
    if (count_accepted(s->o) == 0)
        return 0;
    conn_puts(s->conn, "DATA\r\n");
    return data_reply(s);
}

/* ---- the end of the message ---- */

static void sent_reason(struct session *s, struct reason *ret)
{
    reason_set(s->o, ret, OUTCOME_SENT, s->reply.dsn, "%.*s", STR_FMT(buf_str(&s->reply.text)));
    ret->mta = str_dup(&s->o->arena, str_from(s->host));
    ret->reply = str_dup(&s->o->arena, buf_str(&s->reply.text));
}

static bool final_reply(struct session *s, struct reason *ret)
{
    if (!session_reply(s, s->t->conf.data_done_timeout, "sending end of data -- message may be sent more than once"))
        return false;
    if (s->reply.code / 100 == 2)
        sent_reason(s, ret);
    else
        session_said(s, ret, "end of DATA command");
    return true;
}

static void settle_by(struct session *s, struct rcpt *r, const struct reason *why)
{
    if (why->outcome == OUTCOME_DEFERRED)
        s->o->why = *why;               /* another server may take it */
    else
        order_settle(s->o, r, why);
}

/* SMTP: one reply for all. LMTP: one for each accepted recipient (RFC 2033 section 4.2). */
static void read_verdicts(struct session *s, struct rcpt **list, uint32_t n)
{
    struct reason why;
    bool lmtp = s->t->kind == OUT_LMTP;
    if (!lmtp && !final_reply(s, &why))
        return;
    for (uint32_t i = 0; i < n; i++) {
        if (list[i]->settled || !list[i]->accepted)
            continue;
        if (lmtp && !final_reply(s, &why))
            return;
        settle_by(s, list[i], &why);
    }
}

static void send_content(struct session *s)
{
    struct order *o = s->o;
    s->content_begun = true;
    if (!content_send(o, s->conn, s->t->conf.line_length_limit)) {
        /* No end of data was sent: the server throws away what it has. */
        s->dead = true;
        reason_set(o, &o->why, OUTCOME_DEFERRED, "4.3.0", "queue file of %s is damaged", o->queue_id);
        log_as(s->t->ident, LOG_ERROR_LEVEL, "%s: damaged content records", o->queue_id);
        return;
    }
    conn_puts(s->conn, ".\r\n");
    if (conn_flush(s->conn, deadline_in((int64_t)s->t->conf.data_xfer_timeout * 1000)))
        return;
    s->dead = true;
    reason_set(o, &o->why, OUTCOME_DEFERRED, "4.4.2", "lost connection with %s while sending message body", s->name);
}

/* Pipelined DATA was accepted although no recipient was: an empty message, whose reply means nothing (RFC 2920 section 3.1). */
static void send_nothing(struct session *s)
{
    conn_puts(s->conn, ".\r\n");
    (void)session_reply(s, s->t->conf.data_done_timeout, "sending end of data");
}

static bool needs_more(struct session *s, struct reason *why)
{
    const struct order *o = s->o;
    if ((o->flags & MSG_SMTPUTF8) && !(s->features & F_SMTPUTF8)) {
        reason_set(s->o, why, OUTCOME_BOUNCED, "5.6.7", "SMTPUTF8 is required, but was not offered by host %s", s->name);
        return true;
    }
    if (s->size_limit > 0 && o->content_size > s->size_limit) {
        reason_set(s->o, why, OUTCOME_BOUNCED, "5.3.4", "message size %llu exceeds size limit %llu of server %s",
                   (unsigned long long)o->content_size, (unsigned long long)s->size_limit, s->name);
        return true;
    }
    return false;
}

void transfer(struct session *s)
{
    struct order *o = s->o;
    struct reason why;
    if (needs_more(s, &why)) {
        order_settle_rest(o, &why);
        return;
    }
    uint32_t n = o->n_left;
    struct rcpt **list = ARENA_ARRAY(&o->arena, struct rcpt *, n);
    for (uint32_t i = 0, k = 0; i < o->n_rcpts; i++) {
        o->rcpts[i].accepted = false;
        if (!o->rcpts[i].settled)
            list[k++] = &o->rcpts[i];
    }
    s->content_begun = false;
    o->dsn_passed_on = (s->features & F_DSN) != 0;
    if (!xforward_send(s))
        return;
    int go = s->features & F_PIPELINING ? envelope_pipelined(s, list, n) : envelope_in_turn(s, list, n);
    s->need_rset = go == 0;
    if (go <= 0)
        return;
    if (count_accepted(o) == 0) {
        send_nothing(s);
        return;
    }
    send_content(s);
    if (!s->dead)
        read_verdicts(s, list, n);
}
