/* SPDX-License-Identifier: ISC */
#include "stage.h"

#define HELLO "< 220 mx.our.test ESMTP\n> EHLO c.test\n< 250 \n"
#define ENVELOPE "> MAIL FROM:<a@ext.test>\n< 250 2.1.0 Ok\n> RCPT TO:<u@our.test>\n< 250 2.1.5 Ok\n"
#define BYE "> QUIT\n< 221 2.0.0 Bye\n<closed\n"

static const struct { const char *name, *conf, *client, *script; size_t messages; const char *logged; } scenes[] = {
    { "EHLO announces what there is", "", NULL,
      HELLO "<* PIPELINING\n<* SIZE 10240000\n<* 8BITMIME\n<* ENHANCEDSTATUSCODES\n<* DSN\n<* SMTPUTF8\n<* CHUNKING\n<!* STARTTLS\n<!* AUTH PLAIN LOGIN\n" BYE,
      0, "disconnect from unknown[203.0.113.9] ehlo=1 quit=1 commands=2\n" },
    { "a message", "", NULL, HELLO ENVELOPE "> DATA\n< 354 End data with <CR><LF>.<CR><LF>\n> Subject: x\n> \n> text\n> .\n< 250 2.0.0 Ok: queued as 4Test\n" BYE,
      1, "smtpd|4Test" },
    { "its log line names the client", "", NULL, HELLO ENVELOPE BYE, 0, ": client=unknown[203.0.113.9]\n" },
    { "a pipelined message", "", NULL,
      HELLO ">> MAIL FROM:<a@ext.test>\\r\\nRCPT TO:<u@our.test>\\r\\nDATA\\r\\n\n< 250\n< 250\n< 354\n>> x: y\\r\\n\\r\\n.\\r\\nQUIT\\r\\n\n< 250 2.0.0\n< 221\n<closed\n", 1, NULL },
    { "two messages in a session", "", NULL, HELLO ENVELOPE "> DATA\n< 354\n> .\n< 250\n" ENVELOPE "> DATA\n< 354\n> .\n< 250\n" BYE, 2, NULL },
    { "HELO", "", NULL, "< 220\n> HELO c.test\n< 250 mx.our.test\n" ENVELOPE BYE, 0, NULL },
    { "HELO without a name", "", NULL, "< 220\n> HELO\n< 501\n> EHLO a b<c\n< 250\n> EHLO <x>\n< 501\n" BYE, 0, NULL },
    { "MAIL without HELO where it is required", "smtpd_helo_required = yes\n", NULL, "< 220\n> MAIL FROM:<>\n< 503 5.5.1 Error: send HELO/EHLO first\n" BYE, 0, NULL },
    { "commands out of order", "", NULL,
      HELLO "> RCPT TO:<u@our.test>\n< 503 5.5.1 Error: need MAIL command\n> DATA\n< 503 5.5.1 Error: need RCPT command\n> MAIL FROM:<>\n< 250\n"
      "> MAIL FROM:<>\n< 503 5.5.1 Error: nested MAIL command\n> DATA\n< 554 5.5.1 Error: no valid recipients\n" BYE, 0, NULL },
    { "DATA when all recipients were refused", "", NULL, HELLO "> MAIL FROM:<>\n< 250\n> RCPT TO:<x@ext.test>\n< 454 4.7.1\n> DATA\n< 554 5.5.1 Error: no valid recipients\n" BYE, 0, NULL },
    { "RSET forgets the transaction", "", NULL, HELLO ENVELOPE "> RSET\n< 250 2.0.0 Ok\n> DATA\n< 503\n" BYE, 0, NULL },
    { "EHLO forgets the transaction", "", NULL, HELLO ENVELOPE "> EHLO again\n< 250\n> DATA\n< 503\n" BYE, 0, NULL },
    { "an unknown command", "", NULL, "< 220\n> FOO\n< 500 5.5.2 Error: command not recognized\n> \n< 500 5.5.2 Error: bad syntax\n" BYE, 0, NULL },
    { "commands that are refused", "", NULL, HELLO "> ETRN x\n< 502\n> EXPN x\n< 502\n> XCLIENT ADDR=198.51.100.1\n< 502\n> SOML FROM:<x>\n< 500\n> TURN\n< 500\n" BYE, 0, NULL },
    { "VRFY says nothing", "", NULL, HELLO "> VRFY u\n< 252 2.0.0 u\n> VRFY nosuch\n< 252 2.0.0 nosuch\n> VRFY\n< 501\n> VRFY \xc3\xa4\n< 553 5.6.7\n" BYE, 0, NULL },
    { "VRFY that is disabled", "disable_vrfy_command = yes\n", NULL, HELLO "<!* VRFY\n> VRFY u\n< 502 5.5.1 VRFY command is disabled\n" BYE, 0, NULL },
    { "arguments where there are none", "", NULL, HELLO ENVELOPE "> DATA x\n< 501 5.5.4 Syntax: DATA\n> RSET x\n< 501 5.5.4 Syntax: RSET\n" BYE, 0, NULL },
    { "HTTP", "", NULL, "< 220\n> POST / HTTP/1.1\n< 221 2.7.0 Error: I can break rules, too. Goodbye.\n<closed\n", 0, "warning: non-SMTP command from unknown[203.0.113.9]: POST" },
    { "a TLS hello in the clear", "", NULL, "< 220\n>> \x16\x03\x01\\0\x01\\r\\n\n< 221 2.7.0\n<closed\n", 0, NULL },
    { "commands before the greeting", "", NULL, ">> EHLO x\\r\\n\n< 554 5.5.0 Error: SMTP protocol synchronization\n<closed\n", 0, "improper command pipelining after CONNECT" },
    { "DATA and text in one go", "", NULL, HELLO ENVELOPE ">> DATA\\r\\nSubject: x\\r\\n.\\r\\n\n< 554 5.5.0 Error: SMTP protocol synchronization\n<closed\n", 0,
      "improper command pipelining after DATA from unknown[203.0.113.9]: Subject: x\\r\\n" },
    { "pipelining that is not forbidden", "smtpd_forbid_unauth_pipelining = no\n", NULL, HELLO ENVELOPE ">> DATA\\r\\nSubject: x\\r\\n.\\r\\n\n< 354\n< 250\n" BYE, 1, NULL },
    { "a size over the limit at MAIL", "message_size_limit = 1000\n", NULL, HELLO "<* SIZE 1000\n> MAIL FROM:<> SIZE=1001\n< 552 5.3.4 Message size exceeds fixed limit\n" BYE, 0,
      "NOQUEUE: reject: MAIL from unknown[203.0.113.9]: 552 5.3.4 Message size exceeds fixed limit; proto=ESMTP helo=<c.test>" },
    { "a size over the limit in DATA", "message_size_limit = 20\n", NULL, HELLO ENVELOPE "> DATA\n< 354\n> 12345678901234567890\n> 1234567890\n> .\n< 552 5.3.4 Error: message file too big\n> NOOP\n< 250\n" BYE, 0, NULL },
    { "too many recipients", "smtpd_recipient_limit = 1\n", NULL, HELLO ENVELOPE "> RCPT TO:<v@our.test>\n< 452 4.5.3 Error: too many recipients\n> DATA\n< 354\n> .\n< 250\n" BYE, 1, NULL },
    { "too many errors", "smtpd_hard_error_limit = 3\n", NULL, "< 220\n> A\n< 500\n> B\n< 500\n> C\n< 500\n< 421 4.7.0 mx.our.test Error: too many errors\n<closed\n", 0,
      "too many errors after UNKNOWN from unknown[203.0.113.9]" },
    { "junk commands count as errors in the end", "smtpd_junk_command_limit = 2\nsmtpd_hard_error_limit = 1\n", NULL, HELLO "> NOOP\n< 250\n> NOOP\n< 250\n> NOOP\n< 250\n< 421\n<closed\n", 0, NULL },
    { "many Received fields are a loop", "hopcount_limit = 2\n", NULL, HELLO ENVELOPE "> DATA\n< 354\n> Received: a\n> Received: b\n> Received: c\n> \n> .\n< 554 5.4.0 Error: too many hops\n" BYE, 0, NULL },
    { "too many header fields", "postern_header_count_limit = 10\n", NULL,
      HELLO ENVELOPE "> DATA\n< 354\n>> a:\\r\\na:\\r\\na:\\r\\na:\\r\\na:\\r\\na:\\r\\na:\\r\\na:\\r\\na:\\r\\na:\\r\\na:\\r\\n\\r\\n.\\r\\n\n< 552 5.3.4\n" BYE, 0, NULL },
    { "BDAT", "", NULL, HELLO ENVELOPE ">> BDAT 6\\r\\nx: y\\r\\n\n< 250 2.0.0 Ok: 6 bytes\n>> BDAT 8 LAST\\r\\n\\r\\n.\\r\\nab\\n\n< 250 2.0.0 Ok: 14 bytes queued as 4Test\n" BYE, 1, NULL },
    { "BDAT in one pipelined go", "", NULL, HELLO ">> MAIL FROM:<a@ext.test>\\r\\nRCPT TO:<u@our.test>\\r\\nBDAT 3 LAST\\r\\nabcQUIT\\r\\n\n< 250\n< 250\n< 250 2.0.0 Ok: 3 bytes queued\n< 221\n<closed\n", 1, NULL },
    { "BDAT with bad arguments ends the session: where its chunk ends is not known", "", NULL, HELLO ENVELOPE "> BDAT 5 FOO\n< 521 5.5.4 Syntax: BDAT count [LAST]\n<closed\n", 0, NULL },
    { "after BDAT without recipients there is no transaction", "", NULL, HELLO "> MAIL FROM:<>\n< 250\n>> BDAT 3 LAST\\r\\nabc\n< 554 5.5.1 Error: no valid recipients\n> MAIL FROM:<>\n< 250\n" BYE, 0, NULL },
    { "a client that said HELO may not send ahead", "", NULL, "< 220\n> HELO c.test\n< 250\n>> MAIL FROM:<>\\r\\nRCPT TO:<u@our.test>\\r\\n\n< 554 5.5.0 Error: SMTP protocol synchronization\n<closed\n", 0, NULL },
    { "BDAT without recipients swallows its chunk", "", NULL, HELLO ">> BDAT 6\\r\\nQUIT\\r\\n\n< 503 5.5.1\n> NOOP\n< 250\n" BYE, 0, NULL },
    { "DATA, MAIL, RCPT after BDAT", "", NULL, HELLO ENVELOPE ">> BDAT 1\\r\\na\n< 250\n> DATA\n< 503\n> RCPT TO:<v@our.test>\n< 503\n> MAIL FROM:<>\n< 503\n> RSET\n< 250\n> DATA\n< 503\n" BYE, 0, NULL },
    { "a chunk beyond all limits", "message_size_limit = 1000\n", NULL, HELLO ENVELOPE "> BDAT 100000000000 LAST\n< 552 5.3.4\n<closed\n", 0, NULL },
    { "a bare LF where it is rejected", "smtpd_forbid_bare_newline = reject\n", NULL, HELLO ENVELOPE "> DATA\n< 354\n>> a\\nb\\r\\n.\\r\\n\n< 550 5.5.2 Error: bare <LF> received\n<closed\n", 0, "notes=bare_lf" },
    { "SMTPUTF8", "", NULL, HELLO "> MAIL FROM:<\xc3\xa4@ext.test>\n< 553 5.6.7\n> MAIL FROM:<\xc3\xa4@ext.test> SMTPUTF8\n< 250\n> RCPT TO:<u@our.test>\n< 250\n> DATA\n< 354\n> .\n< 250\n" BYE, 1, NULL },
    { "DSN parameters", "", NULL, HELLO "> MAIL FROM:<a@ext.test> RET=HDRS ENVID=e+2B1\n< 250\n> RCPT TO:<u@our.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;u+2B@x\n< 250\n> DATA\n< 354\n> .\n< 250\n" BYE, 1, NULL },
    { "a client that goes away", "", NULL, HELLO ENVELOPE "> DATA\n< 354\n> Subject: x\n", 0, "lost connection after DATA (12 bytes) from unknown[203.0.113.9]" },
    { "STARTTLS without a certificate", "", NULL, HELLO "> STARTTLS\n< 502 5.5.1 Error: command not supported\n" BYE, 0, NULL },
    { "AUTH where there is none", "", NULL, HELLO "> AUTH PLAIN AGEAYg==\n< 503 5.5.1 Error: authentication not enabled\n" BYE, 0, NULL },
    { "too many connections from one client", "smtpd_client_connection_rate_limit = 1\n", NULL, HELLO BYE, 0, NULL },
    { "a line over all limits", "", NULL, NULL, 0, NULL },
};

