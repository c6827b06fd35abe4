/* SPDX-License-Identifier: ISC
 *
 * unix:passwd.byname and unix:group.byname: the entries of the system's user
 * data base in the form of passwd(5) and group(5) without the password, as of
 * the time of opening. A confined process cannot read them later, and the
 * name service must not be asked on a fiber. Entries are enumerated once, off
 * any fiber, so users that exist only behind a name service that does not
 * enumerate are not seen: name them in a table of their own.
 */
#include "map/map_type.h"
#include <grp.h>
#include <pwd.h>

enum { ENTRIES_MAX = 200000 };

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
    map_use_memory(m);
    if (strcmp(m->arg, "passwd.byname") == 0)
        load_passwd(m);
    else if (strcmp(m->arg, "group.byname") == 0)
        load_group(m);
    else
        return err_set(err, ERR_CONFIG, "%s: unix:passwd.byname and unix:group.byname exist", m->spec);
    return 0;
}
