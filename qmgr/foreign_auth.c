/* SPDX-License-Identifier: ISC
 *
 * foreign_auth.c - which services log their users in at an auth server that is
 * not ours. Read from main.cf and each service's -o as the service itself reads
 * them; never from what a process says.
 */
#include "daemon/endpoint.h"
#include "qmgr.h"

static struct { bool by_default; VEC(char *) yes, no; } foreign;

static bool is_foreign(struct config *c)
{
    struct arena a = arena_make(1 << 20);
    bool yes = endpoint_of_sasl(c, &a).n > 0;
    arena_done(&a);
    return yes;
}

static int add_service(const struct daemon_ctx *d, const struct service *s, struct err *err)
{
    struct config *c = config_load(d->config_dir, err);
    int rc = c == NULL ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < s->n_overrides; i++)
        rc = config_override(c, str_from(s->overrides[i]), err);
    if (rc == 0) {
        char *name = xstrdup(s->name);
        if (is_foreign(c))
            vec_push(&foreign.yes, name);
        else
            vec_push(&foreign.no, name);
    }
    if (c != NULL)
        config_free(c);
    return rc;
}

int foreign_auth_load(const struct daemon_ctx *d, const struct service_list *services, struct err *err)
{
    foreign.by_default = is_foreign(d->config);
    for (size_t i = 0; i < services->n; i++) {
        const struct service *s = &services->rows[i];
        bool receives = strcmp(s->command, "smtpd") == 0 || strcmp(s->command, "submitd") == 0;
        if (receives && s->n_overrides > 0 && add_service(d, s, err) < 0)
            return -1;
    }
    return 0;
}

/* Of services with one name (by type) all must be so. */
bool foreign_auth_is_used_by(struct str service)
{
    bool yes = foreign.by_default;
    for (size_t i = 0; i < foreign.yes.n; i++)
        yes |= str_eqz(service, foreign.yes.p[i]);
    for (size_t i = 0; i < foreign.no.n; i++)
        if (str_eqz(service, foreign.no.p[i]))
            return false;
    return yes;
}
