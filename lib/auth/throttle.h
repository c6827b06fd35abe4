/* SPDX-License-Identifier: ISC
 *
 * throttle.h - how much happened under a key within the last while.
 *
 * The while is cut into THROTTLE_SLOTS parts and the sum is over one part more,
 * so that no span of window_ms holds more than the sum says. Every call costs
 * the same however much is in the table. A key is forgotten when nothing
 * happened under it for a window; beyond keys_max the one longest quiet goes.
 */
#ifndef AUTH_THROTTLE_H
#define AUTH_THROTTLE_H
#include "base/str.h"

enum { THROTTLE_SLOTS = 12, THROTTLE_KEY_MAX = 320 };

struct throttle;
struct throttle *throttle_new(size_t keys_max, int64_t window_ms);
void throttle_free(struct throttle *t);
uint64_t throttle_sum(struct throttle *t, struct str key, int64_t now);
/* A key over THROTTLE_KEY_MAX is counted by its beginning. */
void throttle_add(struct throttle *t, struct str key, uint32_t amount, int64_t now);
/* Takes back what was added lately; never below nothing. */
void throttle_take_back(struct throttle *t, struct str key, uint32_t amount, int64_t now);
/* False: it was not there. */
bool throttle_forget(struct throttle *t, struct str key);
void throttle_clear(struct throttle *t);
size_t throttle_keys(const struct throttle *t);
/* Those that still count, the one longest quiet first. fn must not change the table; false ends it. */
void throttle_each(struct throttle *t, int64_t now, bool (*fn)(void *arg, struct str key, uint64_t sum), void *arg);
#endif
