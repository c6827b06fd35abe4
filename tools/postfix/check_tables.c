/* SPDX-License-Identifier: ISC
 *
 * Every table that main.cf or an -o of master.cf names is opened once, as the
 * daemons will. Caches (TLS sessions, address verification, postscreen) are
 * not: nothing here reads them.
 */
#include "conf/lex.h"
#include "map/map.h"
#include "postfix.h"

static const char *const other_types[] = {
    "cdb", "dbm", "ldap", "memcache", "mongodb", "mysql", "nis", "pgsql", "sdbm", "sqlite",
};
static const char *const not_tables[] = {
    "smtp_tls_session_cache_database", "smtpd_tls_session_cache_database", "lmtp_tls_session_cache_database", "address_verify_map",
    "postscreen_cache_map", "tls_random_exchange_name",
    /* databases of authd: check_auth.c */
    "postern_passdb", "postern_userdb",
};
/* Values that look like "word:text" without naming a table. */
static const char *const endings[] = { "_maps", "_checks", "_map", "_table", "alias_database" };

static bool in_list(const char *const *list, size_t n, struct str word)
{
    for (size_t i = 0; i < n; i++)
        if (str_eqz(word, list[i]))
            return true;
    return false;
}

/* Restrictions that lists may hold and that never match here. */
static const char *const idle_words[] = { "defer_if_reject", "permit_mx_backup", "permit_tls_all_clientcerts", "permit_tls_clientcerts" };

static bool is_type(struct str word)
{
    const char *name;
    for (size_t i = 0; (name = map_type_name(i)) != NULL; i++)
        if (str_eqz(word, name))
            return true;
    return in_list(other_types, N_ELEMS(other_types), word);
}

static bool names_tables(const char *param)
{
    for (size_t i = 0; i < N_ELEMS(endings); i++)
        if (str_ends(str_from(param), str_from(endings[i])))
            return true;
    return false;
}

/* unix: begins a table in unix:passwd.byname, and a socket elsewhere. */
static bool is_socket(struct str type, struct str rest)
{
    return str_eqz(type, "unix") && !str_ends(rest, STR(".byname"));
}

/* "tcp:host:25" of a restriction is a table; "smtp:[host]" of a transport parameter is none. */
static bool is_table(const char *param, struct str word, struct str *ret_type)
{
    struct str rest;
    if (!str_cut(word, ':', ret_type, &rest) || ret_type->n == 0)
        return false;
    for (size_t i = 0; i < ret_type->n; i++)
        if (!ascii_is_alnum(ret_type->p[i]) && ret_type->p[i] != '_')
            return false;
    return (is_type(*ret_type) && !is_socket(*ret_type, rest)) || names_tables(param);
}

static void check_value(struct check *k, const char *where, const char *param, const char *value)
{
    struct str rest = str_from(value), word, type;
    struct err err = { 0 };
    if (in_list(not_tables, N_ELEMS(not_tables), str_from(param)) || str_ends(str_from(param), STR("_transport")))
        return;
    while (lex_word(&rest, ", \t\r\n", &word)) {
        while (word.n > 0 && word.p[0] == '!')
            word = str_skip(word, 1);
        if (in_list(idle_words, N_ELEMS(idle_words), word))
            check_warn(k, "%s: %s: the restriction %.*s never matches here", where, param, STR_FMT(word));
        if (!is_table(param, word, &type) || str_chr(word, '$') >= 0)
            continue;
        struct map *m = map_open(word, 0, k->config, &err);
        if (m == NULL)
            check_fatal(k, "%s: %s: %s", where, param, err.text);
        map_free(m);
    }
}

static void check_override(struct check *k, const struct service *s, const char *assignment)
{
    struct err err = { 0 };
    struct str name, value;
    const char *why;
    struct arena a = arena_make(1 << 20);
    struct buf out = buf_make(1 << 20);
    if (lex_name_value(str_from(assignment), &name, &value, &why) && config_expand(k->config, value, &out, &err) == 0) {
        const char *where = str_printf(&a, "%s, line %u: %s", k->services.file, s->line, s->name).p;
        check_value(k, where, str_to_cstr(&a, name), buf_cstr(&out));
    } else {
        check_fatal(k, "%s, line %u: -o %s: %s", k->services.file, s->line, assignment, err.text);
    }
    buf_done(&out);
    arena_done(&a);
}

void check_tables(struct check *k)
{
    const char *name, *value;
    struct err err = { 0 };
    for (size_t pos = 0; config_each(k->config, &pos, &name);)
        if ((value = config_get(k->config, name, &err)) != NULL)
            check_value(k, config_where(k->config, name), name, value);
    if (config_raw(k->config, "alias_maps") == NULL && (value = config_get(k->config, "alias_maps", &err)) != NULL)
        check_value(k, "default", "alias_maps", value);
    for (size_t i = 0; i < k->services.n; i++)
        for (size_t o = 0; o < k->services.rows[i].n_overrides; o++)
            check_override(k, &k->services.rows[i], k->services.rows[i].overrides[o]);
}
