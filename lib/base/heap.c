/* SPDX-License-Identifier: ISC */
#include "base/heap.h"

static void place(struct heap *h, size_t i, struct heap_node *n)
{
    h->nodes.p[i] = n;
    n->at = i + 1;
}

static void up(struct heap *h, size_t i)
{
    struct heap_node *n = h->nodes.p[i];
    while (i > 0 && h->nodes.p[(i - 1) / 2]->key > n->key) {
        place(h, i, h->nodes.p[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(h, i, n);
}

static void down(struct heap *h, size_t i)
{
    struct heap_node *n = h->nodes.p[i];
    for (;;) {
        size_t kid = 2 * i + 1;
        if (kid + 1 < h->nodes.n && h->nodes.p[kid + 1]->key < h->nodes.p[kid]->key)
            kid++;
        if (kid >= h->nodes.n || h->nodes.p[kid]->key >= n->key)
            break;
        place(h, i, h->nodes.p[kid]);
        i = kid;
    }
    place(h, i, n);
}

void heap_set(struct heap *h, struct heap_node *n, int64_t key)
{
    if (!heap_has(n)) {
        vec_push(&h->nodes, n);
        n->at = h->nodes.n;
    }
    n->key = key;
    up(h, n->at - 1);
    down(h, n->at - 1);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    if (!heap_has(n))
        return;
    size_t i = n->at - 1;
    struct heap_node *last = h->nodes.p[--h->nodes.n];
    n->at = 0;
    if (last == n)
        return;
    place(h, i, last);
    up(h, i);
    down(h, last->at - 1);
}

void heap_done(struct heap *h) { vec_done(&h->nodes); }
