/* SPDX-License-Identifier: ISC
 * auth.c - AUTH (RFC 4954): the exchange is authd's, its words are ours. */
#include "auth/client.h"
#include "base/enc.h"
#include "event/tls.h"
#include "proto/sasl.h"
#include "smtpsrv/session.h"

enum { AUTH_PATIENCE_MS = 60000 };

static void log_failure(struct session *s, struct str mech, const struct auth_exchange *ex)
{
    struct str user = ex->user;
    char *shown = arena_copy(&s->txn, user.p, user.n);
    for (size_t i = 0; i < user.n; i++)     /* a name must not look like the end of the field, nor like a client */
        if ((unsigned char)shown[i] <= 0x20 || shown[i] == 0x7f || shown[i] == '[' || shown[i] == ']')
            shown[i] = '?';
    say(s, "warning: " CLIENT_FMT ": SASL %.*s authentication failed: %.*s%s%.*s", CLIENT(s), STR_FMT(str_head(mech, 20)),
        STR_FMT(ex->reason.n > 0 ? ex->reason : STR("(reason unavailable)")), user.n > 0 ? ", sasl_username=" : "", (int)MIN(user.n, 200), shown);
}

/* Challenges and responses until authd has decided. False: the client gave up, or is gone. */
static bool converse(struct session *s, struct auth_exchange *ex, enum auth_reply *r)
{
    while (*r == AUTH_CONTINUE) {
        struct str line;
        conn_printf(s->conn, "334 %.*s\r\n", STR_FMT(ex->challenge));
        enum read_result got = conn_read_line(s->conn, SMTP_AUTH_LINE_MAX, deadline_in((int64_t)s->conf->timeout * 1000), &line);
        if (got == READ_OK && !str_eqz(line, "*")) {
            *r = auth_continue(ex, line, deadline_in(AUTH_PATIENCE_MS));
            continue;
        }
        auth_abort(ex);
        if (got == READ_OK)
            reply(s, "501 5.7.0 Authentication aborted");
        else if (got == READ_TOO_LONG)
            reply(s, "500 5.5.6 Authentication exchange line is too long");
        else
            session_lost(s, got, 0);
        return false;
    }
    return true;
}

static void succeed(struct session *s, struct str mech, const struct auth_exchange *ex)
{
    s->sasl_method = str_dup(&s->arena, mech);
    s->sasl_user = str_dup(&s->arena, ex->user);
    s->sasl_token = str_dup(&s->arena, ex->token);
    reply(s, "235 2.7.0 Authentication successful");
}

static void authenticate(struct session *s, struct str mech, const struct str *initial)
{
    const struct tls_info *t = conn_tls_info(s->conn);
    struct buf binding = buf_make(0);
    if (t != NULL && t->has_binding)
        enc_base64(&binding, str_make(t->binding, t->binding_size));
    const struct auth_params params = {
        .service = "smtp", .remote = s->addr, .local = s->local_addr, .remote_port = s->port, .local_port = s->local_port,
        .secured = s->tls || (s->conf->auth_loopback && s->loopback), .session = STR(""),
        .binding = str_dup(&s->txn, buf_str(&binding)), .cert_user = t == NULL ? STR("") : str_from(t->peer_name),
    };
    buf_done(&binding);
    struct auth_exchange ex;
    enum auth_reply r = auth_begin(s->srv->env.auth, &ex, mech, &params, initial, deadline_in(AUTH_PATIENCE_MS), &s->txn);
    if (!converse(s, &ex, &r))
        return;
    switch (r) {
    case AUTH_OK:
        succeed(s, mech, &ex);
        return;
    case AUTH_REFUSED:
        log_failure(s, mech, &ex);
        s->auth_failures++;
        reply(s, "535 5.7.8 Error: authentication failed: %.*s", STR_FMT(ex.reason.n > 0 ? ex.reason : STR("(reason unavailable)")));
        return;
    case AUTH_TEMPFAIL:
        say(s, "warning: " CLIENT_FMT ": SASL %.*s authentication failed: Connection lost to authentication server", CLIENT(s), STR_FMT(str_head(mech, 20)));
        reply(s, "454 4.7.0 Temporary authentication failure: %.*s", STR_FMT(ex.reason.n > 0 ? ex.reason : STR("Connection lost to authentication server")));
        return;
    case AUTH_CONTINUE:
        break;
    }
    UNREACHABLE();
}

/* Its name as we write it. While authd is away, every mechanism that there is goes on to be refused as temporary. */
static bool find_mech(const struct session *s, struct str name, struct str *ret)
{
    struct str one;
    for (size_t at = 0; auth_next_mech(s, &at, &one);)
        if (str_ieq(one, name)) {
            *ret = str_from(sasl_name(one));
            return true;
        }
    const char *known = sasl_name(name);
    if (known == NULL || auth_client_is_ready(s->srv->env.auth))
        return false;
    *ret = str_from(known);
    return true;
}

static bool over_rate(struct session *s)
{
    uint32_t rate = s->conf->auth_rate_limit == 0 ? 0 : shared_count(&s->srv->limits, s->client, LIMIT_AUTH);
    if (s->conf->auth_rate_limit == 0 || rate <= s->conf->auth_rate_limit)
        return false;
    say(s, "warning: AUTH command rate limit exceeded: %u from " CLIENT_FMT " for service %s", rate, CLIENT(s), s->srv->env.service);
    reply(s, "450 4.7.1 Error: too many AUTH commands from %.*s", STR_FMT(s->addr));
    return true;
}

void cmd_auth(struct session *s, struct str args)
{
    struct str mech, initial;
    bool has_initial;
    if (!s->esmtp || s->srv->env.auth == NULL || (!s->conf->sasl_enable && !session_is_submission(s))) {
        reply(s, "503 5.5.1 Error: authentication not enabled");
        return;
    }
    if (s->sasl_user.n > 0) {
        reply(s, "503 5.5.1 Error: already authenticated");
        return;
    }
    if (!auth_is_offered(s)) {
        reply(s, "538 5.7.11 Encryption required for requested authentication mechanism");
        return;
    }
    if (!smtp_auth_parse(args, &mech, &has_initial, &initial)) {
        reply(s, "501 5.5.4 Syntax: AUTH mechanism");
        return;
    }
    if (over_rate(s))
        return;
    if (!find_mech(s, mech, &mech)) {
        reply(s, "535 5.7.8 Error: authentication failed: Invalid authentication mechanism");
        return;
    }
    /* The line goes with the next read; the arena keeps what is needed of it. */
    initial = str_dup(&s->txn, initial);
    authenticate(s, mech, has_initial ? &initial : NULL);
    arena_done(&s->txn);
}
