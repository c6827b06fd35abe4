/* SPDX-License-Identifier: ISC
 *
 * session.c - one SMTP session: greeting, commands, good-bye.
 *
 *   ST_START --EHLO/HELO--> ST_READY --MAIL--> ST_MAIL --RCPT--> ST_RCPT --BDAT--> ST_BDAT
 *      ^                       ^                                    |                 |
 *      '------STARTTLS---------+----- end of data, RSET, EHLO ------+-----------------'
 */
#include "smtpsrv/session.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include "base/num.h"

enum { COMMAND_BUF = 32768, SESSION_ARENA = 1 << 20, HELO_NEEDED = 1, NO_ARGS = 2, LAST_IN_GROUP = 4, JUNK = 8, TLS_FIRST = 16, AUTH_FIRST = 32 };

static const struct command {
    enum smtp_verb verb;
    unsigned states, flags;
    void (*run)(struct session *s, struct str args);
} commands[] = {
    { SMTP_EHLO, ST_ANY, LAST_IN_GROUP, cmd_ehlo },
    { SMTP_HELO, ST_ANY, LAST_IN_GROUP, cmd_helo },
    { SMTP_LHLO, ST_ANY, LAST_IN_GROUP, cmd_lhlo },
    { SMTP_STARTTLS, ST_START | ST_READY, LAST_IN_GROUP, cmd_starttls },
    { SMTP_AUTH, ST_READY, LAST_IN_GROUP | TLS_FIRST, cmd_auth },
    { SMTP_MAIL, ST_START | ST_READY, TLS_FIRST | AUTH_FIRST | HELO_NEEDED, cmd_mail },
    { SMTP_RCPT, ST_MAIL | ST_RCPT, TLS_FIRST | AUTH_FIRST, cmd_rcpt },
    { SMTP_DATA, ST_RCPT, LAST_IN_GROUP | TLS_FIRST | AUTH_FIRST | NO_ARGS, cmd_data },
    { SMTP_BDAT, ST_ANY, TLS_FIRST, cmd_bdat },
    { SMTP_RSET, ST_ANY, JUNK | NO_ARGS, cmd_rset },
    { SMTP_NOOP, ST_ANY, JUNK, cmd_noop },
    { SMTP_HELP, ST_ANY, JUNK, cmd_refused },
    { SMTP_VRFY, ST_START | ST_READY | ST_MAIL | ST_RCPT, JUNK | LAST_IN_GROUP | TLS_FIRST | AUTH_FIRST, cmd_vrfy },
    { SMTP_EXPN, ST_ANY, JUNK, cmd_refused },
    { SMTP_ETRN, ST_ANY, JUNK | TLS_FIRST, cmd_refused },
    { SMTP_XCLIENT, ST_ANY, JUNK, cmd_refused },
    { SMTP_XFORWARD, ST_ANY, JUNK, cmd_refused },
    { SMTP_QUIT, ST_ANY, LAST_IN_GROUP, cmd_quit },
};

/* ---- what all commands share ---- */

static bool wrong_state(struct session *s, const struct command *c)
{
    if (c->states & s->state)
        return false;
    switch (c->verb) {
    case SMTP_MAIL:     reply(s, "503 5.5.1 Error: nested MAIL command"); return true;
    case SMTP_RCPT:     reply(s, s->state == ST_BDAT ? "503 5.5.1 Error: RCPT after BDAT" : "503 5.5.1 Error: need MAIL command"); return true;
    case SMTP_DATA:
        reply(s, s->state == ST_BDAT ? "503 5.5.1 Error: DATA after BDAT" : s->state == ST_MAIL
              ? "554 5.5.1 Error: no valid recipients" : "503 5.5.1 Error: need RCPT command");
        return true;
    case SMTP_AUTH:
        reply(s, s->state == ST_START ? "503 5.5.1 Error: send EHLO first" : "503 5.5.1 Error: MAIL transaction in progress");
        return true;
    case SMTP_STARTTLS: reply(s, "503 5.5.1 Error: MAIL transaction in progress"); return true;
    case SMTP_EHLO: case SMTP_HELO: case SMTP_LHLO: case SMTP_BDAT: case SMTP_RSET: case SMTP_NOOP: case SMTP_VRFY: case SMTP_QUIT: case SMTP_ETRN:
    case SMTP_HELP: case SMTP_EXPN: case SMTP_XCLIENT: case SMTP_XFORWARD: case SMTP_UNKNOWN: case SMTP_VERB_COUNT:
        reply(s, "503 5.5.1 Error: bad sequence of commands");
        return true;
    }
    return true;
}

