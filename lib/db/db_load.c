/* SPDX-License-Identifier: ISC
 *
 * db_load.c - apart from db_module.c, so that authd, which only asks whether a
 * module is there, holds no code that loads one.
 */
#include "db/db_module.h"
#include <dlfcn.h>

const struct db_module *db_module_load(const char *dir, const char *name, struct err *err)
{
    char path[4096];
    if (db_module_find(dir, name, path, sizeof path, err) != 0)
        return NULL;
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (so == NULL) {
        const char *why = dlerror();
        (void)err_set(err, ERR_CONFIG, "driver %s: %.180s: install Debian's %s", name, why == NULL ? "cannot be loaded" : why, db_module_package(name));
        return NULL;
    }
    const struct db_module *m = dlsym(so, DB_MODULE_SYMBOL);
    if (m == NULL || m->version != DB_MODULE_VERSION || m->size != sizeof *m || strcmp(m->name, name) != 0 || (m->sql == NULL) == (m->dir == NULL)) {
        (void)err_set(err, ERR_CONFIG, "driver %s: %s is of another build", name, path);
        return NULL;
    }
    return m;
}
