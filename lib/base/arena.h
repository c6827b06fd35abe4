/* SPDX-License-Identifier: ISC
 *
 * arena.h - memory that is freed all at once.
 *
 * A session owns one arena, a transaction a mark in it, scratch a mark in a
 * block. Nothing in an arena is freed alone. Allocation never returns NULL:
 * an exhausted limit or an empty machine calls the abort hook, which ends the
 * current session, or the process when there is none. What a peer can grow
 * has a limit below the arena's and a protocol error of its own.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
#include "base/def.h"

struct arena_block;
struct arena {
    struct arena_block *top;
    size_t used, limit;
    size_t block_size;          /* 0 = 4096 */
};
struct arena_mark { struct arena_block *top; size_t at, used; };

/* limit: most bytes that may be allocated at any time. No memory is taken yet. */
static inline struct arena arena_make(size_t limit) { return (struct arena){ .limit = limit }; }
/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_array(struct arena *a, size_t n, size_t size);
/* A copy of n bytes. */
void *arena_copy(struct arena *a, const void *p, size_t n);
struct arena_mark arena_mark(const struct arena *a);
/* Drop everything allocated since the mark. */
void arena_rewind(struct arena *a, struct arena_mark mark);
/* Frees everything; the arena may be used again. A zeroed arena is fine. */
void arena_done(struct arena *a);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_array((a), (n), sizeof(type)))

/*
 * Called when memory or a limit is exhausted; must not return. The event
 * layer installs one that ends the current session.
 */
void memory_set_abort(void (*hook)(const char *why));
_Noreturn void memory_abort(const char *why);
/* malloc and realloc for process-owned memory; never NULL. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
#endif
