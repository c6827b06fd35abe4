/* SPDX-License-Identifier: ISC
 *
 * db_source.h - an entry "sql:/path" or "ldap:/path" of postern_passdb and
 * postern_userdb, read and checked. authd does so to refuse what cannot work
 * before anybody logs in, and keeps only what it must know; auth-db, to ask.
 */
#ifndef DB_SOURCE_H
#define DB_SOURCE_H
#include "auth/db_conf.h"
#include "db/ldap_conf.h"

struct db_source {
    const char *path, *driver;      /* driver: the module's name */
    struct sql_conf *sql;           /* exactly one of the two */
    struct ldap_conf *ldap;
    const struct db_targets *targets;
    bool wants_password;            /* the database is shown the client's password */
    bool binds;                     /* the database says itself whether the password is right */
};

/* Is it an entry of this kind? */
bool db_source_is(const struct db_entry *entry);
/* Before privileges are dropped. Everything is in the arena. -1 and *err names the file. */
int db_source_open(const struct db_entry *entry, struct arena *arena, struct db_source *ret, struct err *err);
#endif
