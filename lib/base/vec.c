/* SPDX-License-Identifier: ISC */
#include "base/vec.h"

void *vec_grow(void *p, size_t *cap, size_t size)
{
    size_t n = *cap == 0 ? 8 : *cap * 2, total;
    if (__builtin_mul_overflow(n, size, &total))
        memory_abort("array size overflow");
    *cap = n;
    return xrealloc(p, total);
}