static bool not_yet(struct session *s, const struct command *c, struct str args)
{
    bool helo_must = s->conf->helo_required || s->srv->env.kind == SMTPSRV_LMTP;
    if ((c->flags & TLS_FIRST) && s->srv->tls_required && !s->tls)
        reply(s, "530 5.7.0 Must issue a STARTTLS command first");
    else if ((c->flags & AUTH_FIRST) && session_is_submission(s) && s->sasl_user.n == 0)
        reply(s, "530 5.7.0 Authentication required");
    else if ((c->flags & HELO_NEEDED) && helo_must && s->state == ST_START)
        reply(s, s->srv->env.kind == SMTPSRV_LMTP ? "503 5.5.1 Error: send LHLO first" : "503 5.5.1 Error: send HELO/EHLO first");
    else if ((c->flags & NO_ARGS) && args.n > 0)
        reply(s, "501 5.5.4 Syntax: %s", smtp_verb_name(c->verb));
    else
        return false;
    return true;
}

/* RFC 2920 §3.1: these end a group, so nothing may have been sent after them. True: the session is over. */
static bool pipelined(struct session *s, const char *after)
{
    struct str early = conn_pending(s->conn);
    if (early.n == 0)
        return false;
    struct buf shown = buf_make(0);
    for (size_t i = 0; i < MIN(early.n, 100); i++) {
        if (early.p[i] == '\r' || early.p[i] == '\n')
            buf_puts(&shown, early.p[i] == '\r' ? "\\r" : "\\n");
        else
            buf_putc(&shown, (unsigned char)early.p[i] >= 0x20 && early.p[i] != 0x7f ? early.p[i] : '?');
    }
    say(s, "improper command pipelining after %s from " CLIENT_FMT ": %.*s", after, CLIENT(s), STR_FMT(buf_str(&shown)));
    buf_done(&shown);
    if (!s->conf->forbid_pipelining)
        return false;
    reply(s, "554 5.5.0 Error: SMTP protocol synchronization");
    s->state = ST_CLOSING;
    return true;
}

/* HTTP and the like: a TLS hello, a request line, anything that does not begin as a word. */
static bool other_protocol(const struct session *s, const struct smtp_cmd *cmd)
{
    struct str list = str_from(s->conf->forbidden_commands), word;
    while (str_token(&list, ", \t\r\n", &word))
        if (str_ieq(word, cmd->word))
            return true;
    return cmd->word.n > 0 && !ascii_is_alpha(cmd->word.p[0]);
}

static void unknown_command(struct session *s, const struct smtp_cmd *cmd)
{
    if (other_protocol(s, cmd)) {
        struct str line = str_head(cmd->word, 100);
        struct buf shown = buf_make(0);
        for (size_t i = 0; i < line.n; i++)
            buf_putc(&shown, (unsigned char)line.p[i] >= 0x20 && (unsigned char)line.p[i] < 0x7f ? line.p[i] : '?');
        say(s, "warning: non-SMTP command from " CLIENT_FMT ": %.*s", CLIENT(s), STR_FMT(buf_str(&shown)));
        buf_done(&shown);
        reply_plain(s, "221 2.7.0 Error: I can break rules, too. Goodbye.");
        s->state = ST_CLOSING;
        return;
    }
    if (cmd->word.n == 0)
        reply(s, "500 5.5.2 Error: bad syntax");
    else
        reply(s, "500 5.5.2 Error: command not recognized");
}

static void dispatch(struct session *s, struct str line)
{
    struct smtp_cmd cmd;
    smtp_cmd_parse(line, &cmd);
    s->where = cmd.verb == SMTP_UNKNOWN ? "UNKNOWN" : smtp_verb_name(cmd.verb);
    s->refused = false;
    s->total[cmd.verb]++;
    if (cmd.verb == SMTP_UNKNOWN) {
        unknown_command(s, &cmd);
        return;
    }
    const struct command *c = commands;
    while (c->verb != cmd.verb)
        c++;
    /* Who said HELO was not told that it may send ahead. */
    if (((c->flags & LAST_IN_GROUP) || (!s->esmtp && c->verb != SMTP_BDAT)) && pipelined(s, s->where))
        return;
    if (s->denied && c->verb != SMTP_QUIT) {
        reply(s, "503 5.7.0 Error: access denied for " CLIENT_FMT, CLIENT(s));
        return;
    }
    if ((c->flags & JUNK) && ++s->junk > s->conf->junk_limit)
        s->errors++;
    if (!wrong_state(s, c) && !not_yet(s, c, cmd.args))
        c->run(s, cmd.args);
    if (!s->refused)
        s->ok[cmd.verb]++;
}

/* ---- the session ---- */

