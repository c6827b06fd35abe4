/* SPDX-License-Identifier: ISC */
#include "base/arena.h"
#include <stdalign.h>

enum { BLOCK_SIZE = 4096 };

struct arena_block {
    struct arena_block *below;
    size_t at, cap;
    alignas(max_align_t) unsigned char mem[];
};

static void (*abort_hook)(const char *why);

void memory_set_abort(void (*hook)(const char *why)) { abort_hook = hook; }

_Noreturn void memory_abort(const char *why)
{
    if (abort_hook != NULL)
        abort_hook(why);
    fprintf(stderr, "fatal: %s\n", why);
    abort();
}

void *xmalloc(size_t n) { return xrealloc(NULL, n); }
void *xrealloc(void *p, size_t n)
{
    void *q = realloc(p, n == 0 ? 1 : n);
    if (q == NULL)
        memory_abort("out of memory");
    return q;
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n == 0 ? 1 : n, size == 0 ? 1 : size);
    if (p == NULL)
        memory_abort("out of memory");
    return p;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xmalloc(n), s, n);
}

static size_t round_up(size_t n) { return (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1); }

static struct arena_block *push(struct arena *a, size_t n)
{
    size_t least = a->block_size == 0 ? BLOCK_SIZE - sizeof(struct arena_block) : a->block_size;
    size_t cap = MAX(n, least);
    struct arena_block *b = xmalloc(sizeof *b + cap);
    b->below = a->top;
    b->at = 0;
    b->cap = cap;
    return a->top = b;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX / 2 || round_up(n) > a->limit || a->used > a->limit - round_up(n))
        memory_abort("memory limit exceeded");
    n = round_up(n);
    struct arena_block *b = a->top;
    if (b == NULL || n > b->cap - b->at)
        b = push(a, n);
    void *p = b->mem + b->at;
    b->at += n;
    a->used += n;
    return memset(p, 0, n);
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total))
        memory_abort("array size overflow");
    return arena_alloc(a, total);
}

void *arena_copy(struct arena *a, const void *p, size_t n)
{
    void *q = arena_alloc(a, n);
    if (n > 0)
        memcpy(q, p, n);
    return q;
}

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){ a->top, a->top != NULL ? a->top->at : 0, a->used };
}

void arena_rewind(struct arena *a, struct arena_mark mark)
{
    while (a->top != mark.top) {
        struct arena_block *below = a->top->below;
        free(a->top);
        a->top = below;
    }
    if (a->top != NULL)
        a->top->at = mark.at;
    a->used = mark.used;
}

void arena_done(struct arena *a) { arena_rewind(a, (struct arena_mark){ .top = NULL }); }
