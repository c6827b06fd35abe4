/* SPDX-License-Identifier: ISC */
#include "smtpsrv/session.h"
#include "ipc/schema.h"

enum { QUEUE_PATIENCE_MS = 15000 };

static unsigned path_flags(const struct session *s)
{
    return s->conf->strict_envelopes ? SMTP_PATH_STRICT : 0;
}

static void reply_fault(struct session *s, const struct smtp_fault *f, struct str args)
{
    if (strstr(f->reply, "address syntax") != NULL)
        say(s, "warning: Illegal address syntax from " CLIENT_FMT " in %s command: %.*s", CLIENT(s), s->where, STR_FMT(str_dup(&s->txn, str_head(args, 200))));
    bool naming = strncmp(f->reply, "555", 3) == 0;
    reply(s, "%s%.*s", f->reply, naming ? (int)MIN(f->detail.n, 100) : 0, f->detail.p);
}

/* ---- MAIL ---- */

/* Rates and sizes. True: refused, and said so. */
static bool mail_over_limit(struct session *s, const struct smtp_mail *m)
{
    uint64_t limit = s->srv->intake.conf->message_size_limit;
    uint32_t rate = s->conf->message_rate_limit == 0 ? 0 : shared_count(&s->srv->limits, s->client, LIMIT_MESSAGE);
    if (s->conf->message_rate_limit > 0 && rate > s->conf->message_rate_limit) {
        say(s, "warning: Message delivery request rate limit exceeded: %u from " CLIENT_FMT " for service %s", rate, CLIENT(s), s->srv->env.service);
        reply(s, "450 4.7.1 Error: too much mail from %.*s", STR_FMT(s->addr));
        return true;
    }
    if (limit > 0 && m->has_size && m->size > limit) {
        (void)reject_with(s, 552, "5.3.4", "Message size exceeds fixed limit");
        reply_reject(s, "MAIL", &s->reject);
        return true;
    }
    return false;
}

/* AUTH= is taken only from clients that may say it (RFC 4954 §5); SMTPUTF8 only if announced. */
static bool mail_parameters_ok(struct session *s, const struct smtp_mail *m)
{
    if (m->smtputf8 && (!s->conf->smtputf8_enable || !s->esmtp)) {
        reply(s, "555 5.5.4 Unsupported option: SMTPUTF8");
        return false;
    }
    return true;
}

/* Submission: the sender must be the user's own. With smtpd_delay_reject = no the sender's rules speak now. */
static bool sender_rejected(struct session *s)
{
    enum ruling v = V_DUNNO;
    s->rule_state = (struct rule_state){ .stage_name = "MAIL" };
    if (session_is_submission(s))
        v = rules_sender_owned(s, false, true, true);
    if (v == V_DUNNO && !s->conf->delay_reject)
        v = rules_apply(s, STAGE_SENDER, "MAIL");
    if (v != V_REJECT)
        return false;
    reply_reject(s, "MAIL", &s->reject);
    return true;
}

void cmd_mail(struct session *s, struct str args)
{
    struct smtp_fault fault;
    struct smtp_mail m;
    struct queue_reply closed;
    if (!smtp_mail_parse(args, path_flags(s), &s->txn, &m, &fault)) {
        reply_fault(s, &fault, args);
        return;
    }
    if (!mail_parameters_ok(s, &m) || mail_over_limit(s, &m))
        return;
    if (!queue_client_await(s->srv->intake.queue, deadline_in(QUEUE_PATIENCE_MS), &closed)) {
        reply(s, "%u %s %s", closed.code, closed.dsn, closed.text);
        return;
    }
    s->mail = m;
    s->sender = resolve_rewrite(s->srv->intake.resolve, m.from.address, &s->txn);
    enum state before = s->state;
    s->state = ST_MAIL;
    if (sender_rejected(s)) {
        s->state = before == ST_MAIL ? ST_READY : before;
        s->mail = (struct smtp_mail){ 0 };
        s->sender = STR("");
        return;
    }
    reply(s, "250 2.1.0 Ok");
}

/* ---- RCPT ---- */

static void put_attrs(struct session *s)
{
    struct intake_msg *m = &s->msg;
    char number[16];
    (void)snprintf(number, sizeof number, "%u", s->port);
    bool local = rules_is_local_client(s);
    intake_attr(m, "rewrite_context", local ? STR("local") : STR("remote"));
    if (s->sasl_user.n > 0) {
        intake_attr(m, "sasl_method", s->sasl_method);
        intake_attr(m, "sasl_username", s->sasl_user);
        m->token = s->sasl_token;
    }
    intake_attr(m, "log_client_name", s->name);
    intake_attr(m, "log_client_address", s->addr);
    intake_attr(m, "log_client_port", str_from(number));
    m->origin = str_printf(&s->txn, CLIENT_FMT, CLIENT(s));
    intake_attr(m, "log_message_origin", m->origin);
    if (s->helo.n > 0)
        intake_attr(m, "log_helo_name", s->helo);
    intake_attr(m, "log_protocol_name", str_from(proto_name(s)));
    intake_attr(m, "client_name", s->name);
    intake_attr(m, "reverse_client_name", s->reverse_name);
    intake_attr(m, "client_address", s->addr);
    intake_attr(m, "client_port", str_from(number));
    if (s->helo.n > 0)
        intake_attr(m, "helo_name", s->helo);
    intake_attr(m, "protocol_name", str_from(proto_name(s)));
    intake_attr(m, "client_address_type", str_chr(s->addr, ':') < 0 ? STR("2") : STR("10"));
    if (s->mail.has_body)
        intake_attr(m, "encoding", s->mail.body_8bit ? STR("8bit") : STR("7bit"));
    m->flags = (s->mail.smtputf8 ? MSG_SMTPUTF8 : 0u) | (s->mail.body_8bit ? MSG_8BIT : 0u);
    m->context = local ? HEADER_LOCAL : s->srv->intake.conf->remote_rewrite_domain[0] != '\0' ? HEADER_REMOTE : HEADER_LEFT_ALONE;
    m->fix_headers = m->context != HEADER_LEFT_ALONE || session_is_submission(s) || s->sasl_user.n > 0;
}

