/* SPDX-License-Identifier: ISC */
#include "smtpsrv/session.h"
#include "auth/client.h"
#include "base/utf8.h"
#include "event/tls.h"

bool session_is_submission(const struct session *s)
{
    return s->srv->env.kind == SMTPSRV_SUBMIT;
}

void transaction_reset(struct session *s)
{
    if (s->body != NULL) {
        smtp_body_done(s->body);
        free(s->body);
        s->body = NULL;
    }
    intake_abandon(&s->msg);
    s->msg = (struct intake_msg){ .fd = -1 };
    s->mail = (struct smtp_mail){ 0 };
    s->sender = s->rcpt = s->only_rcpt = s->prepend = STR("");
    s->n_rcpt = 0;
    s->hold = s->discard = false;
    s->bdat_bytes = 0;
    s->rule_state = (struct rule_state){ 0 };
    s->where_text = NULL;
    arena_done(&s->txn);
    if (s->state & (ST_MAIL | ST_RCPT | ST_BDAT))
        s->state = s->helo.n > 0 ? ST_READY : ST_START;
}

/* A name that may be logged and written into a header. False: refuse it. */
static bool take_helo(struct session *s, struct str args)
{
    struct str name = str_trim(args), rest;
    (void)str_cut(name, ' ', &name, &rest);
    bool ok = name.n > 0 && name.n <= 255 && utf8_is_valid(name);
    for (size_t i = 0; i < name.n; i++)
        ok = ok && (unsigned char)name.p[i] > 0x20 && name.p[i] != 0x7f && name.p[i] != '<' && name.p[i] != '>';
    if (!ok)
        return false;
    transaction_reset(s);
    s->helo = str_eq(name, s->helo) ? s->helo : str_dup(&s->arena, name);
    s->state = ST_READY;
    return true;
}

/* smtpd_delay_reject = no: rules about the name speak now. True: refused. */
static bool helo_rejected(struct session *s)
{
    if (s->conf->delay_reject || rules_apply(s, STAGE_HELO, s->where) != V_REJECT)
        return false;
    reply_reject(s, s->where, &s->reject);
    s->helo = STR("");
    s->state = ST_START;
    return true;
}

bool auth_is_offered(const struct session *s)
{
    struct err err = { 0 };
    if (s->srv->env.auth == NULL || s->sasl_user.n > 0 || s->srv->env.kind == SMTPSRV_LMTP)
        return false;
    if (!s->conf->sasl_enable && !session_is_submission(s))
        return false;
    bool plain_ok = s->conf->auth_loopback && s->loopback;
    if (!s->tls && !plain_ok && (s->conf->tls_auth_only || session_is_submission(s) || s->srv->tls_required))
        return false;
    return match_list_addr(s->srv->sasl_exceptions, s->addr, &err) == MAP_NONE;
}

/* Postfix's list: the first word that fits decides. Tables other than static: are not asked. */
static bool passes_filter(const struct session *s, struct str mech)
{
    struct str rest = str_from(s->conf->sasl_mechanism_filter), word;
    while (str_token(&rest, ", \t", &word)) {
        bool negated = word.p[0] == '!';
        if (str_istarts(word, STR("static:")) || str_ieq(str_skip(word, negated), mech))
            return !negated;
    }
    return s->conf->sasl_mechanism_filter[0] == '\0';
}

bool auth_next_mech(const struct session *s, size_t *at, struct str *ret)
{
    const struct tls_info *t = conn_tls_info(s->conn);
    const struct auth_offer offer = { .allowed = true, .binding = t != NULL && t->has_binding, .cert = t != NULL && t->peer_name[0] != '\0' };
    while (auth_client_next_mech(s->srv->env.auth, &offer, at, ret))
        if (passes_filter(s, *ret))
            return true;
    return false;
}

