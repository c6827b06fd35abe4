/* SPDX-License-Identifier: ISC */
#include "proto/charset.h"
#include "proto/imap_fetch.h"
#include "proto/imap_search.h"
#include "tap.h"

static void test_attributes(void)
{
    static const struct { const char *name, *in, *want; } cases[] = {
        { "one attribute", "FLAGS", "0 " },
        { "a list without doubles", "(UID flags uid)", "6 0 " },
        { "a macro", "FULL", "0 1 2 3 4 " },
        { "BODY is not BODY[]", "(BODY BODY[])", "4 BODY[] " },
        { "a section with everything", "BODY.PEEK[1.2.HEADER.FIELDS (From \"to\")]<3.4>",
          "BODY[1.2.HEADER.FIELDS (FROM TO)]<3.4>peek " },
        { "MIME of a part", "BODY[2.MIME]", "BODY[2.MIME] " },
        { "old forms", "(RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)",
          "RFC822 RFC822.HEADERpeek RFC822.TEXT 2 " },
        { "HEADER.FIELDS.NOT", "BODY[HEADER.FIELDS.NOT (X)]", "BODY[HEADER.FIELDS.NOT (X)] " },
        { "an unknown attribute", "FOO", NULL },
        { "an empty list", "()", NULL },
        { "an open list", "(FLAGS", NULL },
        { "MIME without a part", "BODY[MIME]", NULL },
        { "part 0", "BODY[0]", NULL },
        { "a dot at the end", "BODY[1.]", NULL },
        { "an open section", "BODY[1", NULL },
        { "fields without a list", "BODY[HEADER.FIELDS]", NULL },
        { "fields with an empty list", "BODY[HEADER.FIELDS ()]", NULL },
        { "a partial of nothing", "BODY[]<0.0>", NULL },
        { "half a partial", "BODY[]<0>", NULL },
        { "a word glued on", "FLAGSX", NULL },
    };
    struct arena mem = arena_make(1 << 20);
    struct buf out = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct imap_fetch f;
        const char *why = "";
        struct imap_cur c = imap_cur_make(str_from(cases[i].in), &mem);
        bool ok = imap_fetch_parse(&c, &f, &why) && imap_at_end(&c);
        buf_reset(&out);
        for (size_t k = 0; ok && k < f.n; k++) {
            const struct imap_section *s = f.items[k].section;
            if (s == NULL) {
                buf_printf(&out, "%d ", (int)f.items[k].item);
                continue;
            }
            buf_add(&out, s->label);
            if (s->partial)
                buf_printf(&out, "<%u.%u>", s->from, s->len);
            buf_puts(&out, s->peek ? "peek " : " ");
        }
        OK(cases[i].want == NULL ? !ok : ok && str_eqz(buf_str(&out), cases[i].want), cases[i].name);
    }
    buf_done(&out);
    arena_done(&mem);
}

#define MESSAGE \
    "From: A B <a@b>\r\nTo: G: c@d;, e@f\r\nSubject: =?utf-8?q?x?=\r\n y\r\nDate: Mon, 1 Jan 2001 00:00:00 +0000\r\n" \
    "Message-ID: <1@x>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" \
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: inline; filename=x\r\n\r\none\r\ntwo\r\n" \
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\ninner\r\n" \
    "--b--\r\n"

static void test_sections(void)
{
    static const struct { const char *name, *in, *want; } cases[] = {
        { "a part", "BODY[1]", "one\r\ntwo" },
        { "a part's MIME header", "BODY[2.MIME]", "Content-Type: message/rfc822\r\n\r\n" },
        { "header of an embedded message", "BODY[2.HEADER]", "Subject: in\r\n\r\n" },
        { "text of an embedded message", "BODY[2.TEXT]", "inner" },
        { "the body of an embedded message is its part 1", "BODY[2.1]", "inner" },
        { "nothing below that", "BODY[2.1.1]", "" },
        { "no such part", "BODY[3]", "" },
        { "part 1 of a text part is itself", "BODY[1.1]", "one\r\ntwo" },
        { "but only once", "BODY[1.1.1]", "" },
        { "chosen fields end in an empty line", "BODY[HEADER.FIELDS (MESSAGE-ID x)]", "Message-ID: <1@x>\r\n\r\n" },
        { "no field at all", "BODY[HEADER.FIELDS (x)]", "\r\n" },
        { "fields of an embedded message", "BODY[2.HEADER.FIELDS (SUBJECT)]", "Subject: in\r\n\r\n" },
    };
    struct arena mem = arena_make(1 << 20);
    struct buf scratch = buf_make(0);
    struct str text = STR(MESSAGE), got;
    struct mime_msg m = { 0 };
    mime_parse(text, &m);
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct imap_fetch f;
        const char *why;
        struct imap_cur c = imap_cur_make(str_from(cases[i].in), &mem);
        bool ok = imap_fetch_parse(&c, &f, &why);
        (void)(ok && imap_section_get(f.items[0].section, text, &m, &scratch, &got));
        OK(ok && str_eqz(got, cases[i].want), cases[i].name);
    }
    mime_msg_done(&m);
    buf_done(&scratch);
    arena_done(&mem);
}

