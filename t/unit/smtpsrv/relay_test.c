/* SPDX-License-Identifier: ISC
 * Not an open relay: addresses that were meant to fool one, from every origin, with every list full and empty. */
#include "stage.h"

enum want { NO, LOCAL, YES };
/* From a stranger: NO = refused; LOCAL = taken if at all for our own mailbox only. */
static const struct { const char *row, *from, *to; enum want want; } rows[] = {
    { "1", "a@other.test", "<v@ext.test>", NO }, { "2", "v@ext.test", "<v@ext.test>", NO }, { "3", "", "<v@ext.test>", NO },
    { "4", "a@localhost", "<v@ext.test>", NO }, { "5", "a", "<v@ext.test>", NO }, { "6", "a@our.test", "<v@ext.test>", NO },
    { "7", "a@mx.our.test", "<v@ext.test>", NO }, { "8", "a@[192.0.2.1]", "<v@ext.test>", NO },
    { "9", "a@our.test", "<v%ext.test@our.test>", NO }, { "10", "a@our.test", "<v%ext.test@mx.our.test>", NO },
    { "11", "a@our.test", "<v%ext.test@[192.0.2.1]>", NO }, { "12", "a@our.test", "<v%ext.test>", NO },
    { "13", "a@our.test", "<\"v@ext.test\">", NO }, { "14", "a@our.test", "<\"v%ext.test\">", NO },
    { "15", "a@our.test", "<\"v@ext.test\"@our.test>", NO }, { "16", "a@our.test", "<\"v@ext.test\"@[192.0.2.1]>", NO },
    { "17", "a@our.test", "<\"v%ext.test\"@our.test>", NO }, { "18", "a@our.test", "<v@ext.test@our.test>", NO },
    { "19", "a@our.test", "<v@ext.test@[192.0.2.1]>", NO }, { "20", "a@our.test", "<@our.test:v@ext.test>", NO },
    { "21", "a@our.test", "<@[192.0.2.1]:v@ext.test>", NO }, { "22", "a@our.test", "<@mx.our.test,@other.test:v@ext.test>", NO },
    { "23", "a@our.test", "<ext.test!v>", NO }, { "24", "a@our.test", "<ext.test!v@our.test>", NO },
    { "25", "a@our.test", "<ext.test!v@[192.0.2.1]>", NO }, { "26", "a@our.test", "<our.test!ext.test!v>", NO },
    { "27", "a@our.test", "<v@ext.test!our.test>", NO }, { "28", "a@our.test", "<v%ext.test%our.test@our.test>", NO },
    { "29", "a@our.test", "<@our.test:ext.test!v%x@our.test>", NO }, { "30a", "a@our.test", "v@ext.test", NO },
    { "30b", "a@our.test", " <v@ext.test>", NO }, { "30c", "a@our.test", "<v@ext.test> NOTIFY=NEVER", NO },
    { "31a", "a@our.test", "<v@ext.test.>", NO }, { "31b", "a@our.test", "<v@our.test.>", LOCAL }, { "31c", "a@our.test", "<v@OUR.TEST.ext.test>", NO },
    { "31d", "a@our.test", "<v@notour.test>", NO }, { "31e", "a@our.test", "<v@sub.our.test>", NO },
    { "32a", "a@our.test", "<v@[IPv6:2001:db8::1]>", NO }, { "32b", "a@our.test", "<v@[198.51.100.7]>", NO }, { "32c", "a@our.test", "<v@198.51.100.7>", NO },
    { "32d", "a@our.test", "<v@0xC6336407>", NO }, { "32e", "a@our.test", "<v@[127.0.0.1]>", NO },
    { "33a", "a@our.test", "<v@ext.test\\0@our.test>", NO }, { "33b", "a@our.test", "<v@ext.test @our.test>", NO }, { "33c", "a@our.test", "<v@ext.test\t@our.test>", NO },
    { "33d", "a@our.test", "<\"v\\\\\\r\"@our.test>", NO },
    { "34a", "a@our.test", "<v@\xd0\xb5xt.test>", NO }, { "34b", "a@our.test", "<v@xn--xt-6kc.test>", NO }, { "34c", "a@our.test", "<v\xef\xbc\xa0" "ext.test>", NO },
    { "34d", "a@our.test", "<v@ext\xef\xbc\x8etest>", NO },
    { "35a", "a@our.test", "<u+v=ext.test@our.test>", LOCAL }, { "35b", "a@our.test", "<SRS0=xxxx=TT=ext.test=v@our.test>", NO },
    { "36a", "a@our.test", "<postmaster>", LOCAL }, { "36b", "a@our.test", "<postmaster@ext.test>", NO },
    { "37a", "a@our.test", "<|cmd@our.test>", NO }, { "37b", "a@our.test", "</file@our.test>", NO }, { "37c", "a@our.test", "<:include:/x@our.test>", NO },
    { "47", "v@ext.test", "<nosuch@our.test>", NO }, { "control", "a@ext.test", "<u@our.test>", LOCAL },
};

