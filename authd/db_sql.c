/* SPDX-License-Identifier: ISC
 *
 * db_sql.c - sql:/path/of/dovecot-sql.conf.ext: PostgreSQL, MariaDB and SQLite,
 * asked by auth-db processes. The database gives what is stored; the password
 * is checked here, like any other.
 */
#include "authd.h"
#include "db_remote.h"

static int open_db(struct db *db, bool private_instance, struct err *err)
{
    (void)private_instance;
    return db_remote_open(db, db->driver, err);
}

const struct db_driver *db_sql(void)
{
    static const struct db_driver driver = { .name = "sql", .is_passdb = true, .is_userdb = true, .open = open_db, .step = db_remote_step,
                                             .cancel = db_remote_cancel, .list = db_remote_list, .keep = db_remote_keep, .store = db_remote_store };
    return &driver;
}
