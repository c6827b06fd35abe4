/* SPDX-License-Identifier: ISC
 *
 * Tables that are small enough to be kept in memory as a whole: texthash,
 * inline, static, environ, fail.
 */
#include "base/htab.h"
#include "map/map_type.h"
#include "map/source.h"

struct memory { struct htab table; };
struct entry { struct str key, value; };

static enum map_result memory_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    (void)err;
    const struct memory *mem = m->state;
    const struct entry *e = htab_get(&mem->table, key);
    if (e == NULL)
        return MAP_NONE;
    *ret_value = str_dup(a, e->value);
    return MAP_FOUND;
}

static void memory_close(struct map *m)
{
    struct memory *mem = m->state;
    htab_done(&mem->table);
}

static const struct map_ops memory_ops = { .get = memory_get, .close = memory_close, .fixed_keys = true };

void map_use_memory(struct map *m)
{
    m->state = ARENA_NEW(&m->arena, struct memory);
    m->arena.block_size = 65536;
    m->ops = &memory_ops;
}

bool map_memory_add(struct map *m, struct str key, struct str value)
{
    struct memory *mem = m->state;
    struct entry *e = ARENA_NEW(&m->arena, struct entry);
    e->key = (m->flags & MAP_NO_FOLD) != 0 ? str_dup(&m->arena, key) : str_lower(&m->arena, key);
    if (htab_get(&mem->table, e->key) != NULL)
        return false;
    e->value = str_dup(&m->arena, value);
    (void)htab_put(&mem->table, e->key, e);
    return true;
}

int map_open_texthash(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    struct buf text = buf_make(0);
    struct source src;
    struct source_entry e;
    const char *name;
    if (map_source_text(m, &text, &name, err) < 0) {
        buf_done(&text);
        return -1;
    }
    map_use_memory(m);
    source_init(&src, name, buf_str(&text), false);
    enum source_result r;
    int rc = 0;
    while (rc == 0 && (r = source_next(&src, &e)) != SOURCE_END) {
        if (r == SOURCE_BAD)
            rc = err_set(err, ERR_CONFIG, "%s: %s", m->spec, src.warning);
        else
            (void)map_memory_add(m, e.key, e.value);
    }
    source_done(&src);
    buf_done(&text);
    return rc;
}

/* "{ {key = value}, key=value }" */
int map_open_inline(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    struct str inside, element, name, value;
    const char *why;
    bool bad = false;
    if (!map_inside(m->arg, &inside))
        return err_set(err, ERR_CONFIG, "%s: write inline:{ key=value, { key = text with spaces } }", m->spec);
    map_use_memory(m);
    size_t n = 0;
    while (map_next_element(&inside, &element, &bad)) {
        if (!lex_name_value(element, &name, &value, &why))
            return err_set(err, ERR_CONFIG, "%s: \"%.*s\": %s", m->spec, STR_FMT(element), why);
        (void)map_memory_add(m, name, value);
        n++;
    }
    if (bad || n == 0)
        return err_set(err, ERR_CONFIG, "%s: %s", m->spec, bad ? "a brace is not closed" : "the table is empty");
    return 0;
}

static enum map_result static_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    (void)key;
    (void)err;
    *ret_value = str_dup(a, str_from(m->state));
    return MAP_FOUND;
}

static const struct map_ops static_ops = { .get = static_get, .fixed_keys = true };

int map_open_static(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    struct str value = str_from(m->arg);
    if (!lex_unbrace(&value))
        return err_set(err, ERR_CONFIG, "%s: a brace is not closed", m->spec);
    m->state = str_to_cstr(&m->arena, value);
    m->ops = &static_ops;
    return 0;
}

static enum map_result environ_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    (void)m;
    (void)err;
    const char *name = str_to_cstr(a, key), *value = name == NULL ? NULL : getenv(name);
    if (value == NULL)
        return MAP_NONE;
    *ret_value = str_dup(a, str_from(value));
    return MAP_FOUND;
}

/* Names of the environment are upper case: they are not folded. */
static const struct map_ops environ_ops = { .get = environ_get };

int map_open_environ(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    (void)err;
    m->ops = &environ_ops;
    return 0;
}

static enum map_result fail_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    (void)key;
    (void)a;
    (void)ret_value;
    (void)err_set(err, ERR_TEMP, "%s: this table fails every lookup", m->spec);
    return MAP_TEMP;
}

static const struct map_ops fail_ops = { .get = fail_get, .fixed_keys = true };

int map_open_fail(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    (void)err;
    m->ops = &fail_ops;
    return 0;
}
