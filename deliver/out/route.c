/* SPDX-License-Identifier: ISC */
#include "out.h"
#include "base/num.h"
#include "os/rand.h"
#include "proto/dns_record.h"

enum { MX_MAX = 100, TARGETS_MAX = 500 };

/* ---- nexthop syntax ---- */

static bool parse_port(struct str s, uint16_t *ret)
{
    static const struct { const char *name; uint16_t port; } names[] = {
        { "smtp", 25 }, { "submission", 587 }, { "smtps", 465 }, { "submissions", 465 }, { "lmtp", 24 },
    };
    uint32_t port;
    if (num_parse_u32(s, 65535, &port) && port > 0) {
        *ret = (uint16_t)port;
        return true;
    }
    for (size_t i = 0; i < N_ELEMS(names); i++)
        if (str_eqz(s, names[i].name)) {
            *ret = names[i].port;
            return true;
        }
    return false;
}

/* What follows the host: nothing, or ":port". */
static bool parse_rest(struct str rest, struct hop *hop)
{
    if (rest.n == 0)
        return true;
    hop->has_port = true;
    return rest.p[0] == ':' && parse_port(str_skip(rest, 1), &hop->port);
}

bool hop_parse(struct str text, uint16_t default_port, struct arena *a, struct hop *ret)
{
    struct hop hop = { .port = default_port };
    struct sockaddr_storage addr;
    text = str_trim(text);
    if (str_istarts(text, STR("unix:"))) {
        hop.host = text;
        hop.path = str_to_cstr(a, text);
        *ret = hop;
        return hop.path != NULL;
    }
    if (str_istarts(text, STR("inet:"))) {
        text = str_skip(text, 5);
        hop.no_mx = true;
    }
    ptrdiff_t end;
    if (text.n > 0 && text.p[0] == '[') {
        end = str_chr(text, ']');
        if (end < 0)
            return false;
        hop.host = str_make(text.p + 1, (size_t)end - 1);
        hop.no_mx = true;
        end++;
    } else {
        end = str_rchr(text, ':');
        if (end < 0 || net_addr_parse(text, 0, &addr))       /* 2001:db8::1 has no port */
            end = (ptrdiff_t)text.n;
        hop.host = str_head(text, (size_t)end);
    }
    if (hop.host.n == 0 || hop.host.n > 255 || !parse_rest(str_skip(text, (size_t)end), &hop))
        return false;
    *ret = hop;
    return true;
}

/* ---- addresses ---- */

struct search {
    struct order *o;
    const struct hop *hop;
    VEC(struct target) found;
    struct reason *why;
};

static void add_target(struct search *s, struct str host, uint32_t pref, const struct sockaddr_storage *addr)
{
    const struct transport *t = s->o->t;
    bool use = addr->ss_family == AF_INET6 ? t->use_ip6 : t->use_ip4;
    if (!use || s->found.n >= TARGETS_MAX)
        return;
    struct target *to = vec_add(&s->found);
    *to = (struct target){ .host = str_dup(&s->o->arena, host), .addr = *addr, .pref = pref };
    net_set_port(&to->addr, s->hop->port);
}

static bool add_record(struct search *s, struct str host, uint32_t pref, unsigned type, struct str rdata)
{
    struct sockaddr_storage addr = { .ss_family = type == DNS_A ? AF_INET : AF_INET6 };
    if (rdata.n != (type == DNS_A ? 4u : 16u))
        return false;
    if (type == DNS_A)
        memcpy(&((struct sockaddr_in *)(void *)&addr)->sin_addr, rdata.p, 4);
    else
        memcpy(&((struct sockaddr_in6 *)(void *)&addr)->sin6_addr, rdata.p, 16);
    add_target(s, host, pref, &addr);
    return true;
}

static const char *result_text(enum dns_result r)
{
    switch (r) {
    case DNS_TEMP: return "Host not found, try again";
    case DNS_NO_DATA: return "Host found but no data record of requested type";
    case DNS_NO_NAME: return "Host not found";
    case DNS_FOUND: break;
    }
    return "Malformed or unexpected name server reply";
}

