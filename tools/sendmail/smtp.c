/* SPDX-License-Identifier: ISC
 * smtp.c - sendmail -bs: the least of SMTP, for programs that speak it to a command. Each message goes into maildrop. */
#include <stdio.h>
#include "proto/smtp_body.h"
#include "sendmail.h"

struct talk {
    const struct sendmail_conf *conf;
    struct post post;
    bool has_mail, closing;
};

static void say(const char *text)
{
    (void)printf("%s\r\n", text);
    (void)fflush(stdout);
}

static void reset(struct talk *t)
{
    post_done(&t->post);
    t->post = (struct post){ .limit = t->conf->message_size_limit, .arena = arena_make(64 << 20) };
    t->has_mail = false;
}

static void on_line(void *arg, struct str text, bool ends)
{
    post_line(arg, text, ends);
}

/* False: the input ended before the message did. */
static bool read_message(struct talk *t)
{
    struct smtp_body body;
    bool end = false;
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    smtp_body_init(&body, true, 2048, on_line, &t->post);
    while (!end && (n = getline(&line, &cap, stdin)) > 0) {
        /* Programs on a pipe end lines with LF as often as not; here no one can smuggle a message but the sender himself. */
        bool crlf = n > 1 && line[n - 2] == '\r';
        (void)smtp_body_feed(&body, str_make(line, (size_t)(crlf ? n : n - 1)), &end);
        if (!crlf)
            (void)smtp_body_feed(&body, STR("\r\n"), &end);
    }
    free(line);
    smtp_body_done(&body);
    return end;
}

static void do_data(struct talk *t)
{
    if (t->post.rcpts.n == 0) {
        say("503 5.5.1 Error: need RCPT command");
        return;
    }
    say("354 End data with <CR><LF>.<CR><LF>");
    if (!read_message(t)) {
        t->closing = true;
        return;
    }
    int rc = post_commit(&t->post, t->conf->queue_directory);
    say(rc == 0 ? "250 2.0.0 Ok: queued" : rc == EX_DATAERR ? "552 5.3.4 Message size exceeds fixed limit" : "451 4.3.0 Error: queue file write error");
    reset(t);
}

static void do_mail(struct talk *t, struct str args)
{
    struct smtp_mail m;
    struct smtp_fault fault;
    if (t->has_mail)
        say("503 5.5.1 Error: nested MAIL command");
    else if (!smtp_mail_parse(args, 0, &t->post.arena, &m, &fault))
        say(strncmp(fault.reply, "555", 3) == 0 ? "555 5.5.4 Unsupported option" : fault.reply);
    else {
        t->post.sender = m.from.address;
        t->post.envid = m.envid;
        t->post.ret = m.ret;
        t->post.encoding = m.body_8bit ? "8bit" : NULL;
        t->has_mail = true;
        say("250 2.1.0 Ok");
    }
}

static void do_rcpt(struct talk *t, struct str args)
{
    struct smtp_rcpt r;
    struct smtp_fault fault;
    if (!t->has_mail)
        say("503 5.5.1 Error: need MAIL command");
    else if (!smtp_rcpt_parse(args, SMTP_PATH_UTF8, &t->post.arena, &r, &fault))
        say(strncmp(fault.reply, "555", 3) == 0 ? "555 5.5.4 Unsupported option" : fault.reply);
    else {
        t->post.notify |= r.notify;
        vec_push(&t->post.rcpts, r.to.address);
        say("250 2.1.5 Ok");
    }
}

static void command(struct talk *t, struct str line)
{
    struct smtp_cmd cmd;
    smtp_cmd_parse(line, &cmd);
    if (cmd.verb == SMTP_MAIL)
        do_mail(t, cmd.args);
    else if (cmd.verb == SMTP_RCPT)
        do_rcpt(t, cmd.args);
    else if (cmd.verb == SMTP_DATA)
        do_data(t);
    else if (cmd.verb == SMTP_EHLO)
        (void)printf("250-%s\r\n250-SIZE %llu\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n", t->conf->myhostname,
                     (unsigned long long)t->conf->message_size_limit);
    else if (cmd.verb == SMTP_HELO)
        say("250 localhost");
    else if (cmd.verb == SMTP_RSET || cmd.verb == SMTP_NOOP) {
        if (cmd.verb == SMTP_RSET)
            reset(t);
        say("250 2.0.0 Ok");
    } else if (cmd.verb == SMTP_QUIT) {
        say("221 2.0.0 Bye");
        t->closing = true;
    } else {
        say("502 5.5.2 Error: command not recognized");
    }
    (void)fflush(stdout);
}

int smtp_on_stdio(const struct sendmail_conf *conf)
{
    struct talk t = { .conf = conf };
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    reset(&t);
    (void)printf("220 %s ESMTP Postfix\r\n", conf->myhostname);
    (void)fflush(stdout);
    while (!t.closing && (n = getline(&line, &cap, stdin)) > 0)
        command(&t, str_trim(str_make(line, (size_t)n)));
    free(line);
    post_done(&t.post);
    return 0;
}
