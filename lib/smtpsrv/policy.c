/* SPDX-License-Identifier: ISC
 *
 * policy.c - check_policy_service: one question per call to a policy server
 * (Postfix's SMTPD_POLICY_README), over a socket that the broker connects.
 * A server that is away, silent or confused is never a permit: its default
 * action is 451 4.3.5.
 */
#include "conf/lex.h"
#include "smtpsrv/rule.h"
#include "base/num.h"

enum { POLICY_TIMEOUT_MS = 100000, ANSWER_MAX = 4096 };

struct policy { struct str endpoint, default_action; int64_t timeout_ms; };

/* "inet:host:port", or "{ inet:host:port, timeout=10s, default_action=DUNNO }". */
static void read_spec(struct session *s, struct str text, struct policy *ret)
{
    struct str word, name, value;
    uint64_t seconds;
    *ret = (struct policy){ .timeout_ms = POLICY_TIMEOUT_MS, .default_action = str_from(s->conf->policy_default) };
    (void)lex_unbrace(&text);
    (void)lex_word(&text, ", \t\r\n", &ret->endpoint);
    while (lex_word(&text, ",", &word)) {
        word = str_trim(word);
        (void)lex_unbrace(&word);
        if (!str_cut(word, '=', &name, &value))
            continue;
        value = str_trim(value);
        if (str_eqz(str_trim(name), "timeout") && num_take_u64(&value, 3600, &seconds))
            ret->timeout_ms = (int64_t)seconds * 1000;
        else if (str_eqz(str_trim(name), "default_action"))
            ret->default_action = value;
    }
}

/* A value ends its line, so it may hold no line end. */
static void put(struct buf *b, const char *name, struct str value)
{
    buf_printf(b, "%s=", name);
    for (size_t i = 0; i < value.n; i++)
        buf_putc(b, (unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f ? '?' : value.p[i]);
    buf_putc(b, '\n');
}

static void put_number(struct buf *b, const char *name, uint64_t n)
{
    buf_printf(b, "%s=%llu\n", name, (unsigned long long)n);
}

static void put_request(struct session *s, struct buf *b)
{
    const struct tls_info *t = conn_tls_info(s->conn);
    char instance[64];
    (void)snprintf(instance, sizeof instance, "%llx.%llx.%x", (unsigned long long)s->started, (unsigned long long)(uintptr_t)s, s->total[SMTP_MAIL]);
    put(b, "request", STR("smtpd_access_policy"));
    put(b, "protocol_state", str_from(s->rule_state.stage_name));
    put(b, "protocol_name", str_from(proto_name(s)));
    put(b, "helo_name", s->helo);
    put(b, "queue_id", s->msg.id[0] != '\0' ? str_from(s->msg.id) : STR(""));
    put(b, "sender", s->mail.from.address);
    put(b, "recipient", s->rcpt);
    put_number(b, "recipient_count", s->rcpt.n > 0 ? 0 : s->n_rcpt);
    put(b, "client_address", s->addr);
    put(b, "client_name", s->name);
    put(b, "reverse_client_name", s->reverse_name);
    put_number(b, "client_port", s->port);
    put(b, "instance", str_from(instance));
    put(b, "sasl_method", s->sasl_method);
    put(b, "sasl_username", s->sasl_user);
    put(b, "sasl_sender", STR(""));
    put_number(b, "size", s->msg.size > 0 ? s->msg.size : s->mail.size);
    put(b, "encryption_protocol", t == NULL ? STR("") : str_from(t->protocol));
    put(b, "encryption_cipher", t == NULL ? STR("") : str_from(t->cipher));
    put_number(b, "encryption_keysize", t == NULL ? 0 : (uint64_t)t->bits);
    put(b, "server_address", s->local_addr);
    put_number(b, "server_port", s->local_port);
    put(b, "mail_version", STR(POSTERN_MAIL_VERSION));
    buf_putc(b, '\n');
}

/* WAITS. "action=..." and an empty line. False: no answer that could be used. */
static bool converse(struct session *s, struct conn *c, int64_t deadline, struct str *ret_action)
{
    struct buf b = buf_make(65536);
    struct str line;
    bool got = false;
    put_request(s, &b);
    conn_put(c, buf_str(&b));
    buf_done(&b);
    while (conn_flush(c, deadline) && conn_read_line(c, ANSWER_MAX, deadline, &line) == READ_OK) {
        if (line.n == 0)
            return got;
        if (str_istarts(line, STR("action="))) {
            *ret_action = str_dup(&s->txn, str_trim(str_skip(line, 7)));
            got = true;
        }
    }
    return false;
}

static void free_conn(void *c) { conn_free(c); }

static bool ask(struct session *s, const struct policy *p, struct str *ret_action)
{
    struct err err = { 0 };
    int64_t deadline = deadline_in(p->timeout_ms);
    const char *endpoint = str_to_cstr(&s->txn, p->endpoint);
    int fd = s->srv->env.connect == NULL || endpoint == NULL ? -1 : s->srv->env.connect(endpoint, deadline, &err);
    if (fd < 0) {
        say(s, "warning: connect to %.*s: %s", STR_FMT(p->endpoint), err.text);
        return false;
    }
    struct cleanup undo;
    struct conn *c = conn_new(fd, ANSWER_MAX);
    cleanup_push(&undo, free_conn, c);
    bool ok = converse(s, c, deadline, ret_action);
    cleanup_pop(&undo, true);
    if (!ok)
        say(s, "warning: problem talking to server %.*s", STR_FMT(p->endpoint));
    return ok;
}

/* Of what the reply is to speak: the innermost thing that is being judged. */
static struct subject judged(struct session *s)
{
    if (s->rcpt.n > 0)
        return subject_rcpt(s);
    if (s->where_text != NULL)
        return (struct subject){ str_from(s->where_text), s->where_text[0] == 'E' ? "End-of-data" : "Data command", "5.7.1", "4.7.1" };
    return subject_client(s);
}

enum ruling rule_policy(struct session *s, const struct rule *r)
{
    struct policy p;
    struct str action;
    struct subject su = judged(s);
    read_spec(s, r->arg, &p);
    if (!ask(s, &p, &action))
        action = p.default_action;
    return access_act(s, &su, action);
}
