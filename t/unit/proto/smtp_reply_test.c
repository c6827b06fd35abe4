/* SPDX-License-Identifier: ISC
 * smtp_reply_test.c - replies of servers, good and bad. */
#include "proto/smtp_reply.h"
#include "tap.h"

static const struct { const char *name, *lines; enum smtp_reply_state want; unsigned code; const char *dsn, *text; } cases[] = {
    { "a plain reply", "250 Ok", SMTP_REPLY_DONE, 250, "2.0.0", "250 Ok" },
    { "with an enhanced status", "550 5.1.1 no such user", SMTP_REPLY_DONE, 550, "5.1.1", "550 5.1.1 no such user" },
    { "a status of another class is text", "450 5.1.1 odd", SMTP_REPLY_DONE, 450, "4.0.0", "450 5.1.1 odd" },
    { "lines are joined by blanks", "550-5.7.1 no\n550 5.7.2 way", SMTP_REPLY_DONE, 550, "5.7.2", "550-5.7.1 no 550 5.7.2 way" },
    { "the status of an earlier line holds", "451-4.3.1 full\n451 later", SMTP_REPLY_DONE, 451, "4.3.1", "451-4.3.1 full 451 later" },
    { "a code alone", "250", SMTP_REPLY_DONE, 250, "2.0.0", "250" },
    { "a code with a dash goes on", "250-x", SMTP_REPLY_MORE, 250, "2.0.0", "250-x" },
    { "354 has class 2 for the log", "354 go", SMTP_REPLY_DONE, 354, "2.0.0", "354 go" },
    { "control characters become blanks", "550 a\tb\001c", SMTP_REPLY_DONE, 550, "5.0.0", "550 a b c" },
    { "two digits are no code", "25 Ok", SMTP_REPLY_BAD, 0, "", "" },
    { "100 is no code", "100 Ok", SMTP_REPLY_BAD, 0, "", "" },
    { "600 is no code", "600 Ok", SMTP_REPLY_BAD, 0, "", "" },
    { "a code without a blank", "250Ok", SMTP_REPLY_BAD, 0, "", "" },
    { "an empty line", "", SMTP_REPLY_BAD, 0, "", "" },
    { "a change of code", "250-a\n251 b", SMTP_REPLY_BAD, 0, "", "" },
    { "another protocol", "HTTP/1.1 200 OK", SMTP_REPLY_BAD, 0, "", "" },
    { "a long number is no status", "550 5.1111.1 x", SMTP_REPLY_DONE, 550, "5.0.0", "550 5.1111.1 x" },
    { "a status without detail is none", "550 5.1. x", SMTP_REPLY_DONE, 550, "5.0.0", "550 5.1. x" },
};

static enum smtp_reply_state feed(struct smtp_reply *r, const char *lines)
{
    struct str rest = str_from(lines), line;
    enum smtp_reply_state s;
    smtp_reply_reset(r);
    do {
        (void)str_cut(rest, '\n', &line, &rest);
        s = smtp_reply_line(r, line);
    } while (s == SMTP_REPLY_MORE && rest.n > 0);
    return s;
}

static void test_limits(void)
{
    struct smtp_reply r = { .code = 0 };
    char line[SMTP_REPLY_LINE_MAX];
    enum smtp_reply_state s = SMTP_REPLY_MORE;
    memset(line, 'x', sizeof line);
    memcpy(line, "550-", 4);
    smtp_reply_reset(&r);
    int n = 0;
    while (s == SMTP_REPLY_MORE && n++ < 1000)
        s = smtp_reply_line(&r, str_make(line, sizeof line));
    OK(s == SMTP_REPLY_BAD && n == SMTP_REPLY_LINES_MAX + 1, "a reply without end is refused");
    OK(r.text.n <= SMTP_REPLY_TEXT_MAX && !r.text.full, "its text is cut at the limit");
    smtp_reply_done(&r);
}

int main(void)
{
    struct smtp_reply r = { .code = 0 };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        enum smtp_reply_state s = feed(&r, cases[i].lines);
        bool same = s == cases[i].want && (s == SMTP_REPLY_BAD ||
            (r.code == cases[i].code && strcmp(r.dsn, cases[i].dsn) == 0 && str_eqz(buf_str(&r.text), cases[i].text)));
        OK(same, cases[i].name);
    }
    smtp_reply_done(&r);
    test_limits();
    return tap_done();
}
