/* SPDX-License-Identifier: ISC
 *
 * account.h - what authd knows of a user once the password was right, the
 * cache of passwords that were right, and the one-shot hand-over to sessions.
 *
 * The cache holds no password: an entry is HMAC-SHA256 by a key that this
 * process made at start, over user, password and the stored verifier. Another
 * password, another verifier (the file was changed) or another user never
 * match; a miss asks the back end again, so a new password works at once, and
 * takes the place of the old one. A wrong password is never remembered.
 *
 * A hand-over entry is known by channel and request id, opened by its cookie,
 * once, within HANDOVER_MS; any try, right or wrong, uses it up.
 */
#ifndef AUTH_ACCOUNT_H
#define AUTH_ACCOUNT_H
#include "auth/var.h"

struct account {
    struct str user;            /* canonical name */
    bool has_ids;
    uint32_t uid, gid;
    struct str groups;          /* supplementary gids, separated by blanks */
    struct str home, mail;      /* mail: a location; "" = there is no mailbox */
    struct str extra;           /* further userdb fields: as fields_put_line() writes them */
    struct str master;          /* of a master login: whose password it was, for logs; "" otherwise */
};
struct account account_dup(struct arena *a, const struct account *from);

/*
 * A home directory or mail location: variables of auth/var.h, and "~/" for the
 * home where a path may begin. False and *ret_why: a bad template, or a part of
 * the name that could leave its directory.
 */
bool account_expand(struct str pattern, const struct auth_vars *vars, struct buf *out, const char **ret_why);
/* A var_escape for paths: one component, or the home (arg: const struct auth_vars). */
bool account_escape(struct buf *out, struct str value, void *arg);

enum { HANDOVER_MS = 10000, HANDOVER_COOKIE_HEX = 32, HANDOVER_PENDING_MAX = 10000 };

struct auth_cache;
/* ttl 0: nothing is kept. */
struct auth_cache *auth_cache_new(size_t entries_max, int64_t ttl_ms);
void auth_cache_free(struct auth_cache *c);
/* NULL: not known, too old, or another password. Valid until the next put. */
const struct account *auth_cache_get(struct auth_cache *c, struct str user, struct str password, struct str verifier, int64_t now);
/* One user, or ("") all: how many entries went. */
size_t auth_cache_flush(struct auth_cache *c, struct str user);
struct auth_cache_stats { size_t entries; uint64_t hits, misses; };
struct auth_cache_stats auth_cache_stats(const struct auth_cache *c);
/* All bytes of all entries. */
void auth_cache_dump_for_test(const struct auth_cache *c, struct buf *out);
void auth_cache_put(struct auth_cache *c, struct str user, struct str password, struct str verifier,
                    const struct account *account, int64_t now);

struct handover;
struct handover *handover_new(void);
void handover_free(struct handover *h);
/* Appends the cookie in hexadecimal. False: no room or no randomness. */
bool handover_put(struct handover *h, uint64_t channel, uint32_t request, const struct account *account, int64_t now, struct buf *cookie);
/* True once, for the right cookie in time: the account, in the arena. */
bool handover_take(struct handover *h, uint64_t channel, uint32_t request, struct str cookie, int64_t now, struct arena *a, struct account *ret);
/* The process of that channel is gone: nothing of it can be taken any more. */
void handover_forget(struct handover *h, uint64_t channel);
size_t handover_pending(const struct handover *h);
#endif
