/* SPDX-License-Identifier: ISC
 *
 * App passwords: one line each in the file of postern_app_password_file.
 */
#include "auth/app_password.h"
#include "auth/passwd_file.h"
#include "auth/scheme.h"
#include "base/enc.h"
#include "base/num.h"
#include "conf/lex.h"
#include "conf/param.h"
#include "conf/save.h"
#include "os/clock.h"
#include "postern.h"
#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { APP_FILE_MAX = 64 << 20, DAY = 86400, DAYS_MAX = 36500 };

struct apps {
    struct config *config;
    struct arena arena;
    const char *path;
    struct buf text;            /* of the file */
    const struct app_args *args;
    struct err *err;
};

static bool name_is_good(const char *name)
{
    for (const char *p = name; *p != '\0'; p++)
        if (*p == ':' || (unsigned char)*p <= ' ' || *p == 0x7f)
            return false;
    return *name != '\0' && strlen(name) <= 255;
}

static const char *param(struct apps *a, const char *name, const char *def)
{
    const char *value = config_get(a->config, name, a->err);
    return value == NULL ? def : value;
}

static int find_file(struct apps *a)
{
    struct buf path = buf_make(4000);
    const char *set = param(a, "postern_app_password_file", "$config_directory/app-passwords");
    int rc = config_expand(a->config, str_from(set), &path, a->err);
    if (rc == 0 && (path.n == 0 || path.full))
        rc = err_set(a->err, ERR_CONFIG, "%s/main.cf: postern_app_password_file is empty: app passwords are off; remove the line", config_dir(a->config));
    a->path = rc == 0 ? str_to_cstr(&a->arena, buf_str(&path)) : "";
    buf_done(&path);
    return rc;
}

static int load(struct apps *a)
{
    buf_reset(&a->text);
    return access(a->path, F_OK) < 0 && errno == ENOENT ? 0 : lex_read_file(a->path, APP_FILE_MAX, &a->text, a->err);
}

/* authd reads it, and nobody else: made for its group, unless this is a private instance. */
static int save(struct apps *a, struct str text)
{
    bool is_new = access(a->path, F_OK) < 0;
    if (conf_save(a->path, text, 0600, a->err) < 0)
        return -1;
    const struct passwd *pw = geteuid() == 0 && strcmp(param(a, "postern_private", "no"), "yes") != 0 ? getpwnam(param(a, "postern_auth_user", "postern-auth")) : NULL;
    if (is_new && pw != NULL && (chown(a->path, 0, pw->pw_gid) < 0 || chmod(a->path, 0640) < 0))
        return err_sys(a->err, ERR_PERM, "%s", a->path);
    return 0;
}

static bool is_of(const struct app_password *p, const char *user, const char *name)
{
    return str_eqz(p->user, user) && (name == NULL || str_eqz(p->name, name));
}

/* How many this user has, and whether one has this name. */
static size_t count(struct apps *a, bool *ret_has)
{
    struct str rest = buf_str(&a->text), line;
    struct app_password p;
    size_t n = 0;
    *ret_has = false;
    while (rest.n > 0) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (!app_password_parse(line, &p) || !is_of(&p, a->args->user, NULL))
            continue;
        n++;
        *ret_has |= str_eqz(p.name, a->args->name);
    }
    return n;
}

static int check_args(struct apps *a, int64_t *ret_expires)
{
    const struct app_args *g = a->args;
    struct str rest = str_from(g->networks), word, host, bits;
    uint32_t days = 0;
    if (!name_is_good(g->user))
        return err_set(a->err, ERR_PERM, "\"%s\": a user name has no colon, blank or control character", g->user);
    if (!app_password_name_good(str_from(g->name)))
        return err_set(a->err, ERR_PERM, "\"%s\": the name of an app password has letters, digits, . _ - and blanks inside, at most %d", g->name, APP_NAME_MAX);
    if (*g->services != '\0' && !app_password_services_good(str_from(g->services)))
        return err_set(a->err, ERR_PERM, "--services %s: imap, pop3, smtp and sieve are known, with commas between them", g->services);
    while (str_token(&rest, ",", &word)) {
        (void)str_cut(word, '/', &host, &bits);
        if (str_chr(word, ' ') >= 0 || !allow_nets_match(word, host))
            return err_set(a->err, ERR_PERM, "--networks %.*s: ADDRESS or ADDRESS/BITS is needed, with commas between them", STR_FMT(word));
    }
    if (*g->days != '\0' && (!num_parse_u32(str_from(g->days), DAYS_MAX, &days) || days == 0))
        return err_set(a->err, ERR_PERM, "--days %s: a number from 1 to %d is needed", g->days, DAYS_MAX);
    *ret_expires = days == 0 ? 0 : clock_wall_ms() / 1000 + (int64_t)days * DAY;
    return 0;
}

