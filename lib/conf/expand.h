/* SPDX-License-Identifier: ISC
 *
 * expand.h - $name in text: main.cf values, and texts such as luser_relay or
 * pipe arguments that are expanded per use.
 *
 *   $name ${name} $(name)            value of name, expanded in turn
 *   ${name?text} ${name?{text}}      text if the value is not empty
 *   ${name:text} ${name:{text}}      text if it is
 *   ${name?{text}:{other}}           one or the other
 *   ${{a} == {b} ? {text} : {other}} also != < <= > >=: as numbers when both
 *                                    are digits, otherwise as text; ==level
 *                                    and so on compare compatibility levels
 *   $$                               a dollar sign
 *
 * Nesting (a value within a value, a text within a text) is limited to
 * EXPAND_DEPTH_MAX, the result to EXPAND_SIZE_MAX.
 */
#ifndef CONF_EXPAND_H
#define CONF_EXPAND_H
#include "base/buf.h"
#include "base/err.h"

enum { EXPAND_DEPTH_MAX = 64, EXPAND_STEPS_MAX = 10000, EXPAND_SIZE_MAX = 1 << 20 };

struct expand_source {
    /* The raw value of a name; false when it is not defined: it counts as empty. */
    bool (*lookup)(void *user, struct str name, struct str *ret_value);
    void *user;
    bool values_are_final;      /* do not look for $ in values (per-use texts: they come from the network) */
};

/* -1 and *err when the text is malformed or too deep; *out may then hold a part. */
int expand_text(const struct expand_source *src, struct str text, struct buf *out, struct err *err);
/* "3.6" -> a number that orders levels; false when it is not a level. */
bool expand_level(struct str text, uint64_t *ret_level);
#endif
