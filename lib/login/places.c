/* SPDX-License-Identifier: ISC
 *
 * places.c - how many connections of one address wait for their login here, so
 * that one address cannot take all places of a login process.
 */
#include "login/internal.h"

struct login_place { char remote[64]; unsigned n; };

bool login_enter(struct login_client *c)
{
    struct login_state *l = login_state();
    if (l->conf.client_limit == 0)
        return true;
    struct login_place *p = htab_get(&l->places, str_from(c->remote));
    if (p != NULL && p->n >= l->conf.client_limit)
        return false;
    if (p == NULL) {
        p = xcalloc(1, sizeof *p);
        (void)snprintf(p->remote, sizeof p->remote, "%s", c->remote);
        (void)htab_put(&l->places, str_from(p->remote), p);
    }
    p->n++;
    c->place = p;
    return true;
}

void login_leave(struct login_client *c)
{
    struct login_place *p = c->place;
    c->place = NULL;
    if (p == NULL || --p->n > 0)
        return;
    (void)htab_remove(&login_state()->places, str_from(p->remote));
    free(p);
}