static int add_line(struct apps *a, const struct app_password *p)
{
    if (a->text.n > 0 && a->text.p[a->text.n - 1] != '\n')
        buf_putc(&a->text, '\n');
    app_password_put(p, &a->text);
    buf_putc(&a->text, '\n');
    return save(a, buf_str(&a->text));
}

static int add(struct apps *a)
{
    struct buf shown = buf_make(0), stored = buf_make(0);
    char normal[APP_PASSWORD_LETTERS];
    struct app_password p = { .user = str_from(a->args->user), .name = str_from(a->args->name), .services = str_from(a->args->services),
                              .networks = str_from(a->args->networks), .created = clock_wall_ms() / 1000 };
    bool has;
    if (check_args(a, &p.expires) < 0)
        return -1;
    if (count(a, &has) >= APP_PASSWORDS_PER_USER_MAX)
        return err_set(a->err, ERR_LIMIT, "%s has %d app passwords, which is the most: delete one", a->args->user, APP_PASSWORDS_PER_USER_MAX);
    if (has)
        return err_set(a->err, ERR_PERM, "%s has an app password \"%s\": delete it first, or choose another name", a->args->user, a->args->name);
    app_password_make(&shown);
    ASSERT(app_password_normal(buf_str(&shown), normal));
    int rc = scheme_make(STR("SSHA256"), str_make(normal, sizeof normal), STR(""), 0, &stored, a->err);
    p.stored = buf_str(&stored);
    if (rc == 0)
        rc = add_line(a, &p);
    if (rc == 0)
        printf("%s\n", buf_cstr(&shown));
    secret_wipe(normal, sizeof normal);
    secret_wipe(shown.p, shown.n);
    buf_done(&shown);
    buf_done(&stored);
    return rc;
}

static int delete(struct apps *a)
{
    struct buf kept = buf_make(0);
    struct str rest = buf_str(&a->text), line;
    struct app_password p;
    size_t n = 0;
    while (rest.n > 0) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (app_password_parse(line, &p) && is_of(&p, a->args->user, strcmp(a->args->name, "--all") == 0 ? NULL : a->args->name)) {
            n++;
            continue;
        }
        buf_add(&kept, line);
        buf_putc(&kept, '\n');
    }
    int rc = n == 0 ? err_set(a->err, ERR_PERM, "%s has no app password \"%s\"", a->args->user, a->args->name) : save(a, buf_str(&kept));
    buf_done(&kept);
    return rc;
}

static const char *day(int64_t t, char text[16])
{
    struct tm tm;
    time_t when = (time_t)t;
    if (t == 0 || gmtime_r(&when, &tm) == NULL || strftime(text, 16, "%Y-%m-%d", &tm) == 0)
        return "-";
    return text;
}

static int list(struct apps *a)
{
    struct str rest = buf_str(&a->text), line;
    struct app_password p;
    while (rest.n > 0) {
        char made[16], until[16];
        (void)str_cut(rest, '\n', &line, &rest);
        if (!app_password_parse(line, &p) || (a->args->user != NULL && !is_of(&p, a->args->user, NULL)))
            continue;
        printf("%.*s\t%.*s\t%.*s\t%.*s\t%s\t%s\n", STR_FMT(p.user), STR_FMT(p.name), STR_FMT(p.services.n > 0 ? p.services : STR("*")),
               STR_FMT(p.networks.n > 0 ? p.networks : STR("*")), day(p.created, made), day(p.expires, until));
    }
    return 0;
}

static int locked(struct apps *a)
{
    if (strcmp(a->args->action, "app-list") == 0)
        return load(a) < 0 ? -1 : list(a);
    int lock = conf_lock(str_printf(&a->arena, "%s.lock", a->path).p, a->err);
    int rc = lock < 0 || load(a) < 0 ? -1 : strcmp(a->args->action, "app-add") == 0 ? add(a) : delete(a);
    if (lock >= 0)
        (void)close(lock);
    return rc;
}

int app_command(const char *dir, const struct app_args *args, struct err *err)
{
    struct apps a = { .arena = arena_make(1 << 20), .text = buf_make(0), .args = args, .err = err };
    a.config = config_load(config_dir_choose(dir), err);
    int rc = a.config == NULL || find_file(&a) < 0 ? -1 : locked(&a);
    config_free(a.config);
    buf_done(&a.text);
    arena_done(&a.arena);
    return rc;
}
