/* SPDX-License-Identifier: ISC
 *
 * pattern.h - what regexp: and pcre: tables share: "/pattern/flags result"
 * with any delimiter that is no letter, digit or white space, and $1 ${1} $(1)
 * in the result ($$ is a dollar sign).
 */
#ifndef MAP_PATTERN_H
#define MAP_PATTERN_H
#include "base/buf.h"
#include "base/err.h"

enum { PATTERN_GROUPS = 99, PATTERN_MAX = 16384, PATTERN_RESULT_MAX = 1 << 20 };

/* Cuts "/pattern/flags" off *text. Inside, backslash and delimiter stand for themselves and are kept as written. */
int pattern_split(struct str *text, struct str *ret_pattern, struct str *ret_flags, struct err *err);
/* Is every $ of a result good, with at most `groups` groups? */
int pattern_check_result(struct str result, unsigned groups, struct err *err);
/* group(user, n) gives the text of group n; empty when it did not take part. */
void pattern_result(struct str result, struct str (*group)(void *user, unsigned n), void *user, struct buf *out);
#endif
