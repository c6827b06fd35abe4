/* SPDX-License-Identifier: ISC
 * Policy servers and header checks: what others say about a message. */
#include "stage.h"

static const char *answer;
static struct buf request;
static int server_end = -1;

/* A policy server for one question. */
static void policy_fiber(void *arg)
{
    struct conn *c = conn_new(server_end, 4096);
    struct str line;
    (void)arg;
    while (conn_read_line(c, 4096, deadline_in(5000), &line) == READ_OK && line.n > 0) {
        buf_add(&request, line);
        buf_putc(&request, '\n');
    }
    conn_puts(c, answer);
    (void)conn_flush(c, deadline_in(1000));
    conn_free(c);
}

static int connect_policy(const char *endpoint, int64_t deadline, struct err *err)
{
    int pair[2];
    (void)deadline;
    if (strcmp(endpoint, "inet:127.0.0.1:10023") != 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, ERR_TEMP, "Connection refused");
    server_end = pair[0];
    (void)fiber_start("policy", policy_fiber, NULL);
    return pair[1];
}

static const struct { const char *name, *conf, *answer, *reply; } policies[] = {
    { "a policy server that permits", "check_policy_service inet:127.0.0.1:10023, reject", "action=OK\n\n", "250" },
    { "one that does not know", "check_policy_service inet:127.0.0.1:10023, reject", "action=DUNNO\n\n", "554" },
    { "one that rejects", "check_policy_service inet:127.0.0.1:10023", "action=REJECT not you\n\n", "554 5.7.1 <u@our.test>: Recipient address rejected: not you" },
    { "one that defers, as greylisting does", "check_policy_service inet:127.0.0.1:10023", "action=DEFER_IF_PERMIT Greylisted\n\n", "450 4.7.1 <u@our.test>: Recipient address rejected: Greylisted" },
    { "one that gives a code", "check_policy_service inet:127.0.0.1:10023", "action=550 5.7.9 no\n\n", "550 5.7.9" },
    { "one that hangs up", "check_policy_service inet:127.0.0.1:10023, permit", "", "451 4.3.5 <u@our.test>: Recipient address rejected: Server configuration problem" },
    { "one that talks nonsense", "check_policy_service inet:127.0.0.1:10023, permit", "hello\n\n", "451 4.3.5" },
    { "one that is away", "check_policy_service inet:127.0.0.1:1, permit", "", "451 4.3.5" },
    { "one that is away, with a default of its own", "check_policy_service { inet:127.0.0.1:1, timeout=5s, default_action=DUNNO }", "", "250" },
};

static void test_policies(void)
{
    stage_connect = connect_policy;
    for (size_t i = 0; i < N_ELEMS(policies); i++) {
        char conf[300], script[400];
        buf_reset(&request);
        answer = policies[i].answer;
        (void)snprintf(conf, sizeof conf, "smtpd_recipient_restrictions = %s\n", policies[i].conf);
        (void)snprintf(script, sizeof script, "< 220\n> EHLO c.test\n< 250\n> MAIL FROM:<a@b.test> SIZE=77\n< 250\n> RCPT TO:<u@our.test>\n< %s\n> QUIT\n< 221\n<closed\n", policies[i].reply);
        bool ok = stage_open(conf) && stage_run(script);
        if (!ok)
            printf("# %s\n", buf_cstr(&stage_log));
        OK(ok, policies[i].name);
        if (i == 0)
            OK(strstr(buf_cstr(&request), "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nhelo_name=c.test\n") != NULL &&
               strstr(buf_cstr(&request), "\nsender=a@b.test\nrecipient=u@our.test\n") != NULL && strstr(buf_cstr(&request), "\nclient_address=203.0.113.9\n") != NULL &&
               strstr(buf_cstr(&request), "\nsize=77\n") != NULL, "what it is asked");
        stage_close();
    }
    stage_connect = NULL;
}

static const struct { const char *name, *checks, *reply; size_t messages; const char *has, *has_not, *logged; } checks[] = {
    { "REJECT", "/^Subject: bad/ REJECT no such thing", "550 5.7.1 no such thing", 0, NULL, NULL, ": reject: header Subject: bad from unknown[203.0.113.9]; from=<a@b.test>: no such thing" },
    { "REJECT with a code", "/^Subject: bad/ REJECT 4.7.9 later", "450 4.7.9 later", 0, NULL, NULL, NULL },
    { "IGNORE", "/^Subject:/ IGNORE", "250", 1, "X: y\n", "Subject", NULL },
    { "DISCARD", "/^Subject:/ DISCARD", "250", 0, NULL, NULL, ": discard: header " },
    { "REPLACE", "/^Subject: (.*)/ REPLACE Subject: not so $1", "250", 1, "Subject: not so bad\n", NULL, ": replace: header " },
    { "PREPEND", "/^Subject:/ PREPEND X-Seen: yes", "250", 1, "X-Seen: yes\nSubject: bad\n", NULL, NULL },
    { "WARN", "/^Subject:/ WARN look", "250", 1, "Subject: bad\n", NULL, ": warning: header Subject: bad from " },
    { "no match", "/^Subject: good/ REJECT", "250", 1, "Subject: bad\n", NULL, NULL },
    { "an action that is not known", "/^Subject:/ FROBNICATE", "450 4.3.5", 0, NULL, NULL, "unknown action in header_checks" },
};

static void test_checks(void)
{
    char path[] = "/tmp/postern-checks-XXXXXX";
    int fd = mkstemp(path);
    for (size_t i = 0; fd >= 0 && i < N_ELEMS(checks); i++) {
        char conf[300], script[400];
        (void)!ftruncate(fd, 0);
        (void)!pwrite(fd, checks[i].checks, strlen(checks[i].checks), 0);
        (void)snprintf(conf, sizeof conf, "header_checks = regexp:%s\n", path);
        (void)snprintf(script, sizeof script, "< 220\n> EHLO c\n< 250\n> MAIL FROM:<a@b.test>\n< 250\n> RCPT TO:<u@our.test>\n< 250\n> DATA\n< 354\n> Subject: bad\n> X: y\n> \n> .\n< %s\n> QUIT\n< 221\n<closed\n",
                       checks[i].reply);
        bool ok = stage_open(conf) && stage_run(script) && stage.got.n == checks[i].messages && (checks[i].has == NULL || content_has(0, checks[i].has)) &&
                  (checks[i].has_not == NULL || !content_has(0, checks[i].has_not)) && (checks[i].logged == NULL || stage_logged(checks[i].logged));
        if (!ok)
            printf("# %s\n", buf_cstr(&stage_log));
        OK(ok, checks[i].name);
        stage_close();
    }
    (void)close(fd);
    (void)unlink(path);
}

int main(void)
{
    loop_init();
    test_policies();
    test_checks();
    buf_done(&stage_log);
    buf_done(&request);
    return tap_done();
}
