/* SPDX-License-Identifier: ISC */
#include "tap.h"
#include "proto/smtp_body.h"

enum { LINE_MAX = 8 };

/* Lines as "text|" and pieces as "text+". */
static void collect(void *arg, struct str text, bool ends)
{
    buf_add(arg, text);
    buf_putc(arg, ends ? '|' : '+');
}

/* Feeds `step` bytes at a time; *ret_used = bytes up to the message's end, or all. */
static bool run(struct str in, bool dots, size_t step, struct buf *out, size_t *ret_used)
{
    struct smtp_body b;
    bool end = false;
    size_t at = 0;
    smtp_body_init(&b, dots, LINE_MAX, collect, out);
    while (at < in.n && !end)
        at += smtp_body_feed(&b, str_head(str_skip(in, at), step), &end);
    if (!dots)
        smtp_body_finish(&b);
    smtp_body_done(&b);
    *ret_used = at;
    return end;
}

static const struct { const char *name; struct str in; bool end; const char *lines; } data[] = {
    { "A13: CR LF . CR LF ends", STR_INIT("a\r\n.\r\n"), true, "a|" },
    { "an empty message", STR_INIT(".\r\n"), true, "" },
    { "a stuffed dot", STR_INIT("..\r\n..a\r\n.\r\n"), true, ".|.a|" },
    { "A1: LF . LF", STR_INIT("a\n.\nMAIL\r\n"), false, "a|.|MAIL|" },
    { "A2: LF . CR LF", STR_INIT("a\n.\r\nMAIL\r\n"), false, "a|.|MAIL|" },
    { "A3: CR LF . LF", STR_INIT("a\r\n.\nMAIL\r\n"), false, "a|.|MAIL|" },
    { "A4: CR . CR LF", STR_INIT("a\r.\r\nMAIL\r\n"), false, "a .|MAIL|" },
    { "A5: CR . CR", STR_INIT("a\r.\rMAI\r\n"), false, "a . MAI|" },
    { "A6: LF . CR", STR_INIT("a\n.\rMAIL\r\n"), false, "a| MAIL|" },
    { "A7: CR . LF", STR_INIT("a\r.\nMAIL\r\n"), false, "a .|MAIL|" },
    { "A8: CR LF . CR CR LF", STR_INIT("a\r\n.\r\r\nMAIL\r\n"), false, "a| |MAIL|" },
    { "A9: CR CR LF . CR CR LF", STR_INIT("a\r\r\n.\r\r\nMAIL\r\n"), false, "a | |MAIL|" },
    { "A10: CR LF NUL . CR LF", STR_INIT("a\r\n\0.\r\nMAIL\r\n"), false, "a|.|MAIL|" },
    { "A11: CR LF . NUL CR LF", STR_INIT("a\r\n.\0\r\nMAIL\r\n"), false, "a||MAIL|" },
    { "commands after the end stay where they are", STR_INIT("a\r\n.\r\nQUIT\r\n"), true, "a|" },
    { "a bare LF and a proper end later", STR_INIT("a\nb\r\n.\r\n"), true, "a|b|" },
    { "a line as long as may be", STR_INIT("12345678\r\n.\r\n"), true, "12345678|" },
    { "a longer one comes in pieces", STR_INIT("123456789\r\n.\r\n"), true, "12345678+9|" },
    { "a much longer one", STR_INIT("12345678123456781\r\n.\r\n"), true, "12345678+12345678+1|" },
    { "a dot where a piece begins is text", STR_INIT("12345678.\r\n.\r\n"), true, "12345678+.|" },
};

static bool same_for_all_steps(struct str in, bool dots, bool want_end, const char *want)
{
    for (size_t step = 1; step <= in.n; step++) {
        struct buf out = buf_make(0);
        size_t used;
        bool end = run(in, dots, step, &out, &used);
        bool ok = end == want_end && str_eqz(buf_str(&out), want);
        if (!ok)
            printf("# step %zu: %.*s\n", step, STR_FMT(buf_str(&out)));
        buf_done(&out);
        if (!ok)
            return false;
    }
    return true;
}

/* ---- the naive reference: whole input at once, by the rules in the header's words ---- */

static void reference_line(struct buf *out, struct str raw, bool dots, bool lone_dot_is_text)
{
    char clean[256];
    size_t n = 0;
    if (raw.n > 0 && raw.p[raw.n - 1] == '\r')
        raw.n--;
    if (dots && raw.n > 0 && raw.p[0] == '.' && !(lone_dot_is_text && raw.n == 1))
        raw = str_skip(raw, 1);
    for (size_t i = 0; i < raw.n; i++)
        if (raw.p[i] != '\0')
            clean[n++] = raw.p[i] == '\r' ? ' ' : raw.p[i];
    size_t at = 0;
    for (; n - at > LINE_MAX; at += LINE_MAX)
        collect(out, str_make(clean + at, LINE_MAX), false);
    collect(out, str_make(clean + at, n - at), true);
}

static bool reference(struct str in, struct buf *out, size_t *ret_used)
{
    bool after_crlf = true;
    size_t start = 0;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] != '\n')
            continue;
        struct str raw = str_make(in.p + start, i - start);
        if (after_crlf && str_eqz(raw, ".\r")) {
            *ret_used = i + 1;
            return true;
        }
        reference_line(out, raw, true, true);
        after_crlf = raw.n > 0 && raw.p[raw.n - 1] == '\r';
        start = i + 1;
    }
    *ret_used = in.n;
    return false;
}

/* Complete lines only: the reference has no notion of a line in progress, so both outputs are cut after the last "|". */
static struct str complete(const struct buf *b)
{
    struct str s = buf_str(b);
    return str_head(s, (size_t)(str_rchr(s, '|') + 1));
}

static bool differential(void)
{
    static const char alphabet[] = "\r\n..\r\na\0\r\n";
    uint32_t seed = 12345;
    for (int round = 0; round < 60000; round++) {
        char text[40];
        size_t n = 1 + (size_t)(round % 38);
        for (size_t i = 0; i < n; i++)
            text[i] = alphabet[((seed = seed * 1103515245u + 12345u) >> 16) % (sizeof alphabet - 1)];
        struct buf want = buf_make(0), got = buf_make(0);
        size_t want_used, got_used;
        bool want_end = reference(str_make(text, n), &want, &want_used);
        bool got_end = run(str_make(text, n), true, 1 + (size_t)(round % 7), &got, &got_used);
        bool ok = want_end == got_end && want_used == got_used && str_eq(complete(&want), complete(&got));
        buf_done(&want);
        buf_done(&got);
        if (!ok)
            return false;
    }
    return true;
}

int main(void)
{
    for (size_t i = 0; i < N_ELEMS(data); i++)
        OK(same_for_all_steps(data[i].in, true, data[i].end, data[i].lines), data[i].name);
    OK(same_for_all_steps(STR("a\r\n.\r\nb\n..c\rd"), false, false, "a|.|b|..c d|"), "A14: in BDAT dots are text and nothing ends the message");
    OK(same_for_all_steps(STR("a\r\n"), false, false, "a|"), "BDAT that ends with a line end has no further line");
    OK(differential(), "60,000 random inputs agree with the naive reference, however they are cut");
    return tap_done();
}
