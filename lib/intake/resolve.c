/* SPDX-License-Identifier: ISC */
#include "intake/resolve.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include "base/vec.h"
#include "proto/smtp_path.h"

struct own_addr { char text[INET6_ADDRSTRLEN]; };

struct resolve {
    const struct resolve_conf *conf;
    struct match_list *mydestination, *alias_domains, *mailbox_domains, *relay_domains;
    struct map_list *transport_maps, *sender_relayhost, *sender_transport;
    VEC(struct own_addr) own;
};

/* ---- opening ---- */

static void add_own(struct resolve *r, const char *text)
{
    struct own_addr *o = vec_add(&r->own);
    (void)str_to_fixed(str_from(text), o->text, sizeof o->text);
}

static void add_interfaces(struct resolve *r)
{
    struct ifaddrs *all;
    char text[INET6_ADDRSTRLEN];
    if (getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        const void *raw = NULL;
        if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET)
            raw = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
        else if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET6)
            raw = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
        if (raw != NULL && inet_ntop(i->ifa_addr->sa_family, raw, text, sizeof text) != NULL)
            add_own(r, text);
    }
    freeifaddrs(all);
}

static void add_listed(struct resolve *r, const char *list)
{
    struct str rest = str_from(list), word;
    char text[INET6_ADDRSTRLEN];
    while (str_token(&rest, ", \t\r\n", &word)) {
        if (str_ieqz(word, "all"))
            add_interfaces(r);
        else if (str_ieqz(word, "loopback-only")) {
            add_own(r, "127.0.0.1");
            add_own(r, "::1");
        } else if (str_to_fixed(word, text, sizeof text))
            add_own(r, text);
    }
}

bool resolve_is_own_literal(const struct resolve *r, struct str domain)
{
    struct str addr;
    if (!smtp_literal_parse(domain, &addr))
        return false;
    for (size_t i = 0; i < r->own.n; i++)
        if (str_ieqz(addr, r->own.p[i].text))
            return true;
    return false;
}

static bool listed(const char *list, const char *name)
{
    struct str rest = str_from(list), word;
    while (str_token(&rest, ", \t\r\n", &word))
        if (str_eqz(word, name))
            return true;
    return false;
}

struct resolve *resolve_open(const struct resolve_conf *conf, struct config *config, struct err *err)
{
    struct resolve *r = xcalloc(1, sizeof *r);
    r->conf = conf;
    unsigned relay_flags = listed(conf->parent_domain_matches, "relay_domains") ? MATCH_PARENTS : 0;
    add_listed(r, conf->inet_interfaces);
    add_listed(r, conf->proxy_interfaces);
    bool ok = (r->mydestination = match_list_open(conf->mydestination, MATCH_STRINGS, config, err)) != NULL &&
              (r->alias_domains = match_list_open(conf->virtual_alias_domains, MATCH_STRINGS, config, err)) != NULL &&
              (r->mailbox_domains = match_list_open(conf->virtual_mailbox_domains, MATCH_STRINGS, config, err)) != NULL &&
              (r->relay_domains = match_list_open(conf->relay_domains, relay_flags, config, err)) != NULL &&
              (r->transport_maps = map_list_open(conf->transport_maps, MAP_PARTIAL_OK, config, err)) != NULL &&
              (r->sender_relayhost = map_list_open(conf->sender_relayhost_maps, 0, config, err)) != NULL &&
              (r->sender_transport = map_list_open(conf->sender_transport_maps, 0, config, err)) != NULL;
    if (ok)
        return r;
    resolve_close(r);
    return NULL;
}

void resolve_close(struct resolve *r)
{
    if (r == NULL)
        return;
    if (r->mydestination != NULL) match_list_free(r->mydestination);
    if (r->alias_domains != NULL) match_list_free(r->alias_domains);
    if (r->mailbox_domains != NULL) match_list_free(r->mailbox_domains);
    if (r->relay_domains != NULL) match_list_free(r->relay_domains);
    if (r->transport_maps != NULL) map_list_free(r->transport_maps);
    if (r->sender_relayhost != NULL) map_list_free(r->sender_relayhost);
    if (r->sender_transport != NULL) map_list_free(r->sender_transport);
    vec_done(&r->own);
    free(r);
}

/* ---- rewriting ---- */

