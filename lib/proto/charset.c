/* SPDX-License-Identifier: ISC */
#include "proto/charset.h"
#include "base/enc.h"
#include "base/num.h"
#include "base/utf8.h"
#include "proto/charset_tables.h"
#include "proto/charset_utf.h"
#include "proto/charset_wide.h"
#include "proto/mime.h"

enum { REPLACEMENT = 0xfffd };

bool charset_is_utf8(struct str name)
{
    return name.n == 0 || str_ieqz(name, "utf-8") || str_ieqz(name, "utf8") || str_ieqz(name, "us-ascii") ||
           str_ieqz(name, "ascii");
}

static void put_single_byte(struct buf *out, struct str text, const uint16_t *high)
{
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = (uint8_t)text.p[i];
        uint32_t code = c < 0x80 ? c : high[c - 0x80];
        utf8_put(out, code == 0 && c != 0 ? REPLACEMENT : code);
    }
}

static bool is_latin1_name(struct str name)
{
    return str_ieqz(name, "iso-8859-1") || str_ieqz(name, "latin1");
}

static void put_valid_utf8(struct buf *out, struct str text)
{
    uint32_t code;
    while (text.n > 0)
        if (utf8_next(&text, &code)) {
            utf8_put(out, code);
        } else {
            utf8_put(out, REPLACEMENT);
            text = str_skip(text, 1);
        }
}

static void put_latin1(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        utf8_put(out, (uint8_t)text.p[i]);
}

bool charset_is_known(struct str charset)
{
    return charset_is_utf8(charset) || is_latin1_name(charset) || charset_table(charset) != NULL || charset_wide_find(charset) != NULL ||
           charset_utf_find(charset) != NULL;
}

bool charset_to_utf8(struct buf *out, struct str charset, struct str text)
{
    if (charset_is_utf8(charset)) {
        put_valid_utf8(out, text);
        return true;
    }
    if (is_latin1_name(charset)) {
        put_latin1(out, text);
        return true;
    }
    const uint16_t *high = charset_table(charset);
    if (high != NULL) {
        put_single_byte(out, text, high);
        return true;
    }
    const struct charset_utf *utf = charset_utf_find(charset);
    if (utf != NULL) {
        charset_utf_put(out, utf, text);
        return true;
    }
    const struct charset_wide *wide = charset_wide_find(charset);
    if (wide == NULL) {
        put_valid_utf8(out, text);
        return false;
    }
    charset_wide_put(out, wide, text);
    return true;
}

/* RFC 2047 §4.2 */
static void decode_q(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint64_t byte;
        if (s.p[i] == '=' && i + 2 < s.n && num_parse_hex(str_make(s.p + i + 1, 2), 255, &byte)) {
            buf_putc(out, (char)byte);
            i += 2;
        } else {
            buf_putc(out, s.p[i] == '_' ? ' ' : s.p[i]);
        }
    }
}

struct word { struct str charset, text; char encoding; size_t len; };

/* "=?charset?e?text?=" at the start of s. */
static bool take_word(struct str s, struct word *ret)
{
    enum { WORD_MAX = 400 };       /* RFC 2047 §2 says 75; what people send is longer */
    struct str head, rest = str_skip(str_head(s, WORD_MAX), 2);
    if (!str_cut(rest, '?', &ret->charset, &rest) || ret->charset.n == 0 || rest.n < 2 || rest.p[1] != '?')
        return false;
    ret->encoding = ascii_lower(rest.p[0]);
    ptrdiff_t end = str_find(str_skip(rest, 2), STR("?="));
    if (end < 0 || (ret->encoding != 'q' && ret->encoding != 'b'))
        return false;
    ret->text = str_make(rest.p + 2, (size_t)end);
    ret->len = (size_t)(ret->text.p + ret->text.n + 2 - s.p);
    (void)str_cut(ret->charset, '*', &head, &rest);     /* RFC 2231 §5: a language may follow */
    ret->charset = head;
    return true;
}

