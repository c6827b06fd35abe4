/* SPDX-License-Identifier: ISC
 *
 * db_conf.h - postern_passdb and postern_userdb read into rows.
 *
 *   postern_passdb = { passwd-file:/etc/postern/masters, master=yes, result_success=continue },
 *                    { sql:/etc/dovecot/dovecot-sql.conf.ext, result_internalfail=continue }, pam
 *   postern_userdb = prefetch, { static:, uid=vmail, gid=vmail, home=/var/vmail/%d/%n }
 *
 * An entry is "driver", "driver:argument" or { driver:argument, option=value,
 * ... } (Postfix's notation for lists with attributes). Options are the same for all
 * drivers (rules, defaults) or belong to one; the driver refuses what it does not know.
 *
 * The order of things in both processes that read this (authd, auth-db) is the
 * same, so an entry is known by its index.
 */
#ifndef AUTH_DB_CONF_H
#define AUTH_DB_CONF_H
#include "auth/fields.h"
#include "base/err.h"

enum { DB_ENTRIES_MAX = 16 };

/* What happens after a database has said something (result_success=, result_failure=, result_internalfail=). */
enum db_rule { DB_RETURN, DB_RETURN_OK, DB_RETURN_FAIL, DB_CONTINUE, DB_CONTINUE_OK, DB_CONTINUE_FAIL };
enum db_skip { DB_SKIP_NEVER, DB_SKIP_AUTHENTICATED, DB_SKIP_UNAUTHENTICATED };

struct db_entry {
    struct str driver, arg;
    struct fields options;              /* what is left for the driver */
    enum db_rule on_success, on_failure, on_internalfail;
    enum db_skip skip;
    bool deny, master, pass;            /* Dovecot's passdb settings of these names */
    struct str username_format;         /* "" = the name as it is */
    struct str default_scheme;          /* default_pass_scheme; "" = the driver's */
    struct str mechanisms;              /* "" = all */
    struct str services;                /* only for these services; "" = all */
    struct str username_filter;         /* patterns of names that are asked for here, ! in front negates; "" = all */
    struct fields defaults, overrides;  /* default_fields, override_fields: templates (auth/var.h) */
    struct str rehash;                  /* scheme in which a password is stored anew after a login with it; "" = as it is */
    uint32_t rehash_rounds;             /* at least; 0 = the scheme's own number, and any will do */
    struct str rehash_query;            /* sql: the statement that stores it, with %{rehash} */
};

/* parameter: its name, for messages. Everything is in the arena. 0, or -1 and *err, which names the parameter, the entry and the remedy. */
int db_conf_parse(const char *parameter, struct str text, struct arena *arena, struct db_entry *ret_entries, size_t *ret_n, struct err *err);
/*
 * What can be said of an entry without opening it: a driver that there is, in a
 * parameter that it fits in, options that it has, an argument that it can use,
 * files that are there. For authd and for `postfix check`. 0, or -1 and *err as above.
 */
int db_conf_check(const char *parameter, const struct db_entry *e, bool is_userdb, struct err *err);
#endif
