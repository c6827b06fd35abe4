/* SPDX-License-Identifier: ISC
 * qrec_test.c - Postfix's queue records: written, read, cut at every length. */
#include "proto/qrec.h"
#include "base/arena.h"
#include "tap.h"

static struct buf sample(void)
{
    struct buf b = { 0 };
    qrec_put_size(&b, &(struct qrec_size){ .content_records = 30, .data_offset = 120, .recipients = 2, .content_size = 20 });
    qrec_put_time(&b, 1700000000123456u);
    qrec_put_attr(&b, "log_client_name", STR("host=x"));
    qrec_putz(&b, QREC_SENDER, "");
    qrec_putz(&b, QREC_ORIG, "o@example.test");
    qrec_putz(&b, QREC_RCPT, "r@example.test");
    qrec_putz(&b, QREC_MESSAGE, "");
    qrec_putz(&b, QREC_LINE, "Subject: a");
    qrec_putz(&b, QREC_EXTRACTED, "");
    qrec_putz(&b, QREC_END, "");
    return b;
}

static void test_lengths(void)
{
    static const size_t sizes[] = { 0, 1, 127, 128, 300, 16383, 16384, 70000 };
    for (size_t i = 0; i < N_ELEMS(sizes); i++) {
        struct buf b = { 0 };
        char *data = xmalloc(sizes[i] + 1);
        memset(data, 'x', sizes[i] + 1);
        qrec_put(&b, 'N', str_make(data, sizes[i]));
        struct qrec rec;
        OK(qrec_peek(buf_str(&b), &rec) == QREC_OK && rec.data.n == sizes[i] && rec.end == b.n && rec.type == 'N',
           "a record of any length comes back");
        OK(sizes[i] < 128 || (b.p[1] & 0x80) != 0, "long lengths continue with the high bit");
        free(data);
        buf_done(&b);
    }
}

static void test_cut(void)
{
    struct buf b = sample();
    bool refused = true, whole = true;
    size_t ends[32], n_ends = 0;
    struct qrec rec;
    for (struct qrec_iter it = qrec_iter(buf_str(&b)); qrec_next(&it, &rec) == QREC_OK;)
        ends[n_ends++] = rec.end;
    for (size_t cut = 0; cut < b.n; cut++) {
        struct qrec_iter it = qrec_iter(str_make(b.p, cut));
        enum qrec_result r;
        while ((r = qrec_next(&it, &rec)) == QREC_OK)
            ;
        bool at_end = cut == 0;
        for (size_t i = 0; i < n_ends; i++)
            at_end |= ends[i] == cut;
        refused &= at_end || r == QREC_BAD;
        whole &= !at_end || r == QREC_EOF;
    }
    OK(n_ends == 10, "the sample has ten records");
    OK(refused, "a stream cut inside a record is refused");
    OK(whole, "a stream cut between records ends there");
    buf_done(&b);
}

static void test_bad_lengths(void)
{
    static const struct { const char *name; struct str in; } cases[] = {
        { "a length that goes on for ever", STR_INIT("N\xff\xff\xff\xff\xff\xff\xff") },
        { "a length beyond 31 bits", STR_INIT("N\xff\xff\xff\xff\x0f") },
        { "more data than there is", STR_INIT("N\x05""abcd") },
        { "only a type byte", STR_INIT("N") },
        { "a pointer out of the range", STR_INIT("p\x0f           9999") },
        { "a pointer that is no number", STR_INIT("p\x04""abcd") },
        { "a pointer to itself does not loop", STR_INIT("N\x01xp\x0f              3") },
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct qrec_iter it = qrec_iter(cases[i].in);
        struct qrec rec;
        enum qrec_result r;
        while ((r = qrec_next(&it, &rec)) == QREC_OK)
            ;
        OK(r == QREC_BAD, cases[i].name);
    }
}

static void test_pointer(void)
{
    struct buf b = { 0 };
    struct qrec rec;
    qrec_putz(&b, QREC_LINE, "one");
    qrec_putf(&b, QREC_POINTER, "%15d", 0);
    qrec_putz(&b, QREC_PAD, "xxxx");
    qrec_putf(&b, QREC_POINTER, "%15d", 60);
    qrec_putz(&b, QREC_LINE, "gone");
    while (b.n < 60)
        buf_putc(&b, 'w');
    qrec_putz(&b, QREC_LINE, "two");
    struct qrec_iter it = qrec_iter(buf_str(&b));
    OK(qrec_next(&it, &rec) == QREC_OK && str_eqz(rec.data, "one"), "the line before the pointer");
    OK(qrec_next(&it, &rec) == QREC_OK && str_eqz(rec.data, "two") && rec.at == 60, "a pointer is followed, padding skipped");
    OK(qrec_next(&it, &rec) == QREC_EOF, "and the stream ends there");
    it = qrec_iter(buf_str(&b));
    it.raw = true;
    (void)qrec_next(&it, &rec);
    OK(qrec_next(&it, &rec) == QREC_OK && rec.type == QREC_POINTER, "a raw reader sees the pointer itself");
    buf_done(&b);
}

