/* SPDX-License-Identifier: ISC
 *
 * postern_passdb and postern_userdb, read as authd reads them. What only authd
 * can find out (a table that is broken, a server that does not answer) is said in
 * the log at start.
 */
#include "auth/db_conf.h"
#include "auth/var.h"
#include "db/db_source.h"
#include "postfix.h"

enum { ENTRIES_ARENA = 16 << 20 };

/* sql: and ldap: have a file of their own, and a module. */
static int check_source(struct check *k, const char *name, const struct db_entry *entry, struct arena *arena, struct err *err)
{
    char own[4096], path[4096];
    struct db_source source;
    const char *dir = config_get(k->config, "postern_module_directory", err);
    if (!db_source_is(entry))
        return 0;
    if (db_source_open(entry, arena, &source, err) != 0)
        return err_prefix(err, "%s", name);
    if (dir == NULL || dir[0] == '\0')
        dir = db_module_own_dir(own, sizeof own) ? own : "";
    return db_module_find(dir, source.driver, path, sizeof path, err) == 0 ? 0 : err_prefix(err, "%s", name);
}

static void check_entries(struct check *k, const char *name, bool is_userdb)
{
    struct arena arena = arena_make(ENTRIES_ARENA);
    struct db_entry *rows = ARENA_ARRAY(&arena, struct db_entry, DB_ENTRIES_MAX);
    struct err err = { 0 };
    size_t n = 0;
    const char *text = config_get(k->config, name, &err);
    bool ok = text == NULL || db_conf_parse(name, str_from(text), &arena, rows, &n, &err) == 0;
    for (size_t i = 0; ok && i < n; i++)
        ok = db_conf_check(name, &rows[i], is_userdb, &err) == 0 && check_source(k, name, &rows[i], &arena, &err) == 0;
    if (!ok)
        check_fatal(k, "%s: %s", config_where(k->config, name), err.text);
    arena_done(&arena);
}

static void check_template(struct check *k, const char *name)
{
    struct err err = { 0 };
    const char *why, *text = config_get(k->config, name, &err);
    if (text != NULL && !var_check(str_from(text), &why))
        check_fatal(k, "%s: %s: %s \"%s\": VARIABLES in authdb(5) lists those that there are", config_where(k->config, name), name, why, text);
}

void check_auth(struct check *k)
{
    check_entries(k, "postern_passdb", false);
    check_entries(k, "postern_userdb", true);
    static const char *const templates[] = { "postern_auth_username_format", "postern_mail_location", "postern_mail_home" };
    for (size_t i = 0; i < N_ELEMS(templates); i++)
        check_template(k, templates[i]);
}