static void test_scenes(void)
{
    for (size_t i = 0; i < N_ELEMS(scenes); i++) {
        if (scenes[i].script == NULL || !stage_open(scenes[i].conf)) {
            OK(scenes[i].script == NULL, scenes[i].name);
            continue;
        }
        if (scenes[i].client != NULL)
            stage.client = scenes[i].client;
        bool ok = stage_run(scenes[i].script) && stage.got.n == scenes[i].messages && (scenes[i].logged == NULL || stage_logged(scenes[i].logged));
        if (!ok)
            printf("# %zu messages\n# %s", stage.got.n, buf_cstr(&stage_log));
        OK(ok, scenes[i].name);
        stage_close();
    }
}

static void test_limits(void)
{
    OK(stage_open("smtpd_client_connection_rate_limit = 1\n") && stage_run(HELLO BYE) && stage_run("< 421 4.7.0 mx.our.test Error: too many connections from 203.0.113.9\n<closed\n") &&
       stage_logged("warning: Connection rate limit exceeded: 2 from unknown[203.0.113.9] for service smtp"), "a client over its rate is told 421");
    stage_close();
    OK(stage_open("") && stage_run(HELLO ENVELOPE "> DATA\n< 354\n> .\n< 250\n" ENVELOPE BYE), "what is left is aborted");
    OK(stage.aborted == 1, "an unused queue id is given back");
    stage_close();
    stage_open("");
    stage.refuse_with = 452;
    OK(stage_run(HELLO ENVELOPE "> DATA\n< 354\n> .\n< 452 4.3.1 disk full\n" BYE) && stage.got.n == 0, "qmgr's refusal is the client's reply");
    stage_close();
    OK(stage_open("smtpd_timeout = 1\n") && stage_run("< 220\n< 421 4.4.2 mx.our.test Error: timeout exceeded\n<closed\n") &&
       stage_logged("timeout after CONNECT from unknown[203.0.113.9]"), "a silent client is told 421");
    stage_close();
}