static void test_fields(void)
{
    struct qrec_size size;
    uint64_t us;
    struct str name, value;
    OK(qrec_parse_size(STR("             44             662               2               0              30               1"), &size) &&
       size.content_records == 44 && size.data_offset == 662 && size.recipients == 2 && size.content_size == 30 && size.smtputf8 == 1,
       "a size record as Postfix writes it");
    OK(qrec_parse_size(STR("  10   20"), &size) && size.data_offset == 20 && size.recipients == 0, "an old one with two fields");
    OK(!qrec_parse_size(STR("x 2"), &size) && !qrec_parse_size(STR(""), &size), "no number is refused");
    OK(qrec_parse_time(STR("1700000000 7"), &us) && us == 1700000000000007u, "time with microseconds");
    OK(qrec_parse_time(STR("1700000000"), &us) && us == 1700000000000000u, "time without");
    OK(!qrec_parse_time(STR("1 1000000"), &us) && !qrec_parse_time(STR("-1"), &us), "bad times are refused");
    OK(qrec_attr(STR("a=b=c"), &name, &value) && str_eqz(name, "a") && str_eqz(value, "b=c"), "an attribute ends its name at the first =");
    OK(!qrec_attr(STR("=x"), &name, &value) && !qrec_attr(STR("x"), &name, &value), "an attribute needs a name and a =");
}

static void test_dsn(void)
{
    static const struct { const char *name, *file; char type; } cases[] = {
        { "RET in a queue file is an attribute", "ret_flags=1", QREC_DSN_RET },
        { "ENVID too", "envelope_id=1", QREC_DSN_ENVID },
        { "ORCPT too", "dsn_orig_rcpt=1", QREC_DSN_ORCPT },
        { "NOTIFY too", "notify_flags=1", QREC_DSN_NOTIFY },
    };
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct buf b = { 0 };
        struct qrec rec = { .type = cases[i].type, .data = STR("1") };
        qrec_put_as_file(&b, &rec);
        struct qrec_iter it = qrec_iter(buf_str(&b));
        OK(qrec_next(&it, &rec) == QREC_OK && rec.type == 'A' && str_eqz(rec.data, cases[i].file), cases[i].name);
        qrec_from_file(&rec);
        OK(rec.type == cases[i].type && str_eqz(rec.data, "1"), "and it comes back as a record of its own");
        buf_done(&b);
    }
    struct qrec other = { .type = 'A', .data = STR("x=ret_flags=1") };
    qrec_from_file(&other);
    OK(other.type == 'A', "other attributes stay");
}

/* Text goes in as pieces of `step` bytes and must come back the same. */
static bool round_trip(struct str text, size_t step)
{
    struct buf records = { 0 }, back = { 0 };
    struct qrec_writer w = { .out = &records };
    for (size_t at = 0; at < text.n; at += step)
        qrec_put_content(&w, str_head(str_skip(text, at), step));
    qrec_content_end(&w);
    struct qrec_iter it = qrec_iter(buf_str(&records));
    struct str piece;
    bool ends;
    uint64_t size = 0;
    while (qrec_content_next(&it, &piece, &ends) == QREC_OK) {
        buf_add(&back, piece);
        if (ends)
            buf_putc(&back, '\n');
    }
    bool same = back.n >= text.n && memcmp(back.p == NULL ? "" : back.p, text.p, text.n) == 0 && back.n <= text.n + 1;
    same &= qrec_content_size(buf_str(&records), &size) && size == back.n && size == w.size;
    buf_done(&records);
    buf_done(&back);
    return same;
}

static void test_content(void)
{
    struct buf big = { 0 };
    for (int i = 0; i < 6000; i++)
        buf_putc(&big, (char)(i == 3 || i == 5000 ? '\n' : 'a' + i % 26));
    struct str texts[] = { STR(""), STR("\n"), STR("a\n\nb\r\n"), STR("no end"), STR("nul\0in\n"), buf_str(&big) };
    for (size_t i = 0; i < N_ELEMS(texts); i++) {
        bool ok = true;
        for (size_t step = 1; step < 5; step++)
            ok &= round_trip(texts[i], step);
        OK(ok && round_trip(texts[i], 4096) && round_trip(texts[i], 2048), "message text comes back from records, however it is cut");
    }
    uint64_t size;
    OK(!qrec_content_size(STR("M\x00"), &size), "what is no content is refused as content");
    buf_done(&big);
}

static void test_limit(void)
{
    struct buf b = buf_make(20);
    qrec_putz(&b, 'N', "0123456789");
    qrec_putz(&b, 'N', "0123456789");
    OK(b.full && b.n == 12, "a record that does not fit is left out whole");
    buf_done(&b);
}

int main(void)
{
    test_lengths();
    test_cut();
    test_bad_lengths();
    test_pointer();
    test_fields();
    test_dsn();
    test_content();
    test_limit();
    return tap_done();
}
