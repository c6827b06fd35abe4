/* SPDX-License-Identifier: ISC
 *
 * lmdb:FILE, and hash:FILE and btree:FILE served from FILE.lmdb.
 */
#include "base/num.h"
#include "map/build.h"
#include "map/lmdb_file.h"
#include "map/map_type.h"
#include "map/source.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static enum map_result indexed_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    return lmdb_file_get(m->state, key, a, ret_value, err);
}

static void indexed_close(struct map *m)
{
    lmdb_file_close(m->state);
}

static const struct map_ops indexed_ops = { .get = indexed_get, .close = indexed_close, .fixed_keys = true };

uint64_t map_lmdb_size(struct config *config)
{
    struct err err;
    uint64_t size = 16 << 20;
    const char *text = config == NULL ? NULL : config_get(config, "lmdb_map_size", &err);
    if (text != NULL)
        (void)num_parse_u64(str_from(text), UINT64_MAX / 4, &size);
    return size;
}

static int open_file(struct map *m, const char *path, struct config *config, struct err *err)
{
    struct lmdb_file *f = lmdb_file_open(path, false, 0, map_lmdb_size(config), err);
    if (f == NULL)
        return -1;
    m->state = f;
    m->ops = &indexed_ops;
    return 0;
}

/* Only in a directory of our own: elsewhere its owner could put a link in our way. */
static bool may_write_beside(const char *path)
{
    char dir[4096];
    const char *slash = strrchr(path, '/');
    struct stat st;
    if (slash == NULL || !str_to_fixed(str_make(path, MAX((size_t)(slash - path), (size_t)1)), dir, sizeof dir))
        return false;
    return stat(dir, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 022) == 0;
}

static int build_index(struct map *m, const char *path, const struct stat *source, struct config *config, struct err *err)
{
    const struct build b = {
        .aliases = map_is_alias_table(config, m->arg), .fold = true, .with_nul = true, .if_older = true, .duplicates = BUILD_IGNORE,
        .mode = source->st_mode & 0644, .map_size = map_lmdb_size(config),
    };
    return may_write_beside(path) ? map_build_file(&b, m->arg, path, err) : err_set(err, ERR_CONFIG, "%s: not ours to write", path);
}

static void load_memory(struct map *m, struct str text, bool aliases)
{
    struct source src;
    struct source_entry e;
    enum source_result r;
    map_use_memory(m);
    source_init(&src, m->arg, text, aliases);
    while ((r = source_next(&src, &e)) != SOURCE_END)
        if (r == SOURCE_ENTRY)
            (void)map_memory_add(m, e.key, e.value);
    source_done(&src);
}

static int make_from_source(struct map *m, const char *path, const struct stat *source, struct config *config, struct err *err)
{
    struct buf text = buf_make(0);
    struct err why = { 0 };
    if (build_index(m, path, source, config, &why) == 0 && open_file(m, path, config, &why) == 0)
        return 0;
    int rc = lex_read_file(m->arg, MAP_FILE_MAX, &text, err);
    if (rc == 0)
        load_memory(m, buf_str(&text), map_is_alias_table(config, m->arg));
    buf_done(&text);
    return rc;
}

static int no_table(struct map *m, const char *path, bool aliases, struct err *err)
{
    if (access(str_printf(&m->arena, "%s.db", m->arg).p, F_OK) == 0)
        return err_set(err, ERR_CONFIG, "%s: there is only a Berkeley DB file %s.db; put its source text into %s and run \"postmap %s\"",
                       m->spec, m->arg, m->arg, m->spec);
    return err_set(err, ERR_CONFIG, "%s: open %s: %s; write the source %s, then make it with \"%s %s\"", m->spec, path, strerror(ENOENT),
                   m->arg, aliases ? "postalias" : "postmap", m->spec);
}

static int open_any(struct map *m, bool rebuild_old, struct config *config, struct err *err)
{
    const char *path = str_printf(&m->arena, "%s.lmdb", m->arg).p;
    struct stat source, table;
    bool has_source = stat(m->arg, &source) == 0, has_table = stat(path, &table) == 0;
    if (has_table && !(rebuild_old && has_source && map_is_newer(&source, &table))) {
        if (open_file(m, path, config, err) == 0)
            return 0;
        if (err->kind != ERR_PROTO || !has_source)
            return -1;
    }
    if (!has_source)
        return no_table(m, path, map_is_alias_table(config, m->arg), err);
    return make_from_source(m, path, &source, config, err);
}

int map_open_lmdb(struct map *m, struct config *config, struct err *err)
{
    return open_any(m, false, config, err);
}

int map_open_hash(struct map *m, struct config *config, struct err *err)
{
    return open_any(m, true, config, err);
}
