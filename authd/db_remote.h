/* SPDX-License-Identifier: ISC
 *
 * db_remote.h - the auth-db processes: a pool for each database, with a queue
 * before it. For db_sql.c and db_ldap.c.
 *
 * A database is known by its configuration file: an entry of postern_passdb
 * and one of postern_userdb with the same file share a pool. A process serves
 * one database from its first question on, so that one that hangs holds up nobody
 * else; one that does not answer in time is let go, and its question fails as temporary.
 */
#ifndef AUTHD_DB_REMOTE_H
#define AUTHD_DB_REMOTE_H
#include "daemon/daemon.h"
#include "db.h"
#include "db/db_source.h"

/* What the driver rows have in common; driver: what db->driver becomes when the database checks passwords itself. */
int db_remote_open(struct db *db, const struct db_driver *if_binds, struct err *err);
void db_remote_step(struct db_step *s);
void db_remote_cancel(struct db_step *s);
void db_remote_list(struct db *db, struct db_list *l, void (*over)(struct db_list *l, bool complete));
/* keep and store of rehash.h. */
bool db_remote_keep(struct db_step *s, struct rehash *r);
void db_remote_store(struct rehash *r);
/* master introduced a process. */
void db_remote_peer(const struct ipc_peer *peer, int fd);

/* db_sql.c, db_ldap.c */
const struct db_driver *db_sql(void);
const struct db_driver *db_ldap(void);
#endif
