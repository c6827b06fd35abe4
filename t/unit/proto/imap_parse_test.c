/* SPDX-License-Identifier: ISC */
#include "proto/imap_parse.h"
#include "proto/imap_seqset.h"
#include "proto/mutf7.h"
#include "tap.h"

/* Commands as the assembler gives them, literals accepted, joined by "|". Fed `step` bytes at a time. */
static void assemble(struct buf *out, struct str bytes, size_t step, size_t limit)
{
    struct imap_input in = imap_input_make(limit);
    buf_reset(out);
    while (bytes.n > 0) {
        struct str piece = str_head(bytes, step);
        bytes = str_skip(bytes, step);
        while (piece.n > 0)
            switch (imap_input_feed(&in, &piece)) {
            case IMAP_INPUT_MORE:
                break;
            case IMAP_INPUT_COMMAND:
                buf_add(out, imap_input_text(&in));
                buf_puts(out, in.has_nul ? "NUL|" : "|");
                imap_input_reset(&in);
                break;
            case IMAP_INPUT_LITERAL:
                if (!imap_input_accept(&in)) {
                    buf_puts(out, "BIG|");
                    imap_input_reset(&in);
                }
                break;
            case IMAP_INPUT_TOO_LONG:
                buf_puts(out, "LONG|");
                piece.n = bytes.n = 0;
                break;
            }
    }
    imap_input_done(&in);
}

#define BYTES(lit) STR(lit)
static void test_input(void)
{
    static const struct { const char *name; struct str in; const char *want; } cases[] = {
        { "two commands", STR_INIT("a NOOP\r\nb LOGOUT\r\n"), "a NOOP|b LOGOUT|" },
        { "a bare LF ends a line", STR_INIT("a NOOP\n"), "a NOOP|" },
        { "a literal", STR_INIT("a X {3}\r\nx\r\n y\r\n"), "a X {3}\r\nx\r\n y|" },
        { "a literal of nothing", STR_INIT("a X {0}\r\n\r\n"), "a X {0}\r\n|" },
        { "two literals, one without waiting", STR_INIT("a {1+}\r\nb {2}\r\ncd\r\n"), "a {1+}\r\nb {2}\r\ncd|" },
        { "a literal that is too large", STR_INIT("a {4294967296}\r\nb NOOP\r\n"), "BIG|b NOOP|" },
        { "a literal over 63 bits is no literal", STR_INIT("a {18446744073709551615}\r\n"),
          "a {18446744073709551615}|" },
        { "a negative literal is no literal", STR_INIT("a {-1}\r\n"), "a {-1}|" },
        { "empty lines are commands without words", STR_INIT("\r\n\r\n"), "||" },
        { "a NUL is noticed", STR_INIT("a N\0P\r\n"), "a N" },
        { "a line over the limit", STR_INIT("a 1234567890123456789012345678901234567890\r\n"), "LONG|" },
    };
    struct buf whole = buf_make(0), piecewise = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        assemble(&whole, cases[i].in, SIZE_MAX, 40);
        assemble(&piecewise, cases[i].in, 1, 40);
        bool nul = memchr(cases[i].in.p, '\0', cases[i].in.n) != NULL;
        OK((nul ? str_ends(buf_str(&whole), STR("NUL|")) : str_eqz(buf_str(&whole), cases[i].want)) &&
               str_eq(buf_str(&whole), buf_str(&piecewise)), cases[i].name);
    }
    buf_done(&whole);
    buf_done(&piecewise);
}

enum what { ATOM, STRING, ASTRING, TAG, LISTMB, FLAG, NUMBER };
static bool take(enum what what, struct imap_cur *c, struct str *ret)
{
    uint64_t n;
    switch (what) {
    case ATOM: return imap_atom(c, ret);
    case STRING: return imap_string(c, ret);
    case ASTRING: return imap_astring(c, ret);
    case TAG: return imap_tag(c, ret);
    case LISTMB: return imap_list_mailbox(c, ret);
    case FLAG: return imap_flag(c, ret);
    case NUMBER: *ret = STR("n"); return imap_number(c, UINT32_MAX, &n);
    }
    return false;
}

