/* SPDX-License-Identifier: ISC */
#include "db/db_vars.h"

#define ROW(member) { #member, offsetof(struct auth_vars, member) }
static const struct { const char *name; size_t offset; } rows[] = {
    ROW(user), ROW(original_user), ROW(login_user), ROW(master_user), ROW(service), ROW(mech), ROW(remote), ROW(local), ROW(remote_port),
    ROW(local_port), ROW(real_remote), ROW(real_local), ROW(session), ROW(local_name), ROW(client_id), ROW(cert), ROW(home),
};

static bool put_all(struct fields *f, const struct fields *from, const char *prefix, struct arena *arena)
{
    bool fits = true;
    for (size_t i = 0; from != NULL && i < from->n; i++)
        fits = fits && fields_set(f, str_printf(arena, "%s%.*s", prefix, STR_FMT(from->rows[i].name)), from->rows[i].value);
    return fits;
}

bool db_vars_put(const struct auth_vars *vars, struct arena *arena, struct buf *out)
{
    struct fields *f = ARENA_NEW(arena, struct fields);
    *f = fields_make(arena);
    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct str v;
        memcpy(&v, (const char *)vars + rows[i].offset, sizeof v);
        if (v.n > 0 && !fields_set(f, str_from(rows[i].name), v))
            return false;
    }
    if (vars->secured && !fields_set(f, STR("secured"), STR("yes")))
        return false;
    if (!put_all(f, vars->passdb, "passdb:", arena) || !put_all(f, vars->userdb, "userdb:", arena))
        return false;
    fields_put_line(f, out);
    return !out->full;
}

bool db_vars_parse(struct str line, struct arena *arena, struct auth_vars *ret)
{
    struct fields *f = ARENA_NEW(arena, struct fields), *passdb = ARENA_NEW(arena, struct fields), *userdb = ARENA_NEW(arena, struct fields);
    struct auth_vars v = { .secured = false };
    *f = *passdb = *userdb = fields_make(arena);
    if (!fields_parse_line(f, line) || !fields_import(passdb, f, STR("passdb:")) || !fields_import(userdb, f, STR("userdb:")))
        return false;
    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct str value = fields_get(f, rows[i].name);
        memcpy((char *)&v + rows[i].offset, &value, sizeof value);
    }
    v.secured = fields_has(f, "secured");
    v.passdb = passdb;
    v.userdb = userdb;
    *ret = v;
    return true;
}
