/* SPDX-License-Identifier: ISC */
#include "db/db_file.h"
#include "base/buf.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static struct str trim_left(struct str s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = str_skip(s, 1);
    return s;
}

static struct str trim_right(struct str s)
{
    while (s.n > 0 && (is_blank(s.p[s.n - 1]) || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

/* Index after the quote that ends the one at `from`; the line's end when none does. */
static size_t skip_quoted(struct str s, size_t from)
{
    size_t i = from + 1;
    while (i < s.n && s.p[i] != s.p[from])
        i += s.p[i] == '\\' && i + 1 < s.n ? 2 : 1;
    return MIN(i + 1, s.n);
}

static struct str without_comment(struct str s)
{
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] == '#')
            return str_head(s, i);
        i = s.p[i] == '\'' || s.p[i] == '"' ? skip_quoted(s, i) : i + 1;
    }
    return s;
}

static struct str unquote(struct str v, struct arena *arena)
{
    if (v.n < 2 || (v.p[0] != '"' && v.p[0] != '\'') || v.p[v.n - 1] != v.p[0])
        return str_dup(arena, v);
    char *p = arena_alloc(arena, v.n);
    size_t n = 0;
    for (size_t i = 1; i + 1 < v.n; i++) {
        if (v.p[i] == '\\' && i + 2 < v.n)
            i++;
        p[n++] = v.p[i];
    }
    return str_make(p, n);
}

static int take_line(struct str line, unsigned number, struct arena *arena, struct db_file *f, struct err *err)
{
    size_t n = 0;
    while (n < line.n && !is_blank(line.p[n]) && line.p[n] != '=')
        n++;
    struct str key = str_head(line, n), rest = trim_left(str_skip(line, n));
    if (key.n == 0 || rest.n == 0 || rest.p[0] != '=')
        return err_set(err, ERR_CONFIG, "line %u: \"%.*s\" is not \"key = value\"", number, (int)MIN(line.n, 60), line.p);
    if (f->n == DB_FILE_KEYS_MAX)
        return err_set(err, ERR_CONFIG, "line %u: more than %d settings", number, DB_FILE_KEYS_MAX);
    f->lines[f->n++] = (struct db_file_line){ str_dup(arena, key), unquote(trim_left(str_skip(rest, 1)), arena), number };
    return 0;
}

int db_file_parse(struct str text, struct arena *arena, struct db_file *ret, struct err *err)
{
    struct buf whole = buf_make(DB_FILE_MAX);
    unsigned number = 0, first = 0;
    int rc = 0;
    ret->n = 0;
    if (text.n > DB_FILE_MAX || (text.n > 0 && memchr(text.p, 0, text.n) != NULL))
        return err_set(err, ERR_CONFIG, text.n > DB_FILE_MAX ? "larger than %d bytes" : "a NUL within its first %d bytes", DB_FILE_MAX);
    while (rc == 0 && text.n > 0) {
        struct str line;
        (void)str_cut(text, '\n', &line, &text);
        number++;
        line = trim_left(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        line = trim_right(without_comment(line));
        first = whole.n == 0 ? number : first;
        bool more = line.n > 0 && line.p[line.n - 1] == '\\';
        buf_add(&whole, more ? str_head(line, line.n - 1) : line);
        if (more || whole.n == 0)
            continue;
        rc = take_line(buf_str(&whole), first, arena, ret, err);
        buf_reset(&whole);
    }
    if (rc == 0 && whole.n > 0)
        rc = err_set(err, ERR_CONFIG, "line %u: the last line ends with a backslash", first);
    buf_done(&whole);
    return rc;
}

const struct db_file_line *db_file_find(const struct db_file *f, const char *key)
{
    for (size_t i = f->n; i > 0; i--)
        if (str_eqz(f->lines[i - 1].key, key))
            return &f->lines[i - 1];
    return NULL;
}

static const struct db_key *known(const struct db_file *f, struct str key)
{
    for (size_t i = 0; i < f->n_keys; i++)
        if (str_eqz(key, f->keys[i].key))
            return &f->keys[i];
    return NULL;
}

int db_file_know(struct db_file *f, const struct db_key keys[], size_t n, struct err *err)
{
    f->keys = keys;
    f->n_keys = n;
    for (const struct db_file_line *l = f->lines; l < f->lines + f->n; l++)
        if (known(f, l->key) == NULL)
            return err_set(err, ERR_CONFIG, "line %u: unknown setting \"%.*s\"", l->line, (int)MIN(l->key.n, 60), l->key.p);
    return 0;
}

struct str db_file_value(const struct db_file *f, const char *key)
{
    const struct db_file_line *l = db_file_find(f, key);
    const struct db_key *k = known(f, str_from(key));
    return l != NULL ? l->value : k == NULL || k->def == NULL ? STR("") : str_from(k->def);
}

unsigned db_file_line_of(const struct db_file *f, const char *key)
{
    const struct db_file_line *l = db_file_find(f, key);
    return l == NULL ? 0 : l->line;
}

int db_file_read(const char *path, struct arena *arena, struct str *ret, struct err *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "%s", path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > DB_FILE_MAX) {
        (void)close(fd);
        return err_set(err, ERR_CONFIG, "%s: must be a plain file of at most %d bytes", path, DB_FILE_MAX);
    }
    char *p = arena_alloc(arena, DB_FILE_MAX);
    size_t n = 0;
    ssize_t got = 0;
    while (n < DB_FILE_MAX && (got = read(fd, p + n, DB_FILE_MAX - n)) > 0)
        n += (size_t)got;
    (void)close(fd);
    if (got < 0)
        return err_sys(err, ERR_CONFIG, "%s", path);
    *ret = str_make(p, n);
    return 0;
}
