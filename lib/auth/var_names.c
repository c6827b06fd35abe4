/* SPDX-License-Identifier: ISC */
#include "auth/var_int.h"

enum part { WHOLE, LOCAL, DOMAIN, DOMAIN_FIRST, DOMAIN_LAST, NO_SCHEME };

#define AT(member) offsetof(struct auth_vars, member)
/* Where a value comes from that is not a member: see special(). */
enum { SPECIAL = 1 << 20, SECURED, AUTH_USER, NOTHING };

/* The same value under the names of both generations; '\0' = no letter. */
static const struct row { const char *name; char letter; size_t at; enum part part; } rows[] = {
    { "user", 'u', AT(user), WHOLE },
    { "username", 'n', AT(user), LOCAL },
    { "domain", 'd', AT(user), DOMAIN },
    { "domain_first", '\0', AT(user), DOMAIN_FIRST },
    { "domain_last", '\0', AT(user), DOMAIN_LAST },
    { "owner_user", '\0', AT(user), WHOLE },
    { "service", 's', AT(service), WHOLE },
    { "protocol", '\0', AT(service), WHOLE },
    { "home", 'h', AT(home), WHOLE },
    { "lip", 'l', AT(local), WHOLE },
    { "local_ip", '\0', AT(local), WHOLE },
    { "rip", 'r', AT(remote), WHOLE },
    { "remote_ip", '\0', AT(remote), WHOLE },
    { "lport", 'a', AT(local_port), WHOLE },
    { "local_port", '\0', AT(local_port), WHOLE },
    { "rport", 'b', AT(remote_port), WHOLE },
    { "remote_port", '\0', AT(remote_port), WHOLE },
    { "real_lip", '\0', AT(real_local), WHOLE },
    { "real_local_ip", '\0', AT(real_local), WHOLE },
    { "real_rip", '\0', AT(real_remote), WHOLE },
    { "real_remote_ip", '\0', AT(real_remote), WHOLE },
    { "real_lport", '\0', AT(local_port), WHOLE },
    { "real_local_port", '\0', AT(local_port), WHOLE },
    { "real_rport", '\0', AT(remote_port), WHOLE },
    { "real_remote_port", '\0', AT(remote_port), WHOLE },
    { "mech", 'm', AT(mech), WHOLE },
    { "mechanism", '\0', AT(mech), WHOLE },
    { "password", 'w', AT(password), WHOLE },
    { "cert", 'k', AT(cert), WHOLE },
    { "secured", 'c', SECURED, WHOLE },
    { "pid", 'p', NOTHING, WHOLE },
    { "session_pid", '\0', NOTHING, WHOLE },
    { "session", '\0', AT(session), WHOLE },
    { "local_name", '\0', AT(local_name), WHOLE },
    { "client_id", '\0', AT(client_id), WHOLE },
    { "login_user", '\0', AT(login_user), WHOLE },
    { "login_username", '\0', AT(login_user), LOCAL },
    { "login_domain", '\0', AT(login_user), DOMAIN },
    { "master_user", '\0', AT(master_user), WHOLE },
    { "orig_user", '\0', AT(original_user), WHOLE },
    { "orig_username", '\0', AT(original_user), LOCAL },
    { "orig_domain", '\0', AT(original_user), DOMAIN },
    { "original_user", '\0', AT(original_user), WHOLE },
    { "original_username", '\0', AT(original_user), LOCAL },
    { "original_domain", '\0', AT(original_user), DOMAIN },
    { "auth_user", '\0', AUTH_USER, WHOLE },
    { "auth_username", '\0', AUTH_USER, LOCAL },
    { "auth_domain", '\0', AUTH_USER, DOMAIN },
    { "rehash", '\0', AT(rehash), WHOLE },
    { "rehash_noscheme", '\0', AT(rehash), NO_SCHEME },
};

static struct str part_of(struct str s, enum part part)
{
    struct str local, domain, last;
    ptrdiff_t at = str_rchr(s, '@'), brace = str_chr(s, '}');
    (void)str_cut(s, '@', &local, &domain);
    switch (part) {
    case WHOLE: return s;
    case LOCAL: return local;
    case DOMAIN: return domain;
    case DOMAIN_FIRST: (void)str_cut(domain, '@', &local, &last); return local;
    case DOMAIN_LAST: return at < 0 ? STR("") : str_skip(s, (size_t)at + 1);
    case NO_SCHEME: return str_skip(s, (size_t)(brace + 1));
    }
    UNREACHABLE();
}

static struct str member(const struct auth_vars *v, size_t at)
{
    struct str s;
    if (at == SECURED)
        return v->secured ? STR("secured") : STR("");
    /* Whose password it was. */
    if (at == AUTH_USER)
        return v->master_user.n > 0 ? v->master_user : v->user;
    if (at == NOTHING)
        return STR("");
    memcpy(&s, (const char *)v + at, sizeof s);
    return s.p == NULL ? STR("") : s;
}

static bool take(struct var_ctx *x, const struct row *r, struct var_value *ret)
{
    x->uses_password |= r->at == AT(password);
    struct str s = x->vars == NULL ? STR("") : part_of(member(x->vars, r->at), r->part);
    *ret = (struct var_value){ .s = s, .is_set = s.n > 0 };
    return s.n <= VAR_RESULT_MAX || var_fail(x, "a value is too long");
}

bool var_by_letter(struct var_ctx *x, char letter, struct var_value *ret)
{
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        if (rows[i].letter == letter && letter != '\0')
            return take(x, &rows[i], ret);
    return var_fail(x, "unknown variable in");
}

/* passdb:field, passdb:field:default ... */
static bool from_fields(struct var_ctx *x, const struct fields *f, struct str rest, struct var_value *ret)
{
    char name[FIELD_NAME_MAX + 1];
    struct str key, fallback;
    bool has_fallback = str_cut(rest, ':', &key, &fallback);
    if (key.n == 0 || !str_to_fixed(key, name, sizeof name))
        return var_fail(x, "no field name in");
    const struct field *row = f == NULL ? NULL : fields_find(f, name);
    *ret = (struct var_value){ .s = row != NULL ? row->value : fallback, .is_set = row != NULL || has_fallback };
    return true;
}

bool var_by_name(struct var_ctx *x, struct str name, struct var_value *ret)
{
    struct str kind, rest;
    const struct auth_vars *v = x->vars;
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        if (str_eqz(name, rows[i].name))
            return take(x, &rows[i], ret);
    if (!str_cut(name, ':', &kind, &rest))
        return var_fail(x, "unknown variable in");
    if (str_eqz(kind, "passdb"))
        return from_fields(x, v == NULL ? NULL : v->passdb, rest, ret);
    if (str_eqz(kind, "userdb"))
        return from_fields(x, v == NULL ? NULL : v->userdb, rest, ret);
    if (str_eqz(kind, "sql") || str_eqz(kind, "ldap"))
        return from_fields(x, v == NULL ? NULL : v->row, rest, ret);
    return var_fail(x, "unknown variable in");
}
