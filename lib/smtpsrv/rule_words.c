/* SPDX-License-Identifier: ISC */
#include "smtpsrv/rule.h"
#include "base/num.h"
#include "base/utf8.h"
#include "proto/smtp_path.h"

enum { DNS_PATIENCE_MS = 20000 };

/* ---- permits ---- */

static enum ruling w_permit(struct session *s, const struct rule *r) { (void)s; (void)r; return V_PERMIT; }
static enum ruling w_reject(struct session *s, const struct rule *r)
{
    (void)r;
    struct subject su = s->rcpt.n > 0 ? subject_rcpt(s) : subject_client(s);
    return reject_with(s, s->conf->reject_code, "5.7.1", "<%.*s>: %s rejected: Access denied", STR_FMT(su.shown), su.noun);
}
static enum ruling w_defer(struct session *s, const struct rule *r)
{
    (void)r;
    struct subject su = s->rcpt.n > 0 ? subject_rcpt(s) : subject_client(s);
    return reject_with(s, s->conf->defer_code, "4.7.1", "<%.*s>: %s rejected: Try again later", STR_FMT(su.shown), su.noun);
}
static enum ruling w_defer_if_permit(struct session *s, const struct rule *r)
{
    (void)w_defer(s, r);
    s->rule_state.defer_if_permit = true;
    s->rule_state.deferred = s->reject;
    return V_DUNNO;
}
static enum ruling w_defer_if_reject(struct session *s, const struct rule *r)
{
    (void)w_defer(s, r);
    s->rule_state.defer_if_reject = true;
    s->rule_state.instead = s->reject;
    return V_DUNNO;
}
static enum ruling w_nothing(struct session *s, const struct rule *r) { (void)s; (void)r; return V_DUNNO; }
static enum ruling w_permit_mynetworks(struct session *s, const struct rule *r) { (void)r; return s->trusted ? V_PERMIT : V_DUNNO; }
static enum ruling w_permit_sasl(struct session *s, const struct rule *r) { (void)r; return s->sasl_user.n > 0 ? V_PERMIT : V_DUNNO; }
static enum ruling w_permit_interfaces(struct session *s, const struct rule *r)
{
    (void)r;
    return resolve_is_own_literal(s->srv->intake.resolve, str_printf(&s->txn, "[%.*s]", STR_FMT(s->rfc_addr))) ? V_PERMIT : V_DUNNO;
}
static enum ruling w_permit_auth_destination(struct session *s, const struct rule *r)
{
    (void)r;
    return s->rcpt.n > 0 && is_our_destination(s) ? V_PERMIT : V_DUNNO;
}

/* ---- destination ---- */

static enum ruling unauth_destination(struct session *s, unsigned code)
{
    if (s->rcpt.n == 0 || is_our_destination(s))
        return V_DUNNO;
    return reject_with(s, code, "5.7.1", "<%.*s>: Relay access denied", STR_FMT(s->rcpt));
}
static enum ruling w_reject_unauth(struct session *s, const struct rule *r) { (void)r; return unauth_destination(s, s->conf->relay_code); }
static enum ruling w_defer_unauth(struct session *s, const struct rule *r) { (void)r; return unauth_destination(s, 454); }

static enum ruling w_unlisted_rcpt(struct session *s, const struct rule *r)
{
    const char *table = NULL;
    struct err err = { 0 };
    (void)r;
    if (s->rcpt.n == 0)
        return V_DUNNO;
    switch (expand_is_known(s->srv->intake.expand, s->rcpt, &s->dest, &s->txn, &table, &s->rcpt_is_plain, &err)) {
    case KNOWN:      return V_DUNNO;
    case KNOWN_TEMP: return reject_lookup(s, s->rcpt, &err);
    case KNOWN_NOT:  break;
    }
    return reject_with(s, unknown_user_code(s, s->dest.class), "5.1.1", "<%.*s>: Recipient address rejected: User unknown%s%s", STR_FMT(s->rcpt),
                       table != NULL ? " in " : "", table != NULL ? table : "");
}
enum ruling rule_unlisted_sender(struct session *s, const struct rule *r)
{
    const char *table = NULL;
    struct err err = { 0 };
    struct resolved where;
    bool plain;
    (void)r;
    if (s->sender.n == 0)
        return V_DUNNO;
    if (resolve_address(s->srv->intake.resolve, STR(""), s->sender, &s->txn, &where, &err) == RESOLVE_TEMP)
        return reject_lookup(s, s->sender, &err);
    switch (expand_is_known(s->srv->intake.expand, s->sender, &where, &s->txn, &table, &plain, &err)) {
    case KNOWN:      return V_DUNNO;
    case KNOWN_TEMP: return reject_lookup(s, s->sender, &err);
    case KNOWN_NOT:  break;
    }
    return reject_with(s, unknown_user_code(s, where.class), "5.1.0", "<%.*s>: Sender address rejected: User unknown%s%s", STR_FMT(s->sender),
                       table != NULL ? " in " : "", table != NULL ? table : "");
}