/* authd may be away: PLAIN and LOGIN are what everybody has, and AUTH then says that it is temporary. */
static void auth_lines(struct session *s, struct buf *b)
{
    struct buf names = buf_make(0);
    struct str mech;
    for (size_t at = 0; auth_next_mech(s, &at, &mech);)
        buf_printf(&names, " %.*s", STR_FMT(mech));
    if (!auth_client_is_ready(s->srv->env.auth))
        buf_puts(&names, " PLAIN LOGIN");
    if (names.n > 0 && !(s->srv->discard & EXT_AUTH)) {
        buf_printf(b, "250-AUTH%.*s\r\n", STR_FMT(buf_str(&names)));
        if (s->conf->broken_sasl)
            buf_printf(b, "250-AUTH=%.*s\r\n", STR_FMT(str_skip(buf_str(&names), 1)));
    }
    buf_done(&names);
}

static void ehlo_line(struct session *s, struct buf *b, enum ext e, const char *text)
{
    if (!(s->srv->discard & e))
        buf_printf(b, "250-%s\r\n", text);
}

static void extensions(struct session *s)
{
    struct buf b = buf_make(0);
    buf_printf(&b, "250-%s\r\n", s->srv->rconf->myhostname);
    ehlo_line(s, &b, EXT_PIPELINING, "PIPELINING");
    if (!(s->srv->discard & EXT_SIZE))
        buf_printf(&b, "250-SIZE %llu\r\n", (unsigned long long)s->srv->intake.conf->message_size_limit);
    if (!s->conf->disable_vrfy && s->srv->env.kind == SMTPSRV_MX)
        ehlo_line(s, &b, EXT_VRFY, "VRFY");
    if (s->srv->tls != NULL && !s->tls)
        ehlo_line(s, &b, EXT_STARTTLS, "STARTTLS");
    if (auth_is_offered(s))
        auth_lines(s, &b);
    ehlo_line(s, &b, EXT_ENHANCED, "ENHANCEDSTATUSCODES");
    ehlo_line(s, &b, EXT_8BITMIME, "8BITMIME");
    ehlo_line(s, &b, EXT_DSN, "DSN");
    if (s->conf->smtputf8_enable)
        ehlo_line(s, &b, EXT_SMTPUTF8, "SMTPUTF8");
    ehlo_line(s, &b, EXT_CHUNKING, "CHUNKING");
    /* The last line has a blank where the others have a dash. */
    size_t last = b.n - 2;
    while (last > 0 && b.p[last - 1] != '\n')
        last--;
    b.p[last + 3] = ' ';
    conn_put(s->conn, buf_str(&b));
    buf_done(&b);
}

void cmd_ehlo(struct session *s, struct str args)
{
    if (s->srv->env.kind == SMTPSRV_LMTP)
        reply(s, "502 5.5.1 Error: this is LMTP, use LHLO");
    else if (!take_helo(s, args))
        reply(s, "501 Syntax: EHLO hostname");
    else if (!helo_rejected(s)) {
        s->esmtp = true;
        extensions(s);
    }
}

void cmd_helo(struct session *s, struct str args)
{
    if (s->srv->env.kind == SMTPSRV_LMTP)
        reply(s, "502 5.5.1 Error: this is LMTP, use LHLO");
    else if (!take_helo(s, args))
        reply(s, "501 Syntax: HELO hostname");
    else if (!helo_rejected(s)) {
        s->esmtp = false;
        reply(s, "250 %s", s->srv->rconf->myhostname);
    }
}

void cmd_lhlo(struct session *s, struct str args)
{
    if (s->srv->env.kind != SMTPSRV_LMTP)
        reply(s, "500 5.5.2 Error: command not recognized");
    else if (!take_helo(s, args))
        reply(s, "501 Syntax: LHLO hostname");
    else if (!helo_rejected(s)) {
        s->esmtp = true;
        extensions(s);
    }
}

void cmd_noop(struct session *s, struct str args)
{
    (void)args;
    reply(s, "250 2.0.0 Ok");
}

void cmd_rset(struct session *s, struct str args)
{
    (void)args;
    transaction_reset(s);
    reply(s, "250 2.0.0 Ok");
}

/* Never tells whether a mailbox exists (RFC 5321 §7.3). */
void cmd_vrfy(struct session *s, struct str args)
{
    if (s->conf->disable_vrfy)
        reply(s, "502 5.5.1 VRFY command is disabled");
    else if (args.n == 0)
        reply(s, "501 5.5.4 Syntax: VRFY address [SMTPUTF8]");
    else if (!utf8_is_ascii(args) && !str_iends(args, STR(" SMTPUTF8")))
        reply(s, "553 5.6.7 Must declare SMTPUTF8 to send unicode address");
    else
        reply(s, "252 2.0.0 %.*s", STR_FMT(str_head(args, 400)));
}

