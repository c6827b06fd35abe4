/* SPDX-License-Identifier: ISC */
#include "postmap.h"
#include "base/log.h"
#include "conf/lex.h"
#include "map/lmdb_file.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOURCE_MAX = 512 << 20 };

static bool is_indexed(struct str type)
{
    return str_eqz(type, "lmdb") || str_eqz(type, "hash") || str_eqz(type, "btree");
}

int table_split(const struct options *o, const char *name, struct arena *a, struct table *ret, struct err *err)
{
    struct str type, file;
    if (name[0] == '/' || !str_cut(str_from(name), ':', &type, &file)) {
        const char *def = config_get(o->config, "default_database_type", err);
        if (def == NULL)
            return -1;
        type = str_from(def);
        file = str_from(name);
    }
    if (!is_indexed(type))
        return err_set(err, ERR_CONFIG, "%s: a table of type %.*s is not made by %s: lmdb, hash and btree are", name, STR_FMT(type), o->program);
    if (file.n == 0)
        return err_set(err, ERR_CONFIG, "%s: a file name is missing", name);
    ret->type = str_to_cstr(a, type);
    ret->file = str_to_cstr(a, file);
    ret->index = str_printf(a, "%.*s.lmdb", STR_FMT(file)).p;
    ret->spec = str_printf(a, "%.*s:%.*s", STR_FMT(type), STR_FMT(file)).p;
    return 0;
}

/* The owner of the source decides what may be written where; root's rights are not for that. */
static int become_owner(const struct stat *st, struct err *err)
{
    if (geteuid() != 0 || st->st_uid == 0)
        return 0;
    const struct passwd *pw = getpwuid(st->st_uid);
    gid_t gid = pw == NULL ? st->st_gid : pw->pw_gid;
    if ((pw != NULL ? initgroups(pw->pw_name, gid) : setgroups(0, NULL)) < 0 || setresgid(gid, gid, gid) < 0
        || setresuid(st->st_uid, st->st_uid, st->st_uid) < 0)
        return err_sys(err, ERR_PERM, "become uid %lu, the owner of the source", (unsigned long)st->st_uid);
    return 0;
}

static int read_stdin(struct buf *out, struct err *err)
{
    for (;;) {
        char *room = buf_room(out, 65536);
        ssize_t n = room == NULL ? 0 : read(STDIN_FILENO, room, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, ERR_PERM, "read standard input");
        if (n == 0)
            return 0;
        buf_added(out, (size_t)n);
    }
}

static int build_table(const struct options *o, const struct table *t, struct err *err)
{
    struct buf text = buf_make(SOURCE_MAX);
    struct build b = o->build;
    struct stat st;
    b.mode = 0644;
    int rc = 0;
    if (stat(b.keep ? t->index : t->file, &st) == 0) {
        b.mode = o->default_mode ? 0644 : (unsigned)st.st_mode & 0666;
        rc = o->as_root ? 0 : become_owner(&st, err);
    } else if (!b.keep) {
        rc = err_sys(err, ERR_CONFIG, "open %s", t->file);
    }
    if (rc == 0 && !b.keep)
        rc = map_build_file(&b, t->file, t->index, err);
    else if (rc == 0 && (rc = read_stdin(&text, err)) == 0)
        rc = map_build(&b, "stdin", buf_str(&text), t->index, err);
    buf_done(&text);
    return rc;
}

int do_build(const struct options *o, const char *name, struct err *err)
{
    struct arena a = arena_make(1 << 20);
    struct table t;
    int rc = table_split(o, name, &a, &t, err);
    if (rc == 0)
        rc = build_table(o, &t, err);
    arena_done(&a);
    return rc;
}

/* 1 when none of the keys was there. */
static int remove_key(const struct options *o, struct lmdb_file *f, struct str key, struct err *err)
{
    struct arena a = arena_make(1 << 20);
    enum map_result r = key.n == 0 ? MAP_NONE : lmdb_file_delete(f, o->no_fold ? key : str_lower(&a, key), err);
    arena_done(&a);
    return r == MAP_FOUND ? 0 : r == MAP_NONE ? 1 : -1;
}

static int remove_keys(const struct options *o, struct lmdb_file *f, struct err *err)
{
    struct buf text = buf_make(SOURCE_MAX);
    if (strcmp(o->remove, "-") != 0)
        return remove_key(o, f, str_from(o->remove), err);
    int rc = read_stdin(&text, err), all = 1;
    struct str rest = buf_str(&text), line;
    while (rc >= 0 && rest.n > 0) {
        (void)str_cut(rest, '\n', &line, &rest);
        rc = remove_key(o, f, str_trim(line), err);
        all = rc == 0 ? 0 : all;
    }
    buf_done(&text);
    return rc < 0 ? -1 : all;
}

int do_remove(const struct options *o, int n, char **names, struct err *err)
{
    struct arena a = arena_make(1 << 20);
    int rc = 0, all = 1;
    for (int i = 0; rc >= 0 && i < n; i++) {
        struct table t;
        struct stat st;
        rc = table_split(o, names[i], &a, &t, err);
        if (rc == 0 && stat(t.index, &st) == 0 && !o->as_root)
            rc = become_owner(&st, err);
        if (rc < 0)
            break;
        struct lmdb_file *f = lmdb_file_open(t.index, true, 0644, o->build.map_size, err);
        rc = f == NULL ? -1 : remove_keys(o, f, err);
        lmdb_file_close(f);
        all = rc == 0 ? 0 : all;
    }
    arena_done(&a);
    return rc < 0 ? -1 : all;
}

static bool print_record(void *user, struct str key, struct str value)
{
    const struct options *o = user;
    printf("%.*s%s%.*s\n", STR_FMT(key), o->build.aliases ? ":\t" : "\t", STR_FMT(value));
    return ferror(stdout) == 0;
}

int do_list(const struct options *o, int n, char **names, struct err *err)
{
    struct arena a = arena_make(1 << 20);
    int rc = 0;
    for (int i = 0; rc == 0 && i < n; i++) {
        struct table t;
        rc = table_split(o, names[i], &a, &t, err);
        struct lmdb_file *f = rc < 0 ? NULL : lmdb_file_open(t.index, false, 0, o->build.map_size, err);
        rc = f == NULL ? -1 : lmdb_file_each(f, print_record, (void *)(uintptr_t)o, err);
        lmdb_file_close(f);
    }
    arena_done(&a);
    return rc;
}
