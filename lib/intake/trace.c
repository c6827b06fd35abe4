/* SPDX-License-Identifier: ISC */
#include "intake/trace.h"
#include <time.h>
#include "proto/date.h"
#include "proto/smtp_path.h"

void trace_date(struct buf *out, int64_t when)
{
    struct tm tm;
    time_t t = (time_t)when;
    if (localtime_r(&t, &tm) == NULL)
        tm = (struct tm){ .tm_zone = "UTC" };
    date_put_rfc5322(out, when, (int)(tm.tm_gmtoff / 60));
    buf_printf(out, " (%s)", tm.tm_zone != NULL ? tm.tm_zone : "UTC");
}

void trace_message_id(struct buf *out, int64_t when, const char *queue_id, const char *host)
{
    struct date_civil c = date_civil(when, 0);
    buf_printf(out, "<%04d%02u%02u%02u%02u%02u.%s@%s>", (int)c.year, c.month, c.day, c.hour, c.minute, c.second, queue_id, host);
}

static void put_tls(struct buf *out, const struct trace *t)
{
    if (t->tls_protocol == NULL)
        return;
    buf_printf(out, "\n\t(using %s with cipher %s (%d/%d bits)", t->tls_protocol, t->tls_cipher, t->tls_bits, t->tls_alg_bits);
    if (t->tls_key_exchange != NULL && t->tls_key_exchange[0] != '\0')
        buf_printf(out, "\n\t key-exchange %s", t->tls_key_exchange);
    if (t->tls_signature != NULL && t->tls_signature[0] != '\0')
        buf_printf(out, " server-signature %s", t->tls_signature);
    if (t->tls_digest != NULL && t->tls_digest[0] != '\0')
        buf_printf(out, " server-digest %s", t->tls_digest);
    buf_puts(out, t->tls_client_cert ? ")\n\t(Client certificate not verified)" : ")\n\t(No client certificate requested)");
}

/* What a client said goes into a comment-free place: brackets and line ends must not get a meaning. */
static void put_plain(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        bool odd = (unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f || s.p[i] == '(' || s.p[i] == ')' || s.p[i] == '\\' || s.p[i] == ';';
        buf_putc(out, odd ? '?' : s.p[i]);
    }
}

void trace_received(struct buf *out, const struct trace *t)
{
    buf_puts(out, "Received: from ");
    put_plain(out, t->helo.n > 0 ? t->helo : t->client_name);
    buf_printf(out, " (%.*s [%.*s])", STR_FMT(t->client_name), STR_FMT(t->client_addr));
    put_tls(out, t);
    if (t->sasl_user.n > 0) {
        buf_puts(out, "\n\t(Authenticated sender: ");
        put_plain(out, t->sasl_user);
        buf_putc(out, ')');
    }
    buf_printf(out, "\n\tby %.*s (%.*s) with %.*s id %.*s", STR_FMT(t->myhostname), STR_FMT(t->mail_name), STR_FMT(t->protocol), STR_FMT(t->queue_id));
    if (t->recipient.n > 0) {
        buf_puts(out, "\n\tfor <");
        smtp_address_put(out, t->recipient);
        buf_putc(out, '>');
    }
    buf_puts(out, "; ");
    trace_date(out, t->when);
}

void trace_received_local(struct buf *out, struct str myhostname, struct str mail_name, uint64_t uid, struct str queue_id, int64_t when)
{
    buf_printf(out, "Received: by %.*s (%.*s, from userid %llu)\n\tid %.*s; ", STR_FMT(myhostname), STR_FMT(mail_name), (unsigned long long)uid, STR_FMT(queue_id));
    trace_date(out, when);
}
