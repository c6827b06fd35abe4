/* SPDX-License-Identifier: ISC
 *
 * penalty.h - how long an address waits for its next password to be looked at.
 *
 * Each wrong password raises the address's level, up to PENALTY_LEVEL_MAX; a
 * level adds PENALTY_STEPS[level] in front of the next check, right or wrong.
 * A level is forgotten after PENALTY_QUIET_MS without a failure; a success
 * clears it. The same wrong password tried again (a client with an old one)
 * does not raise the level. IPv6 addresses count by their /64.
 *
 * The table is bounded: beyond PENALTY_ADDRESSES_MAX the oldest is forgotten.
 */
#ifndef AUTH_PENALTY_H
#define AUTH_PENALTY_H
#include "base/str.h"

enum { PENALTY_LEVEL_MAX = 4, PENALTY_QUIET_MS = 60000, PENALTY_ADDRESSES_MAX = 50000, PENALTY_NO_MARK = 0 };

struct penalty;
struct penalty *penalty_new(void);
void penalty_free(struct penalty *p);
/* Milliseconds that a request from this address waits; at most cap. An address that does not parse has none. */
int64_t penalty_get(struct penalty *p, struct str address, int64_t now, int64_t cap);
/* A wrong password; mark: a hash of user and password, or PENALTY_NO_MARK: it counts in any case. */
void penalty_failed(struct penalty *p, struct str address, uint64_t mark, int64_t now);
/* Was this one of the last wrong passwords of the address? */
bool penalty_repeated(struct penalty *p, struct str address, uint64_t mark);
void penalty_passed(struct penalty *p, struct str address);
void penalty_clear(struct penalty *p);
size_t penalty_count(const struct penalty *p);
#endif
