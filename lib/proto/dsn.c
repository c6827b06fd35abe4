/* SPDX-License-Identifier: ISC */
#include "proto/dsn.h"
#include "proto/date.h"

enum { FOLD_AT = 76 };

struct kind_text { const char *subject, *to_people, *message_part; };

static const struct kind_text kinds[] = {
    [DSN_FAILURE] = { "Undelivered Mail Returned to Sender",
        "A message that you sent could not be delivered to the recipients below.\n"
        "There will be no further attempts. What is known about the cause stands\n"
        "after each address; your message follows at the end of this report.\n", "Undelivered Message" },
    [DSN_DELAY] = { "Delayed Mail (still being retried)",
        "A message that you sent has not been delivered to the recipients below yet.\n"
        "THIS IS ONLY A WARNING: you need not send it again, it will be retried.\n", "Delayed Message" },
    [DSN_SUCCESS] = { "Successful Mail Delivery Report",
        "As you asked for, this reports what became of your message.\n", "Delivered Message" },
    [DSN_POSTMASTER] = { "Postmaster Copy: Undelivered Mail",
        "A message could not be delivered, and its sender cannot be told.\n", "Undelivered Message" },
};

static const char *const actions[] = { [DSN_FAILED] = "failed", [DSN_DELAYED] = "delayed", [DSN_DELIVERED] = "delivered", [DSN_RELAYED] = "relayed" };

/* One line of text from outside: no line ends, no NUL; without utf8 no 8-bit. */
static void put_clean(struct buf *out, struct str s, bool utf8)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        buf_putc(out, c < ' ' || c == 127 ? ' ' : c > 127 && !utf8 ? '?' : (char)c);
    }
}

static void put_field(struct buf *out, const char *name, struct str value, bool utf8)
{
    buf_puts(out, name);
    put_clean(out, value, utf8);
    buf_putc(out, '\n');
}

/* Words of a long line, continued with four blanks. */
static void put_folded(struct buf *out, struct str text, size_t column)
{
    struct str word;
    bool first = true;
    while (str_token(&text, " ", &word)) {
        if (!first && column + word.n + 1 > FOLD_AT) {
            buf_puts(out, "\n   ");
            column = 3;
        }
        if (!first) {
            buf_putc(out, ' ');
            column++;
        }
        buf_add(out, word);
        column += word.n;
        first = false;
    }
    buf_putc(out, '\n');
}

static void make_boundary(const struct dsn_notice *n, struct buf *out)
{
    unsigned count = 0;
    do {
        buf_reset(out);
        put_clean(out, n->new_id.n > 0 ? n->new_id : n->queue_id, false);
        buf_printf(out, ".%lld", (long long)n->now);
        if (count++ > 0)
            buf_printf(out, ".%u", count);
        buf_putc(out, '/');
        put_clean(out, n->hostname, false);
    } while (str_find(n->message, buf_str(out)) >= 0 && count < 1000);
}

static void put_head(struct buf *out, const struct dsn_notice *n, struct str boundary)
{
    put_clean(out, STR("Received: by "), false);
    put_clean(out, n->hostname, false);
    buf_printf(out, " (%.*s)\n\tid %.*s; ", STR_FMT(n->mail_name), STR_FMT(n->new_id));
    date_put_rfc5322(out, n->now, n->zone);
    buf_puts(out, "\nDate: ");
    date_put_rfc5322(out, n->now, n->zone);
    buf_printf(out, "\nFrom: MAILER-DAEMON@%.*s (Mail Delivery System)\n", STR_FMT(n->origin));
    buf_printf(out, "Subject: %s\n", kinds[n->kind].subject);
    put_field(out, "To: ", n->to, n->utf8);
    buf_puts(out, n->kind == DSN_FAILURE || n->kind == DSN_DELAY || n->kind == DSN_SUCCESS ? "Auto-Submitted: auto-replied\n" : "Auto-Submitted: auto-generated\n");
    buf_puts(out, "MIME-Version: 1.0\n");
    buf_printf(out, "Content-Type: multipart/report; report-type=%sdelivery-status;\n\tboundary=\"%.*s\"\n",
               n->utf8 ? "global-" : "", STR_FMT(boundary));
    buf_puts(out, "Content-Transfer-Encoding: 8bit\n");
    buf_printf(out, "Message-Id: <%lld.%.*s@%.*s>\n\n", (long long)n->now, STR_FMT(n->new_id), STR_FMT(n->hostname));
    buf_puts(out, "This is a MIME-encapsulated message.\n\n");
}

