/* SPDX-License-Identifier: ISC */
#include "out.h"
#include "base/num.h"
#include "ipc/helper.h"

enum { QUERY_MS = 30000, ABSENT_MS = 5000 };

static struct helper resolver;

void dns_peer(const struct ipc_peer *peer, int fd)
{
    helper_attach(&resolver, daemon_chan(peer, fd, helper_ops(), &resolver));
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
    if (name.n > 255)
        return DNS_NO_NAME;
    if (helper_call(&resolver, IPC_DNS_QUERY, &q, IPC_DNS_ANSWER, ABSENT_MS, deadline_in(QUERY_MS), a, answer) != CHAN_OK)
        return DNS_TEMP;
    if (answer->dns_answer.rcode == 3)
        return DNS_NO_NAME;
    if (answer->dns_answer.rcode != 0 || !split(answer->dns_answer.records, answer->dns_answer.n, a, ret))
        return DNS_TEMP;
    return ret->n > 0 ? DNS_FOUND : DNS_NO_DATA;
}
