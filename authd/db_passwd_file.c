/* SPDX-License-Identifier: ISC
 *
 * db_passwd_file.c - passwd-file:/path. A path with variables is a file per
 * domain or user: below the last directory whose name is fixed, opened when it
 * is asked for, and a user whose file is not there is unknown.
 */
#include "authd.h"
#include "base/htab.h"
#include "db.h"
#include "event/offload.h"
#include "os/sandbox.h"
#include "rehash.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { FILES_MAX = 4096 };

struct open_file { struct str name; struct passwd_file *file; bool complained; };
struct files {
    int dir_fd;
    struct str dir, pattern;        /* pattern: below dir; a plain name if there is but one file */
    bool is_pattern;
    struct htab by_name;
};

/* Files that passdb and userdb read are opened once. */
static struct { struct files *rows[2 * DB_ENTRIES_MAX]; struct str paths[2 * DB_ENTRIES_MAX]; size_t n; } shared;

static void forget_all(struct files *f)
{
    size_t pos = 0;
    struct open_file *o;
    while ((o = htab_each(&f->by_name, &pos)) != NULL) {
        passwd_file_free(o->file);
        void *name;
        memcpy(&name, &o->name.p, sizeof name);
        free(name);
        free(o);
    }
    htab_done(&f->by_name);
    f->by_name = (struct htab){ 0 };
}

static void say_bad_lines(const struct passwd_file *file, const char *path)
{
    size_t first, bad = passwd_file_bad_lines(file, &first);
    if (bad > 0)
        log_warning("%s: %zu lines are not entries, the first is line %zu", path, bad, first);
}

static struct open_file *open_one(struct files *f, struct str name, struct err *err)
{
    struct buf z = buf_make(0), path = buf_make(0);
    int fd = dup(f->dir_fd);
    buf_add(&z, name);
    buf_printf(&path, "%.*s/%.*s", STR_FMT(f->dir), STR_FMT(name));
    struct passwd_file *file = fd < 0 ? NULL : passwd_file_open(fd, buf_cstr(&z), buf_cstr(&path), err);
    struct open_file *o = NULL;
    if (file != NULL) {
        if (f->by_name.n >= FILES_MAX)
            forget_all(f);
        o = xcalloc(1, sizeof *o);
        *o = (struct open_file){ .name = str_make(xstrdup(buf_cstr(&z)), name.n), .file = file };
        (void)htab_put(&f->by_name, o->name, o);
        say_bad_lines(file, buf_cstr(&path));
    }
    buf_done(&z);
    buf_done(&path);
    return o;
}

static void refresh(struct files *f, struct open_file *o)
{
    struct err err;
    int rc = passwd_file_refresh(o->file, &err);
    if (rc == 0) {
        o->complained = false;
        return;
    }
    struct buf path = buf_make(0);
    buf_printf(&path, "%.*s/%.*s", STR_FMT(f->dir), STR_FMT(o->name));
    switch (rc) {
    case 1:
        log_info("%s: read again, %zu users", buf_cstr(&path), passwd_file_count(o->file));
        say_bad_lines(o->file, buf_cstr(&path));
        break;
    default:
        if (!o->complained)
            log_warning("%s: the users read before stay in force", err.text);
        o->complained = true;
    }
    buf_done(&path);
}

static bool is_missing(const struct files *f, struct str name)
{
    char z[4096];
    struct stat st;
    return str_to_fixed(name, z, sizeof z) && fstatat(f->dir_fd, z, &st, 0) != 0 && (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG);
}

/* NULL: there is no such file, or (*ret_verdict) one that cannot be read: who stands in it, nobody knows. */
static struct open_file *file_for(struct db_step *s, enum auth_verdict *ret_verdict)
{
    *ret_verdict = VERDICT_UNKNOWN;
    struct files *f = s->db->state;
    struct buf expanded = buf_make(1024);
    struct err err;
    const char *why = NULL;
    struct open_file *o = NULL;
    bool ok = !f->is_pattern || (var_expand(f->pattern, &s->query->vars, account_escape, &s->query->vars, &expanded, &why) && !expanded.full);
    struct str name = f->is_pattern ? buf_str(&expanded) : f->pattern;
    if (ok && (o = htab_get(&f->by_name, name)) != NULL)
        refresh(f, o);
    else if (ok && (o = open_one(f, name, &err)) == NULL && !is_missing(f, name)) {
        db_step_say(s, "%s: let the user of authd read it", err.text);
        *ret_verdict = VERDICT_TEMPFAIL;
    }
    buf_done(&expanded);
    return o;
}

/* Values may hold variables. */
static bool add_extra(struct db_step *s, struct str extra)
{
    struct str word, name, value;
    while (str_token(&extra, " \t\r", &word)) {
        bool has_value = str_cut(word, '=', &name, &value);
        if (s->db->is_userdb && str_starts(name, STR("userdb_")))
            name = str_skip(name, 7);
        if (!db_found_field(s, name, has_value ? value : STR("yes")))
            return false;
    }
    return true;
}