static void put_word(struct buf *out, const struct word *w)
{
    struct buf bytes = buf_make(0);
    if (w->encoding == 'b')
        mime_decode(&bytes, MIME_BASE64, w->text);
    else
        decode_q(&bytes, w->text);
    (void)charset_to_utf8(out, w->charset, buf_str(&bytes));
    buf_done(&bytes);
}

void charset_decode_header(struct buf *out, struct str value)
{
    bool after_word = false;
    while (value.n > 0) {
        size_t n = 0;
        while (n < value.n && ascii_is_space(value.p[n]))
            n++;
        struct str gap = str_head(value, n);
        value = str_skip(value, n);
        struct word w;
        bool word = value.n > 2 && value.p[0] == '=' && value.p[1] == '?' && take_word(value, &w);
        if (!(word && after_word))          /* RFC 2047 §6.2: space between two encoded words is nothing */
            for (size_t i = 0; i < gap.n; i++)
                if (gap.p[i] != '\r' && gap.p[i] != '\n')
                    buf_putc(out, gap.p[i]);
        if (word) {
            put_word(out, &w);
            value = str_skip(value, w.len);
        } else {
            for (n = 0; n < value.n && !ascii_is_space(value.p[n]); n++)
                if (n > 0 && value.p[n] == '=' && n + 1 < value.n && value.p[n + 1] == '?')
                    break;
            put_valid_utf8(out, str_head(value, n));
            value = str_skip(value, n);
        }
        after_word = word;
    }
}

/* Simple case mappings by block; pairs of neighbours where upper case is even or odd. */
static uint32_t lower(uint32_t c)
{
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3ab && c != 0x3a2) || (c >= 0x410 && c <= 0x42f))
        return c + 32;
    if ((c >= 0x100 && c <= 0x137) || (c >= 0x14a && c <= 0x177) || (c >= 0x1e00 && c <= 0x1e95) ||
        (c >= 0x1ea0 && c <= 0x1eff) || (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) ||
        (c >= 0x4d0 && c <= 0x52f) || (c >= 0x1de && c <= 0x1ef) || (c >= 0x1f8 && c <= 0x21f) ||
        (c >= 0x222 && c <= 0x233))
        return c | 1;       /* U+0130 has no lower case of its own length: it stays apart from i */
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e) || (c >= 0x1cd && c <= 0x1dc) ||
        (c >= 0x4c1 && c <= 0x4ce))
        return (c & 1) != 0 ? c + 1 : c;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    if (c >= 0x531 && c <= 0x556)
        return c + 48;
    switch (c) {
    case 0x178: return 0xff;
    case 0x386: return 0x3ac;
    case 0x388: case 0x389: case 0x38a: return c + 37;
    case 0x38c: return 0x3cc;
    case 0x38e: case 0x38f: return c + 63;
    case 0x3c2: return 0x3c3;       /* final sigma */
    case 0x1e9e: return 0xdf;
    default: return c;
    }
}

static size_t encode(char *to, uint32_t c)
{
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 63));
        to[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

void charset_fold(struct buf *out, struct str text)
{
    char *room = text.n == 0 ? NULL : buf_room(out, 3 * text.n), *to = room;    /* one byte becomes at most U+FFFD */
    bool space = false;
    if (room == NULL)
        return;
    while (text.n > 0) {
        uint8_t c = (uint8_t)text.p[0];
        uint32_t code;
        if (c < 0x80) {
            bool here = ascii_is_space((char)c);
            if (!here || !space)
                *to++ = here ? ' ' : ascii_lower((char)c);
            space = here;
            text.p++;
            text.n--;
            continue;
        }
        space = false;
        if (!utf8_next(&text, &code)) {
            code = REPLACEMENT;
            text = str_skip(text, 1);
        }
        to += encode(to, lower(code));
    }
    buf_added(out, (size_t)(to - room));
}
