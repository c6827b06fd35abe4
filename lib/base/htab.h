/* SPDX-License-Identifier: ISC
 *
 * htab.h - hash table from byte strings to pointers, keyed by a random seed so
 * that a peer cannot choose collisions. The key is borrowed: it must live as
 * long as the entry (usually a member of the value). Values are not owned.
 */
#ifndef BASE_HTAB_H
#define BASE_HTAB_H
#include "base/str.h"

struct htab_slot { struct str key; void *value; uint64_t hash; };
struct htab { struct htab_slot *slots; size_t n, cap; };

void *htab_get(const struct htab *t, struct str key);
/* Insert or replace; value must not be NULL. Returns the value replaced, or NULL. */
void *htab_put(struct htab *t, struct str key, void *value);
/* Returns what was removed, or NULL. */
void *htab_remove(struct htab *t, struct str key);
void htab_done(struct htab *t);
/* Iterate: *pos starts at 0; NULL at the end. Do not insert or remove meanwhile. */
void *htab_each(const struct htab *t, size_t *pos);
/* SipHash-1-3 of the bytes with the process's seed. */
uint64_t htab_hash(struct str key);
#endif
