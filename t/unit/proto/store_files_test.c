/* SPDX-License-Identifier: ISC */
#include "proto/alias_list.h"
#include "proto/delivery_log.h"
#include "proto/flag_record.h"
#include "proto/maildir_name.h"
#include "proto/uidlist.h"
#include "tap.h"

static const struct { const char *what, *name; bool ok; const char *base; uint8_t flags; uint32_t keywords; uint64_t size, vsize; } names[] = {
    { "a name as qmail writes it", "1700000000.123.host", true, "1700000000.123.host", 0, 0, 0, 0 },
    { "sizes and flags", "1.M2P3.h,S=12,W=14:2,FS", true, "1.M2P3.h,S=12,W=14", MAILDIR_FLAGGED | MAILDIR_SEEN, 0, 12, 14 },
    { "keywords are letters", "1.h:2,DRTaz", true, "1.h", MAILDIR_DRAFT | MAILDIR_REPLIED | MAILDIR_TRASHED, 1u | 1u << 25, 0, 0 },
    { "what follows a second comma is not flags", "1.h:2,S,S=5T", true, "1.h", MAILDIR_SEEN, 0, 0, 0 },
    { "info of another kind has no flags", "1.h:1,ST", true, "1.h", 0, 0, 0, 0 },
    { "a size that is no number is none", "1.h,S=x,W=", true, "1.h,S=x,W=", 0, 0, 0, 0 },
    { "hidden files are no messages", ".nfs123", false, "", 0, 0, 0, 0 },
    { "nor is the empty name", "", false, "", 0, 0, 0, 0 },
    { "nor one with a slash", "a/b", false, "", 0, 0, 0, 0 },
    { "nor one with a line end", "a\nb", false, "", 0, 0, 0, 0 },
    { "nor info without a name", ":2,S", false, "", 0, 0, 0, 0 },
};

static void test_names(void)
{
    struct maildir_name n;
    for (size_t i = 0; i < N_ELEMS(names); i++) {
        bool ok = maildir_name_parse(str_from(names[i].name), &n);
        OK(ok == names[i].ok && (!ok || (str_eqz(n.base, names[i].base) && n.flags == names[i].flags && n.keywords == names[i].keywords
           && (n.has_size ? n.size : 0) == names[i].size && (n.has_vsize ? n.vsize : 0) == names[i].vsize)), names[i].what);
    }
    struct buf out = buf_make(0);
    maildir_name_parse(STR("1.h:2,ZSbA,keep"), &n);
    maildir_name_put(&out, &n, MAILDIR_DRAFT | MAILDIR_TRASHED, 1u << 2);
    OK(str_eqz(buf_str(&out), "1.h:2,ADTZc,keep"), "unknown letters and the rest stay, letters are sorted");
    buf_reset(&out);
    maildir_name_parse(STR("1.h"), &n);
    maildir_name_put(&out, &n, 0, 0);
    OK(str_eqz(buf_str(&out), "1.h:2,"), "a name from new/ gets its info");
    buf_done(&out);
}

