/* SPDX-License-Identifier: ISC
 *
 * about.c - what is said of a user's connection, by whomever, is made fit for
 * what follows: logs, variables, questions to other processes.
 */
#include "auth/address.h"
#include "authd.h"

enum { SERVICE_MAX = 64 };

/* Text that is no address is as if it had not been said. */
static void need_address(struct str *text)
{
    struct address_key key = address_key_host(*text);
    if (key.n == 0)
        *text = STR("");
}

bool about_make_fit(struct auth_cmd *c)
{
    need_address(&c->remote);
    need_address(&c->local);
    need_address(&c->real_remote);
    need_address(&c->real_local);
    if (c->real_remote.n == 0)
        c->real_remote = c->remote;
    if (c->real_local.n == 0)
        c->real_local = c->local;
    return c->service.n <= SERVICE_MAX;
}
