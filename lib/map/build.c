/* SPDX-License-Identifier: ISC */
#include "map/build.h"
#include "base/buf.h"
#include "base/enc.h"
#include "conf/param.h"
#include "conf/save.h"
#include "map/lmdb_file.h"
#include "map/source.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VALUE_FILE_MAX = 1 << 20 };

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

static int fill_file(const struct build *b, struct lmdb_file *f, const char *name, struct str text, struct err *err)
{
    struct source src;
    struct lmdb_batch *batch = lmdb_batch_begin(f, b->keep, err);
    if (batch == NULL)
        return -1;
    source_init(&src, name, text, b->aliases);
    int rc = put_all(b, batch, &src, err);
    source_done(&src);
    if (rc == 0)
        return lmdb_batch_commit(batch, err);
    lmdb_batch_abort(batch);
    return -1;
}

static int fill_aside(const struct build *b, const char *name, struct str text, const char *path, const char *tmp, uint64_t map_size, struct err *err)
{
    struct build all = *b;
    all.keep = false;
    (void)unlink(tmp);
    int fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, (mode_t)b->mode);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "create %s", tmp);
    (void)fchmod(fd, (mode_t)b->mode);
    (void)close(fd);
    struct lmdb_file *f = lmdb_file_open(tmp, true, b->mode, map_size, err);
    int rc = f == NULL ? -1 : fill_file(&all, f, name, text, err);
    lmdb_file_close(f);
    if (rc == 0 && rename(tmp, path) < 0)
        rc = err_sys(err, ERR_CONFIG, "rename %s", tmp);
    if (rc < 0)
        (void)unlink(tmp);
    else
        conf_sync_parent(path);
    return rc;
}

/* No file is there that can be used: make one aside. */
static int build_aside(const struct build *b, const char *name, struct str text, const char *path, uint64_t map_size, struct err *err)
{
    struct buf tmp = buf_make(0);
    buf_printf(&tmp, "%s.%ld.tmp", path, (long)getpid());
    int rc = fill_aside(b, name, text, path, buf_cstr(&tmp), map_size, err);
    buf_done(&tmp);
    return rc;
}

int map_build(const struct build *b, const char *name, struct str text, const char *lmdb_path, struct err *err)
{
    uint64_t map_size = MAX(b->map_size, (uint64_t)text.n * 8 + (4 << 20));
    struct stat st;
    if (stat(lmdb_path, &st) < 0 && errno == ENOENT)
        return build_aside(b, name, text, lmdb_path, map_size, err);
    struct lmdb_file *f = lmdb_file_open(lmdb_path, true, b->mode, map_size + (uint64_t)st.st_size * 2, err);
    if (f == NULL) {
        if (err->kind != ERR_PROTO || b->keep)
            return -1;
        return build_aside(b, name, text, lmdb_path, map_size, err);
    }
    int rc = fill_file(b, f, name, text, err);
    lmdb_file_close(f);
    if (rc == 0)
        (void)utimensat(AT_FDCWD, lmdb_path, NULL, 0);      /* newer than its source, also when nothing changed */
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