static void set_column(struct db_step *s, const char *name, struct str value)
{
    if (value.n > 0)
        (void)fields_set(&s->found, str_from(name), value);
}

/* ---- a new stored password ---- */

/* Where a user's line is. */
struct place { struct str file, key; };

static struct place *place_of(struct arena *arena, struct str file, struct str key)
{
    struct place *p = ARENA_NEW(arena, struct place);
    *p = (struct place){ str_dup(arena, file), str_dup(arena, key) };
    return p;
}

static bool keep(struct db_step *s, struct rehash *r)
{
    const struct place *p = s->driver_state;
    if (p != NULL)
        r->driver_state = place_of(&r->arena, p->file, p->key);
    return p != NULL;
}

/* On a thread: it waits for a lock and for the disk. */
struct saving { struct job job; struct rehash *rehash; int dir_fd; const char *file; struct str key, old, new; enum passwd_save result; struct err err; };

static void save(struct job *job)
{
    struct saving *v = container_of(job, struct saving, job);
    v->result = passwd_file_save(v->dir_fd, v->file, v->key, v->old, v->new, &v->err);
}

static void on_saved(struct job *job)
{
    struct saving *v = container_of(job, struct saving, job);
    const struct files *f = v->rehash->db->state;
    struct buf why = buf_make(0);
    buf_printf(&why, "%.*s: %s", STR_FMT(f->dir), v->err.text);
    rehash_stored(v->rehash, v->result == PASSWD_CHANGED, v->result == PASSWD_FAILED ? buf_cstr(&why) : NULL);
    buf_done(&why);
    free(v);
}

static void store(struct rehash *r)
{
    const struct files *f = r->db->state;
    const struct place *p = r->driver_state;
    struct saving *v = xcalloc(1, sizeof *v);
    *v = (struct saving){ .rehash = r, .dir_fd = f->dir_fd, .file = str_to_cstr(&r->arena, p->file), .key = p->key, .old = r->raw, .new = r->fresh };
    offload_submit(&v->job, save, on_saved);
}

/*
 * The one directory that authd may write in: the file is made anew beside itself. It must be authd's own, and hold
 * nothing by which more than passwords could be changed.
 */
static int allow_writing(const struct db *db, const struct files *f, struct err *err)
{
    struct stat st;
    struct buf dir = buf_make(0);
    int rc = 0;
    buf_printf(&dir, "%s%.*s", f->dir.n == 0 ? "/" : "", STR_FMT(f->dir));
    if (fstat(f->dir_fd, &st) < 0)
        rc = db_refuse(db, err, "%s: %s", buf_cstr(&dir), strerror(errno));
    else if (st.st_uid != authd()->uid)
        rc = db_refuse(db, err, "rehash: the file is written anew in %s, which belongs to another user: give the directory and the file to "
                       "postern_auth_user (chown), or remove rehash", buf_cstr(&dir));
    else if (faccessat(f->dir_fd, "main.cf", F_OK, 0) == 0 || f->dir.n == 0)
        rc = db_refuse(db, err, "rehash: authd would have to write in %s, beside other files: move the password file to a directory of its own", buf_cstr(&dir));
    else
        daemon_allow_path(buf_cstr(&dir), SANDBOX_READ | SANDBOX_WRITE);
    buf_done(&dir);
    return rc;
}

/* ---- questions ---- */

static void step(struct db_step *s)
{
    /* username_format says under which name the user stands in the file; paths and fields are of the whole name. */
    struct str key = s->vars.user;
    s->vars.user = s->query->vars.user;
    enum auth_verdict verdict;
    struct open_file *o = file_for(s, &verdict);
    const struct passwd_entry *e = o == NULL ? NULL : passwd_file_find(o->file, key);
    struct str sample = o == NULL ? STR("") : passwd_file_sample(o->file);
    if (sample.n > 0 && !s->db->is_userdb)
        verify_keep_sample(s->db, sample);
    if (e == NULL) {
        s->done(s, o == NULL ? verdict : VERDICT_UNKNOWN);
        return;
    }
    if (s->db->is_userdb) {
        set_column(s, "uid", e->uid);
        set_column(s, "gid", e->gid);
        set_column(s, "home", e->home);
        s->vars.home = e->home;
    } else {
        s->stored = str_dup(s->query->arena, e->password);
        s->has_stored = true;
        if (s->db->conf->rehash.n > 0)
            s->driver_state = place_of(s->query->arena, o->name, key);
    }
    s->done(s, add_extra(s, e->extra) ? VERDICT_MATCH : VERDICT_TEMPFAIL);
}

static void list(struct db *db, struct db_list *l, void (*over)(struct db_list *l, bool complete))
{
    struct files *f = db->state;
    struct open_file *o = f->is_pattern ? NULL : htab_get(&f->by_name, f->pattern);
    size_t pos = 0;
    const struct passwd_entry *e;
    if (o != NULL)
        refresh(f, o);
    while (o != NULL && (e = passwd_file_each(o->file, &pos)) != NULL)
        l->on_user(l, e->user);
    if (f->is_pattern)
        log_as("dovecot", LOG_ERROR_LEVEL, "auth: passwd-file: %.*s/%.*s: users are not listed where the path has variables", STR_FMT(f->dir), STR_FMT(f->pattern));
    over(l, o != NULL);
}

