/* SPDX-License-Identifier: ISC */
#include "proto/charset_wide.h"
#include "base/utf8.h"

enum { LEADS = 126, TRAILS = 191, REPLACEMENT = 0xfffd, KANA = 0xff61, FOUR_BYTES_HIGH = 189000 };

struct four_bytes { uint32_t from; uint32_t code; };    /* numbers from here on; code 0: not in use */

#include "proto/charset_wide_tables.inc"

/* A character at the start of the bytes: how many it has, 0 when they begin none. */
typedef size_t step_fn(const uint8_t *p, size_t n, uint32_t *ret_code);

struct charset_wide { const char *names[8]; step_fn *step; };    /* step NULL: ISO-2022-JP */

static uint32_t pair(const uint16_t table[LEADS][TRAILS], unsigned lead, unsigned trail)
{
    return lead < 0x81 || lead > 0xfe || trail < 0x40 || trail > 0xfe ? 0 : table[lead - 0x81][trail - 0x40];
}

static size_t two_bytes(const uint16_t table[LEADS][TRAILS], const uint8_t *p, size_t n, uint32_t *ret_code)
{
    *ret_code = n < 2 ? 0 : pair(table, p[0], p[1]);
    return *ret_code == 0 ? 0 : 2;
}

static bool is_kana(unsigned byte) { return byte >= 0xa1 && byte <= 0xdf; }

static size_t step_shift_jis(const uint8_t *p, size_t n, uint32_t *ret_code)
{
    if (!is_kana(p[0]))
        return two_bytes(cp932, p, n, ret_code);
    *ret_code = KANA + p[0] - 0xa1;
    return 1;
}

static size_t step_euc_jp(const uint8_t *p, size_t n, uint32_t *ret_code)
{
    if (p[0] == 0x8e && n >= 2 && is_kana(p[1])) {
        *ret_code = KANA + p[1] - 0xa1u;
        return 2;
    }
    if (p[0] == 0x8f && n >= 3)
        return two_bytes(jis0212, p + 1, n - 1, ret_code) == 0 ? 0 : 3;
    return p[0] < 0xa1 ? 0 : two_bytes(jis0208, p, n, ret_code);
}

/* Numbers beyond the basic plane are its code points in order; within it, what no table of two bytes has. */
static uint32_t four_bytes_code(uint32_t number)
{
    if (number >= FOUR_BYTES_HIGH)
        return number - FOUR_BYTES_HIGH <= 0xfffff ? number - FOUR_BYTES_HIGH + 0x10000 : 0;
    size_t i = N_ELEMS(gb18030_ranges);
    while (i > 0 && gb18030_ranges[i - 1].from > number)
        i--;
    return i == 0 || gb18030_ranges[i - 1].code == 0 ? 0 : gb18030_ranges[i - 1].code + (number - gb18030_ranges[i - 1].from);
}

static bool is_digit(unsigned byte) { return byte >= '0' && byte <= '9'; }

static size_t step_gb18030(const uint8_t *p, size_t n, uint32_t *ret_code)
{
    if (n < 4 || !is_digit(p[1]) || !is_digit(p[3]) || p[0] < 0x81 || p[0] > 0xfe || p[2] < 0x81 || p[2] > 0xfe)
        return two_bytes(gbk, p, n, ret_code);
    *ret_code = four_bytes_code(((p[0] - 0x81u) * 10 + (p[1] - '0')) * 1260 + (p[2] - 0x81u) * 10 + (p[3] - '0'));
    return *ret_code == 0 ? 0 : 4;
}

static size_t step_big5(const uint8_t *p, size_t n, uint32_t *ret_code) { return two_bytes(big5, p, n, ret_code); }
static size_t step_uhc(const uint8_t *p, size_t n, uint32_t *ret_code) { return two_bytes(uhc, p, n, ret_code); }

/* Names as mail has them, without case. */
static const struct charset_wide all[] = {
    { { "iso-2022-jp", "csiso2022jp", "iso-2022-jp-1", "iso-2022-jp-ms", "cp50221" }, NULL },
    { { "shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "windows-31j", "cp932" }, step_shift_jis },
    { { "euc-jp", "x-euc-jp", "eucjp", "cp51932" }, step_euc_jp },
    { { "gb2312", "gb18030", "gbk", "x-gbk", "cp936", "euc-cn", "gb_2312-80" }, step_gb18030 },
    { { "big5", "cp950", "x-x-big5", "big5-hkscs" }, step_big5 },
    { { "euc-kr", "ks_c_5601-1987", "cp949", "windows-949", "uhc", "ksc5601", "korean" }, step_uhc },
};

const struct charset_wide *charset_wide_find(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(all); i++)
        for (size_t k = 0; k < N_ELEMS(all[i].names) && all[i].names[k] != NULL; k++)
            if (str_ieqz(name, all[i].names[k]))
                return &all[i];
    return NULL;
}

/* RFC 1468 and what is sent under its name: the sets that an escape selects. */
enum set { SET_ASCII, SET_JIS0208, SET_JIS0212, SET_KANA, SETS };
static const struct { const char *escape; enum set set; } escapes[] = {
    { "\033(B", SET_ASCII }, { "\033(J", SET_ASCII }, { "\033$@", SET_JIS0208 }, { "\033$B", SET_JIS0208 },
    { "\033$(D", SET_JIS0212 }, { "\033(I", SET_KANA },
};

static bool take_escape(struct str *text, enum set *set)
{
    for (size_t i = 0; i < N_ELEMS(escapes); i++)
        if (str_starts(*text, str_from(escapes[i].escape))) {
            *set = escapes[i].set;
            *text = str_skip(*text, strlen(escapes[i].escape));
            return true;
        }
    return false;
}

static size_t step_iso_2022_jp(enum set set, const uint8_t *p, size_t n, uint32_t *ret_code)
{
    uint8_t high[2] = { p[0] | 0x80, n > 1 ? p[1] | 0x80 : 0 };
    if (p[0] <= ' ' || set == SET_ASCII) {      /* also a line's end: it is the same in all sets */
        *ret_code = p[0];
        return p[0] < 0x80;
    }
    if (set == SET_KANA) {
        *ret_code = KANA + high[0] - 0xa1u;
        return is_kana(high[0]);
    }
    return two_bytes(set == SET_JIS0212 ? jis0212 : jis0208, high, MIN(n, (size_t)2), ret_code);
}

void charset_wide_put(struct buf *out, const struct charset_wide *c, struct str text)
{
    enum set set = SET_ASCII;
    while (text.n > 0) {
        const uint8_t *p = (const uint8_t *)text.p;
        uint32_t code = p[0];
        size_t n = 1;
        if (c->step == NULL && p[0] == 0x1b && take_escape(&text, &set))
            continue;
        if (c->step == NULL)
            n = step_iso_2022_jp(set, p, text.n, &code);
        else if (p[0] >= 0x80)
            n = c->step(p, text.n, &code);
        utf8_put(out, n == 0 ? REPLACEMENT : code);
        text = str_skip(text, MAX(n, (size_t)1));
    }
}