static void test_queue_lost(void)
{
    stage_open("");
    chan_free(stage.qmgr);
    stage.qmgr = NULL;
    loop_turn(deadline_in(100));
    OK(stage_run(HELLO "> MAIL FROM:<a@ext.test>\n< 250\n> NOOP\n< 250\n" BYE), "without qmgr sessions go on");
    stage_close();
}

static void test_content(void)
{
    struct buf b = buf_make(0);
    stage_open("recipient_delimiter = +\n");
    OK(stage_run(HELLO "> MAIL FROM:<a@ext.test> BODY=8BITMIME RET=FULL ENVID=x\n< 250\n> RCPT TO:<u+tag@our.test> NOTIFY=NEVER\n< 250\n> DATA\n< 354\n"
                 "> Return-Path: <x@y>\n> Bcc: z\n> Message-ID: <1@c>\n> Subject: one\n>  two\n> \n> ..dot\n> .\n< 250\n" BYE), "a message with odd header fields");
    OK(strcmp(strchr(content_of(0, &b), ';'), "") != 0 && strstr(buf_cstr(&b), "\nMessage-ID: <1@c>\nSubject: one\n two\n\n.dot\n") != NULL &&
       strstr(buf_cstr(&b), "Return-Path") == NULL && strstr(buf_cstr(&b), "Bcc") == NULL, "Return-Path and Bcc go, the rest stays");
    OK(strncmp(buf_cstr(&b), "Received: from c.test (unknown [203.0.113.9])\n\tby mx.our.test (Postfix) with ESMTP id 4Test", 89) == 0 &&
       strstr(buf_cstr(&b), "\n\tfor <u+tag@our.test>; ") != NULL, "the Received field is as Postfix writes it");
    OK(stage_logged("postfix/cleanup|4Test") && stage_logged(": message-id=<1@c>\n"), "cleanup's line names the Message-ID");
    OK(str_eqz(envelope_of(0, QREC_SENDER, &b), "a@ext.test;"), "the sender");
    OK(str_eqz(envelope_of(0, QREC_RCPT, &b), "u+tag@our.test;"), "the recipient");
    OK(str_eqz(envelope_of(0, QREC_DSN_NOTIFY, &b), "1;") && str_eqz(envelope_of(0, QREC_DSN_ENVID, &b), "x;") && str_eqz(envelope_of(0, QREC_DSN_RET, &b), "1;"), "DSN records");
    OK(strstr(buf_cstr(&stage.got.p[0].routes), "local") != NULL, "the route");
    OK(strstr((envelope_of(0, QREC_ATTR, &b), buf_cstr(&b)), "client_address=203.0.113.9;") != NULL, "the client's attributes");
    stage_close();
    stage_open("");
    stage.client = "192.0.2.1";
    OK(stage_run(HELLO ENVELOPE "> DATA\n< 354\n> text, no header\n> .\n< 250\n" BYE) && content_has(0, "\nMessage-ID: <") && content_has(0, "\nDate: ") &&
       content_has(0, "\nFrom: a@ext.test\n\ntext, no header\n"), "a local client's message gets what it lacks, and an end of its header");
    stage_close();
    buf_done(&b);
}

