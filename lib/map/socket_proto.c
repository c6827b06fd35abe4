/* SPDX-License-Identifier: ISC */
#include "map/socket_proto.h"
#include "base/num.h"

/* ---- tcp ---- */

int socket_tcp_complete(struct str got)
{
    ptrdiff_t end = str_chr(got, '\n');
    return end < 0 ? (got.n > SOCKET_LINE_MAX ? -1 : 0) : (size_t)end + 1 == got.n ? 1 : -1;
}

static void percent_encode(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == '%' || c >= 127)
            buf_printf(out, "%%%02X", c);
        else
            buf_putc(out, (char)c);
    }
}

static bool percent_decode(struct buf *out, struct str s)
{
    while (s.n > 0) {
        uint64_t c;
        if (s.p[0] != '%') {
            buf_putc(out, s.p[0]);
            s = str_skip(s, 1);
        } else if (s.n < 3 || !num_parse_hex(str_make(s.p + 1, 2), 255, &c)) {
            return false;
        } else {
            buf_putc(out, (char)c);
            s = str_skip(s, 3);
        }
    }
    return true;
}

enum map_result socket_tcp_answer(struct str line, struct buf *value)
{
    line = str_trim(line);
    bool good = line.n >= 4 && line.p[3] == ' ' && percent_decode(value, str_skip(line, 4));
    if (good && str_starts(line, STR("200 ")))
        return MAP_FOUND;
    return good && str_starts(line, STR("500 ")) ? MAP_NONE : MAP_TEMP;
}

void socket_tcp_request(struct str key, struct buf *out)
{
    buf_puts(out, "get ");
    percent_encode(out, key);
    buf_putc(out, '\n');
}

/* ---- socketmap ---- */

void socket_map_request(struct str name, struct str key, struct buf *out)
{
    buf_printf(out, "%zu:%.*s %.*s,", name.n + 1 + key.n, STR_FMT(name), STR_FMT(key));
}

/* "12:text," - the text; 0 incomplete, -1 malformed. */
static int netstring(struct str got, struct str *ret_text)
{
    uint64_t n;
    struct str rest = got;
    if (got.n == 0)
        return 0;
    if (!num_take_u64(&rest, SOCKET_ANSWER_MAX, &n) || (rest.n > 0 && rest.p[0] != ':'))
        return -1;
    if (rest.n < n + 2)
        return 0;
    if (rest.n != n + 2 || rest.p[n + 1] != ',')
        return -1;
    *ret_text = str_make(rest.p + 1, (size_t)n);
    return 1;
}

int socket_map_complete(struct str got)
{
    struct str text;
    return netstring(got, &text);
}

enum map_result socket_map_answer(struct str got, struct buf *value)
{
    struct str text, word, rest;
    if (netstring(got, &text) != 1)
        return MAP_TEMP;
    (void)str_cut(text, ' ', &word, &rest);
    buf_add(value, rest);
    return str_eqz(word, "OK") ? MAP_FOUND : str_eqz(word, "NOTFOUND") ? MAP_NONE : MAP_TEMP;
}
