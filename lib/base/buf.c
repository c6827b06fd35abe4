/* SPDX-License-Identifier: ISC */
#include "base/buf.h"
#include "base/arena.h"
#include "base/num.h"
#include <stdarg.h>

void buf_done(struct buf *b)
{
    free(b->p);
    *b = (struct buf){ .limit = b->limit };
}

void buf_reset(struct buf *b)
{
    b->n = 0;
    b->full = false;
}

static void grow(struct buf *b, size_t want)
{
    size_t cap = MAX(b->cap * 2, (size_t)256);
    if (cap < want)
        cap = want;
    b->p = xrealloc(b->p, cap);
    b->cap = cap;
}

char *buf_room(struct buf *b, size_t n)
{
    size_t want;
    if (b->full || __builtin_add_overflow(b->n, n, &want) || (b->limit != 0 && want > b->limit)) {
        b->full = true;
        return NULL;
    }
    if (want > b->cap)
        grow(b, want);
    return b->p + b->n;
}

const char *buf_cstr(struct buf *b)
{
    if (b->n + 1 > b->cap)
        grow(b, b->n + 1);
    b->p[b->n] = '\0';
    return b->p;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    char *to = n == 0 ? NULL : buf_room(b, n);
    if (to == NULL)
        return;
    memcpy(to, p, n);
    b->n += n;
}

void buf_putc(struct buf *b, char c) { buf_put(b, &c, 1); }
void buf_puts(struct buf *b, const char *z) { buf_put(b, z, strlen(z)); }
void buf_add(struct buf *b, struct str s) { buf_put(b, s.p, s.n); }

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    ASSERT(n >= 0);
    char *to = buf_room(b, (size_t)n + 1);
    if (to != NULL) {
        (void)vsnprintf(to, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void buf_be16(struct buf *b, uint16_t v)
{
    uint8_t p[2];
    put_be16(p, v);
    buf_put(b, p, sizeof p);
}

void buf_be32(struct buf *b, uint32_t v)
{
    uint8_t p[4];
    put_be32(p, v);
    buf_put(b, p, sizeof p);
}

void buf_be64(struct buf *b, uint64_t v)
{
    uint8_t p[8];
    put_be64(p, v);
    buf_put(b, p, sizeof p);
}

void buf_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    buf_put(b, digits + at, sizeof digits - at);
}

void buf_drop(struct buf *b, size_t n)
{
    ASSERT(n <= b->n);
    b->n -= n;
    if (n > 0 && b->n > 0)
        memmove(b->p, b->p + n, b->n);
}

void buf_trim(struct buf *b)
{
    if (b->n == 0 && b->cap > 0)
        buf_done(b);
}
