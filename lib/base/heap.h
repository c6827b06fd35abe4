/* SPDX-License-Identifier: ISC
 *
 * heap.h - intrusive binary min-heap over an int64 key (a time in ms).
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H
#include "base/vec.h"

struct heap_node { int64_t key; size_t at; };  /* at: 1 + index, 0 = not in a heap */
struct heap { VEC(struct heap_node *) nodes; };

static inline bool heap_has(const struct heap_node *n) { return n->at != 0; }
static inline struct heap_node *heap_top(const struct heap *h) { return h->nodes.n == 0 ? NULL : h->nodes.p[0]; }
/* Insert, or move to a new key if it is in already. */
void heap_set(struct heap *h, struct heap_node *n, int64_t key);
/* No effect when it is not in. */
void heap_remove(struct heap *h, struct heap_node *n);
void heap_done(struct heap *h);
#endif
