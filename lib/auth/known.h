/* SPDX-License-Identifier: ISC
 *
 * known.h - from which networks (/24, /48) a user has logged in lately: there
 * the owner is not slowed down by what others do to the account or the address.
 *
 * Bounded: beyond the limit the pair longest not seen goes; none is kept longer
 * than KNOWN_DAYS without a login. As text it is one pair per line:
 * "DAY NETWORK USER", DAY counted from 1970; it holds no password and nothing
 * made from one.
 */
#ifndef AUTH_KNOWN_H
#define AUTH_KNOWN_H
#include "base/buf.h"

enum { KNOWN_DAYS = 60 };

struct known;
struct known *known_new(size_t max);
void known_free(struct known *k);
bool known_has(const struct known *k, struct str user, struct str address, int64_t today);
/* True: the text of it has changed. */
bool known_add(struct known *k, struct str user, struct str address, int64_t today);
/* All networks of a user (user.n > 0) or everything; how many pairs went. */
size_t known_forget(struct known *k, struct str user);
size_t known_count(const struct known *k);
void known_save(const struct known *k, struct buf *out);
/* Lines that are none are skipped; their number. */
size_t known_load(struct known *k, struct str text, int64_t today);
#endif