static void put_people(struct buf *out, const struct dsn_notice *n, struct str boundary)
{
    buf_printf(out, "--%.*s\nContent-Description: Notification\nContent-Type: text/plain; charset=%s\n\n",
               STR_FMT(boundary), n->utf8 ? "utf-8" : "us-ascii");
    buf_puts(out, "This is the mail system at host ");
    put_clean(out, n->hostname, n->utf8);
    buf_printf(out, ".\n\n%s\n", kinds[n->kind].to_people);
    for (size_t i = 0; i < n->n_rcpts; i++) {
        const struct dsn_rcpt *r = &n->rcpts[i];
        struct buf line = buf_make(0);
        buf_putc(&line, '<');
        put_clean(&line, r->address, n->utf8);
        buf_putc(&line, '>');
        if (r->orig.n > 0 && !str_ieq(r->orig, r->address)) {
            buf_puts(&line, " (expanded from <");
            put_clean(&line, r->orig, n->utf8);
            buf_puts(&line, ">)");
        }
        buf_puts(&line, ": ");
        put_clean(&line, r->text, n->utf8);
        put_folded(out, buf_str(&line), 0);
        buf_putc(out, '\n');
        buf_done(&line);
    }
}

/* "rfc822; user@example.org": orcpt already has its type. */
static void put_typed(struct buf *out, const char *name, struct str address, bool utf8)
{
    buf_puts(out, name);
    struct str type, rest;
    if (str_cut(address, ';', &type, &rest) && type.n > 0 && str_chr(type, '@') < 0) {
        put_clean(out, type, false);
        buf_putc(out, ';');
        put_clean(out, rest, utf8);
    } else {
        buf_puts(out, utf8 ? "utf-8; " : "rfc822; ");
        put_clean(out, address, utf8);
    }
    buf_putc(out, '\n');
}

static void put_diagnostic(struct buf *out, const struct dsn_rcpt *r, bool utf8)
{
    struct buf line = buf_make(0);
    if (r->remote_mta.n > 0)
        put_field(out, "Remote-MTA: dns; ", r->remote_mta, utf8);
    buf_puts(&line, r->remote_reply.n > 0 ? "Diagnostic-Code: smtp; " : "Diagnostic-Code: X-Postfix; ");
    put_clean(&line, r->remote_reply.n > 0 ? r->remote_reply : r->text, utf8);
    put_folded(out, buf_str(&line), 0);
    buf_done(&line);
}

static void put_status(struct buf *out, const struct dsn_notice *n, struct str boundary)
{
    buf_printf(out, "--%.*s\nContent-Description: Delivery report\nContent-Type: message/%sdelivery-status\n\n",
               STR_FMT(boundary), n->utf8 ? "global-" : "");
    put_field(out, "Reporting-MTA: dns; ", n->hostname, n->utf8);
    if (n->envid.n > 0)
        put_field(out, "Original-Envelope-Id: ", n->envid, false);
    put_field(out, "X-Postfix-Queue-ID: ", n->queue_id, false);
    if (n->sender.n > 0)
        put_field(out, n->utf8 ? "X-Postfix-Sender: utf-8; " : "X-Postfix-Sender: rfc822; ", n->sender, n->utf8);
    buf_puts(out, "Arrival-Date: ");
    date_put_rfc5322(out, n->arrival, n->zone);
    buf_putc(out, '\n');
    for (size_t i = 0; i < n->n_rcpts; i++) {
        const struct dsn_rcpt *r = &n->rcpts[i];
        buf_putc(out, '\n');
        put_field(out, n->utf8 ? "Final-Recipient: utf-8; " : "Final-Recipient: rfc822; ", r->address, n->utf8);
        if (r->orcpt.n > 0 || r->orig.n > 0)
            put_typed(out, "Original-Recipient: ", r->orcpt.n > 0 ? r->orcpt : r->orig, n->utf8);
        buf_printf(out, "Action: %s\n", actions[r->action]);
        put_field(out, "Status: ", r->status, false);
        put_diagnostic(out, r, n->utf8);
        if (r->action == DSN_DELAYED && n->retry_until != 0) {
            buf_puts(out, "Will-Retry-Until: ");
            date_put_rfc5322(out, n->retry_until, n->zone);
            buf_putc(out, '\n');
        }
    }
    buf_putc(out, '\n');
}

static bool is_8bit(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return true;
    return false;
}

static void put_message(struct buf *out, const struct dsn_notice *n, struct str boundary)
{
    const char *type = n->headers_only ? (n->utf8 ? "message/global-headers" : "text/rfc822-headers")
                                       : (n->utf8 ? "message/global" : "message/rfc822");
    buf_printf(out, "--%.*s\nContent-Description: %s%s\nContent-Type: %s\n", STR_FMT(boundary), kinds[n->kind].message_part,
               n->headers_only ? " Headers" : "", type);
    if (is_8bit(n->message))
        buf_puts(out, "Content-Transfer-Encoding: 8bit\n");
    buf_putc(out, '\n');
    buf_add(out, n->message);
    if (n->message.n == 0 || n->message.p[n->message.n - 1] != '\n')
        buf_putc(out, '\n');
    buf_printf(out, "\n--%.*s--\n", STR_FMT(boundary));
}

void dsn_compose(struct buf *out, const struct dsn_notice *n)
{
    struct buf boundary = buf_make(0);
    ASSERT(n->kind >= DSN_FAILURE && n->kind <= DSN_POSTMASTER);
    make_boundary(n, &boundary);
    put_head(out, n, buf_str(&boundary));
    put_people(out, n, buf_str(&boundary));
    put_status(out, n, buf_str(&boundary));
    put_message(out, n, buf_str(&boundary));
    buf_done(&boundary);
}
