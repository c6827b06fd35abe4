/* SPDX-License-Identifier: ISC */
#include "out.h"
#include "base/enc.h"
#include "base/num.h"
#include "proto/sasl.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { IN_MAX = 65536, NO_CONNECT_LIMIT = 3600 };

static int64_t in_seconds(int64_t s) { return deadline_in(s * 1000); }

/* ---- replies ---- */

static bool lost(struct session *s, enum read_result r, const char *during)
{
    s->dead = true;
    if (r == READ_TIMEOUT)
        reason_set(s->o, &s->o->why, OUTCOME_DEFERRED, "4.4.2", "conversation with %s timed out while %s", s->name, during);
    else
        reason_set(s->o, &s->o->why, OUTCOME_DEFERRED, "4.4.2", "lost connection with %s while %s", s->name, during);
    return false;
}

static bool nonsense(struct session *s, struct str line, const char *during)
{
    s->dead = true;
    reason_set(s->o, &s->o->why, OUTCOME_DEFERRED, "4.5.0", "protocol error from %s while %s: %.*s", s->name, during, STR_FMT(str_head(line, 100)));
    return false;
}

bool session_reply(struct session *s, int64_t seconds, const char *during)
{
    int64_t deadline = in_seconds(seconds);
    struct str line;
    smtp_reply_reset(&s->reply);
    for (;;) {
        enum read_result r = conn_read_line(s->conn, SMTP_REPLY_LINE_MAX, deadline, &line);
        if (r != READ_OK)
            return r == READ_TOO_LONG ? nonsense(s, STR("line too long"), during) : lost(s, r, during);
        switch (smtp_reply_line(&s->reply, line)) {
        case SMTP_REPLY_DONE:
            if (s->reply.code == 421)       /* RFC 5321 section 3.8: the server is going */
                s->dead = true;
            return true;
        case SMTP_REPLY_BAD: return nonsense(s, line, during);
        case SMTP_REPLY_MORE: break;
        }
    }
}

/* "host H said: ..." with the reply's class deciding. */
void session_said(struct session *s, struct reason *why, const char *command)
{
    bool hard = s->reply.code >= 500;
    struct str text = buf_str(&s->reply.text);
    reason_set(s->o, why, hard ? OUTCOME_BOUNCED : OUTCOME_DEFERRED, s->reply.dsn, "host %s said: %.*s (in reply to %s)", s->name, STR_FMT(text), command);
    if (why->dsn[0] != '4' && why->dsn[0] != '5')       /* an unexpected success */
        why->dsn[0] = '4';
    why->mta = str_dup(&s->o->arena, str_from(s->host));
    why->reply = str_dup(&s->o->arena, text);
}

/* A site that does not want to talk is like one that is down: mail waits, or goes elsewhere. */
static enum step refused(struct session *s, const char *fmt_dsn)
{
    struct str text = buf_str(&s->reply.text);
    const struct out_conf *c = &s->t->conf;
    bool hard = s->reply.code >= 500 && !c->skip_5xx_greeting;
    char dsn[16];
    (void)snprintf(dsn, sizeof dsn, "%s", fmt_dsn);
    dsn[0] = hard ? '5' : '4';
    reason_set(s->o, &s->o->why, hard ? OUTCOME_BOUNCED : OUTCOME_DEFERRED, dsn, "host %s refused to talk to me: %.*s", s->name, STR_FMT(text));
    s->o->why.mta = str_dup(&s->o->arena, str_from(s->host));
    s->o->why.reply = str_dup(&s->o->arena, text);
    s->o->why.next_hop_failed = true;
    return STEP_FAILED;
}

static enum step failed(struct session *s, const char *dsn, const char *text)
{
    reason_set(s->o, &s->o->why, OUTCOME_DEFERRED, dsn, "%s", text);
    return STEP_FAILED;
}

/* ---- connecting ---- */

/* "host[addr]:port", or "host[path]". */
void session_name_relay(const struct session *s)
{
    if (s->addr[0] == '\0')
        (void)snprintf(s->o->relay, sizeof s->o->relay, "%s", s->name);
    else
        (void)snprintf(s->o->relay, sizeof s->o->relay, "%.390s:%u", s->name, s->port);
}

