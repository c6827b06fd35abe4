/* SPDX-License-Identifier: ISC */
#include "smtpsrv/limit.h"
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

struct limit_client *limit_enter(struct limits *l, struct str addr, int64_t now)
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
    c->connections++;
    return c;
}

void limit_leave(struct limits *l, struct limit_client *c)
{
    (void)l;
    if (c != NULL)
        c->connections--;
}

uint32_t limit_count(struct limits *l, struct limit_client *c, enum limit_event e, int64_t now)
{
    if (c == NULL)
        return 0;
    if (now - c->unit_start >= l->unit_ms) {
        c->unit_start = now;
        memset(c->events, 0, sizeof c->events);
    }
    return ++c->events[e];
}
