/* SPDX-License-Identifier: ISC */
#include "authd.h"
#include "socks.h"

enum { KEPT_ARENA_MAX = 128 << 10 };

void kept_free(struct kept *k)
{
    list_remove(&k->node);
    arena_done(&k->arena);
    free(k);
}

static struct kept *find(struct list *all, uint32_t id)
{
    LIST_EACH(it, all) {
        struct kept *k = container_of(it, struct kept, node);
        if (k->id == id)
            return k;
    }
    return NULL;
}

void kept_forget(struct list *all, uint32_t id)
{
    struct kept *k = find(all, id);
    if (k != NULL)
        kept_free(k);
}

void kept_forget_all(struct list *all)
{
    LIST_EACH(it, all)
        kept_free(container_of(it, struct kept, node));
}

/* The list is in the order of time: what is over stands in front. */
static void make_room(struct list *all, int64_t now)
{
    size_t n = 0;
    LIST_EACH(it, all) {
        struct kept *k = container_of(it, struct kept, node);
        if (k->expires <= now)
            kept_free(k);
        else
            n++;
    }
    if (n >= KEPT_PER_STREAM_MAX)
        kept_free(container_of(all->next, struct kept, node));
}

void kept_add(struct list *all, uint32_t id, const struct db_query *q, int64_t now)
{
    struct kept *k = xcalloc(1, sizeof *k);
    make_room(all, now);
    k->id = id;
    k->expires = now + KEPT_MS;
    k->arena = arena_make(KEPT_ARENA_MAX);
    k->arena.block_size = 1024;
    k->account = account_dup(&k->arena, &q->account);
    k->userdb = fields_make(&k->arena);
    if (q->userdb.arena != NULL)
        (void)fields_import(&k->userdb, &q->userdb, STR(""));
    k->mech = str_dup(&k->arena, q->vars.mech);
    k->original_user = str_dup(&k->arena, q->vars.original_user);
    k->master_user = str_dup(&k->arena, q->vars.master_user);
    list_append(all, &k->node);
}

struct kept *kept_take(struct list *all, uint32_t id, int64_t now)
{
    struct kept *k = find(all, id);
    if (k == NULL || k->expires > now) {
        if (k != NULL)
            list_remove(&k->node);
        return k;
    }
    kept_free(k);
    return NULL;
}