static void test_words(void)
{
    static const struct { const char *name; enum what what; struct str in; const char *want, *rest; } cases[] = {
        { "an atom ends at a parenthesis", ATOM, STR_INIT("abc)"), "abc", ")" },
        { "an atom has no 8-bit bytes", ATOM, STR_INIT("\xc3\xa9"), NULL, NULL },
        { "a quoted string", STRING, STR_INIT("\"a b\" c"), "a b", " c" },
        { "escapes", STRING, STR_INIT("\"a\\\"\\\\b\""), "a\"\\b", "" },
        { "an unknown escape", STRING, STR_INIT("\"a\\n\""), NULL, NULL },
        { "an open quote", STRING, STR_INIT("\"abc"), NULL, NULL },
        { "an open quote behind a backslash", STRING, STR_INIT("\"abc\\"), NULL, NULL },
        { "a NUL in quotes", STRING, STR_INIT("\"a\0b\""), NULL, NULL },
        { "a literal", STRING, STR_INIT("{3}\r\na b c"), "a b", " c" },
        { "a literal cut short", STRING, STR_INIT("{3}\r\na"), NULL, NULL },
        { "a literal with a NUL", STRING, STR_INIT("{3}\r\na\0b"), NULL, NULL },
        { "an astring may hold ]", ASTRING, STR_INIT("a]b x"), "a]b", " x" },
        { "an empty quoted string", ASTRING, STR_INIT("\"\""), "", "" },
        { "wildcards in list patterns", LISTMB, STR_INIT("a.%*"), "a.%*", "" },
        { "no wildcards in atoms", ATOM, STR_INIT("a*"), "a", "*" },
        { "a tag has no plus", TAG, STR_INIT("a+b"), "a", "+b" },
        { "a system flag", FLAG, STR_INIT("\\Seen)"), "\\Seen", ")" },
        { "a keyword", FLAG, STR_INIT("$Junk "), "$Junk", " " },
        { "a backslash alone is no flag", FLAG, STR_INIT("\\"), NULL, NULL },
        { "the largest number", NUMBER, STR_INIT("4294967295"), "n", "" },
        { "one more is none", NUMBER, STR_INIT("4294967296"), NULL, NULL },
    };
    struct arena mem = arena_make(1 << 20);
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct imap_cur c = imap_cur_make(cases[i].in, &mem);
        struct str got = STR("");
        bool ok = take(cases[i].what, &c, &got);
        OK(cases[i].want == NULL ? !ok && c.p == cases[i].in.p
                                 : ok && str_eqz(got, cases[i].want) &&
                                       str_eqz(str_make(c.p, (size_t)(c.end - c.p)), cases[i].rest), cases[i].name);
    }
    arena_done(&mem);
}

static void test_seqsets(void)
{
    static const struct { const char *name, *in; uint32_t max; const char *want; } cases[] = {
        { "one", "5", 10, "5" },
        { "ranges are sorted and joined", "9,1:3,4,2:5", 10, "1:5,9" },
        { "a star is the largest", "*", 10, "10" },
        { "a range backwards", "5:2", 10, "2:5" },
        { "n:* beyond the largest means the largest", "20:*", 10, "10:20" },
        { "a star in an empty mailbox", "*", 0, "" },
        { "1:* in an empty mailbox", "1:*", 0, "1" },
        { "the largest number of all", "4294967295:*,1", 10, "1,10:4294967295" },
        { "zero", "0", 10, NULL },
        { "nothing", "", 10, NULL },
        { "a comma at the end", "1,", 10, NULL },
        { "a colon at the end", "1:", 10, NULL },
        { "too large", "4294967296", 10, NULL },
    };
    struct arena mem = arena_make(1 << 20);
    struct buf out = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct imap_cur c = imap_cur_make(str_from(cases[i].in), &mem);
        struct imap_seqset s;
        bool ok = imap_seqset_parse(&c, &s);
        buf_reset(&out);
        if (ok) {
            imap_seqset_resolve(&s, cases[i].max);
            for (size_t k = 0; k < s.n; k++)
                buf_printf(&out, s.ranges[k].from == s.ranges[k].to ? "%s%u" : "%s%u:%u", k > 0 ? "," : "",
                           s.ranges[k].from, s.ranges[k].to);
        }
        OK(cases[i].want == NULL ? !ok : ok && str_eqz(buf_str(&out), cases[i].want), cases[i].name);
    }
    struct imap_range_writer w = { .out = &out };
    buf_reset(&out);
    static const uint32_t numbers[] = { 1, 2, 3, 7, 9, 10 };
    for (size_t i = 0; i < N_ELEMS(numbers); i++)
        imap_range_add(&w, numbers[i]);
    imap_range_end(&w);
    OK(str_eqz(buf_str(&out), "1:3,7,9:10"), "numbers become ranges");
    buf_done(&out);
    arena_done(&mem);
}