static void test_rewriting(void)
{
    stage_open("canonical_maps = inline:{ { a@ext.test = joe@our.test }, { x@ext.test = y@ext.test }, { y@ext.test = x@ext.test } }\n"
               "local_header_rewrite_clients = check_address_map inline:{ 203.0.113.9=ours }\n");
    OK(stage_run(HELLO ENVELOPE "> DATA\n< 354\n> From: a@ext.test\n> To: b (B), c@ext.test\n> \n> text\n> .\n< 250\n" BYE) &&
       content_has(0, "\nFrom: joe@our.test\n") && content_has(0, "\nTo: b@mx.our.test (B), c@ext.test\n"), "the header of local_header_rewrite_clients is rewritten");
    OK(stage_run(HELLO ENVELOPE "> DATA\n< 354\n> From: x@ext.test\n> \n> text\n> .\n< 451 4.3.0\n" BYE) && stage_logged("never comes to an end"),
       "a canonical table that never comes to an end makes the message wait");
    OK(stage_run(HELLO "> MAIL FROM:<x@ext.test>\n< 250\n> RCPT TO:<u@our.test>\n< 451\n" BYE), "also for the envelope");
    stage_close();
    stage_open("canonical_maps = inline:{ { a@ext.test = joe@our.test } }\n");
    OK(stage_run(HELLO ENVELOPE "> DATA\n< 354\n> From: a@ext.test\n> To: b\n> \n> text\n> .\n< 250\n" BYE) &&
       content_has(0, "\nFrom: a@ext.test\nTo: b\n"), "that of the others is left alone");
    stage_close();
}

