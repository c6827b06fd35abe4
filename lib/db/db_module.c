/* SPDX-License-Identifier: ISC */
#include "db/db_module.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names that a configuration may use, and what brings them. */
static const struct { const char *name, *library, *dev; } known[] = {
    { "pgsql", "libpq5", "libpq-dev" },
    { "mysql", "libmariadb3", "libmariadb-dev" },
    { "sqlite", "libsqlite3-0", "libsqlite3-dev" },
    { "ldap", "libldap-2.5-0", "libldap-dev" },
};

static size_t index_of(const char *name)
{
    for (size_t i = 0; i < N_ELEMS(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return i;
    return N_ELEMS(known);
}

const char *db_module_package(const char *name)
{
    size_t i = index_of(name);
    return i == N_ELEMS(known) ? "?" : known[i].library;
}

bool db_module_own_dir(char *ret, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", ret, cap);
    if (n <= 0 || (size_t)n >= cap)
        return false;
    ptrdiff_t slash = str_rchr(str_make(ret, (size_t)n), '/');
    if (slash <= 0)
        return false;
    ret[slash] = '\0';
    return true;
}

static bool is_ours(const struct stat *st)
{
    return (st->st_uid == 0 || st->st_uid == geteuid()) && (st->st_mode & 022) == 0;
}

int db_module_find(const char *dir, const char *name, char *ret_path, size_t cap, struct err *err)
{
    struct stat st;
    size_t i = index_of(name);
    if (i == N_ELEMS(known))
        return err_set(err, ERR_CONFIG, "there is no database driver \"%s\" (pgsql, mysql, sqlite, ldap)", name);
    bool own = dir == NULL || dir[0] == '\0';
    if (own && !db_module_own_dir(ret_path, cap))
        return err_set(err, ERR_CONFIG, "postern_module_directory: not set, and the program's own directory is not known");
    size_t dir_n = strlen(own ? ret_path : dir);
    if (!own && dir_n < cap)
        memcpy(ret_path, dir, dir_n);
    int n = dir_n >= cap ? -1 : snprintf(ret_path + dir_n, cap - dir_n, "/postern-%s.so", name);
    if (n < 0 || (size_t)n >= cap - dir_n)
        return err_set(err, ERR_CONFIG, "the module directory's name is too long");
    if (stat(ret_path, &st) != 0)
        return err_set(err, ERR_CONFIG, "driver %s: no module %s (%s): install Debian's %s and build again, or set postern_module_directory",
                       name, ret_path, strerror(errno), known[i].dev);
    if (!S_ISREG(st.st_mode) || !is_ours(&st))
        return err_set(err, ERR_CONFIG, "driver %s: %s must be a file that root owns and nobody else may write", name, ret_path);
    return 0;
}