static const struct { const char *name, *text; } confs[] = {
    { "default lists", "" },
    { "empty lists", "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions =\n" },
    { "lists that permit", "smtpd_relay_restrictions = permit\nsmtpd_recipient_restrictions = permit\nsmtpd_client_restrictions = permit\n" },
    { "a sender table that permits", "smtpd_relay_restrictions = check_sender_access static:OK, check_helo_access static:OK\n" },
    { "UTF-8, no name appended", "append_at_myorigin = no\nsmtpd_relay_restrictions = reject_unauth_destination\n" },
};

/* Every recipient that a message was accepted for ends at our own transport. */
static bool only_local(void)
{
    for (size_t i = 0; i < stage.got.n; i++) {
        struct str rest = buf_str(&stage.got.p[i].routes), transport, nexthop;
        while (str_cut(rest, '\0', &transport, &rest) && transport.n > 0) {
            (void)str_cut(rest, '\0', &nexthop, &rest);
            if (!str_eqz(transport, "local"))
                return false;
        }
    }
    return true;
}

static bool one(const char *conf, const char *client, const char *helo, const char *from, const char *to, bool utf8, enum want want)
{
    char script[1000];
    (void)snprintf(script, sizeof script, "< 220\n> %s\n< 250\n> MAIL FROM:<%s>%s\n< 2\n>> RCPT TO:%s\\r\\n\n< %s\n> DATA\n%s> QUIT\n< 221\n<closed\n", helo, from,
                   utf8 ? " SMTPUTF8" : "", to, want == NO ? "" : "250", want == NO ? "< 5\n" : "< 354\n> .\n< 250\n");
    if (!stage_open(conf))
        return false;
    stage.client = client;
    bool ok = stage_run(script) && stage.got.n == (want == NO ? 0 : 1) && only_local();
    if (!ok)
        printf("# %s", buf_cstr(&stage_log));
    stage_close();
    return ok;
}

static const char with_delimiter[] = "recipient_delimiter = +\n";

static void test_rows(const char *name, const char *conf, const char *client)
{
    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        char text[400], title[200];
        bool utf8 = strcmp(conf, confs[4].text) == 0;
        (void)snprintf(text, sizeof text, "%s%s", with_delimiter, conf);
        (void)snprintf(title, sizeof title, "row %s, %s, from %s", rows[i].row, name, client);
        /* Without an appended domain "postmaster" stays as it is, and is ours. */
        OK(one(text, client, "EHLO c.test", rows[i].from, rows[i].to, utf8, rows[i].want), title);
    }
}

static void test_names(void)
{
    static const char *const helos[] = { "EHLO our.test", "HELO localhost", "HELO [192.0.2.1]", "EHLO mx.our.test" };
    for (size_t i = 0; i < N_ELEMS(helos); i++)
        OK(one("", "203.0.113.9", helos[i], "a@our.test", "<v@ext.test>", false, NO), "row 38: a name in HELO opens nothing");
    OK(one("", "198.51.101.1", "EHLO c", "a@our.test", "<v@ext.test>", false, NO), "row 44: the neighbour of mynetworks");
    OK(one("mynetworks =\n", "203.0.113.9", "EHLO c", "a@our.test", "<v@ext.test>", false, NO), "row 44: mynetworks empty");
}

