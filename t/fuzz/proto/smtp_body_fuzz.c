/* SPDX-License-Identifier: ISC */
#include "proto/smtp_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void collect(void *arg, struct str text, bool ends)
{
    if (text.n > 16 || (text.n > 0 && (memchr(text.p, '\n', text.n) || memchr(text.p, '\r', text.n) || memchr(text.p, '\0', text.n))))
        __builtin_trap();
    buf_add(arg, text);
    buf_putc(arg, ends ? '\n' : '\r');
}

static size_t feed(struct str in, size_t step, bool dots, struct buf *out)
{
    struct smtp_body b;
    bool end = false;
    size_t at = 0;
    smtp_body_init(&b, dots, 16, collect, out);
    while (at < in.n && !end)
        at += smtp_body_feed(&b, str_head(str_skip(in, at), step), &end);
    if (!dots)
        smtp_body_finish(&b);
    smtp_body_done(&b);
    return at;
}

/* However the input is cut, the same lines and the same end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    bool dots = (data[0] & 1) != 0;
    struct str in = str_make(data + 2, n - 2);
    struct buf whole = buf_make(0), cut = buf_make(0);
    size_t a = feed(in, in.n == 0 ? 1 : in.n, dots, &whole), b = feed(in, 1 + data[1] % 5u, dots, &cut);
    if (a != b || !str_eq(buf_str(&whole), buf_str(&cut)))
        __builtin_trap();
    buf_done(&whole);
    buf_done(&cut);
    return 0;
}
