/* SPDX-License-Identifier: ISC */
#include "proto/rfc822.h"

/* Length of the first line with its line end; all that is left if it has none. */
static size_t line_len(struct str s)
{
    const char *lf = s.n == 0 ? NULL : memchr(s.p, '\n', s.n);
    return lf == NULL ? s.n : (size_t)(lf - s.p) + 1;
}

static bool is_empty_line(struct str s)
{
    return s.n > 0 && (s.p[0] == '\n' || (s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n'));
}

static struct str without_line_end(struct str s)
{
    if (s.n > 0 && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n > 0 && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

static struct str without_trailing_space(struct str s)
{
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

bool rfc822_next(struct str *rest, struct rfc822_field *ret)
{
    if (rest->n == 0 || is_empty_line(*rest))
        return false;
    size_t n = line_len(*rest);
    while (n < rest->n && (rest->p[n] == ' ' || rest->p[n] == '\t'))
        n += line_len(str_skip(*rest, n));

    ret->whole = str_head(*rest, n);
    ret->name = (struct str){ rest->p, 0 };
    ret->value = without_line_end(ret->whole);
    struct str first = without_line_end(str_head(*rest, line_len(*rest)));
    const char *colon = first.n == 0 ? NULL : memchr(first.p, ':', first.n);
    if (colon != NULL) {
        size_t at = (size_t)(colon - first.p);
        ret->name = without_trailing_space(str_head(first, at));
        ret->value = str_skip(ret->value, at + 1);
    }
    *rest = str_skip(*rest, n);
    return true;
}

size_t rfc822_header_len(struct str msg)
{
    struct str rest = msg;
    while (rest.n > 0 && !is_empty_line(rest))
        rest = str_skip(rest, line_len(rest));
    return msg.n - rest.n + (rest.n > 0 ? line_len(rest) : 0);
}

bool rfc822_find(struct str header, struct str name, struct str *ret_value)
{
    struct rfc822_field f;
    while (rfc822_next(&header, &f))
        if (str_ieq(f.name, name)) {
            *ret_value = str_trim(f.value);
            return true;
        }
    return false;
}

void rfc822_skip_cfws(struct str *s)
{
    size_t depth = 0, i = 0;
    for (; i < s->n; i++) {
        char c = s->p[i];
        if (depth > 0 && c == '\\' && i + 1 < s->n)
            i++;
        else if (c == '(')
            depth++;
        else if (depth > 0)
            depth -= c == ')' ? 1 : 0;
        else if (!ascii_is_space(c))
            break;
    }
    *s = str_skip(*s, i);
}
