/* SPDX-License-Identifier: ISC
 *
 * db_app_password.c - app-password:/path, the file of app_password.h. It is asked
 * before all other passdbs unless postern_passdb names it elsewhere. It never lets anyone in by
 * itself: a right app password stands for the account's own, and what comes after it in
 * postern_passdb must still know the user, and may still say no (nologin, allow_nets,
 * an expired account). The file may be missing.
 */
#include "auth/app_password.h"
#include "auth/scheme.h"
#include "authd.h"
#include "base/enc.h"
#include "base/htab.h"
#include "db.h"
#include "os/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { FILE_MAX = 64 << 20, FILE_ARENA_MAX = 128 << 20 };

/* One user's, linked in the order of the file. */
struct entry { struct app_password app; struct entry *next; };

struct app_file {
    int dir_fd;
    const char *name;
    struct str path;
    bool there, complained;
    struct stat seen;
    struct arena arena;
    struct htab by_user;
};

static void forget(struct app_file *f)
{
    htab_done(&f->by_user);
    f->by_user = (struct htab){ 0 };
    arena_done(&f->arena);
    f->there = false;
}

static void add_line(struct app_file *f, struct str line, size_t number)
{
    struct app_password a;
    if (line.n == 0 || line.p[0] == '#')
        return;
    if (!app_password_parse(line, &a)) {
        log_warning("%.*s: line %zu is no app password: left out", STR_FMT(f->path), number);
        return;
    }
    struct entry *e = ARENA_NEW(&f->arena, struct entry), *first = htab_get(&f->by_user, a.user);
    e->app = a;
    e->next = first;
    (void)htab_put(&f->by_user, e->app.user, e);
}

static bool load(struct app_file *f, const struct stat *st)
{
    int fd = openat(f->dir_fd, f->name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || !S_ISREG(st->st_mode) || st->st_size > FILE_MAX) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    struct arena fresh = arena_make(FILE_ARENA_MAX);
    size_t n = (size_t)st->st_size, at = 0;
    char *p = arena_alloc(&fresh, n + 1);
    ssize_t got = 1;
    while (at < n && (got = read(fd, p + at, n - at)) > 0)
        at += (size_t)got;
    close(fd);
    if (at < n) {
        arena_done(&fresh);
        return false;
    }
    forget(f);
    f->arena = fresh;
    struct str rest = str_make(p, n), line;
    for (size_t number = 1; rest.n > 0; number++) {
        (void)str_cut(rest, '\n', &line, &rest);
        add_line(f, line, number);
    }
    f->there = true;
    f->seen = *st;
    return true;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* False: it is there and cannot be read; what was read before must not go on letting in whom it may have revoked. */
static bool refresh(struct app_file *f)
{
    struct stat st;
    bool ok = fstatat(f->dir_fd, f->name, &st, 0) == 0;
    if (!ok && errno == ENOENT) {
        if (f->there)
            forget(f);
        return true;
    }
    if (ok && f->there && same_file(&st, &f->seen))
        return true;
    ok = ok && load(f, &st);
    if (!ok && !f->complained)
        log_warning("%.*s: cannot be read: app passwords do not work; let the user of authd read it", STR_FMT(f->path));
    if (!ok)
        forget(f);
    f->complained = !ok;
    return ok;
}

/* The one that this is, of those that are this user's. All are tried, so that the time tells nothing. */
static const struct app_password *find(const struct app_file *f, struct str user, struct str password)
{
    const struct app_password *found = NULL;
    for (const struct entry *e = htab_get(&f->by_user, user); e != NULL; e = e->next) {
        struct scheme s = scheme_split(e->app.stored);
        if (scheme_kind(&s) == SCHEME_CHEAP && scheme_verify(&s, password) == SCHEME_MATCH)
            found = &e->app;
    }
    return found;
}

static void step(struct db_step *s)
{
    struct app_file *f = s->db->state;
    char normal[APP_PASSWORD_LETTERS];
    s->text = "";
    if (s->query->kind != DB_VERIFY || !app_password_normal(s->vars.password, normal) || !refresh(f)) {
        s->done(s, VERDICT_UNKNOWN);
        return;
    }
    const struct app_password *a = find(f, s->vars.user, str_make(normal, sizeof normal));
    const char *why = a == NULL ? NULL : app_password_refusal(a, s->vars.service, s->vars.remote, clock_wall_ms() / 1000);
    secret_wipe(normal, sizeof normal);
    if (a == NULL)
        s->text = "no such app password";
    if (why != NULL)
        db_step_say(s, "app password \"%.*s\" %s", STR_FMT(a->name), why);
    else if (a != NULL)
        db_log(s, str_printf(s->query->arena, "app password \"%.*s\" for %.*s", STR_FMT(a->name), STR_FMT(s->vars.service)).p);
    s->done(s, a == NULL ? VERDICT_UNKNOWN : why != NULL ? VERDICT_MISMATCH : VERDICT_MATCH);
}

static int open_db(struct db *db, bool private_instance, struct err *err)
{
    struct app_file *f = xcalloc(1, sizeof *f);
    (void)private_instance;
    if ((f->dir_fd = db_open_dir(db, db->conf->arg, &f->name, err)) < 0) {
        free(f);
        return -1;
    }
    f->path = db->conf->arg;
    db->state = f;
    (void)refresh(f);
    return 0;
}

const struct db_driver *db_app_password(void)
{
    static const struct db_driver driver = { .name = "app-password", .verifies = true, .is_passdb = true, .open = open_db, .step = step };
    return &driver;
}