static void log_client(struct session *s)
{
    bool sasl = s->sasl_user.n > 0;
    say(s, "%s: client=" CLIENT_FMT "%s%.*s%s%.*s", s->msg.id, CLIENT(s), sasl ? ", sasl_method=" : "", STR_FMT(s->sasl_method),
        sasl ? ", sasl_username=" : "", STR_FMT(s->sasl_user));
}

/* The first recipient that is accepted makes it a message with an id. */
static bool begin_message(struct session *s)
{
    struct err err = { 0 };
    if (s->msg.in != NULL)
        return true;
    if (!intake_begin(&s->msg, &s->srv->intake, &s->txn, (uint64_t)clock_wall_us(), deadline_in(10000))) {
        struct queue_reply why = s->msg.failed;
        intake_abandon(&s->msg);
        s->msg = (struct intake_msg){ .fd = -1 };
        reply(s, "%u %s %s", why.code, why.dsn, why.text);
        return false;
    }
    put_attrs(s);
    if (intake_sender(&s->msg, s->mail.from.address, s->mail.ret, s->mail.envid, &err) != EXPAND_OK) {
        say(s, "warning: %s: %s", s->msg.id, err.text);
        intake_abandon(&s->msg);
        s->msg = (struct intake_msg){ .fd = -1 };
        reply(s, "451 4.3.0 Error: queue file write error");
        return false;
    }
    log_client(s);
    return true;
}

static void accept_rcpt(struct session *s, const struct smtp_rcpt *r)
{
    struct err err = { 0 };
    if (!begin_message(s))
        return;
    switch (intake_rcpt(&s->msg, s->rcpt, r->notify, r->orcpt, s->rcpt_is_plain ? &s->dest : NULL, &err)) {
    case EXPAND_TEMP:
        say(s, "warning: %s: %s", s->msg.id, err.text);
        (void)reject_with(s, 451, "4.3.0", "<%.*s>: Temporary lookup failure", STR_FMT(s->rcpt));
        reply_reject(s, "RCPT", &s->reject);
        return;
    case EXPAND_TOO_MANY:
        (void)reject_with(s, 451, "4.6.0", "<%.*s>: Alias expansion error", STR_FMT(s->rcpt));
        reply_reject(s, "RCPT", &s->reject);
        return;
    case EXPAND_OK:
        break;
    }
    s->n_rcpt++;
    s->state = ST_RCPT;
    reply(s, "250 2.1.5 Ok");
}

static bool rcpt_over_limit(struct session *s)
{
    uint32_t rate = s->conf->rcpt_rate_limit == 0 ? 0 : shared_count(&s->srv->limits, s->client, LIMIT_RCPT);
    if (s->conf->rcpt_rate_limit > 0 && rate > s->conf->rcpt_rate_limit) {
        say(s, "warning: Recipient address rate limit exceeded: %u from " CLIENT_FMT " for service %s", rate, CLIENT(s), s->srv->env.service);
        reply(s, "450 4.7.1 Error: too many recipients from %.*s", STR_FMT(s->addr));
        return true;
    }
    if (s->n_rcpt < s->conf->rcpt_limit)
        return false;
    reply(s, "452 4.5.3 Error: too many recipients");
    return true;
}

void cmd_rcpt(struct session *s, struct str args)
{
    struct smtp_fault fault;
    struct smtp_rcpt r;
    unsigned flags = path_flags(s) | (s->mail.smtputf8 ? SMTP_PATH_UTF8 : 0u);
    if (rcpt_over_limit(s))
        return;
    s->rcpt = STR("");
    if (!smtp_rcpt_parse(args, flags, &s->txn, &r, &fault)) {
        reply_fault(s, &fault, args);
        return;
    }
    s->only_rcpt = r.to.address;
    s->rcpt = resolve_rewrite(s->srv->intake.resolve, r.to.address, &s->txn);
    switch (rules_for_rcpt(s)) {
    case V_REJECT:
        reply_reject(s, "RCPT", &s->reject);
        break;
    case V_DISCARD:
    case V_DUNNO:
    case V_PERMIT:
        accept_rcpt(s, &r);
        break;
    }
}