static void name_service_error(struct search *s, struct str name, const char *type, enum dns_result r)
{
    bool temp = r == DNS_TEMP;
    reason_set(s->o, s->why, temp ? OUTCOME_DEFERRED : OUTCOME_BOUNCED, temp ? "4.4.3" : "5.4.4",
               "Host or domain name not found. Name service error for name=%.*s type=%s: %s", STR_FMT(name), type, result_text(r));
}

/* WAITS. All addresses of one host. The best of what the two queries said. */
static enum dns_result add_host(struct search *s, struct str host, uint32_t pref)
{
    static const unsigned types[] = { DNS_A, DNS_AAAA };
    const struct transport *t = s->o->t;
    enum dns_result worst = DNS_NO_NAME;
    bool found = false;
    unsigned native = strstr(t->conf.host_lookup, "native") != NULL ? DNS_TYPE_NATIVE : 0u;
    struct sockaddr_storage addr;
    if (net_addr_parse(host, 0, &addr)) {
        add_target(s, host, pref, &addr);
        return DNS_FOUND;
    }
    for (size_t i = 0; i < N_ELEMS(types); i++) {
        struct dns_records r = { .n = 0 };
        if (types[i] == DNS_A ? !t->use_ip4 : !t->use_ip6)
            continue;
        enum dns_result got = dns_query(host, types[i] | native, &s->o->arena, &r);
        for (size_t k = 0; k < r.n; k++)
            found |= add_record(s, host, pref, types[i], r.p[k]);
        worst = got == DNS_TEMP ? DNS_TEMP : worst == DNS_TEMP ? worst : got == DNS_NO_DATA ? DNS_NO_DATA : worst;
        if (got == DNS_NO_NAME)
            break;              /* no such name has no other types */
    }
    if (!found)
        name_service_error(s, host, t->use_ip4 ? "A" : "AAAA", worst);
    return found ? DNS_FOUND : worst;
}

/* ---- MX ---- */

struct mx { uint32_t pref; struct str host; };

static size_t sort_mx(const struct dns_records *r, struct mx *list)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n && n < MX_MAX; i++) {
        if (r->p[i].n < 3)
            continue;
        struct mx m = { get_be16((const uint8_t *)r->p[i].p), str_skip(r->p[i], 2) };
        size_t at = n++;
        for (; at > 0 && list[at - 1].pref > m.pref; at--)
            list[at] = list[at - 1];
        list[at] = m;
    }
    return n;
}

static int loops_back(struct search *s)
{
    reason_set(s->o, s->why, OUTCOME_BOUNCED, "5.4.6", "mail for %.*s loops back to myself", STR_FMT(s->hop->host));
    return -1;
}

/* RFC 5321 section 5.1: servers of the same or a worse preference than our own are not used. */
static int cut_at_self(struct search *s, const struct mx *list, size_t n)
{
    uint32_t self = UINT32_MAX;
    const char *name = s->o->t->conf.myhostname;
    for (size_t i = 0; i < n; i++)
        if (str_ieqz(list[i].host, name))
            self = MIN(self, list[i].pref);
    for (size_t i = 0; i < s->found.n; i++)
        if (is_own_address(&s->found.p[i].addr))
            self = MIN(self, s->found.p[i].pref);
    size_t kept = 0;
    for (size_t i = 0; i < s->found.n; i++)
        if (s->found.p[i].pref < self)
            s->found.p[kept++] = s->found.p[i];
    bool none = kept == 0 && s->found.n > 0;
    s->found.n = kept;
    return none ? loops_back(s) : 0;
}

static int add_mx_hosts(struct search *s, const struct mx *list, size_t n)
{
    struct reason temp = { .outcome = 0 };
    for (size_t i = 0; i < n; i++)
        if (add_host(s, list[i].host, list[i].pref) == DNS_TEMP)
            temp = *s->why;
    if (s->found.n == 0 && temp.outcome != 0)
        *s->why = temp;
    if (s->found.n == 0)
        return -1;
    return s->hop->has_port ? 0 : cut_at_self(s, list, n);
}

