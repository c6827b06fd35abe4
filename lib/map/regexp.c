/* SPDX-License-Identifier: ISC
 *
 * regexp_table(5): POSIX expressions, case-insensitive and extended unless the
 * flags i or x turn that off; m makes ^ and $ match at newlines. Expressions
 * are compiled at open.
 */
#include "map/pattern.h"
#include <regex.h>

/* $number of POSIX tables goes to $9, as in regexp_table(5). */
enum { GROUPS = 10 };
struct pattern { regex_t regex; };
struct table { struct rules rules; };

struct lookup {
    struct pattern_lookup common;
    const char *key;
    regmatch_t groups[GROUPS];
};

static int read_flags(struct str flags, int *ret, struct err *err)
{
    int set = REG_ICASE | REG_EXTENDED;
    for (size_t i = 0; i < flags.n; i++) {
        switch (flags.p[i]) {
        case 'i': set ^= REG_ICASE; break;
        case 'x': set ^= REG_EXTENDED; break;
        case 'm': set ^= REG_NEWLINE; break;
        default: return err_set(err, ERR_CONFIG, "unknown flag '%c' (i, x and m exist)", flags.p[i]);
        }
    }
    *ret = set;
    return 0;
}

static int regexp_pattern(struct map *m, struct str *text, struct rule *rule, struct err *err)
{
    struct str pattern, flags;
    char why[120];
    int cflags = 0;
    if (pattern_split(text, &pattern, &flags, err) < 0 || read_flags(flags, &cflags, err) < 0)
        return -1;
    struct pattern *p = ARENA_NEW(&m->arena, struct pattern);
    int rc = regcomp(&p->regex, str_to_cstr(&m->arena, pattern), cflags);
    if (rc != 0) {
        (void)regerror(rc, &p->regex, why, sizeof why);
        return err_set(err, ERR_CONFIG, "/%.*s/: %s", (int)MIN(pattern.n, 100), pattern.p, why);
    }
    unsigned groups = rule->negated ? 0 : MIN((unsigned)p->regex.re_nsub, GROUPS - 1u);
    if (rule->kind == RULE_MATCH && pattern_check_result(str_trim(*text), groups, err) < 0) {
        regfree(&p->regex);
        return -1;
    }
    rule->pattern = p;
    return 0;
}

static int regexp_match(const struct rule *rule, void *user, struct err *err)
{
    struct lookup *l = container_of(user, struct lookup, common);
    const struct pattern *p = rule->pattern;
    int rc = regexec(&p->regex, l->key, GROUPS, l->groups, 0);
    if (rc == 0 || rc == REG_NOMATCH)
        return rc == 0;
    return err_set(err, ERR_TEMP, "line %u: the expression ran out of memory", rule->line);
}

static struct str regexp_group(const struct pattern_lookup *common, unsigned n)
{
    const struct lookup *l = (const void *)common;
    if (n >= GROUPS || l->groups[n].rm_so < 0)
        return STR("");
    return str_make(l->key + l->groups[n].rm_so, (size_t)(l->groups[n].rm_eo - l->groups[n].rm_so));
}

static enum map_result regexp_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    const struct table *t = m->state;
    struct lookup *l = ARENA_NEW(a, struct lookup);
    l->common = (struct pattern_lookup){ .rules = &t->rules, .match = regexp_match, .group = regexp_group };
    l->key = str_to_cstr(a, key);
    if (l->key == NULL)
        return MAP_NONE;        /* a NUL in the key: POSIX expressions end there */
    return pattern_lookup(m, &l->common, a, ret_value, err);
}

static void regexp_close(struct map *m)
{
    struct table *t = m->state;
    for (size_t i = 0; i < t->rules.list.n; i++) {
        struct pattern *p = t->rules.list.p[i].pattern;
        regfree(&p->regex);
    }
    rules_done(&t->rules);
}

static const struct map_ops regexp_ops = { .get = regexp_get, .close = regexp_close };

int map_open_regexp(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    struct table *t = ARENA_NEW(&m->arena, struct table);
    m->state = t;
    m->ops = &regexp_ops;
    return rules_compile(m, &t->rules, regexp_pattern, err);
}
