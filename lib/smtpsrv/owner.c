/* SPDX-License-Identifier: ISC
 * owner.c - who may use which sender address. */
#include "smtpsrv/rule.h"
#include "proto/smtp_path.h"

enum owned { OWNED, OWNED_NOT, OWNED_UNKNOWN, OWNED_TEMP };

/* The owners in a table: a list of login names. */
static enum owned owned_by_table(struct session *s, struct err *err)
{
    struct str value, ext, word;
    struct map_list *maps = s->srv->sender_login;
    if (map_list_is_empty(maps))
        return OWNED_UNKNOWN;
    switch (map_list_get_address(maps, s->sender, s->srv->rconf->recipient_delimiter, true, &s->txn, &value, &ext, err)) {
    case MAP_TEMP:  return OWNED_TEMP;
    case MAP_NONE:  return OWNED_UNKNOWN;
    case MAP_FOUND: break;
    }
    while (str_token(&value, ", \t\r\n", &word))
        if (s->sasl_user.n > 0 && str_ieq(word, s->sasl_user))
            return OWNED;
    return OWNED_NOT;
}

/* Without a table: the login name itself, or login@ one of our domains. */
static enum owned owned_by_name(struct session *s, struct err *err)
{
    struct str local, domain, login_local, login_domain;
    enum address_class class;
    smtp_address_split(s->sender, &local, &domain);
    smtp_address_split(s->sasl_user, &login_local, &login_domain);
    ptrdiff_t ext = resolve_extension(s->srv->intake.resolve, local);
    struct str base = ext > 0 ? str_head(local, (size_t)ext) : local;
    if (!str_ieq(local, login_local) && !str_ieq(base, login_local))
        return OWNED_NOT;
    if (login_domain.n > 0)
        return str_ieq(domain, login_domain) ? OWNED : OWNED_NOT;
    if (str_ieqz(domain, s->srv->rconf->myorigin) || str_ieqz(domain, s->conf->sasl_local_domain))
        return OWNED;
    if (resolve_domain_class(s->srv->intake.resolve, domain, &class, err) == RESOLVE_TEMP)
        return OWNED_TEMP;
    return class == CLASS_LOCAL || class == CLASS_VIRTUAL_MAILBOX ? OWNED : OWNED_NOT;
}

enum ruling rules_sender_owned(struct session *s, bool only_known, bool if_logged_in, bool if_stranger)
{
    struct err err = { 0 };
    bool logged_in = s->sasl_user.n > 0;
    if (s->mail.from.address.n == 0 || (logged_in ? !if_logged_in : !if_stranger))
        return V_DUNNO;
    enum owned o = owned_by_table(s, &err);
    if (o == OWNED_UNKNOWN && logged_in && !only_known)
        o = owned_by_name(s, &err);
    switch (o) {
    case OWNED:
    case OWNED_UNKNOWN: return V_DUNNO;
    case OWNED_TEMP:    return reject_lookup(s, s->sender, &err);
    case OWNED_NOT:     break;
    }
    if (!logged_in)
        return reject_with(s, 553, "5.7.1", "<%.*s>: Sender address rejected: not logged in", STR_FMT(s->sender));
    return reject_with(s, 553, "5.7.1", "<%.*s>: Sender address rejected: not owned by user %.*s", STR_FMT(s->sender), STR_FMT(s->sasl_user));
}
