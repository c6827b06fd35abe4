/* SPDX-License-Identifier: ISC */
#include "out.h"

/* How far the search for a server has come. */
struct attempt { unsigned addresses, sessions; char tried[NET_TEXT]; };

static void use_connection(struct session *s, unsigned uses)
{
    s->uses = uses;
    s->o->uses = uses;
    s->o->connected_us = clock_wall_us();
    transfer(s);
    if (s->dead)
        session_close(s, false);
}

/* An open connection is used if the server has not said or done anything meanwhile. */
static void try_reuse(struct session *s, struct attempt *at)
{
    struct order *o = s->o;
    if (s->conn == NULL)
        return;
    if (conn_has_input(s->conn)) {
        session_close(s, true);
        return;
    }
    o->started_us = clock_wall_us();
    session_name_relay(s);
    use_connection(s, s->uses + 1);
    if (o->n_left == 0)
        return;
    /* Lost before the message was sent: the same server again, by a new connection. */
    if (s->conn != NULL || s->content_begun) {
        (void)snprintf(at->tried, sizeof at->tried, "%s", s->addr);
        at->sessions++;
    }
    session_close(s, true);
    o->relay[0] = '\0';
    o->uses = 0;
}

static bool open_session(struct session *s, const struct target *to, enum tls_level level)
{
    s->no_tls = false;
    if (session_open(s, to, level) == STEP_OK)
        return true;
    if (!s->tls_failed || level != TLS_MAY || s->t->conf.tls_wrappermode)
        return false;
    /* Opportunistic: mail that cannot be encrypted goes in plain text rather than not at all. */
    s->no_tls = true;
    return session_open(s, to, level) == STEP_OK;
}

static void try_target(struct session *s, const struct target *to, enum tls_level level, struct attempt *at)
{
    at->addresses++;
    if (!open_session(s, to, level)) {
        if (s->o->why.outcome == OUTCOME_BOUNCED)
            order_settle_rest(s->o, &s->o->why);
        return;
    }
    at->sessions++;
    use_connection(s, 1);
    if (s->o->n_left > 0)
        session_close(s, true);         /* the next server may take the others */
}

/* Postfix's line for a server that failed while there are others; the last one's reason is in the status line. */
static void log_failure(const struct order *o)
{
    bool connecting = o->relay[0] == '\0';     /* then it has been said */
    if (!connecting && o->why.outcome != 0)
        log_as(o->t->ident, LOG_INFO_LEVEL, "%s: %.*s", o->queue_id, STR_FMT(o->why.text));
}

static bool limits_reached(const struct session *s, const struct attempt *at)
{
    const struct out_conf *c = &s->t->conf;
    return (c->mx_address_limit != 0 && at->addresses >= c->mx_address_limit) || (c->mx_session_limit != 0 && at->sessions >= c->mx_session_limit);
}

static void try_hop(struct session *s, struct str text, enum tls_level level, struct attempt *at)
{
    struct order *o = s->o;
    struct hop hop;
    struct target_list list;
    if (!hop_parse(text, s->t->port, &o->arena, &hop)) {
        reason_set(o, &o->why, OUTCOME_DEFERRED, "4.3.5", "cannot parse destination \"%.*s\"", STR_FMT(text));
        return;
    }
    if (route_find(o, &hop, &list, &o->why) < 0)
        return;
    for (size_t i = 0; i < list.n && o->n_left > 0 && !limits_reached(s, at) && !fiber_is_cancelled(); i++) {
        char addr[NET_TEXT];
        if (at->tried[0] != '\0' && strcmp(net_text(&list.p[i].addr, addr), at->tried) == 0)
            continue;
        try_target(s, &list.p[i], level, at);
        if (o->n_left > 0 && i + 1 < list.n && !limits_reached(s, at))
            log_failure(o);
    }
}

/* Several destinations, separated by commas or blanks, are tried in turn. */
static void try_hops(struct session *s, struct str list, enum tls_level level, struct attempt *at)
{
    struct str word;
    while (s->o->n_left > 0 && str_token(&list, ", \t", &word))
        try_hop(s, word, level, at);
}

static void try_new(struct session *s, struct attempt *at)
{
    struct order *o = s->o;
    enum tls_level level = session_tls_level(o);
    if (level == TLS_INVALID) {
        reason_set(o, &o->why, OUTCOME_DEFERRED, "4.7.5", "TLS policy of %.*s cannot be looked up or is not supported", STR_FMT(o->nexthop));
        return;
    }
    try_hops(s, o->nexthop, level, at);
    /* Not when the mail came back to us, or would be sent twice. */
    if (o->n_left > 0 && *s->t->conf.fallback_relay != '\0' && strcmp(o->why.dsn, "5.4.6") != 0) {
        *at = (struct attempt){ .addresses = 0 };
        try_hops(s, str_from(s->t->conf.fallback_relay), level, at);
    }
}

void client_deliver(struct session *s)
{
    struct order *o = s->o;
    struct attempt at = { .addresses = 0 };
    try_reuse(s, &at);
    if (o->n_left > 0 && (s->t->conf.mx_session_limit == 0 || at.sessions < s->t->conf.mx_session_limit)) {
        o->started_us = clock_wall_us();
        o->connected_us = 0;
        try_new(s, &at);
    }
    if (o->why.outcome == 0)
        reason_set(o, &o->why, OUTCOME_DEFERRED, "4.3.0", "delivery was interrupted");
    order_settle_rest(o, &o->why);
}
