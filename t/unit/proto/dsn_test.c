/* SPDX-License-Identifier: ISC */
#include "proto/dsn.h"
#include "tap.h"

static const struct dsn_rcpt rcpts[] = {
    { .address = STR_INIT("no@example.net"), .orig = STR_INIT("list@example.test"), .action = DSN_FAILED, .status = STR_INIT("5.1.1"),
      .text = STR_INIT("host mx.example.net[192.0.2.1] said: 550 5.1.1 no such user here (in reply to RCPT TO command)"),
      .remote_mta = STR_INIT("mx.example.net"), .remote_reply = STR_INIT("550 5.1.1 no such user here") },
    { .address = STR_INIT("evil@example.net\nX-Injected: yes"), .orcpt = STR_INIT("rfc822;Evil@example.net"), .action = DSN_FAILED,
      .status = STR_INIT("5.4.6"), .text = STR_INIT("mail\r\nloop") },
};

static struct dsn_notice base(void)
{
    return (struct dsn_notice){
        .kind = DSN_FAILURE, .hostname = STR("mail.example.test"), .origin = STR("example.test"), .mail_name = STR("Postfix"),
        .queue_id = STR("4F2BAC1234"), .new_id = STR("4F2BAC5678"), .sender = STR("a@example.test"), .to = STR("a@example.test"),
        .now = 1700000000, .arrival = 1699990000, .rcpts = rcpts, .n_rcpts = 2, .message = STR("Subject: x\n\nbody\n"),
    };
}

static bool has(const struct buf *b, const char *text) { return str_find(buf_str(b), str_from(text)) >= 0; }

int main(void)
{
    struct buf out = buf_make(0);
    struct dsn_notice n = base();
    dsn_compose(&out, &n);
    OK(has(&out, "\nFrom: MAILER-DAEMON@example.test (Mail Delivery System)\n"), "it comes from MAILER-DAEMON");
    OK(has(&out, "\nAuto-Submitted: auto-replied\n"), "and says that no person wrote it");
    OK(has(&out, "report-type=delivery-status;\n\tboundary=\"4F2BAC5678.1700000000/mail.example.test\"\n"), "it is a multipart/report");
    OK(has(&out, "\nX-Postfix-Queue-ID: 4F2BAC1234\nX-Postfix-Sender: rfc822; a@example.test\n"), "the fields that bounce parsers look for are there");
    OK(has(&out, "\nFinal-Recipient: rfc822; no@example.net\nOriginal-Recipient: rfc822; list@example.test\nAction: failed\nStatus: 5.1.1\n"
                 "Remote-MTA: dns; mx.example.net\nDiagnostic-Code: smtp; 550 5.1.1 no such user here\n"), "each recipient has its group");
    OK(!has(&out, "\nX-Injected"), "a line end in an address adds no field");
    OK(has(&out, "\nOriginal-Recipient: rfc822;Evil@example.net\n") && has(&out, "Diagnostic-Code: X-Postfix; mail loop\n"), "ORCPT is as it came, own reasons are marked");
    OK(has(&out, "Content-Type: message/rfc822\n\nSubject: x\n\nbody\n\n--4F2BAC5678.1700000000/mail.example.test--\n"), "the message is the last part");
    OK(has(&out, "(in\n    reply to RCPT TO command)") || has(&out, "\n    "), "long reasons are folded");

    buf_reset(&out);
    n.message = STR("Subject: --4F2BAC5678.1700000000/mail.example.test--\n");
    n.headers_only = true;
    dsn_compose(&out, &n);
    OK(has(&out, "boundary=\"4F2BAC5678.1700000000.2/mail.example.test\""), "a boundary that the message contains is not used");
    OK(has(&out, "Content-Description: Undelivered Message Headers\nContent-Type: text/rfc822-headers\n"), "only the header when asked for");

    buf_reset(&out);
    n = base();
    n.kind = DSN_DELAY;
    struct dsn_rcpt delayed = { .address = STR("b@example.net"), .action = DSN_DELAYED, .status = STR("4.4.1"), .text = STR("connection timed out") };
    n.rcpts = &delayed;
    n.n_rcpts = 1;
    n.retry_until = 1700432000;
    n.message = STR("Subject: \xc3\xa9\n");
    dsn_compose(&out, &n);
    OK(has(&out, "Action: delayed\n") && has(&out, "Will-Retry-Until: Sun, 19 Nov 2023 22:13:20 +0000"), "a delay notice says how long it is tried");
    OK(has(&out, "Content-Transfer-Encoding: 8bit\n\nSubject: \xc3\xa9"), "8-bit content is announced");
    buf_done(&out);
    return tap_done();
}
