/* SPDX-License-Identifier: ISC
 *
 * db_vars.h - what is known of a request (auth/var.h) as the fields of a line,
 * between authd and auth-db: "user=...", "remote=...", "passdb:NAME=...",
 * "userdb:NAME=...". The password is not among them.
 */
#ifndef DB_VARS_H
#define DB_VARS_H
#include "auth/var.h"

/* False: does not fit (FIELDS_MAX, FIELDS_BYTES_MAX). */
bool db_vars_put(const struct auth_vars *vars, struct arena *arena, struct buf *out);
/* What passdb and userdb point to is in the arena, too. */
bool db_vars_parse(struct str line, struct arena *arena, struct auth_vars *ret);
#endif
