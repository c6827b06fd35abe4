/* SPDX-License-Identifier: ISC
 *
 * cidr_table(5): network patterns in order. A key that is no address matches
 * nothing.
 */
#include "map/net.h"
#include "map/rules.h"

static int cidr_pattern(struct map *m, struct str *text, struct rule *rule, struct err *err)
{
    size_t n = 0;
    while (n < text->n && !ascii_is_space(text->p[n]))
        n++;
    struct str word = str_head(*text, n);
    struct net *net = ARENA_NEW(&m->arena, struct net);
    int rc = net_parse(word, net, err);
    if (rc != 0)
        return rc < 0 ? -1 : err_set(err, ERR_CONFIG, "\"%.*s\" is no network pattern", STR_FMT(word));
    *text = str_skip(*text, n);
    rule->pattern = net;
    return 0;
}

static int cidr_match(const struct rule *rule, void *user, struct err *err)
{
    (void)err;
    return net_contains(rule->pattern, user);
}

static enum map_result cidr_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    struct net addr;
    bool bad;
    if (!net_parse_addr(key, &addr))
        return MAP_NONE;
    const struct rule *rule = rules_run(m->state, cidr_match, &addr, &bad, err);
    if (rule == NULL)
        return MAP_NONE;
    *ret_value = str_dup(a, rule->result);
    return MAP_FOUND;
}

static void cidr_close(struct map *m)
{
    rules_done(m->state);
}

static const struct map_ops cidr_ops = { .get = cidr_get, .close = cidr_close };

int map_open_cidr(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    m->state = ARENA_NEW(&m->arena, struct rules);
    m->ops = &cidr_ops;
    return rules_compile(m, m->state, cidr_pattern, err);
}