static void test_uidlist(void)
{
    struct uidlist_head h;
    struct uidlist_line l;
    struct str v;
    OK(uidlist_parse_head(STR("3 V1795334691 N7 G0123456789abcdef0123456789abcdef Xkept"), &h) && h.uidvalidity == 1795334691 && h.uidnext == 7
       && h.has_guid && h.guid[15] == 0xef && str_eqz(h.other, " Xkept"), "a version 3 head, unknown fields kept");
    struct buf out = buf_make(0);
    uidlist_put_head(&out, &h);
    OK(str_eqz(buf_str(&out), "3 V1795334691 N7 G0123456789abcdef0123456789abcdef Xkept\n"), "is written as it was");
    OK(uidlist_parse_head(STR("1 1234 56"), &h) && h.version == 1 && h.uidvalidity == 1234 && h.uidnext == 56, "a version 1 head");
    static const char *const bad_heads[] = { "", "3", "3 V0 N1", "3 V1", "3 N5", "2 V1 N1", "3 V99999999999 N1", "1 5", "3 Vx N1", "garbage" };
    bool refused = true;
    for (size_t i = 0; i < N_ELEMS(bad_heads); i++)
        refused = refused && !uidlist_parse_head(str_from(bad_heads[i]), &h);
    OK(refused, "damaged heads are refused");
    OK(uidlist_parse_line(STR("12 S34 Gabc P :1.M2.h,S=34"), 3, &l) && l.uid == 12 && str_eqz(l.base, "1.M2.h,S=34") && str_eqz(l.ext, "S34 Gabc P "), "a line with fields");
    OK(uidlist_ext(l.ext, 'G', &v) && str_eqz(v, "abc") && uidlist_ext(l.ext, 'P', &v) && v.n == 0 && !uidlist_ext(l.ext, 'W', &v), "whose values are found");
    buf_reset(&out);
    uidlist_put_line(&out, &l);
    OK(str_eqz(buf_str(&out), "12 S34 Gabc P :1.M2.h,S=34\n"), "and written as they were");
    OK(uidlist_parse_line(STR("12 :1.h:2,S"), 3, &l) && str_eqz(l.base, "1.h"), "flags in a listed name do not count");
    OK(uidlist_parse_line(STR("3 name with blanks"), 1, &l) && str_eqz(l.base, "name with blanks"), "a version 1 line");
    static const char *const bad[] = { "", "0 :a", "x :a", "1", "1 ", "1 :", "1 :a/b", "99999999999 :a", "1 S12", "1:a", "-1 :a" };
    refused = true;
    for (size_t i = 0; i < N_ELEMS(bad); i++)
        refused = refused && !uidlist_parse_line(str_from(bad[i]), 3, &l);
    OK(refused && !uidlist_parse_line(str_make("1 :a\0b", 6), 3, &l), "damaged lines are refused");
    unsigned index;
    OK(keywords_parse_line(STR("25 $Label"), &index, &v) && index == 25 && str_eqz(v, "$Label"), "a keyword line");
    OK(!keywords_parse_line(STR("26 x"), &index, &v) && !keywords_parse_line(STR("1"), &index, &v) && !keywords_parse_line(STR("1 "), &index, &v), "there are 26 letters");
    buf_done(&out);
}

static void test_subscriptions(void)
{
    struct buf name = buf_make(0), out = buf_make(0);
    size_t pos = 0;
    subscriptions_put_head(&out);
    subscriptions_put(&out, STR("A.B"), '.');
    subscriptions_put(&out, STR("x\ty\1"), '.');
    struct str file = buf_str(&out);
    OK(str_eqz(file, "V\t2\n\nA\tB\nx\1ty\0011\n"), "version 2 has tabs between levels");
    OK(subscriptions_next(file, &pos, '.', &name) && str_eqz(buf_str(&name), "A.B"), "and is read back");
    OK(subscriptions_next(file, &pos, '/', &name) && str_eqz(buf_str(&name), "x\ty\1") && !subscriptions_next(file, &pos, '.', &name), "escapes included");
    pos = 0;
    OK(subscriptions_next(STR("Plain.Name\nB"), &pos, '.', &name) && str_eqz(buf_str(&name), "Plain.Name")
       && subscriptions_next(STR("Plain.Name\nB"), &pos, '.', &name) && str_eqz(buf_str(&name), "B"), "version 1 is a name per line");
    buf_done(&name);
    buf_done(&out);
}

static void test_flag_records(void)
{
    struct buf out = buf_make(0);
    struct flag_head h;
    struct flag_record r = { .uid = 7, .add = 8, .remove = 1, .keywords_add = 5, .keywords_remove = 2, .modseq = UINT64_C(1) << 60, .base = STR("1.h") }, got;
    flag_head_put(&out, &(struct flag_head){ 3, 99 });
    OK(out.n == FLAG_HEAD_SIZE && flag_head_parse(buf_str(&out), &h) && h.generation == 3 && h.modseq == 99, "a head comes back");
    out.p[9] ^= 1;
    OK(!flag_head_parse(buf_str(&out), &h), "one flipped bit and it does not");
    buf_reset(&out);
    flag_record_put(&out, 3, &r);
    flag_record_put(&out, 3, &r);
    size_t one = out.n / 2;
    struct str rest = buf_str(&out);
    OK(flag_record_next(&rest, 3, &got) && got.uid == 7 && got.add == 8 && got.keywords_remove == 2 && got.modseq == r.modseq && str_eqz(got.base, "1.h"), "a record comes back");
    OK(flag_record_next(&rest, 3, &got) && !flag_record_next(&rest, 3, &got) && rest.n == 0, "and the next, and then no more");
    bool refused = true;
    for (size_t n = 0; n < one; n++) {
        rest = str_make(out.p, n);
        refused = refused && !flag_record_next(&rest, 3, &got) && rest.n == n;
    }
    OK(refused, "cut anywhere it is no record");
    rest = buf_str(&out);
    OK(!flag_record_next(&rest, 4, &got), "nor is one of another generation");
    refused = true;
    for (size_t i = 0; i < one; i++) {
        out.p[i] ^= 4;
        rest = str_make(out.p, one);
        refused = refused && !flag_record_next(&rest, 3, &got);
        out.p[i] ^= 4;
    }
    OK(refused, "nor one with a flipped bit anywhere");
    buf_done(&out);
}

