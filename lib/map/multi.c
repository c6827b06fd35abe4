/* SPDX-License-Identifier: ISC
 *
 * Tables made of tables: unionmap (all results, commas between), pipemap (the
 * result of one is the key of the next), randmap (one of its values), proxy
 * (the table itself: see map.h).
 */
#include "base/num.h"
#include "base/vec.h"
#include "map/map_type.h"
#include <sys/random.h>

enum { NESTING_MAX = 8 };
struct multi { VEC(struct map *) maps; VEC(struct str) values; };

static void multi_close(struct map *m)
{
    struct multi *x = m->state;
    for (size_t i = 0; i < x->maps.n; i++)
        map_free(x->maps.p[i]);
    vec_done(&x->maps);
    vec_done(&x->values);
}

static enum map_result union_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    const struct multi *x = m->state;
    struct buf out = buf_make(1 << 20);
    enum map_result all = MAP_NONE;
    for (size_t i = 0; i < x->maps.n && all != MAP_TEMP; i++) {
        struct str value;
        enum map_result r = map_get(x->maps.p[i], key, a, &value, err);
        if (r == MAP_NONE)
            continue;
        if (r == MAP_FOUND) {
            if (out.n > 0)
                buf_putc(&out, ',');
            buf_add(&out, value);
        }
        all = r;
    }
    if (all == MAP_FOUND)
        *ret_value = str_dup(a, buf_str(&out));
    buf_done(&out);
    return all;
}

static enum map_result pipe_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    const struct multi *x = m->state;
    struct str value = key;
    for (size_t i = 0; i < x->maps.n; i++) {
        enum map_result r = map_get(x->maps.p[i], value, a, &value, err);
        if (r != MAP_FOUND)
            return r;
    }
    *ret_value = value;
    return MAP_FOUND;
}

static enum map_result rand_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    (void)key;
    const struct multi *x = m->state;
    uint64_t r;
    if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r) {
        (void)err_sys(err, ERR_TEMP, "%s: getrandom", m->spec);
        return MAP_TEMP;
    }
    *ret_value = str_dup(a, x->values.p[r % x->values.n]);
    return MAP_FOUND;
}

static const struct map_ops union_ops = { .get = union_get, .close = multi_close };
static const struct map_ops pipe_ops = { .get = pipe_get, .close = multi_close };
static const struct map_ops rand_ops = { .get = rand_get, .close = multi_close };

static unsigned nesting(struct str s)
{
    unsigned depth = 0, most = 0;
    for (size_t i = 0; i < s.n; i++) {
        depth += s.p[i] == '{';
        depth -= s.p[i] == '}' && depth > 0;
        most = MAX(most, depth);
    }
    return most;
}

static int open_elements(struct map *m, struct config *config, bool as_maps, struct err *err)
{
    struct str inside, element;
    bool bad = false;
    struct multi *x = m->state;
    if (!map_inside(m->arg, &inside) || nesting(inside) > NESTING_MAX)
        return err_set(err, ERR_CONFIG, "%s: write type:{ a, b } with at most %d braces within each other", m->spec, NESTING_MAX);
    while (map_next_element(&inside, &element, &bad)) {
        if (!as_maps) {
            vec_push(&x->values, str_dup(&m->arena, element));
            continue;
        }
        struct map *part = map_open(element, m->flags, config, err);
        if (part == NULL)
            return -1;
        vec_push(&x->maps, part);
    }
    if (bad || x->maps.n + x->values.n == 0)
        return err_set(err, ERR_CONFIG, "%s: %s", m->spec, bad ? "a brace is not closed" : "nothing is in it");
    return 0;
}

static int multi_open(struct map *m, const struct map_ops *ops, struct config *config, struct err *err)
{
    m->state = ARENA_NEW(&m->arena, struct multi);
    m->ops = ops;
    return open_elements(m, config, ops != &rand_ops, err);
}

int map_open_unionmap(struct map *m, struct config *config, struct err *err) { return multi_open(m, &union_ops, config, err); }
int map_open_pipemap(struct map *m, struct config *config, struct err *err) { return multi_open(m, &pipe_ops, config, err); }
int map_open_randmap(struct map *m, struct config *config, struct err *err) { return multi_open(m, &rand_ops, config, err); }

static enum map_result proxy_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    const struct multi *x = m->state;
    return map_get(x->maps.p[0], key, a, ret_value, err);
}

static const struct map_ops proxy_fixed = { .get = proxy_get, .close = multi_close, .fixed_keys = true };
static const struct map_ops proxy_patterns = { .get = proxy_get, .close = multi_close };

int map_open_proxy(struct map *m, struct config *config, struct err *err)
{
    struct multi *x = ARENA_NEW(&m->arena, struct multi);
    m->state = x;
    m->ops = &proxy_patterns;
    if (str_starts(str_from(m->arg), STR("proxy:")))
        return err_set(err, ERR_CONFIG, "%s: proxy within proxy", m->spec);
    struct map *inner = map_open(str_from(m->arg), m->flags, config, err);
    if (inner == NULL)
        return -1;
    vec_push(&x->maps, inner);
    if (map_has_fixed_keys(inner))
        m->ops = &proxy_fixed;
    return 0;
}