/* ---- names ---- */

static bool is_fqdn(struct str name)
{
    return str_chr(name, '.') > 0 && smtp_domain_is_valid(name, true);
}
static enum ruling w_non_fqdn_helo(struct session *s, const struct rule *r)
{
    struct str addr;
    (void)r;
    if (s->helo.n == 0 || is_fqdn(s->helo) || smtp_literal_parse(s->helo, &addr))
        return V_DUNNO;
    return reject_with(s, s->conf->non_fqdn_code, "5.5.2", "<%.*s>: Helo command rejected: need fully-qualified hostname", STR_FMT(s->helo));
}
static enum ruling w_invalid_helo(struct session *s, const struct rule *r)
{
    struct str addr;
    (void)r;
    if (s->helo.n == 0 || smtp_domain_is_valid(s->helo, true) || smtp_literal_parse(s->helo, &addr))
        return V_DUNNO;
    return reject_with(s, s->conf->invalid_host_code, "5.5.2", "<%.*s>: Helo command rejected: Invalid name", STR_FMT(s->helo));
}
static enum ruling non_fqdn_address(struct session *s, struct str address, const char *noun, const char *dsn)
{
    struct str local, domain, addr;
    smtp_address_split(address, &local, &domain);
    if (address.n == 0 || is_fqdn(domain) || smtp_literal_parse(domain, &addr) || str_ieqz(address, "postmaster"))
        return V_DUNNO;
    return reject_with(s, s->conf->non_fqdn_code, dsn, "<%.*s>: %s rejected: need fully-qualified address", STR_FMT(address), noun);
}
static enum ruling w_non_fqdn_sender(struct session *s, const struct rule *r)
{
    (void)r;
    return non_fqdn_address(s, s->mail.from.address, "Sender address", "5.5.2");
}
static enum ruling w_non_fqdn_rcpt(struct session *s, const struct rule *r)
{
    (void)r;
    return s->rcpt.n == 0 ? V_DUNNO : non_fqdn_address(s, s->only_rcpt.n > 0 ? s->only_rcpt : s->rcpt, "Recipient address", "5.5.2");
}

/* ---- DNS ---- */

