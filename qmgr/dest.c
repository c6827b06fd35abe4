/* SPDX-License-Identifier: ISC
 *
 * dest.c - transports and their destinations. A destination has a window of
 * parallel deliveries that grows with success and shrinks with failure; one
 * that fails too often in a row is taken to be dead and rests.
 */
#include "qmgr.h"
#include "base/enc.h"
#include "base/num.h"

static uint32_t transport_param(const char *transport, const char *suffix, uint32_t def)
{
    char name[160];
    struct err err;
    uint32_t v = def;
    (void)snprintf(name, sizeof name, "%s%s", transport, suffix);
    const char *text = config_get(qm.ctx->config, name, &err);
    if (text != NULL && *text != '\0' && !num_parse_u32(str_trim(str_from(text)), 1000000, &v))
        log_warning("%s: bad value \"%s\"; %u is used", name, text, def);
    return v;
}

static bool transport_exists(struct str name)
{
    static const char *const builtin[] = { "smtp", "relay", "lmtp", "local", "virtual", "error", "retry", "discard" };
    for (size_t i = 0; i < N_ELEMS(builtin); i++)
        if (str_eqz(name, builtin[i]))
            return true;
    for (size_t i = 0; i < qm.services.n; i++)
        if (qm.services.rows[i].type == SERVICE_UNIX && str_eqz(name, qm.services.rows[i].name))
            return true;
    return false;
}

struct transport *transport_get(struct str name)
{
    struct transport *t = htab_get(&qm.transports, name);
    if (t != NULL || !transport_exists(name))
        return t;
    t = xcalloc(1, sizeof *t);
    if (!str_to_fixed(name, t->name, sizeof t->name)) {
        free(t);
        return NULL;
    }
    t->role = ROLE_OUT;
    for (size_t i = 0; i < qm.services.n; i++) {
        const char *command = qm.services.rows[i].command;
        if (strcmp(qm.services.rows[i].name, t->name) == 0 && qm.services.rows[i].type == SERVICE_UNIX &&
            (strcmp(command, "local") == 0 || strcmp(command, "virtual") == 0 || strcmp(command, "pipe") == 0))
            t->role = ROLE_ROUTER;
    }
    if (strcmp(t->name, "local") == 0 || strcmp(t->name, "virtual") == 0)
        t->role = ROLE_ROUTER;
    list_init(&t->dests);
    t->limit = qm.conf.process_limit;
    t->concurrency = transport_param(t->name, "_destination_concurrency_limit", qm.conf.concurrency);
    t->recipient_limit = transport_param(t->name, "_destination_recipient_limit", qm.conf.recipient_limit);
    t->initial = transport_param(t->name, "_initial_destination_concurrency", qm.conf.initial_concurrency);
    struct str rest = str_from(qm.conf.defer_transports), token;
    while (str_token(&rest, ", \t", &token))
        t->deferred |= str_eqz(token, t->name);
    (void)htab_put(&qm.transports, str_from(t->name), t);
    return t;
}

struct dest *dest_get(struct transport *t, struct str nexthop)
{
    struct dest *d = htab_get(&t->by_nexthop, nexthop);
    if (d != NULL)
        return d;
    struct buf key = { 0 };
    d = xcalloc(1, sizeof *d);
    buf_add(&key, nexthop);
    d->nexthop = xstrdup(buf_cstr(&key));
    buf_done(&key);
    d->t = t;
    d->window = t->concurrency == 0 ? t->initial : MIN(t->initial, t->concurrency);
    list_init(&d->node);
    list_init(&d->entries);
    (void)htab_put(&t->by_nexthop, str_from(d->nexthop), d);
    return d;
}

void dest_release(struct dest *d)
{
    if (d->busy > 0 || d->suspects > 0 || !list_is_empty(&d->entries) || d->dead_until > clock_mono_ms())
        return;
    (void)htab_remove(&d->t->by_nexthop, str_from(d->nexthop));
    list_remove(&d->node);
    free(d->nexthop);
    free(d->why);
    free(d);
}

void dest_feedback(struct dest *d, bool failed, struct str dsn, struct str text)
{
    if (!failed) {
        d->failures = 0;
        d->dead_until = 0;
        if (d->t->concurrency == 0 || d->window < d->t->concurrency)
            d->window += 1.0 / MAX(d->window, 1.0);
        return;
    }
    double step = 1.0 / MAX(d->window, 1.0);
    d->failures += step;
    d->window = MAX(d->window - step, 1.0);
    if (qm.conf.failed_cohorts == 0 || d->failures + 1e-9 < qm.conf.failed_cohorts)
        return;
    struct buf why = { 0 };
    enc_printable(&why, text);
    free(d->why);
    d->why = xstrdup(buf_cstr(&why));
    buf_done(&why);
    (void)snprintf(d->dsn, sizeof d->dsn, "%.*s", (int)MIN(dsn.n, sizeof d->dsn - 1), dsn.p);
    d->dead_until = clock_mono_ms() + (int64_t)qm.conf.minimal_backoff * 1000;
    d->failures = 0;
    d->window = d->t->initial;
}

void dest_flush_dead(void)
{
    struct transport *t;
    struct dest *d;
    for (size_t pos = 0; (t = htab_each(&qm.transports, &pos)) != NULL;)
        for (size_t dpos = 0; (d = htab_each(&t->by_nexthop, &dpos)) != NULL;)
            d->dead_until = 0;
    sched_soon();
}
