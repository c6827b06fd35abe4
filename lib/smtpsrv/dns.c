/* SPDX-License-Identifier: ISC */
#include "smtpsrv/dns.h"
#include <arpa/inet.h>
#include "base/num.h"
#include "proto/smtp_path.h"

enum { ABSENT_MS = 2000 };

static void unpack(const struct ipc_dns_answer *msg, struct dns_records *ret)
{
    struct str rest = msg->records;
    ret->n = 0;
    while (ret->n < DNS_RECORDS_MAX && rest.n >= 2) {
        size_t n = get_be16((const uint8_t *)rest.p);
        if (n > rest.n - 2)
            return;
        ret->rdata[ret->n++] = str_make(rest.p + 2, n);
        rest = str_skip(rest, 2 + n);
    }
}

enum dns_result dns_get(struct dns *d, struct str name, enum dns_type type, int64_t deadline, struct arena *a, struct dns_records *ret)
{
    const struct ipc_dns_query query = { .name = name, .type = type };
    union ipc_any *answer = ARENA_NEW(a, union ipc_any);
    ret->n = 0;
    if (name.n == 0 || name.n > 253)
        return DNS_NONE;
    if (!helper_is_there(&d->resolver) && d->want != NULL)
        d->want();
    if (helper_call(&d->resolver, IPC_DNS_QUERY, &query, IPC_DNS_ANSWER, d->want != NULL ? ABSENT_MS : 0, deadline, a, answer) != CHAN_OK)
        return DNS_TEMP;
    if (answer->dns_answer.rcode == 3)
        return DNS_NONE;
    if (answer->dns_answer.rcode != 0)
        return DNS_TEMP;
    unpack(&answer->dns_answer, ret);
    return ret->n > 0 ? DNS_FOUND : DNS_NONE;
}

enum dns_result dns_has_host(struct dns *d, struct str name, bool mx_too, int64_t deadline, struct arena *a)
{
    const enum dns_type order[] = { DNS_MX, DNS_A, DNS_AAAA };
    struct dns_records records;
    enum dns_result worst = DNS_NONE;
    for (size_t i = mx_too ? 0 : 1; i < N_ELEMS(order); i++) {
        enum dns_result r = dns_get(d, name, order[i], deadline, a, &records);
        if (r == DNS_FOUND)
            return DNS_FOUND;
        if (r == DNS_TEMP)
            worst = DNS_TEMP;
    }
    return worst;
}

bool dns_reversed(struct str addr, const char *v4_zone, const char *v6_zone, struct arena *a, struct str *ret)
{
    char text[INET6_ADDRSTRLEN], name[80];
    uint8_t raw[16];
    size_t n = 0;
    if (!str_to_fixed(addr, text, sizeof text))
        return false;
    if (inet_pton(AF_INET, text, raw) == 1) {
        *ret = str_printf(a, "%u.%u.%u.%u.%s", raw[3], raw[2], raw[1], raw[0], v4_zone);
        return true;
    }
    if (inet_pton(AF_INET6, text, raw) != 1)
        return false;
    for (size_t i = 16; i-- > 0;) {
        name[n++] = "0123456789abcdef"[raw[i] & 15];
        name[n++] = '.';
        name[n++] = "0123456789abcdef"[raw[i] >> 4];
        name[n++] = '.';
    }
    *ret = str_printf(a, "%.*s%s", (int)n, name, v6_zone);
    return true;
}

/* Does the name have this address? */
static enum dns_result leads_back(struct dns *d, struct str name, struct str addr, int64_t deadline, struct arena *a)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t raw[16];
    struct dns_records records;
    if (!str_to_fixed(addr, text, sizeof text))
        return DNS_NONE;
    bool v4 = inet_pton(AF_INET, text, raw) == 1;
    if (!v4 && inet_pton(AF_INET6, text, raw) != 1)
        return DNS_NONE;
    enum dns_result r = dns_get(d, name, v4 ? DNS_A : DNS_AAAA, deadline, a, &records);
    for (uint32_t i = 0; r == DNS_FOUND && i < records.n; i++)
        if (records.rdata[i].n == (v4 ? 4u : 16u) && memcmp(records.rdata[i].p, raw, records.rdata[i].n) == 0)
            return DNS_FOUND;
    return r == DNS_TEMP ? DNS_TEMP : DNS_NONE;
}

enum dns_result dns_client_name(struct dns *d, struct str addr, int64_t deadline, struct arena *a, struct str *ret_reverse, struct str *ret_name)
{
    struct str zone;
    struct dns_records records;
    if (!dns_reversed(addr, "in-addr.arpa", "ip6.arpa", a, &zone))
        return DNS_NONE;
    enum dns_result r = dns_get(d, zone, DNS_PTR, deadline, a, &records);
    if (r != DNS_FOUND)
        return r;
    struct str name = records.rdata[0];
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    if (!smtp_domain_is_valid(name, false))
        return DNS_NONE;
    *ret_reverse = str_dup(a, name);
    r = leads_back(d, name, addr, deadline, a);
    if (r == DNS_FOUND)
        *ret_name = *ret_reverse;
    return r;
}