static enum ruling unknown_domain(struct session *s, struct str address, const char *noun, const char *dsn)
{
    struct str local, domain, addr;
    enum address_class class;
    struct err err = { 0 };
    smtp_address_split(address, &local, &domain);
    if (domain.n == 0 || smtp_literal_parse(domain, &addr) || !utf8_is_ascii(domain))
        return V_DUNNO;
    if (resolve_domain_class(s->srv->intake.resolve, domain, &class, &err) == RESOLVE_TEMP)
        return reject_lookup(s, address, &err);
    if (class != CLASS_DEFAULT)
        return V_DUNNO;
    switch (dns_has_host(&s->srv->dns, domain, true, deadline_in(DNS_PATIENCE_MS), &s->txn)) {
    case DNS_FOUND: return V_DUNNO;
    case DNS_TEMP:  return reject_with(s, 450, "4.4.3", "<%.*s>: %s rejected: Domain not found", STR_FMT(address), noun);
    case DNS_NONE:  break;
    }
    return reject_with(s, s->conf->unknown_address_code, dsn, "<%.*s>: %s rejected: Domain not found", STR_FMT(address), noun);
}
static enum ruling w_unknown_sender_domain(struct session *s, const struct rule *r)
{
    (void)r;
    return unknown_domain(s, s->sender, "Sender address", "4.1.8");
}
static enum ruling w_unknown_rcpt_domain(struct session *s, const struct rule *r)
{
    (void)r;
    return unknown_domain(s, s->rcpt, "Recipient address", "4.1.2");
}
static enum ruling w_unknown_helo(struct session *s, const struct rule *r)
{
    struct str addr;
    (void)r;
    if (s->helo.n == 0 || smtp_literal_parse(s->helo, &addr))
        return V_DUNNO;
    enum dns_result got = dns_has_host(&s->srv->dns, s->helo, true, deadline_in(DNS_PATIENCE_MS), &s->txn);
    if (got == DNS_FOUND)
        return V_DUNNO;
    return reject_with(s, got == DNS_TEMP ? 450 : s->conf->unknown_host_code, "4.7.1", "<%.*s>: Helo command rejected: Host not found", STR_FMT(s->helo));
}
static enum ruling w_unknown_client(struct session *s, const struct rule *r)
{
    (void)r;
    if (!str_eqz(s->name, "unknown"))
        return V_DUNNO;
    return reject_with(s, s->name_temp ? 450 : s->conf->unknown_client_code, "4.7.25", "Client host rejected: cannot find your hostname, [%.*s]", STR_FMT(s->addr));
}
static enum ruling w_unknown_reverse(struct session *s, const struct rule *r)
{
    (void)r;
    if (!str_eqz(s->reverse_name, "unknown"))
        return V_DUNNO;
    return reject_with(s, s->name_temp ? 450 : s->conf->unknown_client_code, "4.7.25", "Client host rejected: cannot find your reverse hostname, [%.*s]", STR_FMT(s->addr));
}

/* WAITS. "zone", "zone=127.0.0.2" or "zone=127.0.0.[2..4;9]": has query.zone such an address? */
static enum dns_result is_listed(struct session *s, const struct rule *r, struct str query, struct str *ret_zone, struct str *ret_name)
{
    struct str filter;
    struct dns_records records;
    (void)str_cut(r->arg, '=', ret_zone, &filter);
    *ret_name = str_printf(&s->txn, "%.*s%.*s", STR_FMT(query), STR_FMT(*ret_zone));
    enum dns_result got = dns_get(&s->srv->dns, *ret_name, DNS_A, deadline_in(DNS_PATIENCE_MS), &s->txn, &records);
    if (got != DNS_FOUND)
        return got;
    for (uint32_t i = 0; i < records.n; i++)
        if (filter.n == 0 || (records.rdata[i].n == 4 && rbl_filter_matches(filter, (const uint8_t *)records.rdata[i].p)))
            return DNS_FOUND;
    return DNS_NONE;
}

/* The list being away is no reason to refuse. */
static enum ruling listed(struct session *s, const struct rule *r, struct str query, const char *noun, struct str shown)
{
    struct str zone, name, text = STR("");
    struct dns_records records;
    if (is_listed(s, r, query, &zone, &name) != DNS_FOUND)
        return V_DUNNO;
    if (dns_get(&s->srv->dns, name, DNS_TXT, deadline_in(DNS_PATIENCE_MS), &s->txn, &records) == DNS_FOUND)
        text = str_head(records.rdata[0], 200);
    return reject_with(s, s->conf->maps_rbl_code, "5.7.1", "Service unavailable; %s [%.*s] blocked using %.*s%s%.*s", noun, STR_FMT(shown), STR_FMT(zone),
                       text.n > 0 ? "; " : "", STR_FMT(text));
}

