/* SPDX-License-Identifier: ISC
 *
 * rehash.h - a stored password in an old scheme becomes one of the entry's
 * rehash=SCHEME, once its user has logged in with it.
 *
 *   rehash_prepare()   the password was right; is what is stored outdated?
 *   rehash_start()     the login has succeeded: its answer is on its way, this goes on alone
 *   make               a new hash, in an auth-hash process that has nothing else to do
 *   store              the driver's: a passwd-file is written anew, an SQL statement is sent
 *
 * No login waits for it or fails by it. It is not tried while hashes are
 * waited for, for REHASHES_MAX users at once at most, and for the same stored
 * password again only after an hour. What was stored meanwhile by somebody
 * else is not overwritten. The first failure of a database is a line in the
 * log that says what to do; the next one only after a success.
 */
#ifndef AUTHD_REHASH_H
#define AUTHD_REHASH_H
#include "db.h"
#include "pool.h"

enum { REHASHES_MAX = 4 };

struct rehash {
    struct arena arena;
    struct db *db;
    struct str user, remote;
    struct str raw, old;        /* what the database holds; the same with its scheme */
    struct str fresh;           /* {SCHEME}data */
    struct str password;
    void *driver_state;         /* in the arena: what store() needs of the step */
    struct pool_job job;
};

/* NULL: there is nothing to do. To be started or dropped. */
struct rehash *rehash_prepare(struct db_step *s);
void rehash_start(struct rehash *r);
/* Of NULL, too. */
void rehash_drop(struct rehash *r);
/* A driver's answer to store(). changed: somebody else was faster. why: NULL, or what went wrong and what to do. */
void rehash_stored(struct rehash *r, bool changed, const char *why);
/* In work. */
size_t rehash_count(void);
#endif
