/* SPDX-License-Identifier: ISC
 *
 * Users of a passwd-file: "name:{SHA512-CRYPT}hash:uid:gid::home::". Beside it
 * two sources of tables are kept when the configuration uses them: mailboxes
 * (virtual_mailbox_maps) and virtual (virtual_alias_maps), for the address.
 */
#include "auth/db_conf.h"
#include "auth/passwd_file.h"
#include "auth/scheme.h"
#include "base/enc.h"
#include "conf/lex.h"
#include "conf/param.h"
#include "conf/save.h"
#include "map/build.h"
#include "password.h"
#include "postern.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_LENGTH = 128, USERS_FILE_MAX = 64 << 20 };

struct users {
    struct config *config;
    struct arena arena;
    const char *passwd;         /* path of the password file */
    struct err *err;
};

static bool name_is_good(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > NAME_MAX_LENGTH || !ascii_is_alnum(name[0]))
        return false;
    for (const char *p = name; *p != '\0'; p++)
        if (!ascii_is_digit(*p) && !(*p >= 'a' && *p <= 'z') && strchr("._-@", *p) == NULL)
            return false;
    return true;
}

static const char *param(struct users *u, const char *name)
{
    const char *value = config_get(u->config, name, u->err);
    return value == NULL ? "" : value;
}

