/* SPDX-License-Identifier: ISC
 *
 * rules.h - tables that are ordered rules: cidr, regexp, pcre. What they share
 * is if/endif, negation, and lines "pattern result".
 *
 * rules_compile() numbers the lines and finds for each `if` the rule behind
 * its endif. rules_run() walks them; the type says whether a pattern matches.
 */
#ifndef MAP_RULES_H
#define MAP_RULES_H
#include "base/vec.h"
#include "map/map_type.h"

enum rule_kind { RULE_MATCH, RULE_IF };
struct rule {
    enum rule_kind kind;
    bool negated;
    unsigned line;
    size_t otherwise;       /* RULE_IF: index after the matching endif */
    struct str result;
    void *pattern;          /* the type's */
};
struct rules { VEC(struct rule) list; };

/* Cuts the pattern (without ! and if) off *text and makes something of it; what is left is the result. -1 and *err (without file and line). */
typedef int rule_pattern_fn(struct map *m, struct str *text, struct rule *rule, struct err *err);
int rules_compile(struct map *m, struct rules *r, rule_pattern_fn *pattern, struct err *err);
void rules_done(struct rules *r);
/* 1 matches, 0 does not, -1 and *err. user: the type's state of this lookup. */
typedef int rule_match_fn(const struct rule *rule, void *user, struct err *err);
/* The first rule that applies; NULL with *ret_bad = false when there is none, NULL and true on an error. */
const struct rule *rules_run(const struct rules *r, rule_match_fn *match, void *user, bool *ret_bad, struct err *err);
#endif
