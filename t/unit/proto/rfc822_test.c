/* SPDX-License-Identifier: ISC */
#include "base/arena.h"
#include "proto/rfc822.h"
#include "proto/addr.h"
#include "proto/date.h"
#include "tap.h"

static void test_fields(void)
{
    static const struct { const char *name, *text, *want; } cases[] = {
        { "fields are cut at line ends", "A: 1\nB: 2\n\nbody", "A= 1|B= 2|" },
        { "CRLF is a line end too", "A: 1\r\nB: 2\r\n\r\nbody", "A= 1|B= 2|" },
        { "a fold belongs to the field before", "A: 1\n\t2\n 3\nB:4\n\n", "A= 1\n\t2\n 3|B=4|" },
        { "white space before the colon is not part of the name", "A : 1\n\n", "A= 1|" },
        { "a line without a colon has no name", "junk\nA:1\n", "=junk|A=1|" },
        { "a header may end with the text", "A: 1", "A= 1|" },
        { "an empty header", "\nbody: no\n", "" },
        { "an empty text", "", "" },
        { "a colon in a folded line does not name the field", "junk\n x: y\n\n", "=junk\n x: y|" },
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct buf got = buf_make(0);
        struct str rest = str_from(cases[i].text);
        struct rfc822_field f;
        while (rfc822_next(&rest, &f)) {
            buf_add(&got, f.name);
            buf_putc(&got, '=');
            buf_add(&got, f.value);
            buf_putc(&got, '|');
        }
        OK(str_eqz(buf_str(&got), cases[i].want), cases[i].name);
        buf_done(&got);
    }
}

static void test_lookup(void)
{
    struct str v, h = STR("X: 1\nSubject:  a\r\n\tb \nsubject: other\n\nTo: body\n");
    OK(rfc822_find(h, STR("SUBJECT"), &v) && str_eqz(v, "a\r\n\tb"), "names are found in any case");
    OK(!rfc822_find(h, STR("To"), &v), "the body is not searched");
    OK(rfc822_header_len(h) == h.n - 9, "the header's length includes the empty line");
    OK(rfc822_header_len(STR("A: b")) == 4, "a header without an empty line is all header");
}

/* kind,name,route,local,domain per member. */
static void show(struct buf *out, const struct addr *a)
{
    buf_puts(out, a->kind == ADDR_GROUP ? "G" : a->kind == ADDR_GROUP_END ? "E" : a->bad ? "!" : "");
    buf_putc(out, '[');
    buf_add(out, a->name);
    buf_putc(out, '|');
    buf_add(out, a->route);
    buf_putc(out, '|');
    buf_add(out, a->local);
    buf_putc(out, '|');
    buf_add(out, a->domain);
    buf_putc(out, ']');
}

static void list_of(struct buf *out, struct str s)
{
    struct addr_parser p = addr_parser_make(s);
    struct addr a;
    buf_reset(out);
    while (addr_next(&p, &a))
        show(out, &a);
    addr_parser_done(&p);
}

static const struct { const char *name, *text, *want; } addr_cases[] = {
    { "a bare address", "a@b.c", "[||a|b.c]" },
    { "name and angle", "Joe Q. Public <john.q.public@example.com>", "[Joe Q. Public||john.q.public|example.com]" },
    { "a quoted name is unquoted", "\"Joe \\\"Q\\\"\" <a@b>", "[Joe \"Q\"||a|b]" },
    { "a comment stands in for a name", "a@b (Full (nested) Name)", "[Full (nested) Name||a|b]" },
    { "several", "a@b, c@d,e@f", "[||a|b][||c|d][||e|f]" },
    { "empty members mean nothing", ",, a@b ,,", "[||a|b]" },
    { "a group", "G: a@b, X <c@d>;, e@f", "G[G|||][||a|b][X||c|d]E[|||][||e|f]" },
    { "an empty group", "undisclosed-recipients:;", "G[undisclosed-recipients|||]E[|||]" },
    { "a group that the end closes", "G: a@b", "G[G|||][||a|b]E[|||]" },
    { "a route", "<@x,@y:a@b>", "[|@x,@y|a|b]" },
    { "the empty path", "<>", "[|||]" },
    { "a domain literal", "a@[192.0.2.1]", "[||a|[192.0.2.1]]" },
    { "white space around dots", "a . b @ c . d", "[||a.b|c.d]" },
    { "a quoted local part", "\"a b\"@c", "[||a b|c]" },
    { "no domain", "postmaster", "![||postmaster|]" },
    { "no domain in angles", "<postmaster>", "![||postmaster|]" },
    { "two words and an at", "a b@c", "![||a b|c]" },
    { "an unterminated angle", "x <a@b, c@d", "![x||a|b][||c|d]" },
    { "an unterminated quote", "\"abc", "![||abc|]" },
    { "a comment that ends in a backslash", "a@b (x\\", "[x\\||a|b]" },
    { "an open quote with a backslash", "\"abc\\", "![||abc\\|]" },
    { "colon and semicolon only", ":;", "G[|||]E[|||]" },
    { "nested routes of nothing", "<@,@:a@b>", "[|@,@|a|b]" },
    { "an empty quoted string in angles", "<\"\">", "![|||]" },
    { "folded lists", "a@b,\r\n\tc@d", "[||a|b][||c|d]" },
    { "junk behind the angle", "<a@b> junk, c@d", "![||a|b][||c|d]" },
    { "a semicolon outside a group is a comma", "a@b; c@d", "[||a|b][||c|d]" },
    { "an address as the name of another", "e@f.g <h@i>, a b@c <d@e>, <x@y>", "[e@f.g||h|i][a b@c||d|e][||x|y]" },
    { "nothing", "", "" },
    { "only a comment", "(x)", "" },
};

