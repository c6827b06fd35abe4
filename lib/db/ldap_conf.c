/* SPDX-License-Identifier: ISC */
#include "db/ldap_conf.h"

enum { FOR_MODULE = 1, IS_BOOL = 2 };

static const struct db_key keys[] = {
    { "hosts", "", 0 }, { "uris", "", 0 }, { "dn", "", 0 }, { "dnpass", "", 0 }, { "base", "", 0 }, { "scope", "subtree", 0 },
    { "tls", "no", FOR_MODULE | IS_BOOL }, { "tls_ca_cert_file", "", FOR_MODULE }, { "tls_ca_cert_dir", "", FOR_MODULE },
    { "tls_cert_file", "", FOR_MODULE }, { "tls_key_file", "", FOR_MODULE }, { "tls_cipher_suite", "", FOR_MODULE },
    { "tls_require_cert", "", FOR_MODULE }, { "deref", "never", FOR_MODULE }, { "ldap_version", "3", 0 },
    { "auth_bind", "no", IS_BOOL }, { "auth_bind_userdn", "", 0 }, { "sasl_bind", "no", IS_BOOL },
    { "sasl_mech", "", 0 }, { "sasl_realm", "", 0 }, { "sasl_authz_id", "", 0 }, { "debug_level", "0", 0 },
    { "blocking", "no", 0 }, { "userdb_warning_disable", "no", 0 }, { "ldaprc_path", "", 0 },
    { "pass_attrs", "uid=user,userPassword=password", 0 }, { "pass_filter", "(&(objectClass=posixAccount)(uid=%u))", 0 },
    { "user_attrs", "homeDirectory=home,uidNumber=uid,gidNumber=gid", 0 }, { "user_filter", "(&(objectClass=posixAccount)(uid=%u))", 0 },
    { "iterate_attrs", "uid=user", 0 }, { "iterate_filter", "(objectClass=posixAccount)", 0 }, { "default_pass_scheme", "CRYPT", 0 },
};

/* Values that one of a few words must be; each list ends with NULL. */
static const struct { const char *key; const char *words[6]; } choices[] = {
    { "scope", { "base", "onelevel", "subtree", NULL } },
    { "deref", { "never", "searching", "finding", "always", NULL } },
    { "tls_require_cert", { "never", "hard", "demand", "allow", "try", NULL } },
};

struct work { struct db_file *file; struct arena *arena; struct err *err; };

static struct str value_of(const struct work *w, const char *key) { return db_file_value(w->file, key); }

static bool bool_of(const struct work *w, const char *key)
{
    struct str v = value_of(w, key);
    return str_ieqz(v, "yes") || str_ieqz(v, "y") || str_eqz(v, "1");
}

static int fail(const struct work *w, const char *key, const char *why)
{
    unsigned line = db_file_line_of(w->file, key);
    if (line == 0)
        return err_set(w->err, ERR_CONFIG, "%s: %s", key, why);
    return err_set(w->err, ERR_CONFIG, "line %u: %s: %s", line, key, why);
}

static bool is_bool_word(struct str v)
{
    static const char *const words[] = { "yes", "y", "1", "no", "n", "0", "" };
    for (size_t i = 0; i < N_ELEMS(words); i++)
        if (str_ieqz(v, words[i]))
            return true;
    return false;
}

static int check_bools(const struct work *w)
{
    for (size_t i = 0; i < N_ELEMS(keys); i++)
        if ((keys[i].flags & IS_BOOL) != 0 && !is_bool_word(value_of(w, keys[i].key)))
            return fail(w, keys[i].key, "must be yes or no");
    return 0;
}

static int check_choices(const struct work *w)
{
    for (size_t i = 0; i < N_ELEMS(choices); i++) {
        struct str v = value_of(w, choices[i].key);
        bool known = v.n == 0;
        for (const char *const *word = choices[i].words; *word != NULL; word++)
            known |= str_eqz(v, *word);
        if (!known)
            return fail(w, choices[i].key, "not one of the words that it may be");
    }
    return 0;
}

static int check(const struct work *w)
{
    if (db_file_know(w->file, keys, N_ELEMS(keys), w->err) != 0 || check_bools(w) != 0)
        return -1;
    if (value_of(w, "ldaprc_path").n > 0)
        return fail(w, "ldaprc_path", "is not read; use tls_* settings or /etc/ldap/ldap.conf");
    if (!str_eqz(value_of(w, "ldap_version"), "3"))
        return fail(w, "ldap_version", "only 3 is spoken");
    if (db_file_find(w->file, "base") == NULL)
        return fail(w, "base", "is not set");
    return check_choices(w);
}

