/* SPDX-License-Identifier: ISC
 *
 * config.h - the inside of struct config, for lib/conf only.
 *
 * An item is one name: as set in main.cf or by -o (raw), or only known by a
 * row (def). Expanded values are kept until an override changes anything.
 */
#ifndef CONF_CONFIG_H
#define CONF_CONFIG_H
#include "base/htab.h"
#include "base/vec.h"
#include "conf/param.h"

struct config_item {
    struct str key;
    const char *name;
    const char *raw;            /* NULL: not set */
    const char *def;            /* NULL: no row */
    const char *where;
    const char *expanded;       /* NULL: not asked for yet */
    const char *computed;
    bool computing;
};
struct config {
    struct arena arena;
    const char *dir, *file;
    struct htab items;
    VEC(struct config_item *) order;    /* set in main.cf or by -o, each once */
    VEC(const char *) warnings;
};

enum { CONFIG_MEMORY_MAX = 256 << 20, CONFIG_FILE_MAX = 16 << 20 };

struct config_item *config_item(const struct config *c, struct str name);
/* Defaults that depend on this host: myhostname, mydomain, mynetworks, process_id, config_directory, mail_version. NULL for other names. */
const char *config_computed(struct config *c, struct str name);
#endif
