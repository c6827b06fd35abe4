/* SPDX-License-Identifier: ISC */
#include "proto/alias_list.h"

/* One item up to a comma or line end outside of quotes; unquoted into *out. */
struct scan { struct str *rest; struct buf *out; size_t angle_from; bool quoted_any, angle, has_angle; };

static void take_quoted(struct scan *s)
{
    s->quoted_any = true;
    *s->rest = str_skip(*s->rest, 1);
    while (s->rest->n > 0 && s->rest->p[0] != '"') {
        if (s->rest->p[0] == '\\' && s->rest->n > 1)
            *s->rest = str_skip(*s->rest, 1);
        buf_putc(s->out, s->rest->p[0]);
        *s->rest = str_skip(*s->rest, 1);
    }
    *s->rest = str_skip(*s->rest, 1);
}

static void take_item(struct scan *s)
{
    bool command = false;
    while (s->rest->n > 0) {
        char c = s->rest->p[0];
        if (c == '\n' || (c == ',' && !s->angle))
            return;
        if (s->out->n == 0 && c == '|')
            command = true;
        if (c == '"' && (!command || str_eqz(str_trim(buf_str(s->out)), "|"))) {     /* |"command" is all quoted */
            take_quoted(s);
            continue;
        }
        *s->rest = str_skip(*s->rest, 1);
        if (c == '<' && !command && !s->has_angle) {
            s->angle = s->has_angle = true;
            s->angle_from = s->out->n;
        } else if (c == '>' && s->angle) {
            s->angle = false;
            buf_putc(s->out, '\n');     /* where the address ends */
        } else {
            buf_putc(s->out, c);
        }
    }
}

static struct str inside(const struct scan *s)
{
    struct str all = buf_str(s->out), head, rest;
    if (!s->has_angle)
        return str_trim(all);
    str_cut(str_skip(all, s->angle_from), '\n', &head, &rest);
    return str_trim(head);
}

static struct alias_item classify(struct str s)
{
    if (s.p[0] == '|')
        return (struct alias_item){ s.n > 1 ? ALIAS_COMMAND : ALIAS_BAD, str_trim(str_skip(s, 1)) };
    if (s.p[0] == '/')
        return (struct alias_item){ ALIAS_FILE, s };
    if (s.p[0] == '\\')
        return (struct alias_item){ s.n > 1 ? ALIAS_USER : ALIAS_BAD, str_skip(s, 1) };
    if (str_istarts(s, STR(":include:")))
        return (struct alias_item){ ALIAS_INCLUDE, str_trim(str_skip(s, 9)) };
    return (struct alias_item){ str_chr(s, '\0') >= 0 ? ALIAS_BAD : ALIAS_ADDRESS, s };
}

static void skip_gaps(struct str *rest)
{
    bool line_start = true;
    while (rest->n > 0) {
        char c = rest->p[0];
        if (c == '#' && line_start) {
            ptrdiff_t end = str_chr(*rest, '\n');
            *rest = str_skip(*rest, end < 0 ? rest->n : (size_t)end);
            continue;
        }
        if (!ascii_is_space(c) && c != ',')
            return;
        line_start = c == '\n' || (line_start && c != ',');
        *rest = str_skip(*rest, 1);
    }
}

bool alias_next(struct str *rest, struct buf *scratch, struct alias_item *ret)
{
    for (;;) {
        skip_gaps(rest);
        if (rest->n == 0)
            return false;
        buf_reset(scratch);
        struct scan s = { .rest = rest, .out = scratch };
        take_item(&s);
        struct str text = inside(&s);
        if (text.n == 0)
            continue;
        *ret = classify(text);
        return true;
    }
}