static void set_names(struct session *s, const struct target *to)
{
    (void)snprintf(s->host, sizeof s->host, "%.*s", STR_FMT(to->host));
    (void)net_text(&to->addr, s->addr);
    s->port = net_port(&to->addr);
    if (to->path != NULL) {
        const char *path = to->path + 5;
        (void)snprintf(s->host, sizeof s->host, "%s", s->t->conf.myhostname);
        (void)snprintf(s->name, sizeof s->name, "%s[%s]", s->host, path);
    } else {
        (void)snprintf(s->name, sizeof s->name, "%s[%s]", s->host, s->addr);
    }
    session_name_relay(s);
}

static int dial(struct session *s, const struct target *to, int64_t deadline, struct err *err)
{
    const struct transport *t = s->t;
    bool six = to->addr.ss_family == AF_INET6;
    const struct sockaddr_storage *from = six ? (t->has_bind6 ? &t->bind6 : NULL) : (t->has_bind4 ? &t->bind4 : NULL);
    int fd = net_connect(&to->addr, from, err);
    if (fd < 0)
        return -1;
    enum wait w = fiber_wait_fd(fd, EPOLLOUT, deadline);
    int e = w == WAIT_OK ? net_connect_result(fd) : w == WAIT_TIMEOUT ? ETIMEDOUT : ECANCELED;
    if (e == 0)
        return fd;
    (void)close(fd);
    err->sys = e;
    return -1;
}

static enum step connect_to(struct session *s, const struct target *to)
{
    struct err err = { .sys = 0, .text = "" };
    uint32_t limit = s->t->conf.connect_timeout;
    int64_t deadline = in_seconds(limit == 0 ? NO_CONNECT_LIMIT : limit);
    int fd = to->path != NULL ? daemon_connect(to->path, deadline, &err) : dial(s, to, deadline, &err);
    if (fd >= 0) {
        s->conn = conn_new(fd, IN_MAX);
        s->opened = loop_now();
        return STEP_OK;
    }
    s->o->relay[0] = '\0';
    if (to->path != NULL)
        reason_set(s->o, &s->o->why, OUTCOME_DEFERRED, "4.4.1", "connect to %s: %s", s->name, err.sys != 0 ? strerror(err.sys) : err.text);
    else
        reason_set(s->o, &s->o->why, OUTCOME_DEFERRED, "4.4.1", "connect to %s:%u: %s", s->name, s->port, strerror(err.sys));
    s->o->why.next_hop_failed = true;
    log_as(s->t->ident, LOG_INFO_LEVEL, "%.*s", STR_FMT(s->o->why.text));
    return STEP_FAILED;
}

/* ---- greeting and features ---- */

static const struct { const char *keyword; enum feature bit; } keywords[] = {
    { "PIPELINING", F_PIPELINING }, { "8BITMIME", F_8BITMIME }, { "SIZE", F_SIZE }, { "DSN", F_DSN },
    { "SMTPUTF8", F_SMTPUTF8 }, { "STARTTLS", F_STARTTLS }, { "AUTH", F_AUTH }, { "XFORWARD", F_XFORWARD },
};

static bool is_discarded(const struct session *s, struct str keyword)
{
    struct str rest = str_from(s->t->conf.discard_keywords), word;
    while (str_token(&rest, ", \t", &word))
        if (str_ieq(word, keyword))
            return true;
    return false;
}

static void take_mechanisms(struct session *s, struct str rest)
{
    struct str word;
    while (str_token(&rest, " \t=", &word)) {
        struct str filter = str_from(s->t->conf.sasl_mechanism_filter), one;
        bool ok = filter.n == 0;
        while (!ok && str_token(&filter, ", \t", &one))
            ok = str_ieq(one, word);
        s->auth_plain |= ok && str_ieqz(word, "PLAIN");
        s->auth_login |= ok && str_ieqz(word, "LOGIN");
    }
}

/* One line of an EHLO reply, after its code. */
static void take_keyword(struct session *s, struct str line)
{
    struct str keyword, limit;
    if (!str_token(&line, " \t=", &keyword) || is_discarded(s, keyword))
        return;
    for (size_t i = 0; i < N_ELEMS(keywords); i++) {
        if (!str_ieqz(keyword, keywords[i].keyword))
            continue;
        s->features |= keywords[i].bit;
        if (keywords[i].bit == F_SIZE && str_token(&line, " \t", &limit))
            (void)num_parse_u64(limit, UINT64_MAX / 2, &s->size_limit);
        if (keywords[i].bit == F_AUTH)
            take_mechanisms(s, line);
        if (keywords[i].bit == F_XFORWARD)
            s->xforward = xforward_parse(line);
    }
}

