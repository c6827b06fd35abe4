/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     anvil - counts connections and events of SMTP clients
 *
 * DESCRIPTION
 *     The processes of an SMTP service ask here how many connections a client
 *     has at once, and how many connections, messages, recipients, AUTH
 *     commands and new TLS sessions there were in the time unit
 *     (anvil_rate_time_unit), whichever process had them. What to do about it
 *     is theirs: smtpd_client_connection_count_limit and the other
 *     smtpd_client limits. Services are counted apart.
 *
 *     The connections of a process that dies are not counted any more. When
 *     anvil itself is restarted, the processes tell what they have; while it is
 *     away each of them counts by itself, and mail goes on.
 *
 * SECURITY
 *     The hub's user, an empty root, no capability, no file. It sees addresses
 *     and numbers. Which service asks, it knows from master. The table is
 *     bounded: beyond it, clients are not counted rather than refused.
 *
 * DIAGNOSTICS
 *     Every anvil_status_update_time, and at its end, the greatest counts since
 *     the last time, each with the client and the time: "statistics: max
 *     connection rate N/60s for (smtp:192.0.2.1) at Nov 23 00:20:16", and so
 *     "max connection count", "max message rate", "max recipient rate", "max
 *     newtls rate", "max auth rate", "max cache size".
 */
