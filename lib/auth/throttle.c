/* SPDX-License-Identifier: ISC */
#include "auth/throttle.h"
#include "base/arena.h"
#include "base/htab.h"
#include "base/list.h"

enum { RING = THROTTLE_SLOTS + 1 };

struct counter {
    struct list node;           /* by time of the last event, newest at the end */
    int64_t slot;               /* number of the newest part */
    uint32_t ring[RING];
    size_t key_n;
    char key[];
};

struct throttle { struct htab by_key; struct list by_age; size_t max; int64_t slot_ms; };

struct throttle *throttle_new(size_t keys_max, int64_t window_ms)
{
    struct throttle *t = xcalloc(1, sizeof *t);
    t->max = MAX(keys_max, (size_t)1);
    t->slot_ms = MAX(window_ms / THROTTLE_SLOTS, (int64_t)1);
    list_init(&t->by_age);
    return t;
}

static struct str key_of(const struct counter *c) { return str_make(c->key, c->key_n); }

static void drop(struct throttle *t, struct counter *c)
{
    (void)htab_remove(&t->by_key, key_of(c));
    list_remove(&c->node);
    free(c);
}

void throttle_clear(struct throttle *t)
{
    while (!list_is_empty(&t->by_age))
        drop(t, container_of(t->by_age.next, struct counter, node));
}

void throttle_free(struct throttle *t)
{
    if (t == NULL)
        return;
    throttle_clear(t);
    htab_done(&t->by_key);
    free(t);
}

/* What is too old leaves the ring. */
static void turn(const struct throttle *t, struct counter *c, int64_t now)
{
    int64_t slot = now / t->slot_ms;
    for (int64_t i = MAX(c->slot + 1, slot - RING + 1); i <= slot; i++)
        c->ring[i % RING] = 0;
    c->slot = MAX(slot, c->slot);
}

static uint64_t sum_of(const struct counter *c)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < RING; i++)
        sum += c->ring[i];
    return sum;
}

static void expire(struct throttle *t, int64_t now)
{
    while (!list_is_empty(&t->by_age)) {
        struct counter *oldest = container_of(t->by_age.next, struct counter, node);
        if (now / t->slot_ms - oldest->slot < RING && t->by_key.n <= t->max)
            return;
        drop(t, oldest);
    }
}

static struct counter *find(const struct throttle *t, struct str key)
{
    return htab_get(&t->by_key, str_head(key, THROTTLE_KEY_MAX));
}

uint64_t throttle_sum(struct throttle *t, struct str key, int64_t now)
{
    struct counter *c = find(t, key);
    if (c == NULL)
        return 0;
    turn(t, c, now);
    return sum_of(c);
}

void throttle_add(struct throttle *t, struct str key, uint32_t amount, int64_t now)
{
    struct counter *c = find(t, key);
    key = str_head(key, THROTTLE_KEY_MAX);
    if (c == NULL) {
        c = xcalloc(1, sizeof *c + key.n);
        c->key_n = key.n;
        if (key.n > 0)
            memcpy(c->key, key.p, key.n);
        c->slot = now / t->slot_ms;
        list_init(&c->node);
        (void)htab_put(&t->by_key, key_of(c), c);
    }
    turn(t, c, now);
    uint32_t *here = &c->ring[c->slot % RING];
    *here = amount > UINT32_MAX - *here ? UINT32_MAX : *here + amount;
    list_remove(&c->node);
    list_append(&t->by_age, &c->node);
    expire(t, now);
}

void throttle_take_back(struct throttle *t, struct str key, uint32_t amount, int64_t now)
{
    struct counter *c = find(t, key);
    if (c == NULL)
        return;
    turn(t, c, now);
    for (int64_t i = 0; i < RING && amount > 0; i++) {
        uint32_t *there = &c->ring[(c->slot + RING - i) % RING];
        uint32_t part = MIN(*there, amount);
        *there -= part;
        amount -= part;
    }
    if (sum_of(c) == 0)
        drop(t, c);
}

bool throttle_forget(struct throttle *t, struct str key)
{
    struct counter *c = find(t, key);
    if (c != NULL)
        drop(t, c);
    return c != NULL;
}

size_t throttle_keys(const struct throttle *t) { return t->by_key.n; }

void throttle_each(struct throttle *t, int64_t now, bool (*fn)(void *arg, struct str key, uint64_t sum), void *arg)
{
    expire(t, now);
    LIST_EACH(it, &t->by_age) {
        struct counter *c = container_of(it, struct counter, node);
        turn(t, c, now);
        uint64_t sum = sum_of(c);
        if (sum > 0 && !fn(arg, key_of(c), sum))
            return;
    }
}
