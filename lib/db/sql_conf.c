/* SPDX-License-Identifier: ISC */
#include "db/sql_conf.h"

static const struct db_key keys[] = {
    { "driver", NULL, 0 }, { "connect", NULL, 0 },
    { "password_query", "SELECT username, domain, password FROM users WHERE username = '%n' AND domain = '%d'", 0 },
    { "user_query", "SELECT home, uid, gid FROM users WHERE username = '%n' AND domain = '%d'", 0 },
    { "update_query", "", 0 },              /* known, and nothing here changes passwords */
    { "iterate_query", "SELECT username, domain FROM users", 0 },
    { "default_pass_scheme", "MD5", 0 },
    { "userdb_warning_disable", "no", 0 },
};

static void any_marker(struct buf *out, unsigned n)
{
    (void)n;
    buf_putc(out, '?');
}

static int take_query(const struct db_file *f, const char *key, struct arena *arena, struct str *ret, struct err *err)
{
    unsigned line = db_file_line_of(f, key);
    struct str q = db_file_value(f, key), params[VAR_PARAMS_MAX];
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
    if (db_file_parse(text, arena, f, err) != 0 || db_file_know(f, keys, N_ELEMS(keys), err) != 0)
        return -1;
    struct str driver = db_file_value(f, "driver"), connect = db_file_value(f, "connect");
    c.driver = str_to_cstr(arena, driver);
    if (driver.n == 0)
        return err_set(err, ERR_CONFIG, "driver is not set (pgsql, mysql, sqlite)");
    if (connect.n == 0)
        return err_set(err, ERR_CONFIG, "connect is not set");
    if (sql_connect_parse(c.driver, connect, arena, &c.targets, err) != 0)
        return err_prefix(err, "line %u: connect", db_file_line_of(f, "connect"));
    if (take_query(f, "password_query", arena, &c.password_query, err) != 0 || take_query(f, "user_query", arena, &c.user_query, err) != 0 ||
        take_query(f, "iterate_query", arena, &c.iterate_query, err) != 0)
        return -1;
    c.default_scheme = db_file_value(f, "default_pass_scheme");
    c.wants_password = var_uses_password(c.password_query);
    *ret = c;
    return 0;
}
