/* SPDX-License-Identifier: ISC */
#include "out.h"
#include "base/num.h"
#include "conf/service.h"
#include "daemon/role_table.h"
#include <ifaddrs.h>
#include <netdb.h>

#define SMTP_ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct out_conf, k, m, name, def, lo, hi, doc)
static const struct param smtp_rows[] = { OUT_SMTP_PARAMS(SMTP_ROW) };
static const struct param lmtp_rows[] = { OUT_LMTP_PARAMS(SMTP_ROW) };

static const struct { const char *command; enum out_kind kind; } commands[] = {
    { "smtp", OUT_SMTP }, { "lmtp", OUT_LMTP }, { "error", OUT_ERROR }, { "discard", OUT_DISCARD },
};
/* Transports that other parts count on, whatever master.cf has. */
static const struct { const char *name, *command; } builtin[] = {
    { "smtp", "smtp" }, { "relay", "smtp" }, { "lmtp", "lmtp" }, { "error", "error" }, { "retry", "error" }, { "discard", "discard" },
};

static struct {
    VEC(struct transport *) transports;
    VEC(struct sockaddr_storage) own;
} self;

struct transport *transport_find(struct str name)
{
    for (size_t i = 0; i < self.transports.n; i++)
        if (str_eqz(name, self.transports.p[i]->name))
            return self.transports.p[i];
    return NULL;
}

enum tls_level tls_level_parse(struct str s)
{
    static const struct { const char *name; enum tls_level level; } levels[] = {
        { "", TLS_NONE }, { "none", TLS_NONE }, { "may", TLS_MAY }, { "encrypt", TLS_ENCRYPT }, { "verify", TLS_VERIFY },
        { "secure", TLS_SECURE }, { "dane", TLS_MAY },  /* without usable TLSA records, dane is may (RFC 7672 section 2.2) */
    };
    for (size_t i = 0; i < N_ELEMS(levels); i++)
        if (str_eqz(s, levels[i].name))
            return levels[i].level;
    return TLS_INVALID;
}

/* ---- one transport ---- */

static int open_tls(struct transport *t, struct err *err)
{
    const struct out_conf *c = &t->conf;
    t->tls_level = tls_level_parse(str_from(c->tls_level));
    if (t->tls_level == TLS_INVALID)
        return err_set(err, ERR_CONFIG, "transport %s: TLS security level \"%s\" is not supported; use none, may, encrypt, verify or secure",
                       t->name, c->tls_level);
    if (*c->tls_level == '\0')
        t->tls_level = c->enforce_tls ? TLS_ENCRYPT : c->use_tls ? TLS_MAY : TLS_NONE;
    if (t->tls_level == TLS_NONE && *c->tls_policy_maps == '\0' && !c->tls_wrappermode)
        return 0;
    struct tls_client_conf conf = { .ca_file = c->tls_ca_file, .ca_path = c->tls_ca_path, .cert_file = c->tls_cert_file, .key_file = c->tls_key_file,
                                    .eccert_file = c->tls_eccert_file, .eckey_file = c->tls_eckey_file, .chain_files = c->tls_chain_files };
    t->tls = tls_client_ctx(&conf, err);
    conf.verify = true;
    t->tls_verifying = t->tls == NULL ? NULL : tls_client_ctx(&conf, err);
    return t->tls_verifying != NULL ? 0 : -1;
}

static int open_maps(struct transport *t, struct config *config, struct err *err)
{
    t->passwords = map_list_open(t->conf.sasl_enable ? t->conf.sasl_password_maps : "", 0, config, err);
    if (t->passwords == NULL)
        return -1;
    t->policy = map_list_open(t->conf.tls_policy_maps, 0, config, err);
    return t->policy == NULL ? -1 : 0;
}

static int parse_addresses(struct transport *t, struct err *err)
{
    const struct out_conf *c = &t->conf;
    struct str protocols = str_from(c->inet_protocols), word;
    while (str_token(&protocols, ", \t", &word)) {
        t->use_ip4 |= str_eqz(word, "all") || str_eqz(word, "ipv4");
        t->use_ip6 |= str_eqz(word, "all") || str_eqz(word, "ipv6");
    }
    t->has_bind4 = *c->bind_address != '\0';
    t->has_bind6 = *c->bind_address6 != '\0';
    if (t->has_bind4 && !net_addr_parse(str_from(c->bind_address), 0, &t->bind4))
        return err_set(err, ERR_CONFIG, "transport %s: bad bind address \"%s\"", t->name, c->bind_address);
    if (t->has_bind6 && !net_addr_parse(str_from(c->bind_address6), 0, &t->bind6))
        return err_set(err, ERR_CONFIG, "transport %s: bad bind address \"%s\"", t->name, c->bind_address6);
    return 0;
}

