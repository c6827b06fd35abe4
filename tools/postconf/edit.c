/* SPDX-License-Identifier: ISC
 *
 * Changes in main.cf: comments and order stay, the file is replaced as a whole.
 */
#include "base/log.h"
#include "conf/save.h"
#include "postconf.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

enum { FILE_MAX = 16 << 20 };

/* The directory is locked: the file itself is replaced. */
int edit_load(const char *dir, const char *file, struct buf *out, const char **ret_path, int *ret_lock, struct arena *a, struct err *err)
{
    const char *path = str_printf(a, "%s/%s", dir, file).p;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "open %s", dir);
    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) < 0 && tries < 100; tries++)
        (void)usleep(100000);
    if (lex_read_file(path, FILE_MAX, out, err) < 0) {
        (void)close(fd);
        return -1;
    }
    if (out->n > 0 && out->p[out->n - 1] != '\n')
        buf_putc(out, '\n');
    *ret_path = path;
    *ret_lock = fd;
    return 0;
}

int edit_save(const char *path, struct str text, int lock, struct err *err)
{
    int rc = conf_save(path, text, 0644, err);
    (void)close(lock);
    return rc;
}

static bool is_noise(struct str line)
{
    struct str s = str_trim(line);
    return s.n == 0 || s.p[0] == '#';
}

static size_t line_length(struct str s)
{
    ptrdiff_t at = str_chr(s, '\n');
    return at < 0 ? s.n : (size_t)at + 1;
}

bool edit_next_block(struct str *rest, struct str *ret_block)
{
    if (rest->n == 0)
        return false;
    size_t n = line_length(*rest), end = n;
    if (!is_noise(str_head(*rest, n))) {
        while (n < rest->n) {       /* comments belong to the block only when it goes on behind them */
            struct str line = str_skip(*rest, n);
            line = str_head(line, line_length(line));
            if (!is_noise(line) && !ascii_is_space(line.p[0]))
                break;
            n += line.n;
            if (!is_noise(line))
                end = n;
        }
    }
    *ret_block = str_head(*rest, end);
    *rest = str_skip(*rest, end);
    return true;
}

static void each_line(struct str block, struct buf *out, const char *before_text, bool text, bool comments)
{
    while (block.n > 0) {
        struct str line = str_head(block, line_length(block));
        block = str_skip(block, line.n);
        if (is_noise(line) ? !comments : !text)
            continue;
        if (!is_noise(line))
            buf_puts(out, before_text);
        buf_add(out, line);
    }
}

void edit_comment_out(struct str block, struct buf *out) { each_line(block, out, "#", true, true); }
void edit_keep_comments(struct str block, struct buf *out) { each_line(block, out, "", false, true); }

struct change { struct str name, value; unsigned hits; };
typedef VEC(struct change) change_vec;

static int read_change(const struct options *o, const char *arg, struct change *ret, struct err *err)
{
    const char *why;
    *ret = (struct change){ .name = str_trim(str_from(arg)) };
    if (strchr(arg, '\n') != NULL)
        return err_set(err, ERR_CONFIG, "-e, -X, or -# accepts no multi-line input");
    if (o->edit == EDIT_SET) {
        if (!lex_name_value(str_from(arg), &ret->name, &ret->value, &why))
            return err_set(err, ERR_CONFIG, "%s: \"%s\"", why, arg);
    } else if (strchr(arg, '=') != NULL) {
        return err_set(err, ERR_CONFIG, "-X or -# requires names without value");
    }
    if (ret->name.n == 0 || ret->name.p[0] == '#')
        return err_set(err, ERR_CONFIG, "bad parameter name: \"%s\"", arg);
    return 0;
}

static struct change *find_change(change_vec *changes, struct str block)
{
    struct str name, value;
    const char *why;
    if (is_noise(str_head(block, line_length(block))) || ascii_is_space(block.p[0]) || !lex_name_value(block, &name, &value, &why))
        return NULL;
    for (size_t i = changes->n; i > 0; i--)         /* the last of two for one name counts */
        if (str_eq(changes->p[i - 1].name, name))
            return &changes->p[i - 1];
    return NULL;
}

static void put_setting(const struct change *c, struct buf *out)
{
    buf_printf(out, "%.*s = %.*s\n", STR_FMT(c->name), STR_FMT(c->value));
}

static void apply(const struct options *o, const char *path, change_vec *changes, struct str text, struct buf *out)
{
    struct str block;
    while (edit_next_block(&text, &block)) {
        struct change *c = find_change(changes, block);
        if (c == NULL) {
            buf_add(out, block);
            continue;
        }
        if (++c->hits == 2)
            log_warning("%s: multiple entries for \"%.*s\"", path, STR_FMT(c->name));
        if (o->edit == EDIT_COMMENT) {
            edit_comment_out(block, out);
            continue;
        }
        if (o->edit == EDIT_SET)
            put_setting(c, out);
        edit_keep_comments(block, out);
    }
    for (size_t i = 0; o->edit == EDIT_SET && i < changes->n; i++)
        if (changes->p[i].hits == 0)
            put_setting(&changes->p[i], out);
}

int edit_main(const struct options *o, int n, char **args, struct err *err)
{
    change_vec changes = { 0 };
    struct buf old = buf_make(0), new = buf_make(0);
    struct arena a = arena_make(1 << 20);
    const char *path;
    int rc = 0, lock = -1;
    for (int i = 0; rc == 0 && i < n; i++) {
        struct change c;
        rc = read_change(o, args[i], &c, err);
        if (rc == 0)
            vec_push(&changes, c);
    }
    if (rc == 0)
        rc = edit_load(config_dir(o->config), "main.cf", &old, &path, &lock, &a, err);
    if (rc == 0) {
        apply(o, path, &changes, buf_str(&old), &new);
        rc = edit_save(path, buf_str(&new), lock, err);
    }
    vec_done(&changes);
    buf_done(&old);
    buf_done(&new);
    arena_done(&a);
    return rc;
}
