/* SPDX-License-Identifier: ISC
 *
 * build.h - FILE to FILE.lmdb: postmap, postalias, and hash: at start.
 *
 * An existing table is changed in one transaction, so that programs that have
 * it open go on and see either the old or the new one. A table that is missing
 * or damaged is made beside its place and moved there when it is whole and on
 * disk.
 */
#ifndef MAP_BUILD_H
#define MAP_BUILD_H
#include "base/err.h"
#include "base/str.h"

enum build_duplicates { BUILD_WARN, BUILD_IGNORE, BUILD_REPLACE };
struct build {
    bool aliases;           /* the source is in aliases(5) form */
    bool fold;              /* keys to lower case */
    bool with_nul;
    bool keep;              /* records that are there stay (postmap -i) */
    bool if_older;          /* map_build_file: nothing is to be done for a table that is not older than its source */
    bool file_values;       /* values are names of files whose content is stored in base64 (postmap -F) */
    enum build_duplicates duplicates;
    unsigned mode;          /* of a new file */
    uint64_t map_size;
    void (*warn)(void *user, const char *text);     /* may be NULL */
    void *user;
};

/* text: what is in the source, named `name` in messages. lmdb_path: with ".lmdb". */
int map_build(const struct build *b, const char *name, struct str text, const char *lmdb_path, struct err *err);
/*
 * The same from a file, which is read while nobody else can write the table:
 * of two that build at once, the one with the newer source has the last word.
 * The table gets the source's time.
 */
int map_build_file(const struct build *b, const char *source, const char *lmdb_path, struct err *err);
struct stat;
/* By the time of their last change. */
bool map_is_newer(const struct stat *a, const struct stat *b);
/* Is spec's table among alias_maps or alias_database, and so its source in aliases(5) form? */
struct config;
bool map_is_alias_table(struct config *config, const char *path);
/* lmdb_map_size. */
uint64_t map_lmdb_size(struct config *config);
#endif
