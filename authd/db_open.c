/* SPDX-License-Identifier: ISC
 *
 * db_open.c - postern_passdb and postern_userdb at start, and what drivers
 * share: messages about an entry, names of users and groups, masks.
 */
#include "authd.h"
#include "base/htab.h"
#include "base/num.h"
#include "db.h"
#include "db_remote.h"
#include "os/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>

enum { CONF_ARENA_MAX = 4 << 20, IDS_MAX = 1000 };

static struct {
    struct arena arena;
    struct db_set passdbs, userdbs;
    struct htab users, groups;      /* name to struct known_id */
    bool confined;
} dbs;

struct known_id { struct str name; uint32_t id; };

struct db_set *db_passdbs(void) { return &dbs.passdbs; }
struct db_set *db_userdbs(void) { return &dbs.userdbs; }

static const char *parameter(const struct db *db) { return db->is_userdb ? "postern_userdb" : "postern_passdb"; }

int db_refuse(const struct db *db, struct err *err, const char *fmt, ...)
{
    char text[sizeof err->text];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(err, ERR_CONFIG, "%s: %.*s%s%.*s: %s", parameter(db), STR_FMT(db->conf->driver), db->conf->arg.n > 0 ? ":" : "",
                   (int)MIN(db->conf->arg.n, (size_t)100), db->conf->arg.p, text);
}

int db_open_dir(const struct db *db, struct str path, const char **ret_name, struct err *err)
{
    char parent[4096];
    ptrdiff_t slash = str_rchr(path, '/');
    if (path.n < 2 || path.p[0] != '/' || (size_t)slash + 1 == path.n || !str_to_fixed(str_head(path, slash == 0 ? 1 : (size_t)slash), parent, sizeof parent))
        return db_refuse(db, err, "an absolute path is needed: write %.*s:/path/to/file", STR_FMT(db->conf->driver));
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int e = errno;
        return db_refuse(db, err, "%s: %s: make the directory, or correct the path", parent, strerror(e));
    }
    daemon_allow_path(parent, SANDBOX_READ);
    *ret_name = str_to_cstr(&dbs.arena, str_skip(path, (size_t)slash + 1));
    return fd;
}

/* From the machine's files only: NSS may need sockets, which this process has not. */
static bool id_from_files(struct str name, bool is_group, uint32_t *ret_id)
{
    FILE *f = fopen(is_group ? "/etc/group" : "/etc/passwd", "re");
    bool found = false;
    while (f != NULL && !found) {
        struct passwd *pw = is_group ? NULL : fgetpwent(f);
        struct group *gr = is_group ? fgetgrent(f) : NULL;
        if (pw == NULL && gr == NULL)
            break;
        found = str_eqz(name, is_group ? gr->gr_name : pw->pw_name);
        if (found)
            *ret_id = is_group ? gr->gr_gid : pw->pw_uid;
    }
    if (f != NULL)
        fclose(f);
    return found;
}

static bool id_from_system(const char *name, bool is_group, uint32_t *ret_id)
{
    struct passwd *pw = is_group ? NULL : getpwnam(name);
    struct group *gr = is_group ? getgrnam(name) : NULL;
    if (pw == NULL && gr == NULL)
        return false;
    *ret_id = is_group ? gr->gr_gid : pw->pw_uid;
    return true;
}

bool db_id(struct str text, bool is_group, uint32_t *ret_id)
{
    char name[64];
    struct htab *table = is_group ? &dbs.groups : &dbs.users;
    if (text.n > 0 && ascii_is_digit(text.p[0]))
        return num_parse_u32(text, UINT32_MAX - 1, ret_id);
    const struct known_id *known = htab_get(table, text);
    if (known != NULL) {
        *ret_id = known->id;
        return true;
    }
    if (text.n == 0 || !str_to_fixed(text, name, sizeof name))
        return false;
    if (!id_from_files(text, is_group, ret_id) && (dbs.confined || !id_from_system(name, is_group, ret_id)))
        return false;
    if (table->n < IDS_MAX) {
        struct known_id *k = xcalloc(1, sizeof *k);
        *k = (struct known_id){ .name = str_from(xstrdup(name)), .id = *ret_id };
        (void)htab_put(table, k->name, k);
    }
    return true;
}

bool db_mask_fits(struct str mask, struct str name)
{
    struct str word;
    bool has_positive = false, fits = false;
    while (str_token(&mask, ", \t", &word)) {
        bool negated = word.p[0] == '!';
        if (negated && str_glob(str_skip(word, 1), name))
            return false;
        has_positive |= !negated;
        fits |= !negated && str_glob(word, name);
    }
    return fits || !has_positive;
}

static const struct db_driver *find_driver(struct str name)
{
    const struct db_driver *const all[] = { db_passwd_file(), db_lmdb(), db_static(), db_prefetch(), db_passwd(), db_pam(), db_app_password(), db_sql(), db_ldap() };
    for (size_t i = 0; i < N_ELEMS(all); i++)
        if (str_eqz(name, all[i]->name))
            return all[i];
    return NULL;
}

static int open_db(struct db *db, bool private_instance, struct err *err)
{
    if (db_conf_check(parameter(db), db->conf, db->is_userdb, err) < 0)
        return -1;
    db->driver = find_driver(db->conf->driver);
    if (db->driver == NULL)
        return db_refuse(db, err, "this build has no such database: use another one");
    return db->driver->open(db, private_instance, err);
}