static const struct { const char *what, *text, *items; } aliases[] = {
    { "addresses between commas", "a, b@c ,  d", "A:a A:b@c A:d" },
    { "a command in quotes keeps blanks and commas", "\"|cmd -x, y\", b", "C:cmd -x, y A:b" },
    { "a bar before the quotes is the same", "|\"cmd -x, y\",b", "C:cmd -x, y A:b" },
    { "a bare command ends at the comma", "|cmd -x, b", "C:cmd -x A:b" },
    { "files, includes and plain users", "/var/x, :include:/etc/l, \\joe", "F:/var/x I:/etc/l U:joe" },
    { "names around addresses go", "Joe Doe <joe@x>, \"Doe, Joe\" <j@y>", "A:joe@x A:j@y" },
    { "a quoted local part loses its quotes", "\"a b\"@c", "A:a b@c" },
    { "lines and comments of a .forward", "# mine\na\n  # not me\n\nb, c\n", "A:a A:b A:c" },
    { "nothing is nothing", " , ,\n", "" },
    { "an empty command is bad", "|", "B:" },
    { "a backslash inside quotes keeps the next", "\"|echo \\\"x\\\"\"", "C:echo \"x\"" },
};

static void test_aliases(void)
{
    struct buf scratch = buf_make(0), got = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(aliases); i++) {
        struct str rest = str_from(aliases[i].text);
        struct alias_item item;
        buf_reset(&got);
        while (alias_next(&rest, &scratch, &item))
            buf_printf(&got, "%s%c:%.*s", got.n > 0 ? " " : "", "AUCFIB"[item.kind], STR_FMT(item.text));
        OK(str_eqz(buf_str(&got), aliases[i].items), aliases[i].what);
    }
    buf_done(&scratch);
    buf_done(&got);
}

static void test_log(void)
{
    static const struct { int64_t us; const char *text; } delays[] = {
        { 0, "0" }, { -5, "0" }, { 4000, "0" }, { 30000, "0.03" }, { 450000, "0.45" }, { 1000000, "1" }, { 1240000, "1.2" }, { 137400000, "137" },
        { 99600000, "100" }, { 9960000, "10" },
    };
    struct buf out = buf_make(0);
    bool right = true;
    for (size_t i = 0; i < N_ELEMS(delays); i++) {
        buf_reset(&out);
        delivery_put_delay(&out, delays[i].us);
        right = right && str_eqz(buf_str(&out), delays[i].text);
    }
    OK(right, "delays have two significant digits");
    buf_reset(&out);
    struct delivery_times t = { 0, 10000, 20000, 20000, 50000 };
    delivery_log_put(&out, STR("4F2B"), STR("a@b"), STR("c@d"), STR("virtual"), STR(""), &t, STR("2.0.0"), "sent", STR("delivered to maildir\n"));
    OK(str_eqz(buf_str(&out), "4F2B: to=<a@b>, orig_to=<c@d>, relay=virtual, delay=0.05, delays=0.01/0.01/0/0.03, dsn=2.0.0, status=sent (delivered to maildir?)"),
       "the line is Postfix's, and one line");
    buf_done(&out);
}

int main(void)
{
    test_names();
    test_uidlist();
    test_subscriptions();
    test_flag_records();
    test_aliases();
    test_log();
    return tap_done();
}