static int add_target(const struct work *w, struct db_targets *all, struct str uri, bool is_host)
{
    if (all->n == DB_TARGETS_MAX)
        return fail(w, is_host ? "hosts" : "uris", "too many");
    struct db_target *t = &all->rows[all->n++];
    *t = (struct db_target){ .n = 0 };
    t->label = str_to_cstr(w->arena, is_host ? str_printf(w->arena, "ldap://%.*s", STR_FMT(uri)) : uri);
    t->settings[t->n++] = (struct db_setting){ "uri", t->label };
    for (size_t i = 0; i < N_ELEMS(keys); i++) {
        struct str v = value_of(w, keys[i].key);
        if ((keys[i].flags & FOR_MODULE) == 0 || v.n == 0)
            continue;
        bool on = (keys[i].flags & IS_BOOL) != 0 && bool_of(w, keys[i].key);
        t->settings[t->n++] = (struct db_setting){ keys[i].key, (keys[i].flags & IS_BOOL) != 0 ? (on ? "yes" : "no") : str_to_cstr(w->arena, v) };
    }
    return 0;
}

static int take_targets(const struct work *w, struct db_targets *ret)
{
    bool is_host = value_of(w, "uris").n == 0;
    struct str rest = value_of(w, is_host ? "hosts" : "uris"), word;
    ret->n = 0;
    while (str_token(&rest, " \t,", &word))
        if (add_target(w, ret, word, is_host) != 0)
            return -1;
    return ret->n > 0 ? 0 : fail(w, "hosts", "neither hosts nor uris is set");
}

static int take_text(const struct work *w, const char *key, struct str *ret)
{
    const char *why;
    *ret = value_of(w, key);
    return var_check(*ret, &why) ? 0 : fail(w, key, why);
}

static int take_attrs(const struct work *w, const char *key, const char *without, struct ldap_attrs *ret)
{
    if (ldap_attrs_parse(value_of(w, key), without, w->arena, ret, w->err) == 0)
        return 0;
    return err_prefix(w->err, "line %u: %s", db_file_line_of(w->file, key), key);
}

int ldap_conf_parse(struct str text, struct arena *arena, struct ldap_conf *ret, struct err *err)
{
    struct ldap_conf *c = ARENA_NEW(arena, struct ldap_conf);
    const struct work w = { ARENA_NEW(arena, struct db_file), arena, err };
    if (db_file_parse(text, arena, w.file, err) != 0 || check(&w) != 0 || take_targets(&w, &c->targets) != 0)
        return -1;
    c->auth_bind = bool_of(&w, "auth_bind");
    if (take_text(&w, "base", &c->base) != 0 || take_text(&w, "auth_bind_userdn", &c->bind_dn) != 0 ||
        take_text(&w, "pass_filter", &c->pass_filter) != 0 || take_text(&w, "user_filter", &c->user_filter) != 0 ||
        take_text(&w, "iterate_filter", &c->iterate_filter) != 0 ||
        take_attrs(&w, "pass_attrs", c->auth_bind ? "password" : NULL, &c->pass) != 0 ||
        take_attrs(&w, "user_attrs", NULL, &c->user) != 0 || take_attrs(&w, "iterate_attrs", NULL, &c->iterate) != 0)
        return -1;
    c->dn = str_to_cstr(arena, value_of(&w, "dn"));
    c->scope = str_to_cstr(arena, value_of(&w, "scope"));
    c->dnpass = value_of(&w, "dnpass");
    c->sasl_bind = bool_of(&w, "sasl_bind");
    /* As with Dovecot: who binds is the dn, whatever the mechanism makes of it. */
    c->sasl = (struct db_sasl){ .mech = str_to_cstr(arena, value_of(&w, "sasl_mech")), .realm = str_to_cstr(arena, value_of(&w, "sasl_realm")),
                                .authcid = c->dn, .authzid = str_to_cstr(arena, value_of(&w, "sasl_authz_id")), .password = c->dnpass };
    c->default_scheme = value_of(&w, "default_pass_scheme");
    *ret = *c;
    return 0;
}