static void texts_of(struct buf *env, struct buf *bs, struct str text)
{
    struct mime_msg m = { 0 };
    buf_reset(env);
    buf_reset(bs);
    mime_parse(text, &m);
    imap_put_envelope(env, str_make(text.p, m.parts[0].header.len));
    imap_put_bodystructure(bs, text, &m, true);
    mime_msg_done(&m);
}

static void test_texts(void)
{
    static const struct { const char *name, *in, *env, *bs; } cases[] = {
        { "a whole message", MESSAGE,
          "(\"Mon, 1 Jan 2001 00:00:00 +0000\" \"=?utf-8?q?x?= y\" ((\"A B\" NIL \"a\" \"b\")) "
          "((\"A B\" NIL \"a\" \"b\")) ((\"A B\" NIL \"a\" \"b\")) "
          "((NIL NIL \"G\" NIL)(NIL NIL \"c\" \"d\")(NIL NIL NIL NIL)(NIL NIL \"e\" \"f\")) NIL NIL NIL \"<1@x>\")",
          "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 8 1 NIL (\"inline\" (\"filename\" \"x\")) NIL NIL)"
          "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 20 "
          "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
          "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL)"
          " \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)" },
        { "names that are none, a name with quotes, an encoding with a comment",
          "From: Foo Bar\nTo: \"A \\\"B\\\"\" <c@d>\nSubject: a \\ b\nContent-Transfer-Encoding: base64; x (y)\n\nx\n",
          "(NIL {5}\r\na \\ b ((\"Foo Bar\" NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\")) "
          "((\"Foo Bar\" NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\")) ((\"Foo Bar\" NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\")) "
          "(({5}\r\nA \"B\" NIL \"c\" \"d\")) NIL NIL NIL NIL)",
          "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"base64\" 3 1 NIL NIL NIL NIL)" },
        { "nothing at all", "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
          "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)" },
        { "a multipart without parts shows one", "Content-Type: multipart/mixed; boundary=b\n\nx\n",
          "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
          "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" "
          "(\"boundary\" \"b\") NIL NIL NIL)" },
        { "a multipart without a boundary shows one too", "Content-Type: multipart/mixed\n\nx\n",
          "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
          "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) \"mixed\" NIL NIL NIL NIL)" },
        { "everything a leaf can have",
          "Content-Type: image/PNG\nContent-ID: <i>\nContent-Description: d\nContent-Transfer-Encoding: BASE64\n"
          "Content-MD5: m\nContent-Language: en, de\nContent-Location: l\n\nx\n",
          "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
          "(\"image\" \"PNG\" NIL \"<i>\" \"d\" \"BASE64\" 3 \"m\" NIL (\"en\" \"de\") \"l\")" },
        { "8-bit headers are literals", "Subject: \xc3\xa4\nSender: s@t\nFrom: f@g\n\n",
          "(NIL {2}\r\n\xc3\xa4 ((NIL NIL \"f\" \"g\")) ((NIL NIL \"s\" \"t\")) ((NIL NIL \"f\" \"g\")) NIL NIL NIL "
          "NIL NIL)",
          "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)" },
        { "an empty subject is an empty string, an empty address field is NIL", "Subject:\nTo:\n\n",
          "(NIL \"\" NIL NIL NIL NIL NIL NIL NIL NIL)",
          "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)" },
    };
    struct buf env = buf_make(0), bs = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        texts_of(&env, &bs, str_from(cases[i].in));
        bool ok = str_eqz(buf_str(&env), cases[i].env) && str_eqz(buf_str(&bs), cases[i].bs);
        OK(ok, cases[i].name);
        if (!ok)
            printf("# %.*s\n# %.*s\n", STR_FMT(buf_str(&env)), STR_FMT(buf_str(&bs)));
    }
    buf_done(&env);
    buf_done(&bs);
}

static bool by_letter(const struct search_key *key, void *user)
{
    (void)user;
    return key->kind == SEARCH_ALL || (key->kind == SEARCH_BODY && str_eqz(key->text, "t"));
}