static int find_mx(struct search *s)
{
    struct dns_records r;
    struct arena *a = &s->o->arena;
    const struct hop *hop = s->hop;
    enum dns_result got = dns_query(hop->host, DNS_MX, a, &r);
    if (got == DNS_NO_DATA || (got != DNS_FOUND && got != DNS_NO_NAME && s->o->t->conf.ignore_mx_error)) {
        struct mx self = { 0, hop->host };      /* RFC 5321 section 5.1: the implicit MX */
        return add_mx_hosts(s, &self, 1);
    }
    if (got != DNS_FOUND) {
        name_service_error(s, hop->host, "MX", got);
        return -1;
    }
    struct mx *list = ARENA_ARRAY(a, struct mx, MX_MAX);
    size_t n = sort_mx(&r, list);
    if (n == 1 && str_eqz(list[0].host, ".")) {     /* RFC 7505 section 3 */
        reason_set(s->o, s->why, OUTCOME_BOUNCED, "5.1.10", "Domain %.*s does not accept mail (nullMX)", STR_FMT(hop->host));
        return -1;
    }
    return add_mx_hosts(s, list, n);
}

/* ---- order ---- */

static int family_rank(const struct transport *t, const struct target *to)
{
    const char *want = t->conf.address_preference;
    if (strcmp(want, "ipv6") == 0)
        return to->addr.ss_family == AF_INET6 ? 0 : 1;
    return strcmp(want, "ipv4") == 0 && to->addr.ss_family == AF_INET6;
}

/* By preference, shuffled within one, then by family; stable. */
static void arrange(struct search *s)
{
    const struct transport *t = s->o->t;
    struct target *p = s->found.p;
    for (size_t i = s->found.n; t->conf.randomize_addresses && i > 1; i--) {
        size_t k = (size_t)rand_below(i);
        struct target swap = p[i - 1];
        p[i - 1] = p[k];
        p[k] = swap;
    }
    for (size_t i = 1; i < s->found.n; i++) {
        struct target one = p[i];
        size_t at = i;
        for (; at > 0 && (p[at - 1].pref > one.pref || (p[at - 1].pref == one.pref && family_rank(t, &p[at - 1]) > family_rank(t, &one))); at--)
            p[at] = p[at - 1];
        p[at] = one;
    }
}

static void free_found(void *arg) { struct search *s = arg; vec_done(&s->found); }

int route_find(struct order *o, const struct hop *hop, struct target_list *ret, struct reason *why)
{
    struct search s = { .o = o, .hop = hop, .why = why };
    struct cleanup cleanup;
    bool mx = o->t->kind == OUT_SMTP && !hop->no_mx && !o->t->conf.disable_dns && strcmp(o->t->conf.host_lookup, "native") != 0;
    struct sockaddr_storage literal;
    if (hop->path != NULL) {
        struct target *to = ARENA_NEW(&o->arena, struct target);
        *to = (struct target){ .host = hop->host, .path = hop->path };
        *ret = (struct target_list){ to, 1 };
        return 0;
    }
    cleanup_push(&cleanup, free_found, &s);
    if (net_addr_parse(hop->host, 0, &literal))
        mx = false;
    int rc = mx ? find_mx(&s) : add_host(&s, hop->host, 0) == DNS_FOUND ? 0 : -1;
    if (rc == 0 && s.found.n == 0) {
        reason_set(o, why, OUTCOME_DEFERRED, "4.4.4", "unable to find primary relay for %.*s", STR_FMT(hop->host));
        rc = -1;
    }
    if (rc == 0) {
        arrange(&s);
        ret->n = s.found.n;
        ret->p = ARENA_ARRAY(&o->arena, struct target, s.found.n);
        memcpy(ret->p, s.found.p, s.found.n * sizeof *ret->p);
    }
    cleanup_pop(&cleanup, true);
    return rc;
}
