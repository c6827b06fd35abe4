/* SPDX-License-Identifier: ISC */
#include "proto/imap_seqset.h"

static bool take_number(struct imap_cur *c, uint32_t *ret)
{
    uint64_t v = 0;
    if (!imap_char(c, '*') && (!imap_number(c, UINT32_MAX, &v) || v == 0))
        return false;
    *ret = (uint32_t)v;
    return true;
}

static bool take_range(struct imap_cur *c, struct imap_range *ret)
{
    if (!take_number(c, &ret->from))
        return false;
    ret->to = ret->from;
    return !imap_char(c, ':') || take_number(c, &ret->to);
}

static size_t count_commas(const struct imap_cur *c)
{
    size_t n = 1;
    for (const char *p = c->p; p < c->end && *p != ' ' && *p != ')'; p++)
        n += *p == ',' ? 1 : 0;
    return n;
}

bool imap_seqset_parse(struct imap_cur *c, struct imap_seqset *ret)
{
    struct imap_cur before = *c;
    if (imap_char(c, '$')) {
        *ret = (struct imap_seqset){ .saved = true };
        return true;
    }
    struct imap_seqset s = { .ranges = ARENA_ARRAY(c->mem, struct imap_range, count_commas(c)) };
    do {
        if (!take_range(c, &s.ranges[s.n++])) {
            *c = before;
            return false;
        }
    } while (imap_char(c, ','));
    *ret = s;
    return true;
}

static int by_from(const void *a, const void *b)
{
    const struct imap_range *x = a, *y = b;
    return x->from < y->from ? -1 : x->from > y->from ? 1 : 0;
}

void imap_seqset_resolve(struct imap_seqset *s, uint32_t max)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct imap_range r = s->ranges[i];
        r.from = r.from == 0 ? max : r.from;
        r.to = r.to == 0 ? max : r.to;
        if (r.from > r.to)
            r = (struct imap_range){ r.to, r.from };
        if (r.to == 0)
            continue;
        s->ranges[n++] = (struct imap_range){ MAX(r.from, 1u), r.to };
    }
    if (n > 1)
        qsort(s->ranges, n, sizeof *s->ranges, by_from);
    s->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct imap_range *last = s->n == 0 ? NULL : &s->ranges[s->n - 1];
        if (last != NULL && (last->to == UINT32_MAX || s->ranges[i].from <= last->to + 1))
            last->to = MAX(last->to, s->ranges[i].to);
        else
            s->ranges[s->n++] = s->ranges[i];
    }
}

bool imap_seqset_has(const struct imap_seqset *s, uint32_t n)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->ranges[mid].to < n)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->n && s->ranges[lo].from <= n;
}

uint32_t imap_seqset_max(const struct imap_seqset *s)
{
    uint32_t max = 0;
    for (size_t i = 0; i < s->n; i++)
        max = MAX(max, MAX(s->ranges[i].from, s->ranges[i].to));
    return max;
}

static void flush(struct imap_range_writer *w)
{
    if (w->from == 0)
        return;
    if (w->any)
        buf_putc(w->out, ',');
    w->any = true;
    buf_u64(w->out, w->from);
    if (w->to != w->from) {
        buf_putc(w->out, ':');
        buf_u64(w->out, w->to);
    }
}

void imap_range_add(struct imap_range_writer *w, uint32_t n)
{
    if (w->from != 0 && n == w->to + 1) {
        w->to = n;
        return;
    }
    flush(w);
    w->from = w->to = n;
}

void imap_range_end(struct imap_range_writer *w)
{
    flush(w);
    w->from = 0;
}