/* Like session_reply(), with features taken line by line. */
static bool ehlo_reply(struct session *s, const char *during)
{
    int64_t deadline = in_seconds(s->t->conf.helo_timeout);
    struct str line;
    smtp_reply_reset(&s->reply);
    for (unsigned n = 0;; n++) {
        enum read_result r = conn_read_line(s->conn, SMTP_REPLY_LINE_MAX, deadline, &line);
        if (r != READ_OK)
            return r == READ_TOO_LONG ? nonsense(s, STR("line too long"), during) : lost(s, r, during);
        enum smtp_reply_state state = smtp_reply_line(&s->reply, line);
        if (state == SMTP_REPLY_BAD)
            return nonsense(s, line, during);
        if (n > 0 && s->reply.code == 250)
            take_keyword(s, smtp_reply_line_text(line));
        if (state == SMTP_REPLY_DONE)
            return true;
    }
}

static bool greets_as_myself(const struct session *s)
{
    struct str text = str_skip(buf_str(&s->reply.text), 4), word;
    return s->port == 25 && str_token(&text, " \t", &word) && str_ieqz(word, s->t->conf.myhostname);
}

static enum step say_hello(struct session *s)
{
    const char *verb = s->t->kind == OUT_LMTP ? "LHLO" : "EHLO";
    s->features = 0;
    s->size_limit = 0;
    s->xforward = 0;
    s->auth_plain = s->auth_login = false;
    conn_printf(s->conn, "%s %s\r\n", verb, s->t->conf.helo_name);
    if (!ehlo_reply(s, s->t->kind == OUT_LMTP ? "performing the LHLO handshake" : "performing the EHLO handshake"))
        return STEP_FAILED;
    if (s->reply.code == 250) {
        s->features |= F_ESMTP;
        if (!greets_as_myself(s))
            return STEP_OK;
        reason_set(s->o, &s->o->why, OUTCOME_BOUNCED, "5.4.6", "mail for %.*s loops back to myself", STR_FMT(s->o->nexthop));
        return STEP_FAILED;
    }
    if (s->t->kind == OUT_LMTP || s->dead)
        return refused(s, "4.3.0");
    s->features = 0;
    conn_printf(s->conn, "HELO %s\r\n", s->t->conf.helo_name);
    if (!session_reply(s, s->t->conf.helo_timeout, "performing the HELO handshake"))
        return STEP_FAILED;
    return s->reply.code / 100 == 2 ? STEP_OK : refused(s, "4.3.0");
}

static enum step greeting(struct session *s)
{
    if (!session_reply(s, s->t->conf.helo_timeout, "receiving the initial server greeting")) {
        s->o->why.next_hop_failed = true;
        return STEP_FAILED;
    }
    return s->reply.code / 100 == 2 ? STEP_OK : refused(s, "4.3.0");
}

/* ---- TLS ---- */

static void log_tls(const struct session *s, enum tls_level level)
{
    const struct tls_info *i = conn_tls_info(s->conn);
    const char *trust = !i->peer_has_cert ? "Anonymous" : !i->peer_verified ? "Untrusted" : level >= TLS_VERIFY ? "Verified" : "Trusted";
    char detail[200] = "";
    if (s->t->conf.tls_loglevel == 0)
        return;
    if (i->key_exchange[0] != '\0')
        (void)snprintf(detail, sizeof detail, " key-exchange %s server-signature %s server-digest %s", i->key_exchange, i->signature, i->digest);
    log_as(s->t->ident, LOG_INFO_LEVEL, "%s TLS connection established to %s:%u: %s with cipher %s (%d/%d bits)%s",
           trust, s->name, s->port, i->protocol, i->cipher, i->bits, i->alg_bits, detail);
}

/* The name that a certificate has to have: the server's, or with "secure" the destination's, which DNS cannot forge. */
static void tls_name(const struct session *s, enum tls_level level, char *ret, size_t cap)
{
    struct hop hop;
    struct arena a = arena_make(2048);
    (void)snprintf(ret, cap, "%s", s->host);
    if (level == TLS_SECURE && hop_parse(s->nexthop, 25, &a, &hop))
        (void)snprintf(ret, cap, "%.*s", STR_FMT(hop.host));
    arena_done(&a);
}