static int read_entries(const char *name, struct str text, struct db_set *set, bool is_userdb, struct err *err)
{
    struct db_entry *rows = ARENA_ARRAY(&dbs.arena, struct db_entry, DB_ENTRIES_MAX);
    if (db_conf_parse(name, text, &dbs.arena, rows, &set->n, err) < 0)
        return -1;
    for (size_t i = 0; i < set->n; i++)
        set->rows[i] = (struct db){ .conf = &rows[i], .index = i, .is_userdb = is_userdb, .follows = SIZE_MAX, .sample = STR("") };
    return 0;
}

static bool is_app_password(const struct db *db) { return !db->is_userdb && str_eqz(db->conf->driver, "app-password"); }

/*
 * App passwords come first, so that a slow database is not asked about them.
 * A right one is never the last word: the databases that follow must know the user.
 */
static int add_app_passwords(struct err *err)
{
    struct db_set *set = &dbs.passdbs;
    struct str path = str_from(authd()->conf.app_password_file);
    for (size_t i = 0; i < set->n; i++)
        if (is_app_password(&set->rows[i]))
            path = STR("");
    if (path.n > 0 && set->n == DB_ENTRIES_MAX)
        return err_set(err, ERR_CONFIG, "postern_passdb: with the app passwords there are more than %d entries: use fewer, or set postern_app_password_file = ", DB_ENTRIES_MAX);
    if (path.n > 0) {
        struct db_entry *e = ARENA_NEW(&dbs.arena, struct db_entry);
        size_t n;
        if (db_conf_parse("postern_app_password_file", str_printf(&dbs.arena, "app-password:%.*s", STR_FMT(path)), &dbs.arena, e, &n, err) < 0)
            return -1;
        memmove(&set->rows[1], &set->rows[0], set->n * sizeof set->rows[0]);
        set->rows[0] = (struct db){ .conf = e, .index = SIZE_MAX, .follows = SIZE_MAX, .sample = STR("") };
        set->n++;
    }
    for (size_t i = 0; i < set->n; i++)
        if (is_app_password(&set->rows[i])) {
            struct db_entry *e = arena_copy(&dbs.arena, set->rows[i].conf, sizeof *e);
            e->on_success = e->on_failure = e->on_internalfail = DB_CONTINUE;
            e->skip = DB_SKIP_AUTHENTICATED;
            set->rows[i].conf = e;
        }
    return 0;
}

static int open_set(struct db_set *set, bool private_instance, struct err *err)
{
    for (size_t i = 0; i < set->n; i++)
        if (open_db(&set->rows[i], private_instance, err) < 0)
            return -1;
    return 0;
}

/*
 * No postern_userdb: each password database says who its users are, with
 * PAM that is the system; what a password database says of a user whom it let
 * in ("userdb_home") comes first in any case.
 */
static void imply_userdbs(void)
{
    for (size_t i = 0; i < dbs.passdbs.n; i++) {
        const struct db *p = &dbs.passdbs.rows[i];
        if (p->conf->deny || p->conf->master || is_app_password(p))
            continue;
        struct db_entry *e = arena_copy(&dbs.arena, p->conf, sizeof *p->conf);
        e->on_success = DB_RETURN_OK;
        e->on_failure = e->on_internalfail = DB_CONTINUE;
        e->skip = DB_SKIP_NEVER;
        e->pass = false;
        e->mechanisms = e->services = e->username_filter = STR("");
        e->defaults = e->overrides = fields_make(&dbs.arena);
        e->rehash = e->rehash_query = STR("");
        e->rehash_rounds = 0;
        if (str_eqz(e->driver, "pam") || str_eqz(e->driver, "static")) {
            e->driver = str_eqz(e->driver, "pam") ? STR("passwd") : STR("static");
            e->arg = STR("");
            e->options = fields_make(&dbs.arena);
        }
        dbs.userdbs.rows[dbs.userdbs.n] = (struct db){ .conf = e, .index = dbs.userdbs.n, .is_userdb = true, .follows = p->index, .sample = STR("") };
        dbs.userdbs.n++;
    }
}

int db_open_all(bool private_instance, const char *config_dir, struct err *err)
{
    const struct authd_conf *conf = &authd()->conf;
    struct buf own = buf_make(0);
    struct str text = str_from(conf->passdb);
    dbs.arena = arena_make(CONF_ARENA_MAX);
    if (text.n == 0 && private_instance) {
        buf_printf(&own, "passwd-file:%s/passwd", config_dir);
        text = buf_str(&own);
    } else if (text.n == 0) {
        text = STR("pam");
    }
    int rc = read_entries("postern_passdb", text, &dbs.passdbs, false, err);
    if (rc == 0)
        rc = add_app_passwords(err);
    if (rc == 0)
        rc = read_entries("postern_userdb", str_from(conf->userdb), &dbs.userdbs, true, err);
    if (rc == 0 && dbs.userdbs.n == 0)
        imply_userdbs();
    if (rc == 0)
        rc = open_set(&dbs.passdbs, private_instance, err) < 0 || open_set(&dbs.userdbs, private_instance, err) < 0 ? -1 : 0;
    buf_done(&own);
    dbs.confined = true;
    return rc;
}
