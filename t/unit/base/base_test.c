/* SPDX-License-Identifier: ISC */
#include "base/arena.h"
#include "base/enc.h"
#include "base/heap.h"
#include "base/htab.h"
#include "base/reader.h"
#include "base/utf8.h"
#include "tap.h"

static void test_str(void)
{
    struct str head, rest, tok, list = STR("  a, b,,c ");
    OK(str_cut(STR("user@host"), '@', &head, &rest) && str_eqz(head, "user") && str_eqz(rest, "host"), "cut at the first @");
    OK(!str_cut(STR("user"), '@', &head, &rest) && str_eqz(head, "user") && rest.n == 0, "cut without the separator");
    size_t n = 0;
    while (str_token(&list, " ,", &tok))
        n += tok.n;
    OK(n == 3, "tokens skip runs of separators");
    OK(str_ieq(STR("MAIL"), STR("mail")) && !str_ieq(STR("MAIL"), STR("mai")), "ASCII case folding");
    OK(str_eqz(str_trim(STR(" \tx\r\n")), "x"), "trim both ends");
    char fixed[4];
    OK(str_to_fixed(STR("abc"), fixed, sizeof fixed) && !str_to_fixed(STR("abcd"), fixed, sizeof fixed), "fixed buffer keeps room for NUL");
    OK(!str_to_fixed(str_make("a\0b", 3), fixed, sizeof fixed), "a slice with NUL does not become a C string");
}

static void test_glob(void)
{
    static const struct { const char *pattern, *text; bool fits; } rows[] = {
        { "*", "", true }, { "", "", true }, { "", "a", false }, { "?", "a", true }, { "?", "", false }, { "a*c", "abbc", true },
        { "a*c", "abbd", false }, { "*@b.test", "a@b.test", true }, { "*a*b*c", "xxaxxbxxc", true }, { "*a*b*c", "xxbxxaxxc", false },
        { "**?", "a", true }, { "a?c*", "abc", true }, { "abc", "abcd", false },
    };
    bool good = true;
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        good &= str_glob(str_from(rows[i].pattern), str_from(rows[i].text)) == rows[i].fits;
    OK(good, "'*' is any text and '?' one byte of it");
}

static void test_num(void)
{
    uint64_t v = 7;
    struct str s = STR("12x");
    OK(num_parse_u64(STR("18446744073709551615"), UINT64_MAX, &v) && v == UINT64_MAX, "largest number");
    OK(!num_parse_u64(STR("18446744073709551616"), UINT64_MAX, &v), "overflow");
    OK(!num_parse_u64(STR(""), 9, &v) && !num_parse_u64(STR("+1"), 9, &v) && !num_parse_u64(STR(" 1"), 9, &v), "nothing but digits");
    OK(num_take_u64(&s, 99, &v) && v == 12 && str_eqz(s, "x"), "take digits off the front");
    OK(num_parse_hex(STR("fF"), 255, &v) && v == 255, "hexadecimal");
}

static void test_reader(void)
{
    struct buf b = buf_make(0);
    buf_be16(&b, 0x0102);
    buf_be32(&b, 0xfffefdfc);
    buf_be64(&b, UINT64_MAX - 1);
    buf_puts(&b, "abc");
    bool whole = false, cut = true;
    for (size_t n = 0; n <= b.n; n++) {
        struct reader r = reader_make(str_head(buf_str(&b), n));
        bool good = reader_u8(&r) == 1 && reader_u8(&r) == 2 && reader_u32(&r) == 0xfffefdfc && reader_u64(&r) == UINT64_MAX - 1;
        good &= str_eqz(reader_bytes(&r, 3), "abc");
        if (n == b.n)
            whole = good && reader_ended(&r);
        else
            cut &= r.bad && !reader_ended(&r) && reader_u64(&r) == 0 && reader_bytes(&r, 0).n == 0;
    }
    OK(whole, "fields of a record as they were written");
    OK(cut, "a record that was cut anywhere is bad, and gives zeros and nothing from there on");
    struct reader r = reader_make(buf_str(&b));
    OK(reader_bytes(&r, SIZE_MAX).n == 0 && r.bad, "a length beyond the record is not followed");
    buf_done(&b);
}

