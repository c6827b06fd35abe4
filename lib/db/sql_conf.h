/* SPDX-License-Identifier: ISC
 *
 * sql_conf.h - a dovecot-sql.conf.ext read into what is asked of which host.
 *
 *   driver = pgsql | mysql | sqlite
 *   connect = host=a host=b dbname=mail user=mail password=secret
 *   password_query, user_query, iterate_query, default_pass_scheme
 *
 * A driver's text after connect= becomes one or more targets (one per host=),
 * each a list of settings for the module. Missing keys are what they are in
 * Dovecot 2.3. Queries are checked here: a variable that stands outside quotes
 * cannot become a parameter and is refused, with the remedy. Pure.
 */
#ifndef DB_SQL_CONF_H
#define DB_SQL_CONF_H
#include "auth/var.h"
#include "db/db_file.h"
#include "db/db_module.h"

enum { DB_TARGETS_MAX = 8, DB_SETTINGS_MAX = 24, DB_QUERY_MAX = 16384 };

struct db_target { struct db_setting settings[DB_SETTINGS_MAX]; size_t n; const char *label; };
struct db_targets { struct db_target rows[DB_TARGETS_MAX]; size_t n; };

struct sql_conf {
    const char *driver;                 /* module's name */
    struct db_targets targets;
    struct str password_query, user_query, iterate_query;
    struct str default_scheme;
    bool wants_password;                /* a query holds the password the client gave */
};

/* Everything is in the arena. 0, or -1 and *err ("line 3: ..."). */
int sql_conf_parse(struct str text, struct arena *arena, struct sql_conf *ret, struct err *err);
/* The connect= text of a driver. For tests and fuzzers. */
int sql_connect_parse(const char *driver, struct str connect, struct arena *arena, struct db_targets *ret, struct err *err);
/* NULL when it is not set. */
const char *db_setting_find(const struct db_setting *settings, const char *name);
#endif