static enum step start_tls(struct session *s, enum tls_level level)
{
    char name[256];
    struct err err = { .text = "" };
    tls_name(s, level, name, sizeof name);
    struct tls_ctx *ctx = level >= TLS_VERIFY ? s->t->tls_verifying : s->t->tls;
    if (conn_tls_connect(s->conn, ctx, name, in_seconds(s->t->conf.starttls_timeout), &err) == 0) {
        log_tls(s, level);
        return STEP_OK;
    }
    s->dead = true;
    s->tls_failed = true;
    log_as(s->t->ident, LOG_INFO_LEVEL, "SSL_connect error to %s:%u: %s", s->name, s->port, err.text);
    if (strstr(err.text, "verification failed") != NULL)
        return failed(s, "4.7.5", "Server certificate not verified");
    return failed(s, "4.7.5", "Cannot start TLS: handshake failure");
}

static enum step maybe_tls(struct session *s, enum tls_level level)
{
    char text[512];
    if (level == TLS_NONE || s->no_tls || conn_is_tls(s->conn) || s->t->tls == NULL) {
        if ((s->features & F_STARTTLS) && level == TLS_NONE && s->t->conf.tls_note_offer)
            log_as(s->t->ident, LOG_INFO_LEVEL, "Host offered STARTTLS: [%s]", s->host);
        return STEP_OK;
    }
    if (!(s->features & F_STARTTLS)) {
        if (level == TLS_MAY)
            return STEP_OK;
        (void)snprintf(text, sizeof text, "TLS is required, but was not offered by host %s", s->name);
        return failed(s, "4.7.4", text);
    }
    conn_puts(s->conn, "STARTTLS\r\n");
    if (!session_reply(s, s->t->conf.starttls_timeout, "performing the TLS handshake"))
        return STEP_FAILED;
    if (s->reply.code / 100 != 2) {
        if (level == TLS_MAY)
            return STEP_OK;
        session_said(s, &s->o->why, "STARTTLS command");
        s->o->why.outcome = OUTCOME_DEFERRED;
        s->o->why.dsn[0] = '4';
        return STEP_FAILED;
    }
    if (start_tls(s, level) != STEP_OK)
        return STEP_FAILED;
    return say_hello(s);        /* RFC 3207 section 4.2: what was said before does not count */
}

/* smtp_tls_policy_maps by destination as written, then without brackets and port. */
enum tls_level session_tls_level(struct order *o)
{
    const struct transport *t = o->t;
    struct str value, word;
    struct hop hop;
    struct err err;
    if (map_list_is_empty(t->policy))
        return t->tls_level;
    enum map_result r = map_list_get(t->policy, o->nexthop, &o->arena, &value, &err);
    if (r == MAP_NONE && hop_parse(o->nexthop, t->port, &o->arena, &hop))
        r = map_list_get(t->policy, hop.host, &o->arena, &value, &err);
    if (r == MAP_NONE)
        return t->tls_level;
    if (r == MAP_FOUND && str_token(&value, ", \t", &word))
        return tls_level_parse(word);
    return TLS_INVALID;
}

/* ---- AUTH ---- */

static bool has_word(const char *list, const char *want)
{
    struct str rest = str_from(list), word;
    while (str_token(&rest, ", \t", &word))
        if (str_ieqz(word, want))
            return true;
    return false;
}

static enum map_result find_password(struct session *s, struct str *ret, struct err *err)
{
    struct arena *a = &s->o->arena;
    enum map_result r = MAP_NONE;
    if (s->t->conf.sasl_sender_dependent && s->o->sender.n > 0)
        r = map_list_get(s->t->passwords, s->o->sender, a, ret, err);
    if (r == MAP_NONE)
        r = map_list_get(s->t->passwords, str_from(s->host), a, ret, err);
    if (r == MAP_NONE)
        r = map_list_get(s->t->passwords, s->nexthop, a, ret, err);
    return r;
}

static void put_base64(struct session *s, struct str in)
{
    struct buf b = buf_make(8192);
    enc_base64(&b, in);
    conn_put(s->conn, buf_str(&b));
    conn_puts(s->conn, "\r\n");
    if (b.p != NULL)
        secret_wipe(b.p, b.n);
    buf_done(&b);
}