static void test_sequences(void)
{
    stage_open("");
    OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<>\n< 250\n> RCPT TO:<u@our.test>\n< 250\n> RCPT TO:<v@ext.test>\n< 454\n> RSET\n< 250\n> MAIL FROM:<>\n< 250\n"
                 "> RCPT TO:<v@ext.test>\n< 454\n>> RSET\\r\\nMAIL FROM:<>\\r\\nRCPT TO:<u@our.test>\\r\\nRCPT TO:<v@ext.test>\\r\\n\n< 250\n< 250\n< 250\n< 454\n> DATA\n< 354\n> .\n< 250\n> QUIT\n< 221\n<closed\n") &&
       stage.got.n == 1 && only_local(), "row 42: after a recipient of ours, after RSET, pipelined");
    stage_close();
    stage_open("smtpd_relay_restrictions = reject_unauth_destination\n");
    OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<a@b.test>\n< 250\n> RCPT TO:<v@ext.test>\n< 554 5.7.1 <v@ext.test>: Relay access denied\n> QUIT\n< 221\n<closed\n") &&
       stage_logged("NOQUEUE: reject: RCPT from unknown[203.0.113.9]: 554 5.7.1 <v@ext.test>: Relay access denied; from=<a@b.test> to=<v@ext.test> proto=ESMTP helo=<c>\n"),
       "the refusal is logged as fail2ban knows it");
    stage_close();
    stage_open("virtual_alias_maps = fail:down\n");
    OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<>\n< 250\n> RCPT TO:<u@our.test>\n< 451 4.3.0 <u@our.test>: Temporary lookup failure\n> QUIT\n< 221\n<closed\n"), "row 45: a table that is down is 451");
    stage_close();
    stage_open("local_recipient_maps = fail:down\n");
    OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<>\n< 250\n> RCPT TO:<u@our.test>\n< 451 4.3.0\n> QUIT\n< 221\n<closed\n"), "row 45: and for recipients");
    stage_close();
}

static void test_allowed(void)
{
    static const char script[] = "< 220\n> EHLO c\n< 250\n> MAIL FROM:<a@our.test>\n< 250\n> RCPT TO:<v@ext.test>\n< 250\n> DATA\n< 354\n> .\n< 250\n> QUIT\n< 221\n<closed\n";
    stage_open("");
    stage.client = "198.51.100.7";
    OK(stage_run(script) && stage.got.n == 1, "mynetworks may relay");
    stage_close();
    stage_open("smtpd_relay_restrictions = check_client_access inline:{203.0.113.9=OK}, reject\n");
    OK(stage_run(script) && stage.got.n == 1, "a client that a table names may relay");
    stage_close();
    stage_open("relay_domains = ext.test\n");
    OK(stage_run(script) && stage.got.n == 1, "relay_domains are taken from anyone");
    stage_close();
    stage_open("virtual_alias_domains = al.test\nvirtual_alias_maps = inline:{{x@al.test=v@ext.test} {@our2.test=@ext.test}}\n");
    OK(stage_run("< 220\n> EHLO c\n< 250\n> MAIL FROM:<>\n< 250\n> RCPT TO:<x@al.test>\n< 250\n> RCPT TO:<y@al.test>\n< 550 5.1.1 <y@al.test>: Recipient address rejected: User unknown in virtual alias table\n"
                 "> RCPT TO:<z@our2.test>\n< 454\n> DATA\n< 354\n> .\n< 250\n> QUIT\n< 221\n<closed\n") && stage.got.n == 1, "row 48: an alias of ours may lead outside; a wildcard for a domain that is not ours opens nothing");
    stage_close();
}

int main(void)
{
    loop_init();
    for (size_t i = 0; i < N_ELEMS(confs); i++)
        test_rows(confs[i].name, confs[i].text, "203.0.113.9");
    test_rows("default lists", "", "192.0.2.200");
    test_names();
    test_sequences();
    test_allowed();
    buf_done(&stage_log);
    return tap_done();
}
