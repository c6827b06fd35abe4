/* SPDX-License-Identifier: ISC */
#include "auth/penalty.h"
#include "auth/address.h"
#include "base/arena.h"
#include "base/htab.h"
#include "base/list.h"

enum { MARKS = 8 };

static const int64_t steps_ms[PENALTY_LEVEL_MAX + 1] = { 0, 1500, 3500, 8000, 13000 };

struct source {
    struct list node;           /* by time of the last failure, newest at the end */
    struct address_key key;
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
    (void)htab_remove(&p->by_address, address_key_str(&s->key));
    list_remove(&s->node);
    free(s);
}

void penalty_free(struct penalty *p)
{
    if (p == NULL)
        return;
    penalty_clear(p);
    htab_done(&p->by_address);
    free(p);
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

static struct source *find(struct penalty *p, struct str address)
{
    struct address_key key = address_key_host(address);
    return key.n == 0 ? NULL : htab_get(&p->by_address, address_key_str(&key));
}

int64_t penalty_get(struct penalty *p, struct str address, int64_t now, int64_t cap)
{
    expire(p, now);
    struct source *s = find(p, address);
    return s == NULL ? 0 : MIN(steps_ms[s->level], cap);
}

static bool has_mark(const struct source *s, uint64_t mark)
{
    bool has = false;
    for (unsigned i = 0; i < MIN(s->n_marks, (unsigned)MARKS); i++)
        has |= s->marks[i] == mark;
    return has && mark != PENALTY_NO_MARK;
}

bool penalty_repeated(struct penalty *p, struct str address, uint64_t mark)
{
    const struct source *s = find(p, address);
    return s != NULL && has_mark(s, mark);
}

void penalty_failed(struct penalty *p, struct str address, uint64_t mark, int64_t now)
{
    struct address_key key = address_key_host(address);
    if (key.n == 0)
        return;
    struct source *s = htab_get(&p->by_address, address_key_str(&key));
    if (s == NULL) {
        s = xcalloc(1, sizeof *s);
        s->key = key;
        list_init(&s->node);
        (void)htab_put(&p->by_address, address_key_str(&s->key), s);
    }
    if (!has_mark(s, mark)) {
        s->level = MIN(s->level + 1, (unsigned)PENALTY_LEVEL_MAX);
        if (mark != PENALTY_NO_MARK)
            s->marks[s->n_marks++ % MARKS] = mark;
    }
    s->last = now;
    list_remove(&s->node);
    list_append(&p->by_age, &s->node);
    expire(p, now);
}

void penalty_passed(struct penalty *p, struct str address)
{
    struct source *s = find(p, address);
    if (s != NULL)
        drop(p, s);
}

void penalty_clear(struct penalty *p)
{
    while (!list_is_empty(&p->by_age))
        drop(p, container_of(p->by_age.next, struct source, node));
}

size_t penalty_count(const struct penalty *p) { return p->by_address.n; }
