/* SPDX-License-Identifier: ISC */
#include "base/str.h"
#include "base/arena.h"
#include <stdarg.h>

static int fold_cmp(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int d = (unsigned char)ascii_lower(a[i]) - (unsigned char)ascii_lower(b[i]);
        if (d != 0)
            return d;
    }
    return 0;
}

bool str_ieq(struct str a, struct str b) { return a.n == b.n && fold_cmp(a.p, b.p, a.n) == 0; }
bool str_ieqz(struct str a, const char *z) { return str_ieq(a, str_from(z)); }

static int by_length(size_t a, size_t b) { return a < b ? -1 : a > b; }

int str_cmp(struct str a, struct str b)
{
    size_t n = MIN(a.n, b.n);
    int d = n == 0 ? 0 : memcmp(a.p, b.p, n);
    return d != 0 ? d : by_length(a.n, b.n);
}

bool str_starts(struct str s, struct str prefix) { return str_eq(str_head(s, prefix.n), prefix); }
bool str_istarts(struct str s, struct str prefix) { return str_ieq(str_head(s, prefix.n), prefix); }
bool str_ends(struct str s, struct str suffix) { return s.n >= suffix.n && str_eq(str_skip(s, s.n - suffix.n), suffix); }
bool str_iends(struct str s, struct str suffix) { return s.n >= suffix.n && str_ieq(str_skip(s, s.n - suffix.n), suffix); }

struct str str_skip(struct str s, size_t from)
{
    size_t cut = MIN(from, s.n);
    return cut == 0 ? s : (struct str){ s.p + cut, s.n - cut };
}

struct str str_head(struct str s, size_t n) { return (struct str){ s.p, MIN(n, s.n) }; }

ptrdiff_t str_chr(struct str s, char c)
{
    const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);
    return at == NULL ? -1 : at - s.p;
}

ptrdiff_t str_rchr(struct str s, char c)
{
    const char *at = s.n == 0 ? NULL : memrchr(s.p, c, s.n);
    return at == NULL ? -1 : at - s.p;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    if (needle.n == 0)
        return 0;
    const char *at = s.n == 0 ? NULL : memmem(s.p, s.n, needle.p, needle.n);
    return at == NULL ? -1 : at - s.p;
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && ascii_is_space(s.p[0]))
        s = str_skip(s, 1);
    while (s.n > 0 && ascii_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

static bool is_one_of(char c, const char *set) { return c != '\0' && strchr(set, c) != NULL; }

bool str_token(struct str *rest, const char *seps, struct str *ret_token)
{
    struct str s = *rest;
    while (s.n > 0 && is_one_of(s.p[0], seps))
        s = str_skip(s, 1);
    if (s.n == 0) {
        *rest = s;
        return false;
    }
    size_t n = 0;
    while (n < s.n && !is_one_of(s.p[n], seps))
        n++;
    *ret_token = str_head(s, n);
    *rest = str_skip(s, n);
    return true;
}

bool str_cut(struct str s, char c, struct str *ret_head, struct str *ret_rest)
{
    ptrdiff_t at = str_chr(s, c);
    *ret_head = at < 0 ? s : str_head(s, (size_t)at);
    *ret_rest = at < 0 ? str_skip(s, s.n) : str_skip(s, (size_t)at + 1);
    return at >= 0;
}

struct str str_dup(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return (struct str){ p, s.n };
}

struct str str_lower(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++)
        p[i] = ascii_lower(s.p[i]);
    return (struct str){ p, s.n };
}

char *str_to_cstr(struct arena *a, struct str s)
{
    if (str_chr(s, '\0') >= 0)
        return NULL;
    char *p = arena_alloc(a, s.n + 1);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return p;
}

bool str_to_fixed(struct str s, char *buf, size_t cap)
{
    if (s.n >= cap || str_chr(s, '\0') >= 0)
        return false;
    if (s.n > 0)
        memcpy(buf, s.p, s.n);
    buf[s.n] = '\0';
    return true;
}

struct str str_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    ASSERT(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    (void)vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return (struct str){ p, (size_t)n };
}

/* Iterative: the last '*' is where to try again. */
bool str_glob(struct str pattern, struct str s)
{
    size_t p = 0, i = 0, star = SIZE_MAX, from = 0;
    while (i < s.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            from = i;
        } else if (p < pattern.n && (pattern.p[p] == '?' || pattern.p[p] == s.p[i])) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++from;
        } else
            return false;
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}
