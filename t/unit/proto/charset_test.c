/* SPDX-License-Identifier: ISC */
#include "base/utf8.h"
#include "proto/charset.h"
#include "tap.h"
#include <iconv.h>

static bool becomes(const char *charset, const char *in, size_t n, const char *want)
{
    struct buf out = buf_make(0);
    bool known = charset_to_utf8(&out, str_from(charset), str_make(in, n));
    bool same = str_eqz(buf_str(&out), want);
    if (!same)
        printf("# %s: %.*s\n", charset, STR_FMT(buf_str(&out)));
    buf_done(&out);
    return known && same;
}
#define BECOMES(charset, in, want) becomes(charset, in, sizeof in - 1, want)

static void test_texts(void)
{
    OK(BECOMES("ISO-2022-JP", "a\033$BF|K\\8l\033(Bz", "a日本語z"), "ISO-2022-JP");
    OK(BECOMES("iso-2022-jp", "\033$BF|\r\n\033(Ba", "日\r\na"), "ISO-2022-JP: a line's end is one in any set");
    OK(BECOMES("ISO-2022-JP", "\033(I1\033(J\\", "ｱ\\"), "ISO-2022-JP: half-width katakana, and JIS-Roman as ASCII");
    OK(BECOMES("EUC-JP", "\xc6\xfc\xcb\xdc\x8e\xb1\x8f\xb0\xa1", "日本ｱ丂"), "EUC-JP, with its sets of one and three bytes");
    OK(BECOMES("Shift_JIS", "\x93\xfa\x96\x7b\xb1", "日本ｱ"), "Shift_JIS");
    OK(BECOMES("windows-31j", "\x87\x40", "①"), "a character of a vendor");
    OK(BECOMES("GB2312", "\xc4\xe3\xba\xc3", "你好") && BECOMES("GBK", "\x81\x40", "丂"), "GB2312 and GBK");
    OK(BECOMES("GB18030", "\x81\x30\x84\x36\x90\x30\x81\x30", "¥𐀀"), "GB18030: four bytes, within the basic plane and beyond");
    OK(BECOMES("Big5", "\xa7\x41\xa6\x6e", "你好"), "Big5");
    OK(BECOMES("euc-kr", "\xc7\xd1\xb1\xdb", "한글") && BECOMES("ks_c_5601-1987", "\x81\x41", "갂"), "EUC-KR, and what CP949 adds under its name");
}

static void test_damage(void)
{
    OK(BECOMES("GB2312", "\xc4", "\xef\xbf\xbd") && BECOMES("EUC-JP", "\x8f\xb0", "\xef\xbf\xbd\xef\xbf\xbd"), "a character that is cut is U+FFFD, byte by byte");
    OK(BECOMES("Shift_JIS", "\x81" "1a", "\xef\xbf\xbd" "1a"), "what follows a wrong byte is read anew");
    OK(BECOMES("GB18030", "\xff\x81\x30\x81\x39", "\xef\xbf\xbd\xc2\x89") || BECOMES("GB18030", "\xff", "\xef\xbf\xbd"), "a byte that begins nothing");
    OK(BECOMES("ISO-2022-JP", "\033[1m\033$B!", "\033[1m\xef\xbf\xbd"), "an escape of no set stays; a set that ends early");
    OK(!charset_is_known(STR("utf-9")) && !charset_is_known(STR("iso-2022-kr")), "a charset that is not built in is not known");
}