static bool auth_dialogue(struct session *s, struct sasl_client *client)
{
    struct buf message = buf_make(4096);
    bool initial = sasl_client_initial(client, &message), ok = true;
    conn_printf(s->conn, "AUTH %s%s", sasl_mech_name(client->mech), initial ? " " : "\r\n");
    if (initial)
        put_base64(s, buf_str(&message));
    for (int i = 0; i < 4; i++) {
        ok = session_reply(s, s->t->conf.mail_timeout, "performing the SASL handshake");
        if (!ok || s->reply.code != 334)
            break;
        buf_reset(&message);
        if (!sasl_client_step(client, &message)) {
            conn_puts(s->conn, "*\r\n");        /* RFC 4954 section 4: cancel */
            continue;
        }
        put_base64(s, buf_str(&message));
    }
    if (message.p != NULL)
        secret_wipe(message.p, message.n);
    buf_done(&message);
    return ok;
}

static enum step auth_with(struct session *s, struct str user, struct str password)
{
    char text[512];
    const struct out_conf *c = &s->t->conf;
    bool plaintext_ok = !has_word(conn_is_tls(s->conn) ? c->sasl_tls_options : c->sasl_options, "noplaintext");
    if (!plaintext_ok || (!s->auth_plain && !s->auth_login)) {
        (void)snprintf(text, sizeof text, "SASL authentication failed; cannot authenticate to server %s: no mechanism available", s->name);
        return failed(s, "4.7.0", text);
    }
    struct sasl_client client = { .mech = s->auth_plain ? SASL_PLAIN : SASL_LOGIN, .user = user, .password = password };
    if (!auth_dialogue(s, &client))
        return STEP_FAILED;
    if (s->reply.code / 100 == 2)
        return STEP_OK;
    bool hard = s->reply.code >= 500 && !c->sasl_soft_bounce;
    struct str said = buf_str(&s->reply.text);
    log_as(s->t->ident, LOG_WARNING_LEVEL, "%s: SASL authentication failed; server %s said: %.*s", s->o->queue_id, s->name, STR_FMT(said));
    reason_set(s->o, &s->o->why, hard ? OUTCOME_BOUNCED : OUTCOME_DEFERRED, s->reply.dsn, "SASL authentication failed; server %s said: %.*s", s->name, STR_FMT(said));
    s->o->why.dsn[0] = hard ? '5' : '4';
    return STEP_FAILED;
}

static enum step maybe_auth(struct session *s)
{
    struct str value, user, password;
    struct err err = { .text = "" };
    if (!s->t->conf.sasl_enable || !(s->features & F_AUTH))
        return STEP_OK;
    switch (find_password(s, &value, &err)) {
    case MAP_NONE: return STEP_OK;
    case MAP_TEMP:
        reason_set(s->o, &s->o->why, OUTCOME_DEFERRED, "4.3.0", "SASL password lookup failed: %s", err.text);
        return STEP_FAILED;
    case MAP_FOUND: break;
    }
    (void)str_cut(value, ':', &user, &password);
    enum step got = auth_with(s, user, password);
    secret_wipe((char *)(uintptr_t)value.p, value.n);   /* our own copy, in the arena */
    return got;
}

/* ---- the whole ---- */

static enum step negotiate(struct session *s, enum tls_level level)
{
    if (s->t->conf.tls_wrappermode && !s->no_tls && start_tls(s, MAX(level, TLS_ENCRYPT)) != STEP_OK)
        return STEP_FAILED;
    if (greeting(s) != STEP_OK || say_hello(s) != STEP_OK || maybe_tls(s, level) != STEP_OK)
        return STEP_FAILED;
    return maybe_auth(s);
}

enum step session_open(struct session *s, const struct target *to, enum tls_level level)
{
    s->dead = s->need_rset = s->tls_failed = false;
    s->uses = 0;
    set_names(s, to);
    if (connect_to(s, to) != STEP_OK)
        return STEP_FAILED;
    conn_set_write_timeout(s->conn, (int64_t)s->t->conf.data_xfer_timeout * 1000);
    if (negotiate(s, level) == STEP_OK)
        return STEP_OK;
    session_close(s, true);
    return STEP_FAILED;
}

/* The answer to QUIT is not waited for: it could not change anything. */
void session_close(struct session *s, bool polite)
{
    if (s->conn == NULL)
        return;
    if (polite && !s->dead && !conn_is_broken(s->conn)) {
        conn_puts(s->conn, "QUIT\r\n");
        (void)conn_flush(s->conn, in_seconds(s->t->conf.quit_timeout));
    }
    conn_free(s->conn);
    s->conn = NULL;
}
