/* SPDX-License-Identifier: ISC */
#include "smtpsrv/session.h"
#include <stdarg.h>
#include "base/enc.h"

enum { REPLY_MAX = 1000 };

const char *queue_id(const struct session *s)
{
    return s->msg.id[0] != '\0' ? s->msg.id : "NOQUEUE";
}

const char *proto_name(const struct session *s)
{
    return s->srv->env.kind == SMTPSRV_LMTP ? "LMTP" : s->esmtp ? "ESMTP" : "SMTP";
}

void say(struct session *s, const char *fmt, ...)
{
    char line[2000];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n > 0 && s->srv->env.log != NULL)
        s->srv->env.log("smtpd", str_make(line, MIN((size_t)n, sizeof line - 1)));
}

void reply_plain(struct session *s, const char *text)
{
    conn_puts(s->conn, text);
    conn_puts(s->conn, "\r\n");
}

/* soft_bounce: "550 5.7.1" becomes "450 4.7.1". */
static void soften(char *line)
{
    if (line[0] != '5')
        return;
    line[0] = '4';
    if (strlen(line) > 5 && line[4] == '5' && line[5] == '.')
        line[4] = '4';
}

/* After many errors every refusal comes late (Postfix's smtpd_soft_error_limit). */
static void account(struct session *s, const char *line)
{
    if (line[0] != '4' && line[0] != '5')
        return;
    s->refused = true;
    s->errors++;
    if (s->errors >= s->conf->soft_error_limit && s->conf->error_sleep > 0)
        (void)fiber_sleep(deadline_in((int64_t)s->conf->error_sleep * 1000));
}

void reply(struct session *s, const char *fmt, ...)
{
    char line[REPLY_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    for (char *p = line; *p != '\0'; p++)       /* what a client sent may be in it */
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    if (s->conf->soft_bounce)
        soften(line);
    account(s, line);
    reply_plain(s, line);
}

/* An address or name that a client gave, for the log: no control characters, no brackets that end the field. */
static struct str printable(struct session *s, struct str in)
{
    char *copy = arena_copy(&s->txn, in.p, in.n);
    for (size_t i = 0; i < in.n; i++)
        if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
            copy[i] = '?';
    return str_make(copy, in.n);
}

void log_reject(struct session *s, const char *what, const char *stage, const struct reject *r)
{
    struct buf b = buf_make(0);
    bool soft = s->conf->soft_bounce && r->code >= 500;
    buf_printf(&b, "%s: %s: %s from " CLIENT_FMT ": %u %s%s %.*s;", queue_id(s), what, stage, CLIENT(s), soft ? r->code - 100 : r->code,
               soft && r->dsn[0] == '5' ? "4" : "", r->dsn + (soft && r->dsn[0] == '5'), STR_FMT(r->text));
    if (s->state & ST_TRANSACTION)
        buf_printf(&b, " from=<%.*s>", STR_FMT(printable(s, s->mail.from.address)));
    if (s->rcpt.n > 0)
        buf_printf(&b, " to=<%.*s>", STR_FMT(printable(s, s->rcpt)));
    buf_printf(&b, " proto=%s", proto_name(s));
    if (s->helo.n > 0)
        buf_printf(&b, " helo=<%.*s>", STR_FMT(printable(s, s->helo)));
    if (s->sasl_method.n > 0)
        buf_printf(&b, " sasl_method=%.*s sasl_username=%.*s", STR_FMT(s->sasl_method), STR_FMT(s->sasl_user));
    say(s, "%.*s", STR_FMT(buf_str(&b)));
    buf_done(&b);
}

void reply_reject(struct session *s, const char *stage, const struct reject *r)
{
    log_reject(s, "reject", stage, r);
    reply(s, "%u %s %.*s", r->code, r->dsn, STR_FMT(r->text));
    if (r->code == 421 || r->code == 521)
        s->state = ST_CLOSING;
}
