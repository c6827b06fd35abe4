/* SPDX-License-Identifier: ISC */
#include "base/limit.h"
#include "base/arena.h"

void limits_init(struct limits *l, int64_t unit_ms)
{
    *l = (struct limits){ .unit_ms = unit_ms };
    list_init(&l->by_use);
}

static void drop(struct limits *l, struct limit_client *c)
{
    (void)htab_remove(&l->clients, str_from(c->addr));
    list_remove(&c->node);
    free(c);
}

void limits_done(struct limits *l)
{
    if (l->by_use.next != NULL)
        LIST_EACH(it, &l->by_use)
            drop(l, container_of(it, struct limit_client, node));
    htab_done(&l->clients);
}

/* Entries nobody needs any more, oldest first; a few per call. */
static void expire(struct limits *l, int64_t now)
{
    int look = 4;
    LIST_EACH(it, &l->by_use) {
        struct limit_client *c = container_of(it, struct limit_client, node);
        if (look-- == 0)
            return;
        if (c->connections == 0 && now - c->unit_start >= l->unit_ms)
            drop(l, c);
    }
}

static struct limit_client *find_or_make(struct limits *l, struct str addr, int64_t now)
{
    expire(l, now);
    struct limit_client *c = htab_get(&l->clients, addr);
    if (c == NULL) {
        if (l->clients.n >= LIMIT_CLIENTS_MAX)
            return NULL;
        c = xcalloc(1, sizeof *c);
        list_init(&c->node);
        c->unit_start = now;
        if (!str_to_fixed(addr, c->addr, sizeof c->addr)) {
            free(c);
            return NULL;
        }
        (void)htab_put(&l->clients, str_from(c->addr), c);
    }
    list_remove(&c->node);
    list_append(&l->by_use, &c->node);
    return c;
}

struct limit_client *limit_enter(struct limits *l, struct str addr, int64_t now)
{
    struct limit_client *c = find_or_make(l, addr, now);
    if (c != NULL)
        c->connections++;
    return c;
}

void limit_leave(struct limits *l, struct limit_client *c)
{
    (void)l;
    if (c != NULL)
        c->connections--;
}

static void begin_unit(const struct limits *l, struct limit_client *c, int64_t now)
{
    if (now - c->unit_start < l->unit_ms)
        return;
    c->unit_start = now;
    memset(c->events, 0, sizeof c->events);
}

uint32_t limit_count(struct limits *l, struct limit_client *c, enum limit_event e, int64_t now)
{
    if (c == NULL)
        return 0;
    begin_unit(l, c, now);
    return ++c->events[e];
}

uint32_t limit_look(struct limits *l, struct limit_client *c, enum limit_event e, int64_t now)
{
    if (c == NULL)
        return 0;
    begin_unit(l, c, now);
    return c->events[e];
}

struct limit_client *limit_add(struct limits *l, struct str addr, uint32_t connections, int64_t age, const uint32_t events[LIMIT_EVENTS], int64_t now)
{
    struct limit_client *c = find_or_make(l, addr, now);
    if (c == NULL)
        return NULL;
    begin_unit(l, c, now);
    c->connections += connections;
    if (age < 0 || age >= l->unit_ms)
        return c;
    c->unit_start = MIN(c->unit_start, now - age);
    for (size_t i = 0; i < LIMIT_EVENTS; i++)
        c->events[i] += events[i];
    return c;
}