/* A list of good clients: never a reason to relay; while it is away, what others refuse may try again. */
static enum ruling welcome(struct session *s, const struct rule *r, struct str query)
{
    struct str zone, name;
    switch (is_listed(s, r, query, &zone, &name)) {
    case DNS_FOUND: return s->rcpt.n > 0 && !is_our_destination(s) ? V_DUNNO : V_PERMIT;
    case DNS_TEMP:  return w_defer_if_reject(s, r);
    case DNS_NONE:  break;
    }
    return V_DUNNO;
}
static enum ruling w_dnswl_client(struct session *s, const struct rule *r)
{
    struct str query;
    return dns_reversed(s->addr, "", "", &s->txn, &query) ? welcome(s, r, query) : V_DUNNO;
}
static enum ruling w_rhswl_client(struct session *s, const struct rule *r)
{
    if (!smtp_domain_is_valid(s->name, false) || str_eqz(s->name, "unknown"))
        return V_DUNNO;
    return welcome(s, r, str_printf(&s->txn, "%.*s.", STR_FMT(s->name)));
}
static enum ruling w_rbl_client(struct session *s, const struct rule *r)
{
    struct str query;
    return dns_reversed(s->addr, "", "", &s->txn, &query) ? listed(s, r, query, "Client host", s->addr) : V_DUNNO;
}
static enum ruling rhsbl(struct session *s, const struct rule *r, struct str domain, const char *noun)
{
    if (domain.n == 0 || !smtp_domain_is_valid(domain, false))
        return V_DUNNO;
    return listed(s, r, str_printf(&s->txn, "%.*s.", STR_FMT(domain)), noun, domain);
}
static enum ruling w_rhsbl_client(struct session *s, const struct rule *r) { return rhsbl(s, r, s->name, "Client host"); }
static enum ruling w_rhsbl_reverse(struct session *s, const struct rule *r) { return rhsbl(s, r, s->reverse_name, "Unverified Client host"); }
static enum ruling w_rhsbl_helo(struct session *s, const struct rule *r) { return rhsbl(s, r, s->helo, "Helo command"); }
static enum ruling rhsbl_address(struct session *s, const struct rule *r, struct str address, const char *noun)
{
    struct str local, domain;
    smtp_address_split(address, &local, &domain);
    return rhsbl(s, r, domain, noun);
}
static enum ruling w_rhsbl_sender(struct session *s, const struct rule *r) { return rhsbl_address(s, r, s->sender, "Sender address"); }
static enum ruling w_rhsbl_rcpt(struct session *s, const struct rule *r) { return rhsbl_address(s, r, s->rcpt, "Recipient address"); }

/* ---- access tables ---- */

static enum ruling note_relay(struct session *s, enum ruling v)
{
    s->rule_state.relay_ok |= v == V_PERMIT;
    return v;
}
static enum ruling w_client_access(struct session *s, const struct rule *r)
{
    struct str keys[ACCESS_KEYS_MAX];
    struct subject su = subject_client(s);
    bool found;
    enum ruling v = access_check(s, r->maps, keys, access_host_keys(s, s->name, keys, N_ELEMS(keys)), &su, &found);
    if (!found)
        v = access_check(s, r->maps, keys, access_addr_keys(s, s->addr, keys, N_ELEMS(keys)), &su, &found);
    return note_relay(s, v);
}
/* Any entry will do. */
static enum ruling w_address_map(struct session *s, const struct rule *r)
{
    struct str keys[ACCESS_KEYS_MAX], value;
    struct err err = { 0 };
    size_t n = access_addr_keys(s, s->addr, keys, N_ELEMS(keys));
    for (size_t i = 0; i < n; i++) {
        enum map_result m = i == 0 ? map_list_get(r->maps, keys[i], &s->txn, &value, &err) : map_list_get_part(r->maps, keys[i], &s->txn, &value, &err);
        if (m == MAP_FOUND)
            return V_PERMIT;
        if (m == MAP_TEMP)
            return reject_lookup(s, s->addr, &err);
    }
    return V_DUNNO;
}
static enum ruling w_reverse_access(struct session *s, const struct rule *r)
{
    struct str keys[ACCESS_KEYS_MAX];
    struct subject su = subject_client(s);
    bool found;
    return access_check(s, r->maps, keys, access_host_keys(s, s->reverse_name, keys, N_ELEMS(keys)), &su, &found);
}
static enum ruling w_helo_access(struct session *s, const struct rule *r)
{
    struct str keys[ACCESS_KEYS_MAX];
    struct subject su = subject_helo(s);
    bool found;
    return s->helo.n == 0 ? V_DUNNO : access_check(s, r->maps, keys, access_host_keys(s, s->helo, keys, N_ELEMS(keys)), &su, &found);
}
static enum ruling w_sender_access(struct session *s, const struct rule *r)
{
    struct str keys[ACCESS_KEYS_MAX];
    struct subject su = subject_sender(s);
    bool found;
    return access_check(s, r->maps, keys, access_mail_keys(s, s->sender, keys, N_ELEMS(keys)), &su, &found);
}
static enum ruling w_rcpt_access(struct session *s, const struct rule *r)
{
    struct str keys[ACCESS_KEYS_MAX];
    struct subject su = subject_rcpt(s);
    bool found;
    if (s->rcpt.n == 0)
        return V_DUNNO;
    enum ruling v = access_check(s, r->maps, keys, access_mail_keys(s, s->rcpt, keys, N_ELEMS(keys)), &su, &found);
    return s->dest.routed ? v : note_relay(s, v);
}
static enum ruling w_sasl_access(struct session *s, const struct rule *r)
{
    struct subject su = subject_client(s);
    bool found;
    return s->sasl_user.n == 0 ? V_DUNNO : access_check(s, r->maps, &s->sasl_user, 1, &su, &found);
}