/* site!user and user%domain, when there is no other domain. True if something changed. */
static bool undo_hacks(const struct resolve *r, struct str local, struct arena *a, struct str *ret)
{
    ptrdiff_t bang = r->conf->swap_bangpath ? str_chr(local, '!') : -1;
    if (bang > 0 && (size_t)bang + 1 < local.n && smtp_domain_is_valid(str_head(local, (size_t)bang), true)) {
        *ret = str_printf(a, "%.*s@%.*s", STR_FMT(str_skip(local, (size_t)bang + 1)), (int)bang, local.p);
        return true;
    }
    ptrdiff_t percent = r->conf->allow_percent_hack ? str_rchr(local, '%') : -1;
    if (percent > 0 && smtp_domain_is_valid(str_skip(local, (size_t)percent + 1), true)) {
        *ret = str_printf(a, "%.*s@%.*s", (int)percent, local.p, STR_FMT(str_skip(local, (size_t)percent + 1)));
        return true;
    }
    return false;
}

static struct str rewrite(const struct resolve *r, struct str address, struct str origin, struct str parent, struct arena *a)
{
    struct str local, domain, hacked;
    if (address.n == 0)
        return address;
    smtp_address_split(address, &local, &domain);
    if (domain.n == 0) {
        if (undo_hacks(r, local, a, &hacked))
            smtp_address_split(hacked, &local, &domain);
        else if (!r->conf->append_at_myorigin)
            return address;
        else
            domain = origin;
    }
    if (domain.n > 1 && domain.p[domain.n - 1] == '.')
        domain.n--;
    bool is_short = r->conf->append_dot_mydomain && str_chr(domain, '.') < 0 && domain.n > 0 && domain.p[0] != '[' &&
                    !str_ieqz(domain, "localhost") && parent.n > 0;
    return str_printf(a, "%.*s@%.*s%s%.*s", STR_FMT(local), STR_FMT(domain), is_short ? "." : "", is_short ? (int)parent.n : 0, parent.p);
}

struct str resolve_rewrite(const struct resolve *r, struct str address, struct arena *a)
{
    return rewrite(r, address, str_from(r->conf->myorigin), str_from(r->conf->mydomain), a);
}

struct str resolve_rewrite_with(const struct resolve *r, struct str address, struct str domain, struct arena *a)
{
    return rewrite(r, address, domain, domain, a);
}

ptrdiff_t resolve_extension(const struct resolve *r, struct str local)
{
    static const char *const plain[] = { "double-bounce", "mailer-daemon" };
    if (r->conf->recipient_delimiter[0] == '\0')
        return -1;
    for (size_t i = 0; i < N_ELEMS(plain); i++)
        if (str_ieqz(local, plain[i]))
            return -1;
    if (strcmp(r->conf->owner_request_special, "no") != 0 && strchr(r->conf->recipient_delimiter, '-') != NULL &&
        (str_istarts(local, STR("owner-")) || str_iends(local, STR("-request"))))
        return -1;
    for (size_t i = 1; i < local.n; i++)
        if (local.p[i] != '\0' && strchr(r->conf->recipient_delimiter, local.p[i]) != NULL)
            return (ptrdiff_t)i;
    return -1;
}

/* ---- classes and routes ---- */

static enum resolve_result temp(struct err *err, const char *what)
{
    (void)err_prefix(err, "%s", what);
    return RESOLVE_TEMP;
}

/* RESOLVE_OK and *ret_hit, or RESOLVE_TEMP. */
static enum resolve_result in_list(struct match_list *list, struct str domain, const char *name, bool *ret_hit, struct err *err)
{
    enum map_result m = match_list_string(list, domain, err);
    if (m == MAP_TEMP)
        return temp(err, name);
    *ret_hit = m == MAP_FOUND;
    return RESOLVE_OK;
}

static enum resolve_result is_local(struct resolve *r, struct str domain, bool *ret, struct err *err)
{
    *ret = resolve_is_own_literal(r, domain);
    return *ret ? RESOLVE_OK : in_list(r->mydestination, domain, "mydestination", ret, err);
}

enum resolve_result resolve_domain_class(struct resolve *r, struct str domain, enum address_class *ret, struct err *err)
{
    bool hit;
    const struct { struct match_list *list; const char *name; enum address_class class; } lists[] = {
        { r->alias_domains, "virtual_alias_domains", CLASS_VIRTUAL_ALIAS },
        { r->mailbox_domains, "virtual_mailbox_domains", CLASS_VIRTUAL_MAILBOX },
        { r->relay_domains, "relay_domains", CLASS_RELAY },
    };
    if (is_local(r, domain, &hit, err) == RESOLVE_TEMP)
        return RESOLVE_TEMP;
    *ret = CLASS_LOCAL;
    for (size_t i = 0; !hit && i < N_ELEMS(lists); i++) {
        if (in_list(lists[i].list, domain, lists[i].name, &hit, err) == RESOLVE_TEMP)
            return RESOLVE_TEMP;
        *ret = lists[i].class;
    }
    if (!hit)
        *ret = CLASS_DEFAULT;
    return RESOLVE_OK;
}

