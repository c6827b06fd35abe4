/* SPDX-License-Identifier: ISC
 *
 * unix:passwd.byname and unix:group.byname: the entries of the system's user
 * data base in the form of passwd(5) and group(5) without the password. They
 * are enumerated once at open, since a confined process cannot read them later
 * and the name service must not be asked on a fiber. A name that was not there
 * then, or that a name service does not enumerate, is asked of the lookup role.
 */
#include "event/fiber.h"
#include "map/map_type.h"
#include <grp.h>
#include <pwd.h>

enum { ENTRIES_MAX = 200000 };
enum { TABLE_PASSWD, TABLE_GROUP };
struct users { struct map *known; uint32_t table; };

static map_users_fn *ask_users;

void map_set_users(map_users_fn *ask)
{
    ask_users = ask;
}

static enum map_result unix_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    const struct users *u = m->state;
    enum map_result r = u->known->ops->get(u->known, key, a, ret_value, err);
    if (r != MAP_NONE || ask_users == NULL || fiber_current() == NULL)
        return r;
    r = (enum map_result)ask_users(u->table, key, a, ret_value, err);
    if (r == MAP_TEMP)
        (void)err_prefix(err, "%s", m->spec);
    return r;
}

static void unix_close(struct map *m)
{
    const struct users *u = m->state;
    map_free(u->known);
}

static const struct map_ops unix_ops = { .get = unix_get, .close = unix_close, .fixed_keys = true };

static void load_passwd(struct map *m)
{
    struct buf line = buf_make(65536);
    const struct passwd *pw;
    size_t n = 0;
    setpwent();
    while (n++ < ENTRIES_MAX && (pw = getpwent()) != NULL) {
        buf_reset(&line);
        buf_printf(&line, "%s:*:%lu:%lu:%s:%s:%s", pw->pw_name, (unsigned long)pw->pw_uid, (unsigned long)pw->pw_gid,
                   pw->pw_gecos, pw->pw_dir, pw->pw_shell);
        (void)map_memory_add(m, str_from(pw->pw_name), buf_str(&line));
    }
    endpwent();
    buf_done(&line);
}

static void load_group(struct map *m)
{
    struct buf line = buf_make(1 << 20);
    const struct group *gr;
    size_t n = 0;
    setgrent();
    while (n++ < ENTRIES_MAX && (gr = getgrent()) != NULL) {
        buf_reset(&line);
        buf_printf(&line, "%s:*:%lu:", gr->gr_name, (unsigned long)gr->gr_gid);
        for (size_t i = 0; gr->gr_mem[i] != NULL; i++)
            buf_printf(&line, "%s%s", i == 0 ? "" : ",", gr->gr_mem[i]);
        (void)map_memory_add(m, str_from(gr->gr_name), buf_str(&line));
    }
    endgrent();
    buf_done(&line);
}

int map_open_unix(struct map *m, struct config *config, struct err *err)
{
    (void)config;
    bool passwd = strcmp(m->arg, "passwd.byname") == 0;
    if (!passwd && strcmp(m->arg, "group.byname") != 0)
        return err_set(err, ERR_CONFIG, "%s: unix:passwd.byname and unix:group.byname exist", m->spec);
    struct users *u = ARENA_NEW(&m->arena, struct users);
    u->table = passwd ? TABLE_PASSWD : TABLE_GROUP;
    u->known = map_new_memory(m->spec, MAP_NO_FOLD);
    m->state = u;
    m->ops = &unix_ops;
    if (passwd)
        load_passwd(u->known);
    else
        load_group(u->known);
    return 0;
}
