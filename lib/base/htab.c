/* SPDX-License-Identifier: ISC */
#include "base/htab.h"
#include "base/arena.h"
#include <sys/random.h>

static uint64_t seed[2];

__attribute__((constructor)) static void seed_init(void)
{
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        memory_abort("no random numbers from the kernel");
}

#define ROTL(x, b) ((x) << (b) | (x) >> (64 - (b)))
#define SIP_ROUND                                                                                  \
    do {                                                                                           \
        v0 += v1; v1 = ROTL(v1, 13); v1 ^= v0; v0 = ROTL(v0, 32);                                  \
        v2 += v3; v3 = ROTL(v3, 16); v3 ^= v2;                                                     \
        v0 += v3; v3 = ROTL(v3, 21); v3 ^= v0;                                                     \
        v2 += v1; v1 = ROTL(v1, 17); v1 ^= v2; v2 = ROTL(v2, 32);                                  \
    } while (0)

uint64_t htab_hash(struct str key)
{
    uint64_t v0 = seed[0] ^ 0x736f6d6570736575u, v1 = seed[1] ^ 0x646f72616e646f6du;
    uint64_t v2 = seed[0] ^ 0x6c7967656e657261u, v3 = seed[1] ^ 0x7465646279746573u;
    size_t i = 0;
    for (; i + 8 <= key.n; i += 8) {
        uint64_t m;
        memcpy(&m, key.p + i, 8);
        v3 ^= m;
        SIP_ROUND;
        v0 ^= m;
    }
    uint64_t last = (uint64_t)key.n << 56;
    for (size_t k = 0; i + k < key.n; k++)
        last |= (uint64_t)(unsigned char)key.p[i + k] << (8 * k);
    v3 ^= last;
    SIP_ROUND;
    v0 ^= last;
    v2 ^= 0xff;
    SIP_ROUND;
    SIP_ROUND;
    SIP_ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

/* Open addressing with linear probing; at most half full. The slot that holds key, or the free one where it would go. */
static struct htab_slot *find(const struct htab *t, struct str key, uint64_t hash)
{
    size_t i = (size_t)hash & (t->cap - 1);
    while (t->slots[i].value != NULL && (t->slots[i].hash != hash || !str_eq(t->slots[i].key, key)))
        i = (i + 1) & (t->cap - 1);
    return &t->slots[i];
}

void *htab_get(const struct htab *t, struct str key)
{
    return t->n == 0 ? NULL : find(t, key, htab_hash(key))->value;
}

static void grow(struct htab *t)
{
    struct htab old = *t;
    t->cap = old.cap == 0 ? 16 : old.cap * 2;
    t->slots = xcalloc(t->cap, sizeof *t->slots);
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].value != NULL)
            *find(t, old.slots[i].key, old.slots[i].hash) = old.slots[i];
    free(old.slots);
}

void *htab_put(struct htab *t, struct str key, void *value)
{
    ASSERT(value != NULL);
    if ((t->n + 1) * 2 > t->cap)
        grow(t);
    uint64_t hash = htab_hash(key);
    struct htab_slot *s = find(t, key, hash);
    void *old = s->value;
    if (old == NULL)
        t->n++;
    *s = (struct htab_slot){ key, value, hash };
    return old;
}

void *htab_remove(struct htab *t, struct str key)
{
    if (t->n == 0)
        return NULL;
    struct htab_slot *s = find(t, key, htab_hash(key));
    void *old = s->value;
    if (old == NULL)
        return NULL;
    /* Close the gap: move back every later entry of the run that may live there. */
    size_t hole = (size_t)(s - t->slots), mask = t->cap - 1;
    for (size_t i = (hole + 1) & mask; t->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = (size_t)t->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole] = (struct htab_slot){ .value = NULL };
    t->n--;
    return old;
}

void htab_done(struct htab *t)
{
    free(t->slots);
    *t = (struct htab){ .n = 0 };
}

void *htab_each(const struct htab *t, size_t *pos)
{
    while (*pos < t->cap) {
        void *v = t->slots[(*pos)++].value;
        if (v != NULL)
            return v;
    }
    return NULL;
}
