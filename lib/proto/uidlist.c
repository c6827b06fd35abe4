/* SPDX-License-Identifier: ISC */
#include "proto/uidlist.h"
#include "base/enc.h"
#include "base/num.h"

static bool parse_guid(struct str hex, uint8_t guid[16])
{
    struct buf b = buf_make(64);
    bool ok = hex.n == 32 && enc_unhex(&b, hex) && b.n == 16;
    if (ok)
        memcpy(guid, b.p, 16);
    buf_done(&b);
    return ok;
}

static bool parse_head_1(struct str rest, struct uidlist_head *h)
{
    struct str word;
    h->version = 1;
    return str_token(&rest, " ", &word) && num_parse_u32(word, UINT32_MAX, &h->uidvalidity)
        && str_token(&rest, " ", &word) && num_parse_u32(word, UINT32_MAX, &h->uidnext);
}

bool uidlist_parse_head(struct str line, struct uidlist_head *ret)
{
    struct uidlist_head h = { .version = 3 };
    struct str word, rest = line;
    if (!str_token(&rest, " ", &word))
        return false;
    if (str_eqz(word, "1")) {
        if (!parse_head_1(rest, &h) || h.uidvalidity == 0 || h.uidnext == 0)
            return false;
        *ret = h;
        return true;
    }
    if (!str_eqz(word, "3"))
        return false;
    while (str_token(&rest, " ", &word)) {
        struct str value = str_skip(word, 1);
        if (word.p[0] == 'V' && !num_parse_u32(value, UINT32_MAX, &h.uidvalidity))
            return false;
        if (word.p[0] == 'N' && !num_parse_u32(value, UINT32_MAX, &h.uidnext))
            return false;
        if (word.p[0] == 'G')
            h.has_guid = parse_guid(value, h.guid);
        if (strchr("VNG", word.p[0]) == NULL && h.other.n == 0)
            h.other = str_make(word.p - 1, (size_t)(line.p + line.n - word.p) + 1);
    }
    if (h.uidvalidity == 0 || h.uidnext == 0)
        return false;
    *ret = h;
    return true;
}

static bool is_base_name(struct str s)
{
    if (s.n == 0 || s.n > 255)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '/' || s.p[i] == '\0' || s.p[i] == '\r')
            return false;
    return true;
}

bool uidlist_parse_line(struct str line, unsigned version, struct uidlist_line *ret)
{
    struct uidlist_line l = { 0 };
    struct str rest = line;
    uint64_t uid;
    if (!num_take_u64(&rest, UINT32_MAX - 1, &uid) || uid == 0 || rest.n == 0 || rest.p[0] != ' ')
        return false;
    l.uid = (uint32_t)uid;
    rest = str_skip(rest, 1);
    if (version == 1) {
        l.base = rest;
    } else {
        while (rest.n > 0 && rest.p[0] != ':') {
            ptrdiff_t space = str_chr(rest, ' ');
            if (space < 0)
                return false;
            l.ext = l.ext.n == 0 ? str_head(rest, (size_t)space + 1) : str_make(l.ext.p, l.ext.n + (size_t)space + 1);
            rest = str_skip(rest, (size_t)space + 1);
        }
        if (rest.n == 0)
            return false;
        l.base = str_skip(rest, 1);
    }
    ptrdiff_t info = str_chr(l.base, ':');  /* very old files list whole names */
    if (info >= 0)
        l.base = str_head(l.base, (size_t)info);
    if (!is_base_name(l.base))
        return false;
    *ret = l;
    return true;
}

bool uidlist_ext(struct str ext, char key, struct str *ret_value)
{
    struct str word;
    while (str_token(&ext, " ", &word))
        if (word.p[0] == key) {
            *ret_value = str_skip(word, 1);
            return true;
        }
    return false;
}

void uidlist_put_head(struct buf *out, const struct uidlist_head *h)
{
    buf_printf(out, "3 V%u N%u", h->uidvalidity, h->uidnext);
    if (h->has_guid) {
        buf_puts(out, " G");
        enc_hex(out, str_make(h->guid, 16));
    }
    buf_add(out, h->other);
    buf_putc(out, '\n');
}

void uidlist_put_line(struct buf *out, const struct uidlist_line *l)
{
    buf_u64(out, l->uid);
    buf_putc(out, ' ');
    buf_add(out, l->ext);
    buf_putc(out, ':');
    buf_add(out, l->base);
    buf_putc(out, '\n');
}

bool keywords_parse_line(struct str line, unsigned *ret_index, struct str *ret_name)
{
    uint64_t index;
    if (!num_take_u64(&line, 25, &index) || line.n < 2 || line.p[0] != ' ')
        return false;
    *ret_name = str_skip(line, 1);
    *ret_index = (unsigned)index;
    return true;
}

/* Dovecot's escapes of control characters inside a name: 0x01 and a digit or letter. */
static void put_unescaped(struct buf *out, struct str s, char separator)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\t') {
            c = separator;
        } else if (c == 1 && i + 1 < s.n) {
            c = s.p[++i];
            c = (char)(c == '0' ? 0 : c == '1' ? 1 : c == 't' ? '\t' : c == 'r' ? '\r' : c == 'n' ? '\n' : c);
        }
        buf_putc(out, c);
    }
}

static struct str next_line(struct str file, size_t *pos)
{
    struct str rest = str_skip(file, *pos);
    ptrdiff_t end = str_chr(rest, '\n');
    struct str line = end < 0 ? rest : str_head(rest, (size_t)end);
    *pos += line.n + (end < 0 ? 0 : 1);
    return line;
}

bool subscriptions_next(struct str file, size_t *pos, char separator, struct buf *out)
{
    bool v2 = str_starts(file, STR("V\t2\n"));
    if (*pos == 0 && v2)
        *pos = 4;
    while (*pos < file.n) {
        struct str line = next_line(file, pos);
        if (line.n == 0)
            continue;
        buf_reset(out);
        if (v2)
            put_unescaped(out, line, separator);
        else
            buf_add(out, line);
        return true;
    }
    return false;
}

void subscriptions_put_head(struct buf *out) { buf_puts(out, "V\t2\n\n"); }

void subscriptions_put(struct buf *out, struct str name, char separator)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c == separator) {
            buf_putc(out, '\t');
            continue;
        }
        const char *escaped = c == 0 ? "0" : c == 1 ? "1" : c == '\t' ? "t" : c == '\r' ? "r" : c == '\n' ? "n" : NULL;
        if (escaped != NULL) {
            buf_putc(out, 1);
            buf_puts(out, escaped);
        } else {
            buf_putc(out, c);
        }
    }
    buf_putc(out, '\n');
}