/* ---- the rest ---- */

static enum ruling w_login_mismatch(struct session *s, const struct rule *r) { (void)r; return rules_sender_owned(s, false, true, true); }
static enum ruling w_auth_mismatch(struct session *s, const struct rule *r) { (void)r; return rules_sender_owned(s, false, true, false); }
static enum ruling w_unauth_mismatch(struct session *s, const struct rule *r) { (void)r; return rules_sender_owned(s, false, false, true); }
static enum ruling w_known_mismatch(struct session *s, const struct rule *r) { (void)r; return rules_sender_owned(s, true, true, true); }

static enum ruling w_multi_bounce(struct session *s, const struct rule *r)
{
    (void)r;
    if (!(s->state & ST_TRANSACTION) || s->mail.from.address.n > 0 || s->n_rcpt + (s->rcpt.n > 0 && s->state == ST_MAIL) < 2)
        return V_DUNNO;
    return reject_with(s, s->conf->multi_bounce_code, "5.5.3", "<%s>: Data command rejected: Multi-recipient bounce", s->where_text);
}
static enum ruling w_unauth_pipelining(struct session *s, const struct rule *r)
{
    (void)r;
    if (conn_pending(s->conn).n == 0 || s->esmtp)
        return V_DUNNO;
    return reject_with(s, 503, "5.5.0", "<%s>: Data command rejected: Improper use of SMTP command pipelining", s->where_text);
}
static enum ruling w_plaintext(struct session *s, const struct rule *r)
{
    (void)r;
    return s->tls ? V_DUNNO : reject_with(s, 450, "4.7.1", "Session encryption is required");
}
static enum ruling w_sleep(struct session *s, const struct rule *r)
{
    uint32_t seconds = 0;
    (void)s;
    (void)num_parse_u32(r->arg, 3600, &seconds);
    (void)fiber_sleep(deadline_in((int64_t)seconds * 1000));
    return V_DUNNO;
}

