/* SPDX-License-Identifier: ISC
 *
 * pattern.h - what regexp: and pcre: tables share: "/pattern/flags result"
 * with any delimiter that is no letter, digit or white space, and $1 ${1} $(1)
 * in the result ($$ is a dollar sign).
 */
#ifndef MAP_PATTERN_H
#define MAP_PATTERN_H
#include "event/offload.h"
#include "map/rules.h"

enum { PATTERN_GROUPS = 99, PATTERN_MAX = 16384, PATTERN_RESULT_MAX = 1 << 20 };

/* Cuts "/pattern/flags" off *text. Inside, backslash and delimiter stand for themselves and are kept as written. */
int pattern_split(struct str *text, struct str *ret_pattern, struct str *ret_flags, struct err *err);
/* Is every $ of a result good, with at most `groups` groups? */
int pattern_check_result(struct str result, unsigned groups, struct err *err);
/* A lookup; in front of what else the type needs for it. */
struct pattern_lookup {
    struct job job;
    const struct rules *rules;
    rule_match_fn *match;               /* user: this struct */
    /* The text of group n of the match; empty when it did not take part. */
    struct str (*group)(const struct pattern_lookup *l, unsigned n);
    const struct rule *found;
    bool bad;
    struct err err;
};
/*
 * WAITS. Matching takes stack and time: on a fiber it is done by an offload
 * thread. The result of the first rule that matches, with its groups put in.
 */
enum map_result pattern_lookup(struct map *m, struct pattern_lookup *l, struct arena *a, struct str *ret_value, struct err *err);
#endif
