/* SPDX-License-Identifier: ISC */
#include "db/sql_conf.h"

static const struct { const char *key, *def; } keys[] = {
    { "driver", NULL }, { "connect", NULL },
    { "password_query", "SELECT username, domain, password FROM users WHERE username = '%n' AND domain = '%d'" },
    { "user_query", "SELECT home, uid, gid FROM users WHERE username = '%n' AND domain = '%d'" },
    { "update_query", "" },                 /* known, and nothing here changes passwords */
    { "iterate_query", "SELECT username, domain FROM users" },
    { "default_pass_scheme", "MD5" },
    { "userdb_warning_disable", "no" },
};

static struct str value_of(const struct db_file *f, const char *key, unsigned *ret_line)
{
    const struct db_file_line *l = db_file_find(f, key);
    *ret_line = l == NULL ? 0 : l->line;
    if (l != NULL)
        return l->value;
    for (size_t i = 0; i < N_ELEMS(keys); i++)
        if (strcmp(keys[i].key, key) == 0)
            return str_from(keys[i].def);
    return STR("");
}

static int check_keys(const struct db_file *f, struct err *err)
{
    for (size_t i = 0; i < f->n; i++) {
        bool known = false;
        for (size_t k = 0; k < N_ELEMS(keys); k++)
            known |= str_eqz(f->lines[i].key, keys[k].key);
        if (!known)
            return err_set(err, ERR_CONFIG, "line %u: unknown setting \"%.*s\"", f->lines[i].line, (int)MIN(f->lines[i].key.n, 60), f->lines[i].key.p);
    }
    return 0;
}

static void any_marker(struct buf *out, unsigned n)
{
    (void)n;
    buf_putc(out, '?');
}

static int take_query(const struct db_file *f, const char *key, struct arena *arena, struct str *ret, struct err *err)
{
    unsigned line;
    struct str q = value_of(f, key, &line), params[VAR_PARAMS_MAX];
    struct fields none = fields_make(arena);
    const struct auth_vars vars = { .user = STR("a@b"), .passdb = &none, .userdb = &none };
    struct buf scratch = buf_make(2 * DB_QUERY_MAX);
    const char *why = "";
    size_t n;
    int rc = 0;
    if (q.n > DB_QUERY_MAX)
        rc = err_set(err, ERR_CONFIG, "line %u: %s is longer than %d bytes", line, key, DB_QUERY_MAX);
    else if (!var_check(q, &why) || !var_query(q, &vars, arena, any_marker, &scratch, params, &n, &why))
        rc = err_set(err, ERR_CONFIG, "line %u: %s: %s", line, key, why);
    buf_done(&scratch);
    if (rc == 0)
        *ret = q;
    return rc;
}

int sql_conf_parse(struct str text, struct arena *arena, struct sql_conf *ret, struct err *err)
{
    struct db_file *f = ARENA_NEW(arena, struct db_file);
    struct sql_conf c = { .driver = NULL };
    unsigned line;
    if (db_file_parse(text, arena, f, err) != 0 || check_keys(f, err) != 0)
        return -1;
    struct str driver = value_of(f, "driver", &line), connect = value_of(f, "connect", &line);
    c.driver = str_to_cstr(arena, driver);
    if (driver.n == 0)
        return err_set(err, ERR_CONFIG, "driver is not set (pgsql, mysql, sqlite)");
    if (connect.n == 0)
        return err_set(err, ERR_CONFIG, "connect is not set");
    if (sql_connect_parse(c.driver, connect, arena, &c.targets, err) != 0)
        return err_prefix(err, "line %u: connect", line);
    if (take_query(f, "password_query", arena, &c.password_query, err) != 0 || take_query(f, "user_query", arena, &c.user_query, err) != 0 ||
        take_query(f, "iterate_query", arena, &c.iterate_query, err) != 0)
        return -1;
    c.default_scheme = value_of(f, "default_pass_scheme", &line);
    c.wants_password = var_uses_password(c.password_query);
    *ret = c;
    return 0;
}