static void test_addresses(void)
{
    struct buf got = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(addr_cases); i++) {
        struct str in = str_from(addr_cases[i].text);
        list_of(&got, in);
        bool ok = str_eqz(buf_str(&got), addr_cases[i].want);
        OK(ok, addr_cases[i].name);
        if (!ok)
            printf("# got %.*s\n", STR_FMT(buf_str(&got)));
        for (size_t cut = 0; cut < in.n; cut++) {
            char *exact = xmalloc(cut + 1);
            if (cut > 0)
                memcpy(exact, in.p, cut);
            list_of(&got, str_make(exact, cut));
            free(exact);
        }
    }
    buf_done(&got);
}

static void test_spec(void)
{
    struct buf b = buf_make(0);
    addr_put_spec(&b, &(struct addr){ .local = STR("a.b"), .domain = STR("c") });
    OK(str_eqz(buf_str(&b), "a.b@c"), "a dot-atom stays bare");
    buf_reset(&b);
    addr_put_spec(&b, &(struct addr){ .local = STR("a \"b"), .domain = STR("c") });
    OK(str_eqz(buf_str(&b), "\"a \\\"b\"@c"), "anything else is quoted");
    buf_reset(&b);
    addr_put_spec(&b, &(struct addr){ .local = STR("") });
    OK(str_eqz(buf_str(&b), "\"\""), "the empty local part is a quoted string");
    buf_reset(&b);
    static char big[20000];
    memset(big, 'a', sizeof big);
    struct addr_parser p = addr_parser_make(str_make(big, sizeof big));
    struct addr a;
    OK(addr_next(&p, &a) && a.cut && a.local.n <= ADDR_PART_MAX, "a part over the limit is cut and says so");
    addr_parser_done(&p);
    buf_done(&b);
}

static void test_dates(void)
{
    static const struct { const char *name, *text; bool ok; int64_t want; int zone; } cases[] = {
        { "the ordinary form", "Mon, 20 Oct 2003 10:11:12 +0200", true, 1066637472, 120 },
        { "a comment at the end", "Mon, 20 Oct 2003 10:11:12 +0200 (CEST)", true, 1066637472, 120 },
        { "no weekday, no seconds", "1 Jan 1970 00:01 GMT", true, 60, 0 },
        { "two digits of year", "1 Jan 70 00:00:00 EST", true, 18000, -300 },
        { "two digits after 2000", "1 Jan 05 00:00:00 +0000", true, 1104537600, 0 },
        { "white space and comments anywhere", "Thu (x) , 1\r\n Jan 1970 0 : 0 : 1 -0000", true, 1, 0 },
        { "an unknown zone is UTC", "1 Jan 1970 00:00:00 XYZ", true, 0, 0 },
        { "a leap day", "29 Feb 2000 00:00:00 +0000", true, 951782400, 0 },
        { "a day that does not exist", "29 Feb 1900 00:00:00 +0000", false, 0, 0 },
        { "a 13th month", "1 Foo 2000 00:00:00 +0000", false, 0, 0 },
        { "24 hours", "1 Jan 2000 24:00:00 +0000", false, 0, 0 },
        { "no time", "1 Jan 2000", false, 0, 0 },
        { "nothing", "", false, 0, 0 },
        { "an open comment", "((((", false, 0, 0 },
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        int64_t t = 0;
        int z = 0;
        bool ok = date_parse_rfc5322(str_from(cases[i].text), &t, &z);
        OK(ok == cases[i].ok && t == cases[i].want && z == cases[i].zone, cases[i].name);
    }
}

static void test_imap_dates(void)
{
    int64_t t, day;
    int z;
    struct buf b = buf_make(0);
    OK(date_parse_imap_time(STR("17-Jul-1996 02:44:25 -0700"), &t, &z) && t == 837596665 && z == -420,
       "an IMAP date-time");
    OK(date_parse_imap_time(STR(" 7-Jul-1996 02:44:25 -0700"), &t, &z), "a day with a leading space");
    OK(!date_parse_imap_time(STR("17-Jul-1996 02:44:25"), &t, &z), "a date-time needs its zone");
    OK(!date_parse_imap_time(STR("17-Jul-1996 02:44:25 -0700x"), &t, &z), "nothing may follow");
    OK(date_parse_imap_day(STR("1-Feb-1994"), &day) && day == 8797, "an IMAP date");
    OK(!date_parse_imap_day(STR("31-Feb-1994"), &day), "an IMAP date must exist");
    date_put_imap_time(&b, 837596665, -420);
    OK(str_eqz(buf_str(&b), "17-Jul-1996 02:44:25 -0700"), "and back");
    buf_reset(&b);
    date_put_rfc5322(&b, 1066637472, 120);
    OK(str_eqz(buf_str(&b), "Mon, 20 Oct 2003 10:11:12 +0200"), "an RFC 5322 date and back");
    bool all = true;
    for (int64_t when = -3000000000; when < 5000000000; when += 86399 * 37) {
        struct date_civil c = date_civil(when, 90);
        all &= date_is_valid(&c) && date_unix(&c, 90) == when;
    }
    OK(all, "civil time and Unix time are each other's inverse");
    buf_done(&b);
}

int main(void)
{
    test_fields();
    test_lookup();
    test_addresses();
    test_spec();
    test_dates();
    test_imap_dates();
    return tap_done();
}