/* The file that postern_passdb names: its first one. */
static int find_passwd(struct users *u)
{
    struct db_entry *rows = ARENA_ARRAY(&u->arena, struct db_entry, DB_ENTRIES_MAX);
    size_t n = 0;
    if (db_conf_parse("postern_passdb", str_from(param(u, "postern_passdb")), &u->arena, rows, &n, u->err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        /* Not a list of masters or of those who are refused, and one file. */
        bool is_plain = str_eqz(rows[i].driver, "passwd-file") && !rows[i].deny && !rows[i].master && str_chr(rows[i].arg, '%') < 0;
        if (is_plain) {
            u->passwd = str_to_cstr(&u->arena, rows[i].arg);
            return 0;
        }
    }
    if (strcmp(param(u, "postern_private"), "yes") == 0 || geteuid() != 0) {
        u->passwd = str_printf(&u->arena, "%s/passwd", config_dir(u->config)).p;
        return 0;
    }
    return err_set(u->err, ERR_CONFIG, "%s/main.cf: postern_passdb names no password file; set postern_passdb = passwd-file:%s/passwd, pam",
                   config_dir(u->config), config_dir(u->config));
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
    return access(path, F_OK) < 0 && errno == ENOENT ? 0 : lex_read_file(path, USERS_FILE_MAX, out, err);
}

/* Does this line belong to key? Its first field, up to one of seps, is the key. */
static bool line_has_key(struct str line, const char *key, const char *seps)
{
    struct str k = str_from(key);
    return str_starts(line, k) && line.n > k.n && strchr(seps, line.p[k.n]) != NULL;
}

/* Writes path anew without the key's lines, and with `line` (unless NULL) at the end. ret_had: were there any? */
static int replace_lines(const char *path, const char *key, const char *seps, const char *line, unsigned mode, bool *ret_had, struct err *err)
{
    struct buf old = buf_make(0), new = buf_make(0);
    int rc = read_file(path, &old, err);
    struct str rest = buf_str(&old), one;
    *ret_had = false;
    while (rc == 0 && rest.n > 0) {
        (void)str_cut(rest, '\n', &one, &rest);
        if (line_has_key(one, key, seps)) {
            *ret_had = true;
            continue;
        }
        buf_add(&new, one);
        buf_putc(&new, '\n');
    }
    if (line != NULL)
        buf_printf(&new, "%s\n", line);
    if (rc == 0 && (line != NULL || *ret_had))
        rc = conf_save(path, buf_str(&new), mode, err);
    secret_wipe(old.p, old.n);
    secret_wipe(new.p, new.n);
    buf_done(&old);
    buf_done(&new);
    return rc;
}

/* Rebuilds path.lmdb, so that running daemons see the change at once. */
static int rebuild(struct users *u, const char *path)
{
    const struct build b = { .fold = true, .with_nul = true, .duplicates = BUILD_IGNORE, .mode = 0644, .map_size = map_lmdb_size(u->config) };
    return map_build_file(&b, path, str_printf(&u->arena, "%s.lmdb", path).p, u->err);
}

static bool uses(struct users *u, const char *name, const char *path)
{
    return strstr(param(u, name), path) != NULL;
}

static const char *address_of(struct users *u, const char *name)
{
    struct str domains = str_from(param(u, "virtual_mailbox_domains")), first;
    if (strchr(name, '@') != NULL)
        return name;
    if (!str_token(&domains, ", \t", &first) || str_chr(first, ':') >= 0 || str_chr(first, '/') >= 0)
        first = str_from(param(u, "mydomain"));
    return str_printf(&u->arena, "%s@%.*s", name, STR_FMT(first)).p;
}

/* $config_directory/mailboxes and virtual, as "postern try" has set them up. */
static int update_tables(struct users *u, const char *name, bool add)
{
    const char *dir = config_dir(u->config), *address = address_of(u, name);
    const char *boxes = str_printf(&u->arena, "%s/mailboxes", dir).p, *virtual = str_printf(&u->arena, "%s/virtual", dir).p;
    struct str domain, local;
    bool had;
    if (uses(u, "virtual_mailbox_maps", boxes)) {
        const char *line = add ? str_printf(&u->arena, "%s %s/Maildir/", address, name).p : NULL;
        if (replace_lines(boxes, address, " \t", line, 0644, &had, u->err) < 0 || rebuild(u, boxes) < 0)
            return -1;
    }
    if (!add || !uses(u, "virtual_alias_maps", virtual))
        return 0;
    struct buf text = buf_make(0);
    (void)str_cut(str_from(address), '@', &local, &domain);
    int rc = read_file(virtual, &text, u->err);
    if (rc == 0 && str_find(buf_str(&text), STR("\npostmaster@")) < 0) {
        const char *key = str_printf(&u->arena, "postmaster@%.*s", STR_FMT(domain)).p;
        rc = replace_lines(virtual, key, " \t", str_printf(&u->arena, "%s %s", key, address).p, 0644, &had, u->err);
        if (rc == 0)
            rc = rebuild(u, virtual);
    }
    buf_done(&text);
    return rc;
}

static void make_home(struct users *u, const char *home)
{
    if (strcmp(param(u, "postern_private"), "yes") == 0)
        (void)mkdir(home, 0700);
}

static int add(struct users *u, const char *name)
{
    char password[PASSWORD_MAX + 2];
    struct buf hash = buf_make(0);
    bool had = false;
    int rc = password_ask("Password", true, password, u->err);
    if (rc == 0 && password[0] == '\0')
        rc = err_set(u->err, ERR_PERM, "no password: give one line on standard input");
    if (rc == 0)
        rc = scheme_make(STR("SHA512-CRYPT"), str_from(password), STR(""), 0, &hash, u->err);
    secret_wipe(password, sizeof password);
    if (rc == 0) {
        const char *base = param(u, "virtual_mailbox_base"), *uid = param(u, "postern_mail_uid"), *gid = param(u, "postern_mail_gid");
        const char *home = *base == '\0' ? "" : str_printf(&u->arena, "%s/%s", base, name).p;
        bool numbers = *uid != '\0' && *gid != '\0';
        const char *line = str_printf(&u->arena, "%s:%s:%s:%s::%s::", name, buf_cstr(&hash), numbers ? uid : "", numbers ? gid : "", home).p;
        rc = replace_lines(u->passwd, name, ":", line, 0600, &had, u->err);
        if (rc == 0 && *home != '\0')
            make_home(u, home);
    }
    buf_done(&hash);
    if (rc == 0)
        rc = update_tables(u, name, true);
    if (rc == 0)
        printf("%s: %s\n", name, had ? "password changed" : "added");
    return rc;
}

static int delete(struct users *u, const char *name)
{
    bool had;
    if (replace_lines(u->passwd, name, ":", NULL, 0600, &had, u->err) < 0)
        return -1;
    if (!had)
        return err_set(u->err, ERR_PERM, "no user %s in %s", name, u->passwd);
    if (update_tables(u, name, false) < 0)
        return -1;
    printf("%s: deleted; the mail is kept\n", name);
    return 0;
}

static int list(struct users *u)
{
    struct buf text = buf_make(0);
    int rc = read_file(u->passwd, &text, u->err);
    struct str rest = buf_str(&text), line, name;
    while (rc == 0 && rest.n > 0) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (line.n > 0 && line.p[0] != '#' && str_cut(line, ':', &name, &line))
            printf("%.*s\n", STR_FMT(name));
    }
    secret_wipe(text.p, text.n);
    buf_done(&text);
    return rc;
}

static int locked(struct users *u, const char *action, const char *name)
{
    if (strcmp(action, "list") == 0)
        return list(u);
    if (!name_is_good(name))
        return err_set(u->err, ERR_PERM, "\"%s\": a user name has small letters, digits and . _ - @, and begins with a letter or digit", name);
    /* The same lock as authd's (rehash). */
    ptrdiff_t slash = str_rchr(str_from(u->passwd), '/');
    const char *parent = slash <= 0 ? "/" : str_printf(&u->arena, "%.*s", (int)slash, u->passwd).p;
    int lock = passwd_dir_lock(AT_FDCWD, parent, 10000, u->err);
    if (lock < 0)
        return err_prefix(u->err, "%s", parent);
    int rc = strcmp(action, "add") == 0 ? add(u, name) : delete(u, name);
    (void)close(lock);
    return rc;
}

int user_command(const char *dir, const char *action, const char *name, struct err *err)
{
    struct users u = { .arena = arena_make(16 << 20), .err = err };
    u.config = config_load(config_dir_choose(dir), err);
    int rc = u.config == NULL || find_passwd(&u) < 0 ? -1 : locked(&u, action, name);
    config_free(u.config);
    arena_done(&u.arena);
    return rc;
}
