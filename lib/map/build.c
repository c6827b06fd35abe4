/* SPDX-License-Identifier: ISC */
#include "map/build.h"
#include "base/buf.h"
#include "base/enc.h"
#include "conf/param.h"
#include "conf/save.h"
#include "map/lmdb_file.h"
#include "map/map_type.h"
#include "map/source.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VALUE_FILE_MAX = 1 << 20, BUILD_TRIES = 3 };

static void warn(const struct build *b, const char *text)
{
    if (b->warn != NULL)
        b->warn(b->user, text);
}

/* "cert.pem, key.pem" -> base64 of what is in them, a newline between. */
static int file_values(struct str names, struct buf *out, struct err *err)
{
    struct buf all = buf_make(4 * VALUE_FILE_MAX);
    struct str name;
    char path[4096];
    int rc = 0;
    while (rc == 0 && str_token(&names, ", \t", &name)) {
        if (all.n > 0)
            buf_putc(&all, '\n');
        if (!str_to_fixed(name, path, sizeof path))
            rc = err_set(err, ERR_CONFIG, "file name too long: \"%.60s\"", name.p);
        else
            rc = lex_read_file(path, VALUE_FILE_MAX, &all, err);
    }
    if (rc == 0)
        enc_base64(out, buf_str(&all));
    secret_wipe(all.p, all.n);
    buf_done(&all);
    return rc;
}

static int put_entry(const struct build *b, struct lmdb_batch *batch, const struct source *src, const struct source_entry *e, struct err *err)
{
    struct arena a = arena_make(64 << 20);
    struct buf value = buf_make(0);
    char text[400];
    int rc = b->file_values ? file_values(e->value, &value, err) : 0;
    struct str v = b->file_values ? buf_str(&value) : e->value;
    struct str key = b->fold ? str_lower(&a, e->key) : e->key;
    if (rc == 0)
        rc = lmdb_batch_put(batch, key, v, b->with_nul, b->duplicates == BUILD_REPLACE, err);
    else
        (void)err_prefix(err, "%s, line %u", src->name, e->line);
    if (rc == 1 && b->duplicates == BUILD_WARN) {
        (void)snprintf(text, sizeof text, "%s, line %u: duplicate entry: \"%.*s\"", src->name, e->line, (int)MIN(key.n, 200), key.p);
        warn(b, text);
    }
    buf_done(&value);
    arena_done(&a);
    return rc < 0 ? rc : 0;
}

static int put_all(const struct build *b, struct lmdb_batch *batch, struct source *src, struct err *err)
{
    struct source_entry e;
    enum source_result r;
    while ((r = source_next(src, &e)) != SOURCE_END) {
        if (src->warning[0] != '\0')
            warn(b, src->warning);
        if (r == SOURCE_ENTRY && put_entry(b, batch, src, &e, err) < 0)
            return -1;
    }
    if (!b->aliases)
        return 0;
    int rc = lmdb_batch_put(batch, STR("@"), STR("@"), b->with_nul, true, err);    /* sendmail's mark of a complete table */
    return rc < 0 ? -1 : 0;
}

/* A build: of a text, or of a file, which is read when nobody else can write the table. */
struct work {
    const struct build *b;
    const char *name, *source, *path;   /* source NULL: text is given */
    struct str text;
    struct buf read;
    struct stat seen;                   /* the source, before it was read */
};

bool map_is_newer(const struct stat *a, const struct stat *b)
{
    return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec > b->st_mtim.tv_sec : a->st_mtim.tv_nsec > b->st_mtim.tv_nsec;
}

static int read_source(struct work *w, struct err *err)
{
    if (w->source == NULL)
        return 0;
    if (stat(w->source, &w->seen) < 0)
        return err_sys(err, ERR_CONFIG, "open %s", w->source);
    buf_reset(&w->read);
    int rc = lex_read_file(w->source, MAP_FILE_MAX, &w->read, err);
    w->text = buf_str(&w->read);
    return rc;
}

/* Another process has built it meanwhile. */
static bool is_done(const struct work *w, const struct build *b)
{
    struct stat source, table;
    return b->if_older && w->source != NULL && stat(w->source, &source) == 0 && stat(w->path, &table) == 0 && !map_is_newer(&source, &table);
}

