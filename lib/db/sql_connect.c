/* SPDX-License-Identifier: ISC
 *
 * sql_connect.c - connect= of each driver. host= may stand several times:
 * one target each, with everything else in common.
 */
#include "base/buf.h"
#include "base/num.h"
#include "db/sql_conf.h"

const char *db_setting_find(const struct db_setting *settings, const char *name)
{
    for (; settings->name != NULL; settings++)
        if (strcmp(settings->name, name) == 0)
            return settings->value;
    return NULL;
}

/* "key=value"; with quotes, a value may be 'text with blanks', \ escaping (libpq's form). */
static bool take_word(struct str *rest, bool quotes, struct str *ret)
{
    while (rest->n > 0 && ascii_is_space(rest->p[0]))
        *rest = str_skip(*rest, 1);
    size_t n = 0;
    bool in_quotes = false;
    for (; n < rest->n && (in_quotes || !ascii_is_space(rest->p[n])); n++) {
        if (quotes && rest->p[n] == '\\' && n + 1 < rest->n)
            n++;
        else if (quotes && rest->p[n] == '\'')
            in_quotes = !in_quotes;
    }
    *ret = str_head(*rest, n);
    *rest = str_skip(*rest, n);
    return n > 0;
}

static int add_setting(struct db_target *t, const char *name, struct str value, struct arena *arena, struct err *err)
{
    const char *z = str_to_cstr(arena, value);
    if (t->n + 1 >= DB_SETTINGS_MAX)
        return err_set(err, ERR_CONFIG, "more than %d settings", DB_SETTINGS_MAX - 1);
    if (z == NULL)
        return err_set(err, ERR_CONFIG, "a NUL in a value");
    t->settings[t->n++] = (struct db_setting){ name, z };
    return 0;
}

/* How the host is told to the driver; NULL: its default. */
static int add_host(bool pgsql, const struct str *host, struct str rest, struct arena *arena, struct db_target *t, struct err *err)
{
    t->label = host == NULL ? "default host" : str_to_cstr(arena, *host);
    if (t->label == NULL)
        return err_set(err, ERR_CONFIG, "a NUL in a host's name");
    if (pgsql && host != NULL)
        return add_setting(t, "conninfo", str_printf(arena, "host=%.*s %.*s", STR_FMT(*host), STR_FMT(rest)), arena, err);
    if (pgsql)
        return add_setting(t, "conninfo", rest, arena, err);
    return host == NULL ? 0 : add_setting(t, host->n > 0 && host->p[0] == '/' ? "socket" : "host", *host, arena, err);
}

static const char *const mysql_names[] = {
    "user", "password", "dbname", "port", "client_flags", "ssl_ca", "ssl_ca_path", "ssl_cert", "ssl_key", "ssl_cipher",
    "ssl_verify_server_cert", "option_file", "option_group", "connect_timeout", "read_timeout", "write_timeout",
};

static int mysql_word(struct str key, struct str value, struct arena *arena, struct db_target *t, struct err *err)
{
    uint32_t number;
    for (size_t i = 0; i < N_ELEMS(mysql_names); i++) {
        if (!str_eqz(key, mysql_names[i]))
            continue;
        bool numeric = str_eqz(key, "port") || str_eqz(key, "client_flags") || str_ends(key, STR("_timeout"));
        if (numeric && !num_parse_u32(value, str_eqz(key, "port") ? 65535 : UINT32_MAX, &number))
            return err_set(err, ERR_CONFIG, "%s=%.*s is not a number in range", mysql_names[i], (int)MIN(value.n, 40), value.p);
        if (str_eqz(key, "ssl_verify_server_cert") && !str_eqz(value, "yes") && !str_eqz(value, "no"))
            return err_set(err, ERR_CONFIG, "ssl_verify_server_cert is yes or no");
        return add_setting(t, mysql_names[i], value, arena, err);
    }
    return err_set(err, ERR_CONFIG, "unknown word \"%.*s\"", (int)MIN(key.n, 40), key.p);
}

struct words { struct db_target common; struct str hosts[DB_TARGETS_MAX]; size_t n_hosts; struct buf rest; };

static int take_setting(bool pgsql, struct str word, struct arena *arena, struct words *w, struct err *err)
{
    struct str key, value;
    if (!str_cut(word, '=', &key, &value))
        return err_set(err, ERR_CONFIG, "\"%.*s\" has no value: words are key=value", (int)MIN(word.n, 40), word.p);
    if (str_eqz(key, "maxconns"))           /* Dovecot's own: postern_auth_db_processes is the limit here */
        return 0;
    if (str_eqz(key, "host") || (str_eqz(key, "hostaddr") && !pgsql)) {
        if (w->n_hosts == DB_TARGETS_MAX)
            return err_set(err, ERR_CONFIG, "more than %d hosts", DB_TARGETS_MAX);
        w->hosts[w->n_hosts++] = value;
        return 0;
    }
    if (!pgsql)
        return mysql_word(key, value, arena, &w->common, err);
    buf_printf(&w->rest, "%s%.*s", w->rest.n > 0 ? " " : "", STR_FMT(word));
    return w->rest.full ? err_set(err, ERR_CONFIG, "too long") : 0;
}

static int parse_words(bool pgsql, struct str connect, struct arena *arena, struct db_targets *ret, struct err *err)
{
    struct words w = { .rest = buf_make(DB_QUERY_MAX) };
    struct str word;
    int rc = 0;
    while (rc == 0 && take_word(&connect, pgsql, &word))
        rc = take_setting(pgsql, word, arena, &w, err);
    ret->n = 0;
    while (rc == 0 && ret->n < MAX(w.n_hosts, 1)) {
        struct db_target *t = &ret->rows[ret->n];
        *t = w.common;
        rc = add_host(pgsql, w.n_hosts == 0 ? NULL : &w.hosts[ret->n], buf_str(&w.rest), arena, t, err);
        ret->n++;
    }
    buf_done(&w.rest);
    return rc;
}

/* "/path/to/file journal_mode=wal readonly=yes" */
static int parse_sqlite(struct str connect, struct arena *arena, struct db_targets *ret, struct err *err)
{
    struct db_target t = { .label = "file" };
    struct str word, key, value, path = STR("");
    while (take_word(&connect, false, &word)) {
        bool known = str_cut(word, '=', &key, &value) && (str_eqz(key, "journal_mode") || str_eqz(key, "readonly"));
        if (!known && path.n > 0)
            return err_set(err, ERR_CONFIG, "more than one file: \"%.*s\"", (int)MIN(word.n, 40), word.p);
        if (!known)
            path = word;
    }
    if (path.n == 0 || path.p[0] != '/')
        return err_set(err, ERR_CONFIG, "sqlite needs the absolute path of a file");
    if (add_setting(&t, "file", path, arena, err) != 0)
        return -1;
    t.label = t.settings[0].value;
    ret->rows[0] = t;
    ret->n = 1;
    return 0;
}

int sql_connect_parse(const char *driver, struct str connect, struct arena *arena, struct db_targets *ret, struct err *err)
{
    if (strcmp(driver, "pgsql") == 0 || strcmp(driver, "mysql") == 0)
        return parse_words(driver[0] == 'p', connect, arena, ret, err);
    if (strcmp(driver, "sqlite") == 0)
        return parse_sqlite(connect, arena, ret, err);
    return err_set(err, ERR_CONFIG, "driver \"%.40s\" is not one of pgsql, mysql, sqlite", driver);
}
