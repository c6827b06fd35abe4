/* SPDX-License-Identifier: ISC
 *
 * auth_db.h - the parts of auth-db.
 *
 *   main.c     entries opened before privileges are dropped; questions in, answers out
 *   sql.c      a question to an SQL database: queries, columns to fields
 *   ldap.c     a question to a directory: searches and binds, attributes to fields
 *
 * A question runs on a fiber; what blocks (a module) on a thread, which sees
 * plain memory only. One question at a time.
 */
#ifndef AUTH_DB_H
#define AUTH_DB_H
#include "db/db_conn.h"
#include "db/db_source.h"
#include "event/offload.h"
#include "ipc/codec.h"
#include "os/clock.h"

/* Within what authd waits for an answer, and Postfix for authd's. */
enum { QUESTION_MS = 4000, LIST_MS = 60000 };

struct source {
    struct db_source conf;
    const struct db_entry *entry;
    const struct db_module *module;
    struct db_conn conn;
};

/* What authd asked. Strings in the arena. */
struct ask {
    struct arena *arena;
    enum db_ask_kind kind;
    struct auth_vars vars;      /* password: only where the database is to see it; rehash: DB_ASK_REHASH */
    struct str old;             /* DB_ASK_REHASH: what must be stored now */
    int64_t deadline;
};

/* What is answered. */
struct reply {
    enum auth_verdict verdict;
    bool has_stored;
    struct str stored;
    struct fields fields;
    struct str text;
};

/* WAITS. */
void sql_answer(struct source *s, const struct ask *ask, struct reply *ret);
void ldap_answer(struct source *s, const struct ask *ask, struct reply *ret);
/* WAITS. Stores ask->vars.rehash, unless something else than ask->old is stored: VERDICT_MISMATCH then. */
void sql_rehash(struct source *s, const struct ask *ask, struct reply *ret);
/* WAITS. All users, as one row with a cell "user" each. False and *ret_why. */
bool sql_list(struct source *s, const struct ask *ask, struct db_rows *rows, struct str *ret_why);
bool ldap_list(struct source *s, const struct ask *ask, struct db_rows *rows, struct str *ret_why);

/* Sets verdict and text; for `return reply_set(...)`. */
void reply_set(struct reply *r, const struct ask *ask, enum auth_verdict verdict, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* A field of a passdb's row: the password is kept apart, user, username and domain make one name. False: no room. */
bool reply_add(struct reply *r, const struct source *s, const struct ask *ask, const char *name, struct str value);
/* After the last field of a passdb: is there what must be? */
void reply_check_password(struct reply *r, const struct ask *ask);
#endif
