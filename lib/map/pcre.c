/* SPDX-License-Identifier: ISC
 *
 * pcre_table(5), with PCRE2: case-insensitive unless flag i turns that off.
 * Built only where the library was found. Match and depth limits bound what
 * one lookup costs; a lookup that meets them is temporary, not a miss.
 */
#ifdef HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include "map/pattern.h"
#include <pcre2.h>

enum { MATCH_LIMIT = 1000000, DEPTH_LIMIT = 5000, HEAP_LIMIT_KIB = 20000 };
struct table { struct rules rules; pcre2_match_context *limits; };

struct lookup {
    struct pattern_lookup common;
    struct table *table;
    struct str key;
    pcre2_match_data *data;
    uint32_t n_groups;
};

static const struct { char letter; uint32_t option; } flag_rows[] = {
    { 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE }, { 's', PCRE2_DOTALL }, { 'x', PCRE2_EXTENDED },
    { 'A', PCRE2_ANCHORED }, { 'E', PCRE2_DOLLAR_ENDONLY }, { 'U', PCRE2_UNGREEDY }, { 'X', 0 },
};

static int read_flags(struct str flags, uint32_t *ret, struct err *err)
{
    uint32_t set = PCRE2_CASELESS | PCRE2_DOTALL;
    for (size_t i = 0; i < flags.n; i++) {
        size_t at = 0;
        while (at < N_ELEMS(flag_rows) && flag_rows[at].letter != flags.p[i])
            at++;
        if (at == N_ELEMS(flag_rows))
            return err_set(err, ERR_CONFIG, "unknown flag '%c' (i m s x A E U X exist)", flags.p[i]);
        set ^= flag_rows[at].option;
    }
    *ret = set;
    return 0;
}

static int pcre_pattern(struct map *m, struct str *text, struct rule *rule, struct err *err)
{
    (void)m;
    struct str pattern, flags;
    uint32_t options, groups = 0;
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[160];
    if (pattern_split(text, &pattern, &flags, err) < 0 || read_flags(flags, &options, err) < 0)
        return -1;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, options, &code, &at, NULL);
    if (re == NULL) {
        (void)pcre2_get_error_message(code, why, sizeof why);
        return err_set(err, ERR_CONFIG, "/%.*s/: at %zu: %s", (int)MIN(pattern.n, 100), pattern.p, at, (const char *)why);
    }
    (void)pcre2_pattern_info(re, PCRE2_INFO_CAPTURECOUNT, &groups);
    if (rule->kind == RULE_MATCH && pattern_check_result(str_trim(*text), rule->negated ? 0 : groups, err) < 0) {
        pcre2_code_free(re);
        return -1;
    }
    rule->pattern = re;
    return 0;
}

static int pcre_match(const struct rule *rule, void *user, struct err *err)
{
    struct lookup *l = container_of(user, struct lookup, common);
    int rc = pcre2_match(rule->pattern, (PCRE2_SPTR)l->key.p, l->key.n, 0, 0, l->data, l->table->limits);
    l->n_groups = rc > 0 ? (uint32_t)rc : 0;
    if (rc >= 0 || rc == PCRE2_ERROR_NOMATCH)
        return rc >= 0;
    return err_set(err, ERR_TEMP, "line %u: the expression met its matching limit (%d)", rule->line, rc);
}

static struct str pcre_group(const struct pattern_lookup *common, unsigned n)
{
    const struct lookup *l = (const void *)common;
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(l->data);
    if (n >= l->n_groups || v[2 * n] == PCRE2_UNSET || v[2 * n + 1] < v[2 * n])
        return STR("");
    return str_make(l->key.p + v[2 * n], v[2 * n + 1] - v[2 * n]);
}

static enum map_result pcre_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    struct lookup *l = ARENA_NEW(a, struct lookup);
    l->table = m->state;
    l->common = (struct pattern_lookup){ .rules = &l->table->rules, .match = pcre_match, .group = pcre_group };
    l->key = str_dup(a, key);
    l->data = pcre2_match_data_create(PATTERN_GROUPS + 1, NULL);
    if (l->data == NULL)
        memory_abort("pcre: out of memory");
    enum map_result r = pattern_lookup(m, &l->common, a, ret_value, err);
    pcre2_match_data_free(l->data);
    return r;
}

static void pcre_close(struct map *m)
{
    struct table *t = m->state;
    for (size_t i = 0; i < t->rules.list.n; i++)
        pcre2_code_free(t->rules.list.p[i].pattern);
    rules_done(&t->rules);
    pcre2_match_context_free(t->limits);
}

static const struct map_ops pcre_ops = { .get = pcre_get, .close = pcre_close };

int map_open_pcre(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    struct table *t = ARENA_NEW(&m->arena, struct table);
    t->limits = pcre2_match_context_create(NULL);
    if (t->limits == NULL)
        memory_abort("pcre: out of memory");
    (void)pcre2_set_match_limit(t->limits, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(t->limits, DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(t->limits, HEAP_LIMIT_KIB);
    m->state = t;
    m->ops = &pcre_ops;
    return rules_compile(m, &t->rules, pcre_pattern, err);
}
#else
typedef int pcre_is_not_built_in;
#endif
