/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in auth-db. The databases
 * themselves are those of authd's postern_passdb and postern_userdb.
 */
#ifndef AUTH_DB_PARAMS_H
#define AUTH_DB_PARAMS_H
#include "conf/param.h"

#define AUTH_DB_PARAMS(P)                                                                                                          \
    P(STR, module_directory, "postern_module_directory", "", 0, 0,                                                                 \
      "Where the modules of databases (postern-pgsql.so ...) are; empty: next to the program.")

struct auth_db_conf { AUTH_DB_PARAMS(PARAM_MEMBER) };
#endif
