/* SPDX-License-Identifier: ISC */
#include "tap.h"
#include "proto/smtp_cmd.h"

static struct arena arena = { .limit = 1 << 20 };

static const struct { const char *name; struct str line; enum smtp_verb verb; const char *args; } lines[] = {
    { "a verb in capitals", STR_INIT("EHLO mx.test"), SMTP_EHLO, "mx.test" },
    { "a verb in lower case", STR_INIT("quit"), SMTP_QUIT, "" },
    { "white space at the end", STR_INIT("RSET  "), SMTP_RSET, "" },
    { "a longer word is another one", STR_INIT("DATAX"), SMTP_UNKNOWN, "" },
    { "an empty line", STR_INIT(""), SMTP_UNKNOWN, "" },
    { "HTTP", STR_INIT("GET / HTTP/1.1"), SMTP_UNKNOWN, "/ HTTP/1.1" },
    { "a NUL in the verb", STR_INIT("DATA\0"), SMTP_UNKNOWN, "" },
};

static const struct { const char *name; struct str args; unsigned flags; const char *reply; } mails[] = {
    { "MAIL with nothing else", STR_INIT("FROM:<a@b.test>"), SMTP_PATH_STRICT, NULL },
    { "MAIL with every parameter", STR_INIT("FROM:<a@b.test> SIZE=100 BODY=8BITMIME SMTPUTF8 AUTH=<> RET=HDRS ENVID=q+2B1"), 0, NULL },
    { "a null sender", STR_INIT("FROM:<>"), 0, NULL },
    { "a blank after the colon, lenient", STR_INIT("FROM: <a@b.test>"), 0, NULL },
    { "a blank after the colon, strict", STR_INIT("FROM: <a@b.test>"), SMTP_PATH_STRICT, "501 5.5.4 Syntax: MAIL FROM:<address>" },
    { "no brackets, lenient", STR_INIT("FROM:a@b.test SIZE=1"), 0, NULL },
    { "no brackets, strict", STR_INIT("FROM:a@b.test"), SMTP_PATH_STRICT, "501 5.5.4 Syntax: MAIL FROM:<address>" },
    { "no keyword", STR_INIT("<a@b.test>"), 0, "501 5.5.4 Syntax: MAIL FROM:<address>" },
    { "an open bracket", STR_INIT("FROM:<a@b.test"), 0, "501 5.5.4 Syntax: MAIL FROM:<address>" },
    { "text right after the bracket", STR_INIT("FROM:<a@b.test>SIZE=1"), 0, "501 5.5.4 Syntax: MAIL FROM:<address>" },
    { "a bracket in a quoted string", STR_INIT("FROM:<\"a>b\"@b.test>"), 0, NULL },
    { "bad address", STR_INIT("FROM:<a b@b.test>"), 0, "501 5.1.7 Bad sender address syntax" },
    { "SIZE that is no number", STR_INIT("FROM:<> SIZE=1x"), 0, "501 5.5.4 Bad message size syntax" },
    { "SIZE beyond 64 bits", STR_INIT("FROM:<> SIZE=99999999999999999999"), 0, "501 5.5.4 Bad message size syntax" },
    { "SIZE twice", STR_INIT("FROM:<> SIZE=1 SIZE=1"), 0, "501 5.5.4 Bad message size syntax" },
    { "an unknown BODY", STR_INIT("FROM:<> BODY=BINARYMIME"), 0, "501 5.5.4 Unknown BODY type" },
    { "an unknown parameter", STR_INIT("FROM:<> XYZ=1"), 0, "555 5.5.4 Unsupported option: " },
    { "an unknown RET", STR_INIT("FROM:<> RET=ALL"), 0, "501 5.5.4 Bad RET parameter syntax" },
    { "ENVID with bad xtext", STR_INIT("FROM:<> ENVID=a+zz"), 0, "501 5.5.4 Bad ENVID parameter syntax" },
    { "ENVID that hides a line break", STR_INIT("FROM:<> ENVID=a+0D+0Ab"), 0, "501 5.5.4 Bad ENVID parameter syntax" },
    { "UTF-8 without SMTPUTF8", STR_INIT("FROM:<\xc3\xa4@b.test>"), 0, "553 5.6.7 Must declare SMTPUTF8 to send unicode address" },
    { "UTF-8 with SMTPUTF8", STR_INIT("FROM:<\xc3\xa4@b.test> SMTPUTF8"), 0, NULL },
};