static void test_mutf7(void)
{
    static const struct { const char *name, *in, *want; } cases[] = {
        { "ASCII stands for itself", "INBOX.Sent", "INBOX.Sent" },
        { "an ampersand", "a&-b", "a&b" },
        { "umlauts", "Entw&APw-rfe", "Entw\xc3\xbcrfe" },
        { "the example of RFC 3501", "~peter/mail/&U,BTFw-/&ZeVnLIqe-",
          "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
        { "beyond the BMP", "&2D3eAA-", "\xf0\x9f\x98\x80" },
        { "an open shift", "a&", NULL },
        { "an open shift with digits", "&AOQ", NULL },
        { "base64 of printable ASCII", "&AGE-", NULL },
        { "padding bits that are not zero", "&AOR-", NULL },
        { "two shifts side by side", "&AOQ-&APY-", NULL },
        { "half a surrogate pair", "&2D0-", NULL },
        { "the wrong half first", "&3gA-", NULL },
        { "a slash in base64", "&//8-", NULL },
        { "8-bit bytes", "\xc3\xa4", NULL },
        { "a NUL in base64", "&AAAA-", NULL },
        { "a control character", "a\tb", NULL },
    };
    struct buf out = buf_make(0), back = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        buf_reset(&out);
        buf_reset(&back);
        bool ok = mutf7_to_utf8(&out, str_from(cases[i].in));
        bool round = ok && mutf7_from_utf8(&back, buf_str(&out)) && str_eqz(buf_str(&back), cases[i].in);
        OK(cases[i].want == NULL ? !ok : round && str_eqz(buf_str(&out), cases[i].want), cases[i].name);
    }
    OK(!mutf7_from_utf8(&back, STR("\xff")), "what is not UTF-8 has no name");
    buf_done(&out);
    buf_done(&back);
}

static void test_strings(void)
{
    struct buf b = buf_make(0);
    imap_put_string(&b, STR("a\"b\\"));
    OK(str_eqz(buf_str(&b), "\"a\\\"b\\\\\""), "quotes and backslashes are escaped");
    buf_reset(&b);
    imap_put_string(&b, STR("\xc3\xa4"));
    OK(str_eqz(buf_str(&b), "{2}\r\n\xc3\xa4"), "8-bit text is a literal");
    buf_reset(&b);
    imap_put_string(&b, STR("a\0b"));
    OK(str_eqz(buf_str(&b), "{3}\r\na\x80" "b"), "a NUL becomes 0x80");
    buf_reset(&b);
    imap_put_astring(&b, STR("INBOX.x"));
    imap_put_astring(&b, STR("a b"));
    imap_put_astring(&b, STR(""));
    imap_put_astring(&b, STR("nil"));
    OK(str_eqz(buf_str(&b), "INBOX.x\"a b\"\"\"\"nil\""), "atoms where they can be");
    buf_reset(&b);
    imap_put_header_string(&b, STR("a\r\n\tb\nc"));
    OK(str_eqz(buf_str(&b), "\"a\tbc\""), "header values are unfolded");
    buf_done(&b);
}

int main(void)
{
    test_input();
    test_words();
    test_seqsets();
    test_mutf7();
    test_strings();
    return tap_done();
}