static int fill_file(struct work *w, const struct build *b, struct lmdb_file *f, struct err *err)
{
    struct source src;
    struct lmdb_batch *batch = lmdb_batch_begin(f, b->keep, err);
    if (batch == NULL)
        return -1;
    if (is_done(w, b)) {
        lmdb_batch_abort(batch);
        return 0;
    }
    int rc = read_source(w, err);
    if (rc == 0) {
        source_init(&src, w->name, w->text, b->aliases);
        rc = put_all(b, batch, &src, err);
        source_done(&src);
    }
    if (rc == 0)
        return lmdb_batch_commit(batch, err);
    lmdb_batch_abort(batch);
    return -1;
}

static int fill_aside(struct work *w, const char *tmp, uint64_t map_size, struct err *err)
{
    struct build all = *w->b;
    all.keep = all.if_older = false;
    (void)unlink(tmp);
    int fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)all.mode);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "create %s", tmp);
    (void)fchmod(fd, (mode_t)all.mode);
    (void)close(fd);
    struct lmdb_file *f = lmdb_file_open(tmp, true, all.mode, map_size, err);
    int rc = f == NULL ? -1 : fill_file(w, &all, f, err);
    lmdb_file_close(f);
    if (rc == 0 && rename(tmp, w->path) < 0)
        rc = err_sys(err, ERR_CONFIG, "rename %s", tmp);
    if (rc < 0)
        (void)unlink(tmp);
    else
        conf_sync_parent(w->path);
    return rc;
}

/* No file is there that can be used: make one aside. */
static int build_aside(struct work *w, uint64_t map_size, struct err *err)
{
    struct buf tmp = buf_make(0);
    buf_printf(&tmp, "%s.%ld.tmp", w->path, (long)getpid());
    int rc = fill_aside(w, buf_cstr(&tmp), map_size, err);
    buf_done(&tmp);
    return rc;
}

static int build_in_place(struct work *w, uint64_t map_size, struct err *err)
{
    struct stat st;
    if (stat(w->path, &st) < 0 && errno == ENOENT)
        return build_aside(w, map_size, err);
    struct lmdb_file *f = lmdb_file_open(w->path, true, w->b->mode, map_size + (uint64_t)st.st_size * 2, err);
    if (f == NULL)
        return err->kind != ERR_PROTO || w->b->keep ? -1 : build_aside(w, map_size, err);
    int rc = fill_file(w, w->b, f, err);
    lmdb_file_close(f);
    return rc;
}

/* As old as the source that was read: what changed since then is newer. */
static void set_time(const struct work *w)
{
    const struct timespec times[2] = { w->seen.st_mtim, w->seen.st_mtim };
    (void)utimensat(AT_FDCWD, w->path, w->source == NULL ? NULL : times, 0);
}

static bool source_has_changed(const struct work *w)
{
    struct stat now;
    return w->source != NULL && w->seen.st_nlink > 0 && stat(w->source, &now) == 0 &&
           (map_is_newer(&now, &w->seen) || map_is_newer(&w->seen, &now) || now.st_ino != w->seen.st_ino);
}

int map_build(const struct build *b, const char *name, struct str text, const char *lmdb_path, struct err *err)
{
    struct work w = { .b = b, .name = name, .text = text, .path = lmdb_path };
    int rc = build_in_place(&w, MAX(b->map_size, (uint64_t)text.n * 8 + (4 << 20)), err);
    if (rc == 0)
        set_time(&w);
    return rc;
}

int map_build_file(const struct build *b, const char *source, const char *lmdb_path, struct err *err)
{
    struct work w = { .b = b, .name = source, .source = source, .path = lmdb_path };
    struct stat st = { 0 };
    int rc, tries = 0;
    do {
        (void)stat(source, &st);
        rc = build_in_place(&w, MAX(b->map_size, (uint64_t)st.st_size * 8 + (4 << 20)), err);
        if (rc == 0 && w.seen.st_nlink > 0)
            set_time(&w);
    } while (rc == 0 && source_has_changed(&w) && ++tries < BUILD_TRIES);
    buf_done(&w.read);
    return rc;
}

static bool names_path(const char *list, const char *path)
{
    struct str rest = str_from(list), word, type;
    while (lex_word(&rest, ", \t\r\n", &word)) {
        while (str_starts(word, STR("proxy:")))
            word = str_skip(word, 6);
        if (str_chr(word, ':') >= 0)
            (void)str_cut(word, ':', &type, &word);
        if (str_eqz(word, path))
            return true;
    }
    return false;
}

bool map_is_alias_table(struct config *config, const char *path)
{
    static const char *const params[] = { "alias_maps", "alias_database" };
    struct err err;
    for (size_t i = 0; i < N_ELEMS(params); i++) {
        const char *list = config_get(config, params[i], &err);
        if (list != NULL && names_path(list, path))
            return true;
    }
    return false;
}