static void test_search(void)
{
    static const struct { const char *name, *in; int want; } cases[] = {
        { "one key", "ALL", 1 },
        { "and", "ALL BODY f", 0 },
        { "not", "NOT BODY f", 1 },
        { "or, first", "OR ALL BODY f", 1 },
        { "or, second", "OR BODY f ALL", 1 },
        { "or, neither", "OR BODY f BODY f", 0 },
        { "or of lists", "OR (ALL BODY f) (BODY t ALL)", 1 },
        { "not of a list", "NOT (BODY t BODY f) ALL", 1 },
        { "or in or", "OR OR BODY f BODY f BODY t", 1 },
        { "not not", "NOT NOT BODY f", 0 },
        { "an and that stops early does not skip what follows", "(BODY f ALL) ALL", 0 },
        { "every key parses",
          "ANSWERED DELETED DRAFT FLAGGED RECENT SEEN UNANSWERED UNDELETED UNDRAFT UNFLAGGED OLD UNSEEN NEW KEYWORD k "
          "UNKEYWORD k BEFORE 1-Jan-2000 ON \"1-Jan-2000\" SINCE 1-Jan-2000 SENTBEFORE 1-Jan-2000 SENTON 1-Jan-2000 "
          "SENTSINCE 1-Jan-2000 LARGER 1 SMALLER 2 BCC a CC b FROM c SUBJECT d TO e HEADER f \"\" TEXT g UID 1:* 1,2", 0 },
        { "an unknown key", "FOO", -1 },
        { "nothing", "", -1 },
        { "an empty list", "()", -1 },
        { "an open list", "(ALL", -1 },
        { "a closing parenthesis too many", "ALL)", -1 },
        { "NOT alone", "NOT", -1 },
        { "OR with one key", "OR ALL", -1 },
        { "OR cut by a parenthesis", "(OR ALL)", -1 },
        { "a bad date", "SINCE 32-Jan-2000", -1 },
        { "a bad set", "UID 0", -1 },
        { "a missing text", "BODY", -1 },
    };
    struct arena mem = arena_make(8 << 20);
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct search_program p;
        const char *why = "";
        struct imap_cur c = imap_cur_make(str_from(cases[i].in), &mem);
        bool ok = imap_search_parse(&c, &p, &why);
        OK(cases[i].want < 0 ? !ok && *why != '\0' : ok && imap_search_run(&p, by_letter, NULL) == (cases[i].want == 1),
           cases[i].name);
    }
    struct buf deep = buf_make(0);
    for (int i = 0; i < 10000; i++)
        buf_putc(&deep, '(');
    struct search_program p;
    const char *why = "";
    struct imap_cur c = imap_cur_make(buf_str(&deep), &mem);
    OK(!imap_search_parse(&c, &p, &why) && strstr(why, "deep") != NULL, "nesting has a limit");
    buf_reset(&deep);
    for (int i = 0; i < 5000; i++)
        buf_puts(&deep, "ALL ");
    c = imap_cur_make(buf_str(&deep), &mem);
    OK(!imap_search_parse(&c, &p, &why) && strstr(why, "many") != NULL, "the number of keys has a limit");
    buf_done(&deep);
    arena_done(&mem);
}

static void test_charsets(void)
{
    static const struct { const char *name, *in, *want; } headers[] = {
        { "plain text", "a b", "a b" },
        { "q", "=?utf-8?Q?=C3=A4_b?= c", "\xc3\xa4 b c" },
        { "b", "=?ISO-8859-1?b?5A==?=", "\xc3\xa4" },
        { "space between two words is nothing", "=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab" },
        { "an unterminated word stays", "=?utf-8?q?", "=?utf-8?q?" },
        { "an unknown encoding stays", "=?utf-8?x?a?=", "=?utf-8?x?a?=" },
        { "a language", "=?utf-8*en?q?a?=", "a" },
        { "a word glued on", "x=?utf-8?q?a?=y", "xay" },
        { "broken bytes become U+FFFD", "\xff", "\xef\xbf\xbd" },
        { "a Cyrillic charset", "=?koi8-r?q?=C1?=", "\xd0\xb0" },
        { "an unassigned byte", "=?iso-8859-8?q?=FF?=", "\xef\xbf\xbd" },
        { "another charset", "=?windows-1252?q?=80?=", "\xe2\x82\xac" },
    };
    struct buf b = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(headers); i++) {
        buf_reset(&b);
        charset_decode_header(&b, str_from(headers[i].in));
        OK(str_eqz(buf_str(&b), headers[i].want), headers[i].name);
    }
    OK(charset_is_known(STR("UTF-8")) && !charset_is_known(STR("x//IGNORE")) && !charset_is_known(STR("nosuch")),
       "charsets are known by name only");
    buf_reset(&b);
    charset_fold(&b, STR("\xc3\x84\xce\xa3 \t\r\n X\xd0\x96"));
    OK(str_eqz(buf_str(&b), "\xc3\xa4\xcf\x83 x\xd0\xb6"), "folding lowers letters and joins white space");
    buf_done(&b);
}

int main(void)
{
    test_attributes();
    test_sections();
    test_texts();
    test_search();
    test_charsets();
    return tap_done();
}