void resolve_split_transport(struct str spec, struct str def_transport, struct str def_nexthop, struct str *ret_transport, struct str *ret_nexthop)
{
    struct str transport, nexthop;
    bool has_colon = str_cut(str_trim(spec), ':', &transport, &nexthop);
    *ret_transport = transport.n > 0 ? transport : def_transport;
    *ret_nexthop = has_colon && nexthop.n > 0 ? nexthop : def_nexthop;
}

/*
 * Our own domain says nothing: what is left decides. Bounded, since each round
 * takes a part of the address off.
 */
static enum resolve_result strip_own(struct resolve *r, struct str *address, struct arena *a, bool *ret_routed, struct err *err)
{
    for (int rounds = 0; rounds < 20; rounds++) {
        struct str local, domain, inner;
        bool own;
        smtp_address_split(*address, &local, &domain);
        if (domain.n == 0)
            return RESOLVE_OK;
        if (is_local(r, domain, &own, err) == RESOLVE_TEMP)
            return RESOLVE_TEMP;
        if (!own) {
            /* A second "@" before a foreign domain stays part of the local part: it is that domain's affair. */
            *ret_routed |= str_chr(local, '@') >= 0;
            return RESOLVE_OK;
        }
        if (str_chr(local, '@') >= 0)
            inner = local;
        else if (!undo_hacks(r, local, a, &inner))
            return RESOLVE_OK;
        *ret_routed = true;
        *address = inner;
    }
    *ret_routed = true;
    return RESOLVE_OK;
}

enum extent { WHOLE, PART };
static enum resolve_result lookup(struct map_list *maps, const char *name, enum extent extent, struct str key, struct arena *a, struct str *ret_value,
                                  bool *ret_hit, struct err *err)
{
    *ret_hit = false;
    if (map_list_is_empty(maps))
        return RESOLVE_OK;
    enum map_result m = extent == WHOLE ? map_list_get(maps, key, a, ret_value, err) : map_list_get_part(maps, key, a, ret_value, err);
    if (m == MAP_TEMP)
        return temp(err, name);
    *ret_hit = m == MAP_FOUND;
    return RESOLVE_OK;
}

/* A sender's own table entry: whole address, then @domain; the null sender is "<>". */
static enum resolve_result sender_lookup(struct map_list *maps, const char *name, struct str sender, struct arena *a, struct str *ret_value, bool *ret_hit,
                                         struct err *err)
{
    struct str local, domain;
    *ret_hit = false;
    if (map_list_is_empty(maps))
        return RESOLVE_OK;
    if (lookup(maps, name, WHOLE, sender.n == 0 ? STR("<>") : sender, a, ret_value, ret_hit, err) == RESOLVE_TEMP)
        return RESOLVE_TEMP;
    smtp_address_split(sender, &local, &domain);
    if (*ret_hit || domain.n == 0)
        return RESOLVE_OK;
    return lookup(maps, name, PART, str_printf(a, "@%.*s", STR_FMT(domain)), a, ret_value, ret_hit, err);
}

static enum resolve_result default_route(struct resolve *r, struct str sender, struct str domain, struct arena *a, struct resolved *ret, struct err *err)
{
    struct str value, nexthop = domain;
    bool hit;
    if (sender_lookup(r->sender_relayhost, "sender_dependent_relayhost_maps", sender, a, &value, &hit, err) == RESOLVE_TEMP)
        return RESOLVE_TEMP;
    if (hit && !str_ieqz(str_trim(value), "DUNNO"))
        nexthop = str_trim(value);
    else if (r->conf->relayhost[0] != '\0')
        nexthop = str_trim(str_from(r->conf->relayhost));
    if (sender_lookup(r->sender_transport, "sender_dependent_default_transport_maps", sender, a, &value, &hit, err) == RESOLVE_TEMP)
        return RESOLVE_TEMP;
    struct str spec = hit && !str_ieqz(str_trim(value), "DUNNO") ? value : str_from(r->conf->default_transport);
    resolve_split_transport(spec, STR("smtp"), nexthop, &ret->transport, &ret->nexthop);
    return RESOLVE_OK;
}

