/* SPDX-License-Identifier: ISC */
#include "auth/penalty.h"
#include "base/arena.h"
#include "base/htab.h"
#include "base/list.h"
#include <arpa/inet.h>

enum { MARKS = 4 };

static const int64_t steps_ms[PENALTY_LEVEL_MAX + 1] = { 0, 1500, 3500, 8000, 13000 };

struct source {
    struct list node;           /* by time of the last failure, newest at the end */
    uint8_t key[16];
    size_t key_n;
    unsigned level, n_marks;
    uint64_t marks[MARKS];
    int64_t last;
};

struct penalty { struct htab by_address; struct list by_age; };

struct penalty *penalty_new(void)
{
    struct penalty *p = xcalloc(1, sizeof *p);
    list_init(&p->by_age);
    return p;
}

static void drop(struct penalty *p, struct source *s)
{
    (void)htab_remove(&p->by_address, str_make(s->key, s->key_n));
    list_remove(&s->node);
    free(s);
}

void penalty_free(struct penalty *p)
{
    if (p == NULL)
        return;
    while (!list_is_empty(&p->by_age))
        drop(p, container_of(p->by_age.next, struct source, node));
    htab_done(&p->by_address);
    free(p);
}

static size_t make_key(struct str address, uint8_t key[16])
{
    char text[INET6_ADDRSTRLEN];
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    if (!str_to_fixed(address, text, sizeof text))
        return 0;
    if (inet_pton(AF_INET, text, key) == 1)
        return 4;
    if (inet_pton(AF_INET6, text, key) != 1)
        return 0;
    if (memcmp(key, mapped, sizeof mapped) != 0)
        return 8;
    memmove(key, key + 12, 4);
    return 4;
}

static void expire(struct penalty *p, int64_t now)
{
    while (!list_is_empty(&p->by_age)) {
        struct source *oldest = container_of(p->by_age.next, struct source, node);
        if (now - oldest->last < PENALTY_QUIET_MS && p->by_address.n <= PENALTY_ADDRESSES_MAX)
            return;
        drop(p, oldest);
    }
}

static struct source *find(struct penalty *p, struct str address, uint8_t key[16], size_t *ret_n)
{
    *ret_n = make_key(address, key);
    return *ret_n == 0 ? NULL : htab_get(&p->by_address, str_make(key, *ret_n));
}

int64_t penalty_get(struct penalty *p, struct str address, int64_t now, int64_t cap)
{
    uint8_t key[16];
    size_t n;
    expire(p, now);
    struct source *s = find(p, address, key, &n);
    return s == NULL ? 0 : MIN(steps_ms[s->level], cap);
}

static bool seen_before(struct source *s, uint64_t mark)
{
    for (unsigned i = 0; i < MIN(s->n_marks, (unsigned)MARKS); i++)
        if (s->marks[i] == mark)
            return true;
    s->marks[s->n_marks++ % MARKS] = mark;
    return false;
}

void penalty_failed(struct penalty *p, struct str address, uint64_t mark, int64_t now)
{
    uint8_t key[16];
    size_t n;
    struct source *s = find(p, address, key, &n);
    if (n == 0)
        return;
    if (s == NULL) {
        s = xcalloc(1, sizeof *s);
        memcpy(s->key, key, n);
        s->key_n = n;
        list_init(&s->node);
        (void)htab_put(&p->by_address, str_make(s->key, n), s);
    }
    if (!seen_before(s, mark) && s->level < PENALTY_LEVEL_MAX)
        s->level++;
    s->last = now;
    list_remove(&s->node);
    list_append(&p->by_age, &s->node);
    expire(p, now);
}

void penalty_passed(struct penalty *p, struct str address)
{
    uint8_t key[16];
    size_t n;
    struct source *s = find(p, address, key, &n);
    if (s != NULL)
        drop(p, s);
}

size_t penalty_count(const struct penalty *p) { return p->by_address.n; }
