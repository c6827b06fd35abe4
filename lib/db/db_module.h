/* SPDX-License-Identifier: ISC
 *
 * db_module.h - what a database client is to the rest of the suite.
 *
 * Client libraries come as shared objects (postern-pgsql.so, -mysql.so,
 * -sqlite.so, -ldap.so), so that a host without databases needs none of them. A
 * module connects, asks and closes; what is asked, of which host, how long
 * and how often is its caller's business (db/db_conn.h). Nothing in here
 * knows of users or passwords, so that tables (mysql:, ldap: ...) can be read
 * through the same modules.
 *
 * All functions block, at the longest until `deadline` (os/clock.h,
 * monotonic), and run on one thread at a time per connection. A module keeps no
 * state outside its connections, writes no log, and starts no process.
 * Values travel as parameters, never as text of the statement.
 */
#ifndef DB_MODULE_H
#define DB_MODULE_H
#include "base/buf.h"
#include "base/err.h"

enum { DB_MODULE_VERSION = 2, DB_CELLS_MAX = 64, DB_PARAMS_MOST = 32 };
#define DB_MODULE_SYMBOL "postern_db_module"

enum db_code {
    DB_OK,
    DB_LOST,        /* no answer, and the connection is of no use any more */
    DB_FAILED,      /* the server does not do what was asked; the connection is fine */
    DB_REFUSED,     /* directory: wrong password */
    DB_NO_OBJECT,   /* directory: there is no such entry */
};

/* What a connection is made with. Names are the driver's; NULL ends the list. */
struct db_setting { const char *name, *value; };

/* A column of a row, or a value of an attribute. Borrowed during the call. */
struct db_cell { const char *name; struct str value; bool is_null; };
/* One row (a directory: one entry; attributes with several values come several times). False: enough. */
typedef bool (*db_on_row)(void *arg, const struct db_cell *cells, size_t n);

struct db_sql_ops {
    /* How the n-th parameter (from 1) is written in a statement. */
    void (*marker)(struct buf *out, unsigned n);
    /* NULL and *err. */
    void *(*open)(const struct db_setting *settings, int64_t deadline, struct err *err);
    /* Rows come before the call returns. Anything but DB_OK: *err, and rows that came do not count. */
    enum db_code (*query)(void *conn, const char *sql, const struct str *params, size_t n, int64_t deadline,
                          db_on_row on_row, void *arg, struct err *err);
    void (*close)(void *conn);
};

/* scope: "base", "onelevel", "subtree". attrs: NULL-terminated. The entry's name is the first cell, named "dn". */
struct db_search { const char *base, *scope, *filter, *const *attrs; unsigned most; };
/* A bind by a SASL mechanism; NULL or "" what the mechanism does not want, or the library may choose. */
struct db_sasl { const char *mech, *realm, *authcid, *authzid; struct str password; };
struct db_dir_ops {
    /* Connects, and begins TLS where the settings say so; nobody is bound yet. */
    void *(*open)(const struct db_setting *settings, int64_t deadline, struct err *err);
    /* Simple bind; an empty password is a bug of the caller. */
    enum db_code (*bind)(void *conn, const char *dn, struct str password, int64_t deadline, struct err *err);
    /* Says who we are, and no more: what protects the connection is TLS. */
    enum db_code (*bind_sasl)(void *conn, const struct db_sasl *sasl, int64_t deadline, struct err *err);
    enum db_code (*search)(void *conn, const struct db_search *s, int64_t deadline, db_on_row on_row, void *arg, struct err *err);
    void (*close)(void *conn);
};

/* What a shared object exports as postern_db_module; exactly one of sql and dir is there. */
struct db_module {
    uint32_t version;           /* DB_MODULE_VERSION of its build */
    uint32_t size;              /* of this struct */
    const char *name;           /* "pgsql" */
    const struct db_sql_ops *sql;
    const struct db_dir_ops *dir;
};
extern const struct db_module postern_db_module;

/*
 * Loads postern-NAME.so from dir; stays loaded. Only a file that root or the
 * caller owns and nobody else may write is taken. NULL and *err, which names
 * the Debian package or the build option that is missing. Before privileges are dropped.
 */
const struct db_module *db_module_load(const char *dir, const char *name, struct err *err);
/* As much of it as can be said without running the file's code: is it there, and may it be taken? dir "" (or NULL): next to the program. */
int db_module_find(const char *dir, const char *name, char *ret_path, size_t cap, struct err *err);
/* The Debian package of its client library. */
const char *db_module_package(const char *name);
/* The directory of this program's own file: where the build and the installation put modules. False: unknown. */
bool db_module_own_dir(char *ret, size_t cap);
#endif