static enum resolve_result class_route(struct resolve *r, struct str sender, struct str domain, struct arena *a, struct resolved *ret, struct err *err)
{
    const struct resolve_conf *c = r->conf;
    switch (ret->class) {
    case CLASS_LOCAL:
        resolve_split_transport(str_from(c->local_transport), STR("local"), domain, &ret->transport, &ret->nexthop);
        return RESOLVE_OK;
    case CLASS_VIRTUAL_ALIAS:
        ret->transport = STR("error");
        ret->nexthop = c->virtual_alias_maps[0] != '\0' ? STR("5.1.1 User unknown in virtual alias table") : STR("5.1.1 User unknown");
        return RESOLVE_OK;
    case CLASS_VIRTUAL_MAILBOX:
        resolve_split_transport(str_from(c->virtual_transport), STR("virtual"), domain, &ret->transport, &ret->nexthop);
        return RESOLVE_OK;
    case CLASS_RELAY: {
        struct str host = c->relayhost[0] != '\0' ? str_trim(str_from(c->relayhost)) : domain;
        resolve_split_transport(str_from(c->relay_transport), STR("relay"), host, &ret->transport, &ret->nexthop);
        return RESOLVE_OK;
    }
    case CLASS_DEFAULT:
        return default_route(r, sender, domain, a, ret, err);
    }
    UNREACHABLE();
}

/* transport(5): user+ext@domain, user@domain, domain, .parent, "*". */
static enum resolve_result transport_lookup(struct resolve *r, struct str address, struct str domain, struct arena *a, struct str *ret_value, bool *ret_hit,
                                            struct err *err)
{
    struct map_list *maps = r->transport_maps;
    struct str local = str_head(address, address.n - domain.n - 1);
    ptrdiff_t ext = resolve_extension(r, local);
    *ret_hit = false;
    if (map_list_is_empty(maps))
        return RESOLVE_OK;
    if (lookup(maps, "transport_maps", WHOLE, address, a, ret_value, ret_hit, err) == RESOLVE_TEMP)
        return RESOLVE_TEMP;
    if (!*ret_hit && ext > 0 && lookup(maps, "transport_maps", PART, str_printf(a, "%.*s@%.*s", (int)ext, local.p, STR_FMT(domain)), a,
                                       ret_value, ret_hit, err) == RESOLVE_TEMP)
        return RESOLVE_TEMP;
    struct str part = domain;
    while (!*ret_hit && part.n > 0) {
        if (lookup(maps, "transport_maps", PART, part, a, ret_value, ret_hit, err) == RESOLVE_TEMP)
            return RESOLVE_TEMP;
        ptrdiff_t dot = str_chr(str_skip(part, 1), '.');
        part = dot < 0 ? STR("") : str_skip(part, (size_t)dot + 1);
    }
    return *ret_hit ? RESOLVE_OK : lookup(maps, "transport_maps", PART, STR("*"), a, ret_value, ret_hit, err);
}

enum resolve_result resolve_address(struct resolve *r, struct str sender, struct str address, struct arena *a, struct resolved *ret, struct err *err)
{
    struct resolved out = { 0 };
    struct str local, domain, value;
    bool hit;

    if (strip_own(r, &address, a, &out.routed, err) == RESOLVE_TEMP)
        return RESOLVE_TEMP;
    smtp_address_split(address, &local, &domain);
    if (domain.n == 0) {
        domain = str_from(r->conf->myhostname);
        address = str_printf(a, "%.*s@%.*s", STR_FMT(local), STR_FMT(domain));
        out.class = CLASS_LOCAL;
    } else if (resolve_domain_class(r, domain, &out.class, err) == RESOLVE_TEMP) {
        return RESOLVE_TEMP;
    }
    out.recipient = str_dup(a, address);
    smtp_address_split(out.recipient, &local, &domain);
    if (class_route(r, sender, domain, a, &out, err) == RESOLVE_TEMP ||
        transport_lookup(r, out.recipient, domain, a, &value, &hit, err) == RESOLVE_TEMP)
        return RESOLVE_TEMP;
    if (hit) {
        struct str transport, nexthop;
        resolve_split_transport(value, out.transport, str_chr(value, ':') > 0 ? domain : out.nexthop, &transport, &nexthop);
        out.transport = transport;
        out.nexthop = nexthop;
    }
    *ret = out;
    return RESOLVE_OK;
}