/* smtpd_delay_reject = no: the client's rules speak instead of the greeting, and it may say QUIT (RFC 5321 section 3.1). */
static bool is_denied(struct session *s)
{
    s->denied = !s->conf->delay_reject && rules_apply(s, STAGE_CLIENT, "CONNECT") == V_REJECT;
    if (s->denied)
        reply_reject(s, "CONNECT", &s->reject);
    return s->denied;
}

static void greet(struct session *s)
{
    const struct smtpsrv *srv = s->srv;
    uint32_t connections = 0, rate = 0;
    bool exempt = s->client == NULL || (s->conf->connection_count_limit == 0 && s->conf->connection_rate_limit == 0);
    if (!exempt)
        shared_connect(&s->srv->limits, s->client, &connections, &rate);
    s->counted = !exempt;
    if (!exempt && s->conf->connection_count_limit > 0 && connections > s->conf->connection_count_limit) {
        say(s, "warning: Connection concurrency limit exceeded: %u from " CLIENT_FMT " for service %s", connections, CLIENT(s), srv->env.service);
        reply(s, "421 4.7.0 %s Error: too many connections from %.*s", srv->rconf->myhostname, STR_FMT(s->addr));
        s->state = ST_CLOSING;
    } else if (!exempt && s->conf->connection_rate_limit > 0 && rate > s->conf->connection_rate_limit) {
        say(s, "warning: Connection rate limit exceeded: %u from " CLIENT_FMT " for service %s", rate, CLIENT(s), srv->env.service);
        reply(s, "421 4.7.0 %s Error: too many connections from %.*s", srv->rconf->myhostname, STR_FMT(s->addr));
        s->state = ST_CLOSING;
    } else if (!s->tls && s->conf->forbid_pipelining && conn_has_input(s->conn)) {
        struct str early;
        (void)conn_fill(s->conn, 1, deadline_in(1000), &early);
        if (!pipelined(s, "CONNECT") && !is_denied(s))
            conn_printf(s->conn, "220 %s\r\n", srv->banner);
    } else if (!is_denied(s)) {
        conn_printf(s->conn, "220 %s\r\n", srv->banner);
    }
}

void session_lost(struct session *s, enum read_result why, uint64_t bytes)
{
    char after[64];
    (void)snprintf(after, sizeof after, bytes > 0 ? "%s (%llu bytes)" : "%s", s->where, (unsigned long long)bytes);
    if (why == READ_TIMEOUT) {
        conn_printf(s->conn, "421 4.4.2 %s Error: timeout exceeded\r\n", s->srv->rconf->myhostname);
        say(s, "timeout after %s from " CLIENT_FMT, after, CLIENT(s));
    } else if (why == READ_CANCELLED) {
        conn_printf(s->conn, "421 4.3.2 %s Service shutting down\r\n", s->srv->rconf->myhostname);
    } else {
        say(s, "lost connection after %s from " CLIENT_FMT, after, CLIENT(s));
    }
    s->state = ST_CLOSING;
}

/* When must the next line be here? The whole session has an end too, an early one before login. */
static int64_t next_deadline(const struct session *s)
{
    int64_t idle = deadline_in((int64_t)s->conf->timeout * 1000);
    int64_t end = s->deadline;
    if (session_is_submission(s) && s->sasl_user.n == 0)
        end = MIN(end, s->started + (int64_t)s->conf->preauth_limit * 1000);
    return MIN(idle, end);
}

/* After a reload, or before a stop: who has come with a message gets to hand it over, and is then sent to our successor. */
static bool has_to_go(const struct session *s)
{
    bool served = s->ok[SMTP_DATA] + s->ok[SMTP_BDAT] > 0;
    return s->srv->draining && served && !(s->state & ST_TRANSACTION) && conn_pending(s->conn).n == 0;
}

static void talk(struct session *s)
{
    while (s->state != ST_CLOSING) {
        struct str line;
        if (s->errors >= s->conf->hard_error_limit || s->auth_failures >= s->conf->auth_failure_limit) {
            conn_printf(s->conn, "421 4.7.0 %s Error: too many errors\r\n", s->srv->rconf->myhostname);
            say(s, "too many errors after %s from " CLIENT_FMT, s->where, CLIENT(s));
            break;
        }
        if (has_to_go(s)) {
            session_lost(s, READ_CANCELLED, 0);
            break;
        }
        enum read_result r = conn_read_line(s->conn, SMTP_AUTH_LINE_MAX, next_deadline(s), &line);
        if (r == READ_OK)
            dispatch(s, line);
        else if (r == READ_TOO_LONG)
            reply(s, "500 5.5.2 Error: line too long");
        else
            session_lost(s, r, 0);
    }
}

