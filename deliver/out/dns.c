/* SPDX-License-Identifier: ISC */
#include "out.h"
#include "base/num.h"

enum { QUERY_MS = 30000, ABSENT_MS = 5000 };

static struct { struct chan *chan; struct cond changed; } self;

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg) { (void)c, (void)type, (void)id, (void)msg; }

static void on_closed(struct chan *c)
{
    if (self.chan == c)
        self.chan = NULL;
    chan_free(c);
}

static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };

void dns_peer(const struct ipc_peer *peer, int fd)
{
    /* A newer one takes over; the older lives until it goes. */
    self.chan = daemon_chan(peer, fd, &ops, NULL);
    cond_broadcast(&self.changed);
}

/* A resolver that is restarting is back soon. */
static bool have_resolver(int64_t until)
{
    while (self.chan == NULL)
        if (cond_wait(&self.changed, until) != WAIT_OK)
            return false;
    return true;
}

static bool split(struct str raw, uint32_t n, struct arena *a, struct dns_records *ret)
{
    struct dns_records r = { .p = ARENA_ARRAY(a, struct str, MIN(n, raw.n / 2) + 1) };
    while (raw.n >= 2 && r.n < n) {
        size_t len = get_be16((const uint8_t *)raw.p);
        if (len > raw.n - 2)
            return false;
        r.p[r.n++] = str_make(raw.p + 2, len);
        raw = str_skip(raw, 2 + len);
    }
    *ret = r;
    return raw.n == 0;
}

enum dns_result dns_query(struct str name, unsigned type, struct arena *a, struct dns_records *ret)
{
    struct ipc_dns_query q = { .name = name, .type = type };
    union ipc_any *answer = arena_alloc(a, sizeof *answer);
    enum ipc_type got;
    if (name.n > 255)
        return DNS_NO_NAME;
    if (!have_resolver(deadline_in(ABSENT_MS)) ||
        chan_call(self.chan, IPC_DNS_QUERY, &q, IPC_DNS_ANSWER, IPC_TYPE_COUNT, deadline_in(QUERY_MS), a, &got, answer) != CHAN_OK)
        return DNS_TEMP;
    if (answer->dns_answer.rcode == 3)
        return DNS_NO_NAME;
    if (answer->dns_answer.rcode != 0 || !split(answer->dns_answer.records, answer->dns_answer.n, a, ret))
        return DNS_TEMP;
    return ret->n > 0 ? DNS_FOUND : DNS_NO_DATA;
}