static int parse_port(struct transport *t, struct err *err)
{
    static const struct { const char *name; uint16_t port; } names[] = {
        { "smtp", 25 }, { "submission", 587 }, { "smtps", 465 }, { "submissions", 465 }, { "lmtp", 24 },
    };
    uint32_t port;
    for (size_t i = 0; i < N_ELEMS(names); i++)
        if (strcmp(names[i].name, t->conf.tcp_port) == 0)
            t->port = names[i].port;
    if (t->port == 0 && num_parse_u32(str_from(t->conf.tcp_port), 65535, &port))
        t->port = (uint16_t)port;
    return t->port != 0 ? 0 : err_set(err, ERR_CONFIG, "transport %s: unknown port \"%s\"", t->name, t->conf.tcp_port);
}

static int fill(struct transport *t, struct config *config, const char *command, struct err *err)
{
    const struct param_table smtp = { smtp_rows, N_ELEMS(smtp_rows) }, lmtp = { lmtp_rows, N_ELEMS(lmtp_rows) };
    if (config_fill(config, t->kind == OUT_LMTP ? &lmtp : &smtp, &t->conf, err) != 0)
        return -1;
    (void)snprintf(t->ident, sizeof t->ident, "%s/%s", t->conf.syslog_name, command);
    if (t->kind != OUT_SMTP && t->kind != OUT_LMTP)
        return 0;
    if (parse_port(t, err) != 0 || parse_addresses(t, err) != 0 || open_tls(t, err) != 0)
        return -1;
    return open_maps(t, config, err);
}

/* The configuration as this service sees it; it stays for as long as the process. */
static struct config *config_for(const char *dir, const char *name, const struct service *s, struct err *err)
{
    char text[200];
    struct config *c = config_load(dir, err);
    if (c == NULL)
        return NULL;
    (void)snprintf(text, sizeof text, "service_name=%s", name);
    int rc = config_override(c, str_from(text), err);
    for (size_t i = 0; rc == 0 && s != NULL && i < s->n_overrides; i++)
        rc = config_override(c, str_from(s->overrides[i]), err);
    if (rc == 0)
        return c;
    config_free(c);
    return NULL;
}

static int add(const struct daemon_ctx *d, const char *name, const char *command, const struct service *s, struct err *err)
{
    size_t k = 0;
    while (k < N_ELEMS(commands) && strcmp(commands[k].command, command) != 0)
        k++;
    if (k == N_ELEMS(commands) || transport_find(str_from(name)) != NULL)
        return 0;
    struct config *config = config_for(d->config_dir, name, s, err);
    if (config == NULL)
        return -1;
    struct transport *t = xcalloc(1, sizeof *t);
    t->name = xstrdup(name);
    t->kind = commands[k].kind == OUT_ERROR && strcmp(name, "retry") == 0 ? OUT_RETRY : commands[k].kind;
    vec_push(&self.transports, t);
    return fill(t, config, command, err);
}

/* ---- own addresses ---- */

static void add_own(struct str text)
{
    struct sockaddr_storage a;
    if (net_addr_parse(text, 0, &a))
        vec_push(&self.own, a);
}

static void add_interfaces(bool loopback_only)
{
    struct ifaddrs *all;
    char text[NET_TEXT];
    if (getifaddrs(&all) < 0)
        return;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
        if (i->ifa_addr == NULL || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
            continue;
        a.ss_family = i->ifa_addr->sa_family;
        memcpy(&a, i->ifa_addr, net_len(&a));
        if (!loopback_only || net_is_loopback(&a))
            add_own(str_from(net_text(&a, text)));
    }
    freeifaddrs(all);
}

static void find_own(struct config *config)
{
    static const char *const names[] = { "inet_interfaces", "proxy_interfaces" };
    struct err ignored;
    for (size_t i = 0; i < N_ELEMS(names); i++) {
        const char *value = config_get(config, names[i], &ignored);
        struct str rest = str_from(value == NULL ? "" : value), word;
        while (str_token(&rest, ", \t", &word)) {
            bool loopback = str_eqz(word, "loopback-only") || str_eqz(word, "localhost");
            if (str_eqz(word, "all") || loopback)
                add_interfaces(loopback);
            else
                add_own(word);
        }
    }
}

bool is_own_address(const struct sockaddr_storage *a)
{
    for (size_t i = 0; i < self.own.n; i++)
        if (net_same_host(a, &self.own.p[i]))
            return true;
    return false;
}

int transports_open(const struct daemon_ctx *d, struct err *err)
{
    struct service_list services;
    struct err none;
    find_own(d->config);
    /* Without a readable master.cf there are still the built-in ones; master has complained. */
    if (service_load(d->config, &services, &none) != 0)
        services = (struct service_list){ .n = 0 };
    for (size_t i = 0; i < services.n; i++)
        if (services.rows[i].type == SERVICE_UNIX && add(d, services.rows[i].name, services.rows[i].command, &services.rows[i], err) != 0)
            return -1;
    for (size_t i = 0; i < N_ELEMS(builtin); i++)
        if (add(d, builtin[i].name, builtin[i].command, NULL, err) != 0)
            return -1;
    return 0;
}