static void stats(struct session *s)
{
    struct buf b = buf_make(0);
    unsigned ok = 0, total = 0;
    for (size_t i = 0; i < SMTP_VERB_COUNT; i++) {
        char name[16];
        if (s->total[i] == 0)
            continue;
        (void)str_to_fixed(str_lower(&s->arena, str_from(smtp_verb_name((enum smtp_verb)i))), name, sizeof name);
        buf_printf(&b, s->ok[i] == s->total[i] ? " %s=%u" : " %s=%u/%u", name, s->ok[i], s->total[i]);
        ok += s->ok[i];
        total += s->total[i];
    }
    buf_printf(&b, ok == total && total > 0 ? " commands=%u" : " commands=%u/%u", ok, total);
    say(s, "disconnect from " CLIENT_FMT "%.*s%s", CLIENT(s), STR_FMT(buf_str(&b)), s->said_bare_lf ? " notes=bare_lf" : "");
    buf_done(&b);
}

static struct str addr_text(struct session *s, const struct sockaddr_storage *ss, uint32_t *ret_port)
{
    char text[INET6_ADDRSTRLEN] = "unknown";
    *ret_port = 0;
    if (ss != NULL && ss->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)ss;
        (void)inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
        *ret_port = ntohs(in->sin_port);
    } else if (ss != NULL && ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)ss;
        *ret_port = ntohs(in->sin6_port);
        /* An IPv4 client on an IPv6 socket is an IPv4 client: it must not slip past rules for it. */
        if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr))
            (void)inet_ntop(AF_INET, &in->sin6_addr.s6_addr[12], text, sizeof text);
        else
            (void)inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
    } else if (ss != NULL && ss->ss_family == AF_UNIX) {
        return STR("127.0.0.1");
    }
    return str_dup(&s->arena, str_from(text));
}

static void identify(struct session *s, const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    struct err err = { 0 };
    s->addr = addr_text(s, peer, &s->port);
    s->local_addr = addr_text(s, local, &s->local_port);
    s->rfc_addr = str_chr(s->addr, ':') < 0 ? s->addr : str_printf(&s->arena, "IPv6:%.*s", STR_FMT(s->addr));
    s->loopback = str_starts(s->addr, STR("127.")) || str_eqz(s->addr, "::1");
    s->name = s->reverse_name = STR("unknown");
    if (s->loopback) {
        s->name = s->reverse_name = STR("localhost");
    } else if (s->conf->peername_lookup) {
        enum dns_result r = dns_client_name(&s->srv->dns, s->addr, deadline_in(15000), &s->arena, &s->reverse_name, &s->name);
        s->name_temp = r == DNS_TEMP;
        if (r != DNS_FOUND && !str_eqz(s->reverse_name, "unknown"))
            say(s, "warning: hostname %.*s does not resolve to address %.*s", STR_FMT(s->reverse_name), STR_FMT(s->addr));
    }
    s->trusted = s->srv->env.kind != SMTPSRV_LMTP && match_list_addr(s->srv->mynetworks, s->addr, &err) == MAP_FOUND;
    if (match_list_addr(s->srv->exceptions, s->addr, &err) != MAP_FOUND)
        s->client = limit_enter(&s->srv->limits.own, s->addr, loop_now());
}

static void session_end(void *arg)
{
    struct session *s = arg;
    transaction_reset(s);
    shared_leave(&s->srv->limits, s->client, s->counted);
    conn_free(s->conn);
    arena_done(&s->txn);
    arena_done(&s->arena);
    s->srv->sessions--;
    free(s);
}

static void on_abort(void *arg, const char *why)
{
    struct session *s = arg;
    say(s, "warning: session with " CLIENT_FMT " ended: %s", CLIENT(s), why);
    conn_puts(s->conn, "421 4.3.0 Error: insufficient resources\r\n");
}

void smtpsrv_serve(struct smtpsrv *srv, int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    struct session *s = xcalloc(1, sizeof *s);
    struct cleanup undo;
    s->srv = srv;
    s->conf = srv->conf;
    s->conn = conn_new(fd, COMMAND_BUF);
    s->arena = arena_make(SESSION_ARENA);
    s->txn = arena_make(srv->conf->session_memory);
    s->state = ST_START;
    s->where = "CONNECT";
    s->started = loop_now();
    s->deadline = s->started + (int64_t)srv->conf->session_limit * 1000;
    srv->sessions++;
    cleanup_push(&undo, session_end, s);
    conn_set_write_timeout(s->conn, (int64_t)srv->conf->timeout * 1000);
    identify(s, peer, local);
    fiber_on_abort(on_abort, s);
    say(s, "connect from " CLIENT_FMT, CLIENT(s));
    if (!srv->conf->tls_wrappermode || (!session_refuses_tls(s, "TLS service") && session_start_tls(s))) {
        greet(s);
        talk(s);
    }
    (void)conn_flush(s->conn, deadline_in(5000));
    stats(s);
    cleanup_pop(&undo, true);
}