#include "base/limit.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "event/loop.h"
#include "params.h"
#include <time.h>
#include <unistd.h>

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct anvil_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { ANVIL_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

/* The greatest number since it was logged. */
struct most { uint32_t n; int64_t at; char who[LIMIT_NAME_MAX]; };

static struct {
    struct anvil_conf conf;
    struct limits table;
    struct most rate[LIMIT_EVENTS], connections, cache;
    struct timer status;
} self;

/* What one process has: ends with its channel. */
struct asker { struct chan *chan; struct htab held; };
struct held { char addr[LIMIT_NAME_MAX]; struct limit_client *client; uint32_t n; };

/* ---- statistics ---- */

static void note(struct most *m, uint32_t n, const char *who)
{
    if (n <= m->n)
        return;
    m->n = n;
    m->at = clock_wall_ms();
    (void)snprintf(m->who, sizeof m->who, "%s", who);
}

static const char *when(const struct most *m, char text[32])
{
    struct tm tm;
    time_t t = (time_t)(m->at / 1000);
    if (localtime_r(&t, &tm) == NULL || strftime(text, 32, "%b %e %H:%M:%S", &tm) == 0)
        text[0] = '\0';
    return text;
}

static void log_rate(enum limit_event e, const char *name)
{
    struct most *m = &self.rate[e];
    char at[32];
    if (m->n > 0)
        log_info("statistics: max %s rate %u/%us for (%s) at %s", name, m->n, self.conf.rate_unit, m->who, when(m, at));
}

static void log_statistics(void)
{
    char at[32];
    log_rate(LIMIT_CONNECTION, "connection");
    if (self.connections.n > 0)
        log_info("statistics: max connection count %u for (%s) at %s", self.connections.n, self.connections.who, when(&self.connections, at));
    log_rate(LIMIT_MESSAGE, "message");
    log_rate(LIMIT_RCPT, "recipient");
    log_rate(LIMIT_TLS, "newtls");
    log_rate(LIMIT_AUTH, "auth");
    if (self.cache.n > 0)
        log_info("statistics: max cache size %u at %s", self.cache.n, when(&self.cache, at));
    memset(self.rate, 0, sizeof self.rate);
    memset(&self.connections, 0, sizeof self.connections);
    memset(&self.cache, 0, sizeof self.cache);
}

static void on_status(struct timer *t)
{
    log_statistics();
    timer_set(t, loop_now() + (int64_t)self.conf.status_time * 1000, on_status);
}

static void note_client(const struct limit_client *c)
{
    note(&self.connections, c->connections, c->addr);
    note(&self.cache, (uint32_t)self.table.clients.n, "");
}

/* ---- askers ---- */

static bool key_of(const struct asker *a, struct str addr, char key[LIMIT_NAME_MAX])
{
    int n = snprintf(key, LIMIT_NAME_MAX, "%s:%.*s", chan_peer_service(a->chan), STR_FMT(addr));
    return n > 0 && n < LIMIT_NAME_MAX && addr.n > 0;
}

static struct held *held_of(struct asker *a, struct limit_client *c)
{
    struct held *h = htab_get(&a->held, str_from(c->addr));
    if (h != NULL)
        return h;
    h = xcalloc(1, sizeof *h);
    (void)snprintf(h->addr, sizeof h->addr, "%s", c->addr);
    h->client = c;
    (void)htab_put(&a->held, str_from(h->addr), h);
    return h;
}

static void drop_held(struct asker *a, struct held *h)
{
    (void)htab_remove(&a->held, str_from(h->addr));
    free(h);
}

static void take_ask(struct asker *a, uint32_t id, const struct ipc_anvil_ask *m)
{
    struct ipc_anvil_count reply = { 0 };
    char key[LIMIT_NAME_MAX];
    struct limit_client *c = NULL;
    bool begins = m->event == LIMIT_CONNECTION && !m->look;
    if (m->event < LIMIT_EVENTS && key_of(a, m->addr, key)) {
        /* An event without a connection counts as one for its moment: the entry is there. */
        c = limit_enter(&self.table, str_from(key), loop_now());
        if (c != NULL && begins)
            held_of(a, c)->n++;
        else if (c != NULL)
            limit_leave(&self.table, c);
    }
    if (c != NULL) {
        enum limit_event e = (enum limit_event)m->event;
        reply.rate = (m->look ? limit_look : limit_count)(&self.table, c, e, loop_now());
        reply.connections = c->connections;
        if (!m->look)
            note(&self.rate[e], reply.rate, c->addr);
        note_client(c);
    }
    (void)chan_send(a->chan, IPC_ANVIL_COUNT, id, &reply);
}

static void take_leave(struct asker *a, const struct ipc_anvil_leave *m)
{
    char key[LIMIT_NAME_MAX];
    struct held *h = key_of(a, m->addr, key) ? htab_get(&a->held, str_from(key)) : NULL;
    if (h == NULL)
        return;
    limit_leave(&self.table, h->client);
    if (--h->n == 0)
        drop_held(a, h);
}

static void take_held(struct asker *a, const struct ipc_anvil_held *m)
{
    const uint32_t events[LIMIT_EVENTS] = { [LIMIT_CONNECTION] = m->n_connection, [LIMIT_MESSAGE] = m->n_message, [LIMIT_RCPT] = m->n_rcpt,
                                            [LIMIT_AUTH] = m->n_auth, [LIMIT_TLS] = m->n_tls };
    char key[LIMIT_NAME_MAX];
    struct limit_client *c = key_of(a, m->addr, key) ? limit_add(&self.table, str_from(key), m->connections, (int64_t)m->age, events, loop_now()) : NULL;
    if (c == NULL)
        return;
    if (m->connections > 0)
        held_of(a, c)->n += m->connections;
    note_client(c);
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct asker *a = chan_user(c);
    if (type == IPC_ANVIL_ASK)
        take_ask(a, id, msg);
    else if (type == IPC_ANVIL_LEAVE)
        take_leave(a, msg);
    else if (type == IPC_ANVIL_HELD)
        take_held(a, msg);
}

static void on_closed(struct chan *c)
{
    struct asker *a = chan_user(c);
    size_t pos = 0;
    for (struct held *h; (h = htab_each(&a->held, &pos)) != NULL; free(h))
        for (; h->n > 0; h->n--)
            limit_leave(&self.table, h->client);
    htab_done(&a->held);
    free(a);
    chan_free(c);
}

static void on_peer(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    struct asker *a = xcalloc(1, sizeof *a);
    a->chan = daemon_chan(peer, fd, &ops, a);
}

static void start(const struct daemon_ctx *d)
{
    (void)d;
    limits_init(&self.table, (int64_t)self.conf.rate_unit * 1000);
    timer_set(&self.status, loop_now() + (int64_t)self.conf.status_time * 1000, on_status);
}

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_ANVIL, .params = &params, .conf = &self.conf, .start = start, .on_peer = on_peer, .on_drain = log_statistics },
    };
    return daemon_main(argc, argv, "anvil", roles, N_ELEMS(roles));
}