void cmd_quit(struct session *s, struct str args)
{
    (void)args;
    reply(s, "221 2.0.0 Bye");
    s->state = ST_CLOSING;
}

void cmd_refused(struct session *s, struct str args)
{
    (void)args;
    reply(s, "502 5.5.1 Error: command not supported");
}

/* ---- TLS ---- */

/* What was learnt in the clear is forgotten (RFC 3207 §4.2). */
static void forget(struct session *s)
{
    transaction_reset(s);
    s->helo = s->sasl_user = s->sasl_method = s->sasl_token = STR("");
    s->esmtp = false;
    s->state = ST_START;
}

static void log_tls(struct session *s)
{
    const struct tls_info *t = conn_tls_info(s->conn);
    const char *trust = t->peer_verified ? "Trusted" : t->peer_has_cert ? "Untrusted" : "Anonymous";
    if (s->conf->tls_loglevel == 0)
        return;
    say(s, "%s TLS connection %s from " CLIENT_FMT "%s%s: %s with cipher %s (%d/%d bits)%s%s%s%s%s%s", trust, t->resumed ? "reused" : "established", CLIENT(s),
        t->sni[0] != '\0' ? " to " : "", t->sni, t->protocol, t->cipher, t->bits, t->alg_bits,
        t->key_exchange[0] != '\0' ? " key-exchange " : "", t->key_exchange, t->signature[0] != '\0' ? " server-signature " : "", t->signature,
        t->digest[0] != '\0' ? " server-digest " : "", t->digest);
}

bool session_refuses_tls(struct session *s, const char *what)
{
    uint32_t limit = s->conf->tls_rate_limit;
    if (limit == 0 || s->client == NULL || shared_look(&s->srv->limits, s->client, LIMIT_TLS) <= limit)
        return false;
    say(s, "warning: Refusing %s request from " CLIENT_FMT " for service %s", what, CLIENT(s), s->srv->env.service);
    return true;
}

/* Resumed sessions cost little and count for nothing. True: this one was too many, and the client knows. */
static bool one_too_many(struct session *s)
{
    uint32_t limit = s->conf->tls_rate_limit, rate;
    if (limit == 0 || s->client == NULL || conn_tls_info(s->conn)->resumed || (rate = shared_count(&s->srv->limits, s->client, LIMIT_TLS)) <= limit)
        return false;
    say(s, "warning: New TLS session rate limit exceeded: %u from " CLIENT_FMT " for service %s", rate, CLIENT(s), s->srv->env.service);
    reply(s, "421 4.7.0 %s Error: too many new TLS sessions from " CLIENT_FMT, s->srv->rconf->myhostname, CLIENT(s));
    s->state = ST_CLOSING;
    return true;
}

bool session_start_tls(struct session *s)
{
    struct err err = { 0 };
    if (s->srv->tls == NULL)
        return false;
    if (conn_tls_accept(s->conn, s->srv->tls, deadline_in((int64_t)s->conf->timeout * 1000), &err) < 0) {
        say(s, "SSL_accept error from " CLIENT_FMT ": %s", CLIENT(s), err.text);
        say(s, "lost connection after %s from " CLIENT_FMT, s->where, CLIENT(s));
        s->state = ST_CLOSING;
        return false;
    }
    s->tls = true;
    log_tls(s);
    return !one_too_many(s);
}

void cmd_starttls(struct session *s, struct str args)
{
    if (args.n > 0)
        reply(s, "501 5.5.4 Syntax: STARTTLS");
    else if (s->tls)
        reply(s, "554 5.5.1 Error: TLS already active");
    else if (s->srv->tls == NULL || (s->srv->discard & EXT_STARTTLS))
        reply(s, "502 5.5.1 Error: command not supported");
    else if (session_refuses_tls(s, "STARTTLS"))
        reply(s, "454 4.7.0 Error: too many new TLS sessions from " CLIENT_FMT, CLIENT(s));
    else {
        reply(s, "220 2.0.0 Ready to start TLS");
        if (session_start_tls(s))
            forget(s);
    }
}