static bool unb64(const char *in, const char *want)
{
    struct buf b = buf_make(0);
    bool ok = enc_unbase64(&b, str_from(in)) && (want == NULL || str_eqz(buf_str(&b), want));
    buf_done(&b);
    return ok;
}

static void test_enc(void)
{
    OK(unb64("", "") && unb64("Zg==", "f") && unb64("Zm8=", "fo") && unb64("Zm9v", "foo"), "base64 test vectors");
    OK(!unb64("Zg=", NULL) && !unb64("Zh==", NULL) && !unb64("Z===", NULL) && !unb64("Zg==Zg==", NULL) && !unb64("Zm 9", NULL),
       "base64 that is not canonical is refused");
    struct buf b = buf_make(0);
    enc_base64(&b, STR("any carnal pleas"));
    OK(str_eqz(buf_str(&b), "YW55IGNhcm5hbCBwbGVhcw=="), "base64 encoding");
    buf_reset(&b);
    enc_xtext(&b, STR("a+b=c d"));
    OK(str_eqz(buf_str(&b), "a+2Bb+3Dc+20d"), "xtext");
    OK(crc32c(0, "123456789", 9) == 0xe3069283u, "CRC-32C check value");
    OK(crc32c(crc32c(0, "1234", 4), "56789", 5) == 0xe3069283u, "CRC-32C piecewise");
    buf_done(&b);
}

static void test_utf8(void)
{
    OK(utf8_is_valid(STR("Gr\xc3\xbc\xc3\x9f""e \xe2\x82\xac \xf0\x9f\x98\x80")), "valid UTF-8");
    OK(!utf8_is_valid(STR("\xc0\x80")) && !utf8_is_valid(STR("\xed\xa0\x80")) && !utf8_is_valid(STR("\xf4\x90\x80\x80")) &&
       !utf8_is_valid(STR("\xc3")), "overlong, surrogate, too large, cut");
}

static void test_htab(void)
{
    struct htab t = { .n = 0 };
    struct arena a = arena_make(1 << 20);
    bool ok = true;
    for (int i = 0; i < 1000; i++) {
        struct str k = str_printf(&a, "key%d", i);
        ok &= htab_put(&t, k, (char *)(uintptr_t)k.p) == NULL;
    }
    for (int i = 0; i < 1000; i += 2)
        ok &= htab_remove(&t, str_printf(&a, "key%d", i)) != NULL;
    for (int i = 0; i < 1000; i++)
        ok &= (htab_get(&t, str_printf(&a, "key%d", i)) != NULL) == (i % 2 == 1);
    OK(ok && t.n == 500, "a thousand keys in, half of them out again");
    htab_done(&t);
    arena_done(&a);
}

static void test_heap(void)
{
    struct heap h = { .nodes = { .n = 0 } };
    struct heap_node n[100] = { { .key = 0 } };
    for (int i = 0; i < 100; i++)
        heap_set(&h, &n[i], i * 37 % 101);
    for (int i = 0; i < 100; i += 3)
        heap_remove(&h, &n[i]);
    int64_t last = -1;
    bool sorted = true;
    size_t count = 0;
    for (struct heap_node *top; (top = heap_top(&h)) != NULL; heap_remove(&h, top), count++) {
        sorted &= top->key >= last;
        last = top->key;
    }
    OK(sorted && count == 66, "heap gives keys in order after removals");
    heap_done(&h);
}

static void test_arena_buf(void)
{
    struct arena a = arena_make(1 << 16);
    struct arena_mark m = arena_mark(&a);
    for (int i = 0; i < 100; i++)
        (void)arena_alloc(&a, 100);
    arena_rewind(&a, m);
    OK(a.used == 0 && a.top == NULL, "rewind gives everything back");
    arena_done(&a);
    struct buf b = buf_make(10);
    buf_puts(&b, "123456789");
    buf_puts(&b, "ab");
    OK(b.full && b.n == 9, "a buffer past its limit drops what is added");
    buf_reset(&b);
    buf_printf(&b, "%d", 42);
    OK(!b.full && str_eqz(buf_str(&b), "42"), "and works again after reset");
    buf_done(&b);
}

int main(void)
{
    test_str();
    test_glob();
    test_num();
    test_reader();
    test_enc();
    test_utf8();
    test_htab();
    test_heap();
    test_arena_buf();
    return tap_done();
}
