/* SPDX-License-Identifier: ISC
 *
 * db_list.c - all users, database after database; where no userdb can list,
 * the passdbs are asked.
 */
#include "authd.h"
#include "db.h"

struct db_list_state {
    struct deferred over;
    struct db_list *l;          /* NULL: cancelled while a database is listing */
    struct db_list inner;       /* what the drivers see */
    bool passdbs, complete, any;
};

static void next(struct db_list_state *st);

static void on_user(struct db_list *inner, struct str user)
{
    struct db_list_state *st = container_of(inner, struct db_list_state, inner);
    if (st->l != NULL && db_mask_fits(st->l->mask, user))
        st->l->on_user(st->l, user);
}

static void on_over(struct db_list *inner, bool complete)
{
    struct db_list_state *st = container_of(inner, struct db_list_state, inner);
    st->complete &= complete;
    next(st);
}

static void next(struct db_list_state *st)
{
    for (;;) {
        struct db_set *set = st->passdbs ? db_passdbs() : db_userdbs();
        while (st->l != NULL && st->inner.at < set->n) {
            struct db *db = &set->rows[st->inner.at++];
            if (db->driver->list == NULL || db->conf->deny || db->conf->master)
                continue;
            st->any = true;
            db->driver->list(db, &st->inner, on_over);
            return;
        }
        if (st->l == NULL || st->any || st->passdbs)
            break;
        st->passdbs = true;
        st->inner.at = 0;
    }
    struct db_list *l = st->l;
    bool complete = st->complete && st->any;
    free(st);
    if (l != NULL) {
        l->state = NULL;
        l->done(l, complete);
    }
}

static void start(struct deferred *d) { next(container_of(d, struct db_list_state, over)); }

void db_list_start(struct db_list *l)
{
    struct db_list_state *st = xcalloc(1, sizeof *st);
    st->l = l;
    st->complete = true;
    st->inner = (struct db_list){ .mask = l->mask, .on_user = on_user, .done = NULL };
    l->state = st;
    loop_defer(&st->over, start);
}

void db_list_cancel(struct db_list *l)
{
    struct db_list_state *st = l->state;
    if (st != NULL)
        st->l = NULL;
    l->state = NULL;
}
