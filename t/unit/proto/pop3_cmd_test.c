/* SPDX-License-Identifier: ISC */
#include "proto/pop3_cmd.h"
#include "tap.h"

#define S(lit) STR_INIT(lit)
static const struct { const char *name; struct str in; enum pop3_parse result; enum pop3_verb verb; const char *arg; uint32_t number, lines; } cases[] = {
    { "STAT", S("STAT"), POP3_PARSE_OK, POP3_STAT, "", 0, 0 },
    { "lower case", S("stat"), POP3_PARSE_OK, POP3_STAT, "", 0, 0 },
    { "a blank at the end", S("STAT "), POP3_PARSE_OK, POP3_STAT, "", 0, 0 },
    { "RETR with its number", S("RETR 12"), POP3_PARSE_OK, POP3_RETR, "", 12, 0 },
    { "LIST without", S("LIST"), POP3_PARSE_OK, POP3_LIST, "", 0, 0 },
    { "UIDL with", S("UIDL 1"), POP3_PARSE_OK, POP3_UIDL, "", 1, 0 },
    { "TOP with both", S("TOP 3 10"), POP3_PARSE_OK, POP3_TOP, "", 3, 10 },
    { "TOP with no lines", S("TOP 3 0"), POP3_PARSE_OK, POP3_TOP, "", 3, 0 },
    { "a password keeps its blanks", S("PASS  a b "), POP3_PARSE_OK, POP3_PASS, " a b ", 0, 0 },
    { "AUTH alone", S("AUTH"), POP3_PARSE_OK, POP3_AUTH, "", 0, 0 },
    { "AUTH with a response", S("AUTH PLAIN AHUAcA=="), POP3_PARSE_OK, POP3_AUTH, "PLAIN AHUAcA==", 0, 0 },
    { "message 0 does not exist", S("RETR 0"), POP3_PARSE_BAD_ARG, 0, NULL, 0, 0 },
    { "a sign is refused", S("DELE -1"), POP3_PARSE_BAD_ARG, 0, NULL, 0, 0 },
    { "a number that is too large is refused", S("RETR 2147483648"), POP3_PARSE_BAD_ARG, 0, NULL, 0, 0 },
    { "two numbers are refused", S("RETR 1 2"), POP3_PARSE_BAD_ARG, 0, NULL, 0, 0 },
    { "RETR without a number is refused", S("RETR"), POP3_PARSE_BAD_ARG, 0, NULL, 0, 0 },
    { "TOP with more lines than there can be", S("TOP 3 99999999999"), POP3_PARSE_OK, POP3_TOP, "", 3, UINT32_MAX },
    { "TOP with one number is refused", S("TOP 3"), POP3_PARSE_BAD_ARG, 0, NULL, 0, 0 },
    { "USER without a name is refused", S("USER"), POP3_PARSE_BAD_ARG, 0, NULL, 0, 0 },
    { "STAT with an argument is refused", S("STAT 1"), POP3_PARSE_BAD_ARG, 0, NULL, 0, 0 },
    { "a NUL is refused", S("USER a\0b"), POP3_PARSE_BAD_ARG, 0, NULL, 0, 0 },
    { "an unknown command", S("XTND"), POP3_PARSE_UNKNOWN, 0, NULL, 0, 0 },
    { "an empty line", S(""), POP3_PARSE_UNKNOWN, 0, NULL, 0, 0 },
};

static void test_commands(void)
{
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct pop3_cmd c = { .arg = STR("") };
        enum pop3_parse r = pop3_cmd_parse(cases[i].in, &c);
        OK(r == cases[i].result && (r != POP3_PARSE_OK || (c.verb == cases[i].verb && str_eqz(c.arg, cases[i].arg) && c.number == cases[i].number &&
                                                           c.lines == cases[i].lines)), cases[i].name);
        for (size_t cut = 0; cut < cases[i].in.n; cut++)
            (void)pop3_cmd_parse(str_head(cases[i].in, cut), &c);
    }
}

static const struct { const char *name; struct str in, out; } stuffing[] = {
    { "an empty message", S(""), S(".\r\n") },
    { "a plain message", S("a\r\nb\r\n"), S("a\r\nb\r\n.\r\n") },
    { "a dot at a line's start", S("a\r\n.b\r\n"), S("a\r\n..b\r\n.\r\n") },
    { "a dot at the very start", S(".\r\n"), S("..\r\n.\r\n") },
    { "dots one after the other", S("..\r\n.\r\n.\r\n"), S("...\r\n..\r\n..\r\n.\r\n") },
    { "a dot inside a line", S("a.b\r\n"), S("a.b\r\n.\r\n") },
    { "the last line is open", S("a"), S("a\r\n.\r\n") },
    { "the last line is a dot", S("a\r\n."), S("a\r\n..\r\n.\r\n") },
};

static void add(void *arg, struct str piece) { buf_add(arg, piece); }

static void test_stuffing(void)
{
    for (size_t i = 0; i < N_ELEMS(stuffing); i++) {
        struct buf b = buf_make(0);
        pop3_stuff(stuffing[i].in, add, &b);
        OK(str_eq(buf_str(&b), stuffing[i].out), stuffing[i].name);
        buf_done(&b);
    }
}

static const struct { const char *name; struct str in; uint32_t lines; size_t n; } tops[] = {
    { "TOP 0 is the header with its empty line", S("A: b\r\n\r\nx\r\ny\r\n"), 0, 8 },
    { "TOP 1 has one line more", S("A: b\r\n\r\nx\r\ny\r\n"), 1, 11 },
    { "TOP of more lines than there are is all", S("A: b\r\n\r\nx\r\ny\r\n"), 9, 14 },
    { "TOP of a message without a body is all", S("A: b\r\n"), 3, 6 },
    { "TOP of a header that does not end", S("A: b"), 0, 4 },
    { "TOP of nothing", S(""), 2, 0 },
    { "TOP to an open last line", S("A: b\r\n\r\nx"), 1, 9 },
};

int main(void)
{
    test_commands();
    test_stuffing();
    for (size_t i = 0; i < N_ELEMS(tops); i++)
        OK(pop3_top(tops[i].in, tops[i].lines) == tops[i].n, tops[i].name);
    return tap_done();
}
