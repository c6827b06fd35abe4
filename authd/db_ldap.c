/* SPDX-License-Identifier: ISC
 *
 * db_ldap.c - ldap:/path/of/dovecot-ldap.conf.ext, asked by auth-db processes.
 * With auth_bind the directory checks the password; without, it gives what is
 * stored.
 */
#include "authd.h"
#include "db_remote.h"

static int open_db(struct db *db, bool private_instance, struct err *err)
{
    static const struct db_driver binds = { .name = "ldap", .verifies = true, .is_passdb = true, .is_userdb = true, .open = open_db,
                                            .step = db_remote_step, .cancel = db_remote_cancel, .list = db_remote_list };
    (void)private_instance;
    return db_remote_open(db, &binds, err);
}

const struct db_driver *db_ldap(void)
{
    static const struct db_driver driver = { .name = "ldap", .is_passdb = true, .is_userdb = true, .open = open_db, .step = db_remote_step,
                                             .cancel = db_remote_cancel, .list = db_remote_list };
    return &driver;
}
