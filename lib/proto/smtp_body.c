/* SPDX-License-Identifier: ISC */
#include "proto/smtp_body.h"

void smtp_body_init(struct smtp_body *b, bool dots, size_t line_max, void (*line)(void *arg, struct str text, bool ends), void *arg)
{
    *b = (struct smtp_body){ .line = line, .arg = arg, .line_max = line_max, .dots = dots, .after_crlf = true };
}

void smtp_body_done(struct smtp_body *b)
{
    buf_done(&b->part);
}

static void next_line(struct smtp_body *b, bool was_crlf)
{
    b->part.n = 0;
    b->begun = b->cr = b->dot_first = b->split = false;
    b->after_crlf = was_crlf;
    b->bare_lf |= !was_crlf;
}

static void add(struct smtp_body *b, char c)
{
    if (b->part.n == b->line_max) {
        b->line(b->arg, buf_str(&b->part), false);
        b->part.n = 0;
        b->split = true;
    }
    buf_putc(&b->part, c);
}

/* The dot that was taken off turns out to be the whole line: it was text. */
static void restore_dot(struct smtp_body *b)
{
    if (b->dot_first)
        add(b, '.');
    b->dot_first = false;
}

/* True: this LF completed CR LF "." CR LF. */
static bool take_lf(struct smtp_body *b)
{
    bool crlf = b->cr;
    if (b->dot_first && crlf && b->after_crlf)
        return true;
    restore_dot(b);
    b->line(b->arg, buf_str(&b->part), true);
    next_line(b, crlf);
    return false;
}

static void take_other(struct smtp_body *b, char c)
{
    bool first = !b->begun;
    b->begun = true;
    if (b->cr) {
        b->cr = false;
        b->bare_cr = true;
        b->dot_first = false;       /* ". " is not a lone dot: the dot stays off */
        add(b, ' ');
    }
    if (c == '\r') {
        b->cr = true;
    } else if (first && c == '.' && b->dots) {
        b->dot_first = true;
    } else {
        b->dot_first = false;
        if (c != '\0')
            add(b, c);
    }
}

/* The usual line: whole, CR LF at its end, nothing odd in it. Its length with CR LF, or 0. */
static size_t plain_line(const struct smtp_body *b, struct str in)
{
    if (b->begun)
        return 0;
    const char *lf = memchr(in.p, '\n', MIN(in.n, b->line_max + 2));
    if (lf == NULL || lf == in.p)
        return 0;
    size_t n = (size_t)(lf - in.p);
    if (in.p[n - 1] != '\r' || memchr(in.p, '\0', n) != NULL || memchr(in.p, '\r', n) != in.p + n - 1)
        return 0;
    /* A lone dot, or text after one, goes the long way. */
    return b->dots && in.p[0] == '.' && n == 2 ? 0 : n + 1;
}

size_t smtp_body_feed(struct smtp_body *b, struct str in, bool *ret_end)
{
    size_t at = 0;
    *ret_end = false;
    while (at < in.n) {
        struct str rest = str_skip(in, at);
        size_t n = plain_line(b, rest);
        if (n > 0) {
            size_t dot = b->dots && rest.p[0] == '.';
            b->line(b->arg, str_make(rest.p + dot, n - 2 - dot), true);
            b->after_crlf = true;
            at += n;
            continue;
        }
        do {
            char c = in.p[at++];
            if (c != '\n') {
                take_other(b, c);
                continue;
            }
            if (!take_lf(b))
                break;
            *ret_end = true;
            return at;
        } while (at < in.n);
    }
    return at;
}

void smtp_body_finish(struct smtp_body *b)
{
    if (!b->begun)
        return;
    if (b->cr) {
        b->bare_cr = true;
        add(b, ' ');
    }
    restore_dot(b);
    b->line(b->arg, buf_str(&b->part), true);
    next_line(b, true);
}