static void test_draining(void)
{
    stage_open("");
    smtpsrv_drain(stage.srv);
    OK(stage_run(HELLO ENVELOPE "> DATA\n< 354\n> text\n> .\n< 250\n< 421 4.3.2\n<closed\n") && stage.got.n == 1, "who came before a reload hands over a message, then is sent away");
    stage_close();
}

static void test_large(void)
{
    struct buf script = buf_make(0), line = buf_make(0);
    for (int i = 0; i < 900; i++)
        buf_puts(&line, "x");
    buf_puts(&script, HELLO ENVELOPE "> DATA\n< 354\n> Subject: large\n> \n");
    for (int i = 0; i < 300; i++)
        buf_printf(&script, "> %s\n", buf_cstr(&line));
    buf_puts(&script, "> .\n< 250 2.0.0 Ok: queued as\n" BYE);
    stage_open("");
    OK(stage_run(buf_cstr(&script)) && stage.got.n == 1 && stage.got.p[0].from_file, "a large message goes into a file of qmgr's");
    buf_reset(&script);
    size_t n = strlen(content_of(0, &script));
    OK(n > 270300 && n < 270700, "and is whole");
    stage_close();
    buf_done(&script);
    buf_done(&line);
}

int main(void)
{
    loop_init();
    test_scenes();
    test_limits();
    test_queue_lost();
    test_content();
    test_rewriting();
    test_draining();
    test_large();
    buf_done(&stage_log);
    return tap_done();
}