static void test_unicode(void)
{
    OK(BECOMES("UTF-7", "Hi Mom -+Jjo--!", "Hi Mom -☺-!") && BECOMES("utf-7", "A+ImIDkQ.", "A≢Α."), "UTF-7: RFC 2152's examples");
    OK(BECOMES("UTF-7", "1 +- 1 +AKM-1 +2DzfAQ", "1 + 1 £1 🌁"), "UTF-7: a plus, and a surrogate pair");
    OK(BECOMES("UTF-7", "\xff+", "\xef\xbf\xbd\xef\xbf\xbd") && BECOMES("UTF-7", "+!", "\xef\xbf\xbd!"), "UTF-7: a byte of eight bits, a plus before nothing");
    OK(BECOMES("UTF-7", "+2Dw-a", "\xef\xbf\xbd" "a") && BECOMES("UTF-7", "+JjoA-", "☺\xef\xbf\xbd"), "UTF-7: half a pair, a cut unit");
    OK(BECOMES("UTF-16", "\xff\xfe" "a\0", "a") && BECOMES("UTF-16", "\xfe\xff\0a", "a") && BECOMES("UTF-16", "\0a", "a"), "UTF-16: either byte order, big-endian without a mark");
    OK(BECOMES("UTF-16LE", "\x3c\xd8\x01\xdf", "🌁") && BECOMES("UTF-16BE", "\xd8\x3c\0a\xdf", "\xef\xbf\xbd" "a\xef\xbf\xbd"), "UTF-16: a pair, half a pair, a cut unit");
    OK(BECOMES("UTF-32", "\xff\xfe\0\0" "a\0\0\0", "a") && BECOMES("UTF-32BE", "\0\x11\0\0", "\xef\xbf\xbd"), "UTF-32: a mark, a number beyond Unicode");
}

static const struct { const char *ours, *theirs; bool three; } same[] = {
    { "Shift_JIS", "CP932", false }, { "EUC-JP", "EUC-JP", true }, { "GB18030", "GB18030", false }, { "Big5", "BIG5", false }, { "EUC-KR", "UHC", false },
};

/* As iconv has it, "" if that is no single character of the basic plane. */
static struct str theirs(iconv_t cd, char *in, size_t n, char out[16])
{
    char *to = out;
    size_t room = 16;
    if (iconv(cd, &in, &n, &to, &room) != 0 || n != 0)
        return STR("");
    struct str s = str_make(out, 16 - room), rest = s;
    uint32_t code;
    return utf8_next(&rest, &code) && rest.n == 0 && code < 0x10000 ? s : STR("");
}

/* Every pair of bytes (behind 0x8f: of EUC-JP) whose first is no ASCII. */
static size_t count_differences(iconv_t cd, const char *charset, bool behind_8f)
{
    size_t bad = 0;
    struct buf ours = buf_make(0);
    for (unsigned i = 0x8000; i < 0x10000; i++) {
        char in[3] = { (char)0x8f, (char)(i >> 8), (char)i }, out[16];
        char *from = behind_8f ? in : in + 1;
        struct str want = theirs(cd, from, behind_8f ? 3 : 2, out);
        buf_reset(&ours);
        (void)charset_to_utf8(&ours, str_from(charset), str_make(from, behind_8f ? 3 : 2));
        bool replaced = str_find(buf_str(&ours), STR("\xef\xbf\xbd")) >= 0;
        bool two_kana = strcmp(charset, "Shift_JIS") == 0 && i >= 0xa100 && i < 0xe000;
        bad += want.n > 0 ? !str_eq(want, buf_str(&ours)) : !replaced && (i & 0x80) != 0 && !two_kana;
    }
    buf_done(&ours);
    return bad;
}

static void test_against_iconv(void)
{
    for (size_t i = 0; i < N_ELEMS(same); i++) {
        char what[80];
        iconv_t cd = iconv_open("UTF-8", same[i].theirs);
        size_t bad = cd == (iconv_t)-1 ? 0 : count_differences(cd, same[i].ours, false) + (same[i].three ? count_differences(cd, same[i].ours, true) : 0);
        (void)snprintf(what, sizeof what, "%s: every pair of bytes is what iconv's %s makes of it", same[i].ours, same[i].theirs);
        if (bad > 0)
            printf("# %zu differences\n", bad);
        OK(bad == 0, what);
        if (cd != (iconv_t)-1)
            (void)iconv_close(cd);
    }
}

int main(void)
{
    test_texts();
    test_damage();
    test_unicode();
    test_against_iconv();
    return tap_done();
}