static const struct rule_word words[] = {
    { "permit", ARG_NONE, w_permit }, { "reject", ARG_NONE, w_reject }, { "defer", ARG_NONE, w_defer },
    { "defer_if_permit", ARG_NONE, w_defer_if_permit }, { "defer_if_reject", ARG_NONE, w_defer_if_reject },
    { "permit_mynetworks", ARG_NONE, w_permit_mynetworks }, { "permit_sasl_authenticated", ARG_NONE, w_permit_sasl },
    { "permit_inet_interfaces", ARG_NONE, w_permit_interfaces }, { "permit_auth_destination", ARG_NONE, w_permit_auth_destination },
    { "permit_tls_clientcerts", ARG_NONE, w_nothing }, { "permit_tls_all_clientcerts", ARG_NONE, w_nothing },
    { "permit_mx_backup", ARG_NONE, w_nothing },
    { "reject_unauth_destination", ARG_NONE, w_reject_unauth }, { "defer_unauth_destination", ARG_NONE, w_defer_unauth },
    { "reject_unlisted_recipient", ARG_NONE, w_unlisted_rcpt }, { "check_recipient_maps", ARG_NONE, w_unlisted_rcpt },
    { "reject_unlisted_sender", ARG_NONE, rule_unlisted_sender },
    { "reject_non_fqdn_helo_hostname", ARG_NONE, w_non_fqdn_helo }, { "reject_non_fqdn_hostname", ARG_NONE, w_non_fqdn_helo },
    { "reject_invalid_helo_hostname", ARG_NONE, w_invalid_helo }, { "reject_invalid_hostname", ARG_NONE, w_invalid_helo },
    { "reject_unknown_helo_hostname", ARG_NONE, w_unknown_helo }, { "reject_unknown_hostname", ARG_NONE, w_unknown_helo },
    { "reject_non_fqdn_sender", ARG_NONE, w_non_fqdn_sender }, { "reject_non_fqdn_recipient", ARG_NONE, w_non_fqdn_rcpt },
    { "reject_unknown_sender_domain", ARG_NONE, w_unknown_sender_domain }, { "reject_unknown_address", ARG_NONE, w_unknown_sender_domain },
    { "reject_unknown_recipient_domain", ARG_NONE, w_unknown_rcpt_domain },
    { "reject_unknown_client_hostname", ARG_NONE, w_unknown_client }, { "reject_unknown_client", ARG_NONE, w_unknown_client },
    { "reject_unknown_reverse_client_hostname", ARG_NONE, w_unknown_reverse },
    { "reject_rbl_client", ARG_ZONE, w_rbl_client }, { "reject_rhsbl_client", ARG_ZONE, w_rhsbl_client },
    { "reject_rhsbl_reverse_client", ARG_ZONE, w_rhsbl_reverse }, { "reject_rhsbl_helo", ARG_ZONE, w_rhsbl_helo },
    { "reject_rhsbl_sender", ARG_ZONE, w_rhsbl_sender }, { "reject_rhsbl_recipient", ARG_ZONE, w_rhsbl_rcpt },
    { "permit_dnswl_client", ARG_ZONE, w_dnswl_client }, { "permit_rhswl_client", ARG_ZONE, w_rhswl_client },
    { "check_client_access", ARG_TABLE, w_client_access }, { "check_reverse_client_hostname_access", ARG_TABLE, w_reverse_access },
    { "check_address_map", ARG_TABLE, w_address_map }, { "check_helo_access", ARG_TABLE, w_helo_access }, { "check_sender_access", ARG_TABLE, w_sender_access },
    { "check_recipient_access", ARG_TABLE, w_rcpt_access }, { "check_sasl_access", ARG_TABLE, w_sasl_access },
    { "reject_sender_login_mismatch", ARG_NONE, w_login_mismatch },
    { "reject_authenticated_sender_login_mismatch", ARG_NONE, w_auth_mismatch },
    { "reject_unauthenticated_sender_login_mismatch", ARG_NONE, w_unauth_mismatch },
    { "reject_known_sender_login_mismatch", ARG_NONE, w_known_mismatch },
    { "reject_multi_recipient_bounce", ARG_NONE, w_multi_bounce }, { "reject_unauth_pipelining", ARG_NONE, w_unauth_pipelining },
    { "check_policy_service", ARG_ENDPOINT, rule_policy }, { "reject_plaintext_session", ARG_NONE, w_plaintext }, { "sleep", ARG_SECONDS, w_sleep },
};

const struct rule_word *rule_word_find(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(words); i++)
        if (str_ieqz(name, words[i].name))
            return &words[i];
    return NULL;
}

const struct rule_word *rule_word_for_table(enum stage stage)
{
    static const char *const names[STAGE_COUNT] = {
        [STAGE_CLIENT] = "check_client_access", [STAGE_HELO] = "check_helo_access", [STAGE_SENDER] = "check_sender_access",
        [STAGE_RELAY] = "check_recipient_access", [STAGE_RCPT] = "check_recipient_access", [STAGE_REWRITE] = "check_address_map",
    };
    return names[stage] == NULL ? NULL : rule_word_find(str_from(names[stage]));
}
