/* SPDX-License-Identifier: ISC */
#include "proto/charset_utf.h"
#include "base/utf8.h"

enum { REPLACEMENT = 0xfffd, MARK = 0xfeff, UNICODE_MAX = 0x10ffff };
enum order { ORDER_MARKED, ORDER_BIG, ORDER_LITTLE };

struct charset_utf { const char *name; unsigned bytes; enum order order; };     /* bytes 0: UTF-7 */

static const struct charset_utf all[] = {
    { "utf-7", 0, ORDER_BIG }, { "unicode-1-1-utf-7", 0, ORDER_BIG },
    { "utf-16", 2, ORDER_MARKED }, { "utf-16be", 2, ORDER_BIG }, { "utf-16le", 2, ORDER_LITTLE },
    { "utf-32", 4, ORDER_MARKED }, { "utf-32be", 4, ORDER_BIG }, { "utf-32le", 4, ORDER_LITTLE },
};

const struct charset_utf *charset_utf_find(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(all); i++)
        if (str_ieqz(name, all[i].name))
            return &all[i];
    return NULL;
}

/* Units of 16 bits as characters; high is the first half of a pair, 0 = none. */
struct units { struct buf *out; uint32_t high; };

static void units_end(struct units *u)
{
    if (u->high != 0)
        utf8_put(u->out, REPLACEMENT);
    u->high = 0;
}

static void units_put(struct units *u, uint32_t unit)
{
    bool is_low = unit >= 0xdc00 && unit <= 0xdfff;
    if (u->high != 0 && is_low) {
        utf8_put(u->out, 0x10000 + ((u->high - 0xd800) << 10) + (unit - 0xdc00));
        u->high = 0;
        return;
    }
    units_end(u);
    if (unit >= 0xd800 && unit <= 0xdbff)
        u->high = unit;
    else
        utf8_put(u->out, is_low ? REPLACEMENT : unit);
}

static uint32_t unit_at(const uint8_t *p, unsigned bytes, bool little)
{
    uint32_t unit = 0;
    for (unsigned i = 0; i < bytes; i++)
        unit |= (uint32_t)p[i] << 8 * (little ? i : bytes - 1 - i);
    return unit;
}

static void put_units(struct buf *out, const struct charset_utf *c, struct str text)
{
    struct units u = { .out = out };
    bool little = c->order == ORDER_LITTLE;
    bool first = c->order == ORDER_MARKED;
    for (; text.n >= c->bytes; text = str_skip(text, c->bytes), first = false) {
        uint32_t unit = unit_at((const uint8_t *)text.p, c->bytes, little);
        uint32_t swapped = unit_at((const uint8_t *)text.p, c->bytes, true);
        if (first && (unit == MARK || swapped == MARK))
            little = unit != MARK;
        else if (c->bytes == 2)
            units_put(&u, unit);
        else
            utf8_put(out, unit > UNICODE_MAX || (unit >= 0xd800 && unit <= 0xdfff) ? REPLACEMENT : unit);
    }
    units_end(&u);
    if (text.n > 0)
        utf8_put(out, REPLACEMENT);
}

static int sextet(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* What is between '+' and the first character that base64 has not; returns its length. */
static size_t put_shifted(struct buf *out, struct str text)
{
    struct units u = { .out = out };
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t i = 0;
    for (int six; i < text.n && (six = sextet(text.p[i])) >= 0; i++) {
        bits = (bits << 6 | (uint32_t)six) & 0x3fffff;
        n_bits += 6;
        if (n_bits >= 16) {
            n_bits -= 16;
            units_put(&u, bits >> n_bits & 0xffff);
        }
    }
    units_end(&u);
    if (i == 0 || n_bits >= 6)
        utf8_put(out, REPLACEMENT);
    return i;
}

static void put_utf7(struct buf *out, struct str text)
{
    while (text.n > 0) {
        uint8_t c = (uint8_t)text.p[0];
        text = str_skip(text, 1);
        if (c != '+') {
            utf8_put(out, c < 0x80 ? c : REPLACEMENT);
            continue;
        }
        if (text.n > 0 && text.p[0] == '-')
            buf_putc(out, '+');
        else
            text = str_skip(text, put_shifted(out, text));
        if (text.n > 0 && text.p[0] == '-')
            text = str_skip(text, 1);
    }
}

void charset_utf_put(struct buf *out, const struct charset_utf *c, struct str text)
{
    if (c->bytes == 0)
        put_utf7(out, text);
    else
        put_units(out, c, text);
}
