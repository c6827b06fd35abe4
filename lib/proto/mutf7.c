/* SPDX-License-Identifier: ISC */
#include "proto/mutf7.h"
#include "base/utf8.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_of(char c)
{
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

/* One UTF-16 unit of a shifted run. *high: an open first half of a surrogate pair. */
static bool put_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
    if (unit >= 0xdc00 && unit <= 0xdfff) {
        if (*high == 0)
            return false;
        utf8_put(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
        *high = 0;
        return true;
    }
    if (*high != 0)
        return false;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        *high = unit;
        return true;
    }
    if (unit < 0x20 || (unit >= 0x20 && unit < 0x7f))
        return false;           /* control, or printable ASCII, which stands for itself */
    utf8_put(out, unit);
    return true;
}

/* Behind '&': the run up to and including '-'. */
static bool take_shifted(struct buf *out, struct str *rest)
{
    uint32_t bits = 0, high = 0;
    unsigned n_bits = 0;
    size_t i = 0;
    for (; i < rest->n && rest->p[i] != '-'; i++) {
        int d = digit_of(rest->p[i]);
        if (d < 0)
            return false;
        bits = (bits << 6 | (uint32_t)d) & 0x3fffff;
        n_bits += 6;
        if (n_bits >= 16) {
            n_bits -= 16;
            if (!put_unit(out, bits >> n_bits & 0xffff, &high))
                return false;
        }
    }
    bool whole = i > 0 && i < rest->n && high == 0 && n_bits < 6 && (bits & ((1u << n_bits) - 1)) == 0;
    *rest = str_skip(*rest, i + 1);
    return whole;
}

bool mutf7_to_utf8(struct buf *out, struct str name)
{
    bool after_shift = false;
    while (name.n > 0) {
        char c = name.p[0];
        if ((unsigned char)c < 0x20 || (unsigned char)c >= 0x7f)
            return false;
        name = str_skip(name, 1);
        if (c != '&') {
            buf_putc(out, c);
            after_shift = false;
        } else if (name.n > 0 && name.p[0] == '-') {
            buf_putc(out, '&');
            name = str_skip(name, 1);
            after_shift = false;
        } else {
            if (after_shift || !take_shifted(out, &name))
                return false;
            after_shift = true;
        }
    }
    return true;
}

struct shift { struct buf *out; uint32_t bits; unsigned n_bits; bool open; };

static void shift_unit(struct shift *s, uint32_t unit)
{
    if (!s->open)
        buf_putc(s->out, '&');
    s->open = true;
    s->bits = s->bits << 16 | unit;
    for (s->n_bits += 16; s->n_bits >= 6;) {
        s->n_bits -= 6;
        buf_putc(s->out, digits[s->bits >> s->n_bits & 63]);
    }
    s->bits &= (1u << s->n_bits) - 1;
}

static void shift_end(struct shift *s)
{
    if (!s->open)
        return;
    if (s->n_bits > 0)
        buf_putc(s->out, digits[s->bits << (6 - s->n_bits) & 63]);
    buf_putc(s->out, '-');
    *s = (struct shift){ .out = s->out };
}

bool mutf7_from_utf8(struct buf *out, struct str text)
{
    struct shift s = { .out = out };
    uint32_t code;
    while (utf8_next(&text, &code)) {
        if (code < 0x20)
            return false;
        if (code < 0x7f) {
            shift_end(&s);
            buf_putc(out, (char)code);
            if (code == '&')
                buf_putc(out, '-');
        } else if (code < 0x10000) {
            shift_unit(&s, code);
        } else {
            shift_unit(&s, 0xd800 + ((code - 0x10000) >> 10));
            shift_unit(&s, 0xdc00 + ((code - 0x10000) & 0x3ff));
        }
    }
    shift_end(&s);
    return text.n == 0;
}

bool mutf7_is_valid(struct str name)
{
    struct buf scratch = buf_make(0);
    bool ok = mutf7_to_utf8(&scratch, name);
    buf_done(&scratch);
    return ok;
}
