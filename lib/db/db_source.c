/* SPDX-License-Identifier: ISC */
#include "db/db_source.h"

bool db_source_is(const struct db_entry *entry) { return str_eqz(entry->driver, "sql") || str_eqz(entry->driver, "ldap"); }

static int parse(bool is_ldap, bool writes, struct str text, struct arena *arena, struct db_source *s, struct err *err)
{
    if (is_ldap) {
        s->ldap = ARENA_NEW(arena, struct ldap_conf);
        if (ldap_conf_parse(text, arena, s->ldap, err) != 0)
            return -1;
        s->driver = "ldap";
        s->targets = &s->ldap->targets;
        s->wants_password = s->binds = s->ldap->auth_bind;
        return 0;
    }
    s->sql = ARENA_NEW(arena, struct sql_conf);
    if (sql_conf_parse(text, arena, s->sql, err) != 0)
        return -1;
    s->driver = s->sql->driver;
    for (size_t i = 0; writes && i < s->sql->targets.n; i++) {
        struct db_target *t = &s->sql->targets.rows[i];
        if (t->n + 1 < DB_SETTINGS_MAX)
            t->settings[t->n++] = (struct db_setting){ "writes", "yes" };
    }
    s->targets = &s->sql->targets;
    s->wants_password = s->sql->wants_password;
    return 0;
}

int db_source_open(const struct db_entry *entry, struct arena *arena, struct db_source *ret, struct err *err)
{
    struct db_source s = { .path = str_to_cstr(arena, entry->arg) };
    struct str text;
    if (s.path == NULL || s.path[0] != '/')
        return err_set(err, ERR_CONFIG, "%.*s: needs the absolute path of a configuration file, as in %.*s:/etc/dovecot/dovecot-%.*s.conf.ext",
                       STR_FMT(entry->driver), STR_FMT(entry->driver), STR_FMT(entry->driver));
    if (entry->options.n > 0)
        return err_set(err, ERR_CONFIG, "%.*s:%s: unknown option \"%.*s\"", STR_FMT(entry->driver), s.path, STR_FMT(entry->options.rows[0].name));
    if (db_file_read(s.path, arena, &text, err) != 0)
        return -1;
    if (parse(str_eqz(entry->driver, "ldap"), entry->rehash.n > 0, text, arena, &s, err) != 0)
        return err_prefix(err, "%s", s.path);
    *ret = s;
    return 0;
}
