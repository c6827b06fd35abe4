/* SPDX-License-Identifier: ISC
 *
 * map_type.h - what a table type is, for lib/map only.
 *
 * A type's open function gets a zeroed struct map with name, flags and an
 * arena, and sets ops and state. What it allocates in the arena goes with the
 * map; close() releases the rest. get() gets the key as it is to be looked up
 * (already folded for types with fixed keys).
 */
#ifndef MAP_MAP_TYPE_H
#define MAP_MAP_TYPE_H
#include "base/buf.h"
#include "conf/param.h"
#include "map/map.h"

struct map_ops {
    enum map_result (*get)(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err);
    void (*close)(struct map *m);
    bool fixed_keys;        /* whole keys, folded; false for patterns, whose keys stay as they are and are never parts */
};

struct map {
    const struct map_ops *ops;
    void *state;
    const char *spec;       /* "hash:/etc/aliases" */
    const char *arg;        /* "/etc/aliases" */
    unsigned flags;
    struct arena arena;
};

typedef int map_open_fn(struct map *m, struct config *config, struct err *err);
map_open_fn map_open_lmdb, map_open_hash, map_open_texthash, map_open_inline, map_open_static, map_open_cidr,
    map_open_regexp, map_open_pcre, map_open_unionmap, map_open_pipemap, map_open_randmap, map_open_unix,
    map_open_environ, map_open_fail, map_open_proxy, map_open_tcp, map_open_socketmap, map_open_userdb;

enum { MAP_MEMORY_MAX = 1 << 30, MAP_FILE_MAX = 512 << 20 };

/*
 * The text of a table: the file m->arg, or "{ {line}, {line} }" in m->arg
 * itself as one text line per element. ret_name: for messages.
 */
int map_source_text(struct map *m, struct buf *ret_text, const char **ret_name, struct err *err);
/* The elements of "{ {a}, {b c}, d }", each without its braces. False at the end; *ret_bad when a brace is not closed. */
bool map_next_element(struct str *rest, struct str *ret_element, bool *ret_bad);
/* The inside of "{ ... }"; false when arg has no such form. */
bool map_inside(const char *arg, struct str *ret);
/* WAITS (on a fiber) or sleeps. */
void map_pause(unsigned ms);

/* In-memory table, for texthash, inline and a hash whose index cannot be written. */
void map_use_memory(struct map *m);
/* A table of its own, empty. */
struct map *map_new_memory(const char *spec, unsigned flags);
/* False when the key was there already (the first stays). */
bool map_memory_add(struct map *m, struct str key, struct str value);
#endif