static const struct { const char *name; struct str args; const char *reply; } rcpts[] = {
    { "RCPT with nothing else", STR_INIT("TO:<a@b.test>"), NULL },
    { "RCPT with DSN parameters", STR_INIT("TO:<a@b.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c.test"), NULL },
    { "RCPT to nobody", STR_INIT("TO:<>"), "501 5.1.3 Bad recipient address syntax" },
    { "NEVER with another word", STR_INIT("TO:<a@b.test> NOTIFY=NEVER,DELAY"), "501 5.5.4 Bad NOTIFY parameter syntax" },
    { "an unknown NOTIFY word", STR_INIT("TO:<a@b.test> NOTIFY=SOMETIMES"), "501 5.5.4 Bad NOTIFY parameter syntax" },
    { "an empty NOTIFY", STR_INIT("TO:<a@b.test> NOTIFY="), "501 5.5.4 Bad NOTIFY parameter syntax" },
    { "ORCPT without a type", STR_INIT("TO:<a@b.test> ORCPT=a@b.test"), "501 5.5.4 Bad ORCPT parameter syntax" },
    { "ORCPT with a line break", STR_INIT("TO:<a@b.test> ORCPT=rfc822;a+0Ab"), "501 5.5.4 Bad ORCPT parameter syntax" },
    { "a NUL in the address", STR_INIT("TO:<a@b.test\0>"), "501 5.1.3 Bad recipient address syntax" },
};

static bool same_reply(bool ok, const struct smtp_fault *f, const char *want)
{
    return want == NULL ? ok : !ok && strcmp(f->reply, want) == 0;
}

static void test_values(void)
{
    struct smtp_mail m;
    struct smtp_rcpt r;
    struct smtp_fault f;
    OK(smtp_mail_parse(mails[1].args, 0, &arena, &m, &f) && m.has_size && m.size == 100 && m.body_8bit && m.smtputf8 && m.has_auth &&
       m.auth.n == 0 && m.ret == SMTP_RET_HDRS && str_eqz(m.envid, "q+1"), "values of MAIL's parameters");
    OK(smtp_rcpt_parse(rcpts[1].args, 0, &arena, &r, &f) && r.notify == (SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY) &&
       str_eqz(r.orcpt, "rfc822;a+b@c.test"), "values of RCPT's parameters");
}

static void test_bdat_auth(void)
{
    uint64_t n;
    bool last, has;
    struct str mech, initial;
    OK(smtp_bdat_parse(STR("10"), &n, &last) && n == 10 && !last, "BDAT 10");
    OK(smtp_bdat_parse(STR("0 last"), &n, &last) && n == 0 && last, "BDAT 0 LAST");
    OK(!smtp_bdat_parse(STR("5 FOO"), &n, &last) && !smtp_bdat_parse(STR(""), &n, &last) && !smtp_bdat_parse(STR("-1"), &n, &last) &&
       !smtp_bdat_parse(STR("1 LAST x"), &n, &last), "BDAT with other arguments is refused");
    OK(smtp_auth_parse(STR("PLAIN AGE="), &mech, &has, &initial) && str_eqz(mech, "PLAIN") && has && str_eqz(initial, "AGE="), "AUTH with a response");
    OK(smtp_auth_parse(STR("PLAIN ="), &mech, &has, &initial) && has && initial.n == 0, "AUTH with an empty response");
    OK(smtp_auth_parse(STR("LOGIN"), &mech, &has, &initial) && !has, "AUTH without a response");
    OK(!smtp_auth_parse(STR(""), &mech, &has, &initial) && !smtp_auth_parse(STR("A B C"), &mech, &has, &initial) &&
       !smtp_auth_parse(STR("A\tB\tC"), &mech, &has, &initial) && !smtp_auth_parse(STR("P\0"), &mech, &has, &initial), "other forms of AUTH are refused");
}

int main(void)
{
    for (size_t i = 0; i < N_ELEMS(lines); i++) {
        struct smtp_cmd c;
        smtp_cmd_parse(lines[i].line, &c);
        OK(c.verb == lines[i].verb && str_eqz(c.args, lines[i].args), lines[i].name);
    }
    for (size_t i = 0; i < N_ELEMS(mails); i++) {
        struct smtp_mail m;
        struct smtp_fault f;
        OK(same_reply(smtp_mail_parse(mails[i].args, mails[i].flags, &arena, &m, &f), &f, mails[i].reply), mails[i].name);
    }
    for (size_t i = 0; i < N_ELEMS(rcpts); i++) {
        struct smtp_rcpt r;
        struct smtp_fault f;
        OK(same_reply(smtp_rcpt_parse(rcpts[i].args, 0, &arena, &r, &f), &f, rcpts[i].reply), rcpts[i].name);
    }
    test_values();
    test_bdat_auth();
    arena_done(&arena);
    return tap_done();
}
