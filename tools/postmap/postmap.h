/* SPDX-License-Identifier: ISC
 *
 * postmap.h - the parts of postmap, postalias and newaliases.
 */
#ifndef TOOLS_POSTMAP_H
#define TOOLS_POSTMAP_H
#include "conf/param.h"
#include "map/build.h"
#include "map/map.h"

struct options {
    const char *program;
    struct config *config;
    struct build build;
    const char *query, *remove;     /* -q, -d */
    bool list;                      /* -s */
    bool no_fold, as_root, default_mode;
    bool body, headers, mime;       /* -b -h -m: keys are lines of a message on standard input */
};

/* "type:file" with hash and btree as lmdb; the type alone when the name has none is default_database_type. */
struct table { const char *type, *file, *index, *spec; };
int table_split(const struct options *o, const char *name, struct arena *a, struct table *ret, struct err *err);

int do_build(const struct options *o, const char *name, struct err *err);
/* 1: not found. */
int do_query(const struct options *o, int n, char **names, struct err *err);
int do_remove(const struct options *o, int n, char **names, struct err *err);
int do_list(const struct options *o, int n, char **names, struct err *err);
#endif
