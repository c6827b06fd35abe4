/* SPDX-License-Identifier: ISC
 *
 * vec.h - growable array of one type:  VEC(struct rcpt) v = { 0 };
 * Elements move when it grows. vec_done() frees it.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H
#include "base/arena.h"

#define VEC(type) struct { type *p; size_t n, cap; }
void *vec_grow(void *p, size_t *cap, size_t size);
/* A pointer to a new, zeroed last element. */
#define vec_add(v) \
    ((v)->n == (v)->cap ? (void)((v)->p = vec_grow((v)->p, &(v)->cap, sizeof *(v)->p)) : (void)0, \
     memset(&(v)->p[(v)->n], 0, sizeof *(v)->p), &(v)->p[(v)->n++])
#define vec_push(v, value) \
    ((v)->n == (v)->cap ? (void)((v)->p = vec_grow((v)->p, &(v)->cap, sizeof *(v)->p)) : (void)0, \
     (void)((v)->p[(v)->n++] = (value)))
#define vec_done(v) (free((v)->p), (void)((v)->p = NULL), (void)((v)->n = (v)->cap = 0))
#endif