/* The directory up to which the path is fixed, and the rest. */
static int split_path(struct db *db, struct files *f, struct err *err)
{
    struct str path = db->conf->arg;
    ptrdiff_t percent = str_chr(path, '%');
    struct str fixed = percent < 0 ? path : str_head(path, (size_t)percent);
    ptrdiff_t slash = str_rchr(fixed, '/');
    f->is_pattern = percent >= 0;
    f->dir = str_head(path, (size_t)slash);
    f->pattern = str_skip(path, (size_t)slash + 1);
    struct buf dir = buf_make(0);
    const char *name;
    buf_printf(&dir, "%.*s/file", STR_FMT(f->dir));
    f->dir_fd = db_open_dir(db, buf_str(&dir), &name, err);
    buf_done(&dir);
    return f->dir_fd < 0 ? -1 : 0;
}

/*
 * A directory of domains may be one of links (to /home/USER/conf/mail/DOMAIN): where they lead is allowed, too, each
 * directory that the targets lie in. Of many, their common one, so that links of later do not need a reload either.
 */
enum { LINK_DIRS_MAX = 32 };
struct link_dirs { size_t n; char *rows[LINK_DIRS_MAX]; char *common; };

/* Cut to what both have, at a '/'. */
static void cut_common(char *common, const char *dir)
{
    size_t n = 0, at = 0;
    for (; common[n] != '\0' && common[n] == dir[n]; n++)
        if (common[n] == '/')
            at = n;
    bool is_whole = common[n] == '\0' && (dir[n] == '\0' || dir[n] == '/');
    if (!is_whole)
        common[dir[n] == '\0' && common[n] == '/' ? n : at] = '\0';
}

static void note_link(struct link_dirs *l, const char *path)
{
    char *target = realpath(path, NULL), *slash = target == NULL ? NULL : strrchr(target, '/');
    if (slash == NULL || slash == target) {
        free(target);
        return;
    }
    *slash = '\0';
    if (l->common == NULL)
        l->common = xstrdup(target);
    else
        cut_common(l->common, target);
    for (size_t i = 0; i < MIN(l->n, (size_t)LINK_DIRS_MAX); i++)
        if (strcmp(l->rows[i], target) == 0) {
            free(target);
            return;
        }
    if (l->n < LINK_DIRS_MAX)
        l->rows[l->n] = target;
    else
        free(target);
    l->n++;
}

static void find_links(const struct files *f, struct link_dirs *l)
{
    int fd = openat(f->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        struct buf path = buf_make(0);
        buf_printf(&path, "%.*s/%s", STR_FMT(f->dir), e->d_name);
        bool is_ours = f->is_pattern || str_eqz(f->pattern, e->d_name);
        if (is_ours && fstatat(f->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
            note_link(l, buf_cstr(&path));
        buf_done(&path);
    }
    if (d != NULL)
        closedir(d);
    else if (fd >= 0)
        close(fd);
}

static void allow_links(const struct files *f)
{
    struct link_dirs l = { .n = 0 };
    find_links(f, &l);
    for (size_t i = 0; i < l.n && l.n <= LINK_DIRS_MAX; i++)
        daemon_allow_path(l.rows[i], SANDBOX_READ);
    if (l.n > LINK_DIRS_MAX && l.common[0] != '\0')
        daemon_allow_path(l.common, SANDBOX_READ);
    else if (l.n > LINK_DIRS_MAX)
        log_warning("%.*s: its links lead to more directories than can be allowed: passwd-files there cannot be read", STR_FMT(f->dir));
    for (size_t i = 0; i < MIN(l.n, (size_t)LINK_DIRS_MAX); i++)
        free(l.rows[i]);
    free(l.common);
}

static int open_db(struct db *db, bool private_instance, struct err *err)
{
    struct err why;
    (void)private_instance;
    for (size_t i = 0; i < shared.n; i++)
        if (str_eq(shared.paths[i], db->conf->arg)) {
            db->state = shared.rows[i];
            return db->conf->rehash.n > 0 ? allow_writing(db, db->state, err) : 0;
        }
    struct files *f = xcalloc(1, sizeof *f);
    if (split_path(db, f, err) < 0 || (db->conf->rehash.n > 0 && allow_writing(db, f, err) < 0))
        return -1;
    allow_links(f);
    if (!f->is_pattern) {
        struct open_file *o = open_one(f, f->pattern, &why);
        if (o == NULL)
            return db_refuse(db, err, "%s: create the file, or correct the entry", why.text);
        verify_keep_sample(db, passwd_file_sample(o->file));
    }
    db->state = f;
    shared.paths[shared.n] = db->conf->arg;
    shared.rows[shared.n++] = f;
    return 0;
}

const struct db_driver *db_passwd_file(void)
{
    static const struct db_driver driver = { .name = "passwd-file", .is_passdb = true, .is_userdb = true, .open = open_db, .step = step, .list = list,
                                             .keep = keep, .store = store };
    return &driver;
}
