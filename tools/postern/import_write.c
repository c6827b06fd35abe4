/* SPDX-License-Identifier: ISC
 *
 * postern import dovecot: reads, maps, and prints or writes.
 */
#include "conf/lex.h"
#include "conf/param.h"
#include "conf/save.h"
#include "import.h"
#include <dirent.h>
#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_DECIDE = 2, EXIT_USAGE = 64, INPUT_MAX = 4 << 20, IMPORT_MEMORY = 256 << 20 };

/* ---- text ---- */

void import_print(const struct import *im, struct buf *out)
{
    buf_printf(out, "# Parameters from Dovecot %.*s.\n", STR_FMT(im->tree.version.n == 0 ? STR("(version not said)") : im->tree.version));
    for (size_t i = 0; i < im->params.n; i++) {
        const struct import_param *p = &im->params.p[i];
        if (p->line > 0)
            buf_printf(out, "# %s, line %u\n", p->file, p->line);
        buf_printf(out, "%s = %.*s\n", p->name, STR_FMT(p->value));
    }
    for (size_t i = 0; i < im->files.n; i++)
        buf_printf(out, "\n# file %s/%s\n%.*s", im->config_dir, im->files.p[i].name, STR_FMT(im->files.p[i].text));
}

void import_print_notes(const struct import *im, struct buf *out)
{
    for (int grade = IMPORT_DECIDE; grade >= IMPORT_NO_EFFECT; grade--)
        for (size_t i = 0; i < im->notes.n; i++) {
            const struct import_note *n = &im->notes.p[i];
            if (n->grade != (enum import_grade)grade)
                continue;
            if (n->line > 0)
                buf_printf(out, "%s:%u: ", n->file, n->line);
            buf_printf(out, "%s: %.*s: %s\n", import_grade_name(n->grade), STR_FMT(n->what), n->text);
        }
}

/* ---- main.cf ---- */

/* Is this line the start of a setting that is about to be set? */
static bool is_replaced(const struct import *im, struct str line)
{
    struct str name, value;
    if (line.n == 0 || line.p[0] == '#' || ascii_is_space(line.p[0]) || !str_cut(line, '=', &name, &value))
        return false;
    name = str_trim(name);
    for (size_t i = 0; i < im->params.n; i++)
        if (str_eqz(name, im->params.p[i].name))
            return true;
    return false;
}

/* "# dovecot.conf, line 12", as an import before has written it. */
static bool is_our_comment(struct str line)
{
    return str_starts(line, STR("# Parameters from Dovecot ")) || (str_starts(line, STR("# ")) && str_find(line, STR(", line ")) > 0);
}

static void add_line(struct buf *out, struct str line)
{
    if (line.n == 0 && (out->n < 2 || out->p[out->n - 2] == '\n'))
        return;                 /* never two empty lines in a row */
    buf_add(out, line);
    buf_putc(out, '\n');
}

/* The old text without what is replaced, and with it the comments that say where it came from. */
static void keep_old(const struct import *im, struct str old, struct buf *out)
{
    struct str line, held = STR("");
    bool dropping = false;
    while (old.n > 0) {
        (void)str_cut(old, '\n', &line, &old);
        bool goes_on = line.n > 0 && ascii_is_space(line.p[0]) && str_trim(line).n > 0;
        if (!goes_on)
            dropping = is_replaced(im, line);
        if (held.n > 0 && !dropping && !str_starts(held, STR("# Parameters from ")))
            add_line(out, held);
        held = is_our_comment(line) ? line : STR("");
        if (!dropping && held.n == 0)
            add_line(out, line);
    }
    if (held.n > 0)
        add_line(out, held);
}

/* The first lines of a main.cf that an import has made: the mailbox half with a master of its own (dovecot.service). */
#define MADE_BY "# Made by postern import dovecot: the mailbox half, with a master of its own."

static void put_new(const char *dir, struct buf *out)
{
    const char *slash = strrchr(dir, '/'), *name = slash == NULL ? dir : slash + 1;
    buf_printf(out, MADE_BY "\ncompatibility_level = 3.6\nqueue_directory = /var/spool/%s\ndata_directory = /var/lib/%s\nsyslog_name = dovecot\n"
                    "mydestination =\nalias_maps =\nalias_database =\n", name, name);
}

/* What stays, and the parameters at its end. */
static void merge(const struct import *im, struct str old, struct buf *out)
{
    struct buf text = buf_make(0);
    keep_old(im, old, out);
    add_line(out, STR(""));
    import_print(im, &text);
    struct str all = buf_str(&text);
    ptrdiff_t files = str_find(all, STR("\n# file "));      /* these are files of their own */
    buf_add(out, files < 0 ? all : str_head(all, (size_t)files));
    buf_done(&text);
}

static int write_files(const struct import *im, const char *dir, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < im->files.n; i++)
        rc = conf_save(str_printf(im->arena, "%s/%s", dir, im->files.p[i].name).p, im->files.p[i].text, 0600, err);
    return rc;
}

/* A new instance of the mailbox half has no rows of its own in master.cf: postern_mailbox_services names all. */
static int make_master_cf(const struct import *im, const char *dir, struct err *err)
{
    const char *path = str_printf(im->arena, "%s/master.cf", dir).p;
    if (access(path, F_OK) == 0)
        return 0;
    return conf_save(path, STR("# Services beyond postern_mailbox_services of main.cf: see master(5).\n"
                               "# name     type  private unpriv  chroot  wakeup  maxproc command + args\n"
                               "lmtp       unix  -       -       n       -       -       lmtp\n"
                               "local      unix  -       n       n       -       -       local\n"
                               "virtual    unix  -       n       n       -       -       virtual\n"
                               "error      unix  -       -       n       -       -       error\n"
                               "retry      unix  -       -       n       -       -       error\n"), 0644, err);
}

int import_write(const struct import *im, const char *dir, struct err *err)
{
    const char *path = str_printf(im->arena, "%s/main.cf", dir).p;
    struct buf old = buf_make(0), new = buf_make(0);
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return err_sys(err, ERR_PERM, "make directory %s", dir);
    int lock = conf_lock(str_printf(im->arena, "%s/.import.lock", dir).p, err);
    if (lock < 0)
        return -1;
    int rc = access(path, F_OK) == 0 ? lex_read_file(path, INPUT_MAX, &old, err) : 0;
    if (rc == 0)
        rc = write_files(im, dir, err);
    if (rc == 0)
        rc = make_master_cf(im, dir, err);
    if (rc == 0) {
        if (old.n == 0)
            put_new(dir, &old);
        merge(im, buf_str(&old), &new);
        rc = conf_save(path, buf_str(&new), 0644, err);
    }
    (void)unlink(str_printf(im->arena, "%s/.import.lock", dir).p);
    (void)close(lock);
    buf_done(&old);
    buf_done(&new);
    return rc;
}

/* ---- the command ---- */

struct import_options { const char *config_dir, *from, *root; bool write; };

static int read_stdin(struct buf *out, struct err *err)
{
    for (;;) {
        char *p = buf_room(out, 65536);
        ssize_t n = p == NULL ? -1 : read(STDIN_FILENO, p, 65536);
        if (n < 0)
            return p == NULL ? err_set(err, ERR_PERM, "standard input is larger than %d bytes", INPUT_MAX) : err_sys(err, ERR_PERM, "standard input");
        if (n == 0)
            return 0;
        buf_added(out, (size_t)n);
    }
}

static int load(struct import *im, const char *from, struct err *err)
{
    struct stat st;
    if (strcmp(from, "-") == 0) {
        struct buf text = buf_make(INPUT_MAX);
        int rc = read_stdin(&text, err);
        if (rc == 0)
            rc = dovecot_parse("standard input", str_dup(im->arena, buf_str(&text)), im->arena, &im->tree, err);
        buf_done(&text);
        return rc;
    }
    if (stat(from, &st) == 0 && S_ISDIR(st.st_mode))
        from = str_printf(im->arena, "%s/dovecot.conf", from).p;
    return dovecot_read(from, im->arena, &im->tree, err);
}

static int show(const struct import *im, bool print)
{
    struct buf out = buf_make(0), notes = buf_make(0);
    if (print)
        import_print(im, &out);
    import_print_notes(im, &notes);
    fwrite(buf_str(&out).p, 1, out.n, stdout);
    (void)fflush(stdout);
    fwrite(buf_str(&notes).p, 1, notes.n, print ? stderr : stdout);
    buf_done(&out);
    buf_done(&notes);
    return import_must_decide(im) ? EXIT_DECIDE : EXIT_SUCCESS;
}

/* Not there yet, or made by an import: nobody else's parameters are in it. */
static bool is_own_instance(struct arena *a, const char *dir)
{
    struct err err = { 0 };
    struct buf text = buf_make(0);
    const char *path = str_printf(a, "%s/main.cf", dir).p;
    bool own = access(path, F_OK) != 0 || (lex_read_file(path, INPUT_MAX, &text, &err) == 0 && str_starts(buf_str(&text), STR(MADE_BY)));
    buf_done(&text);
    return own;
}

static int run(const struct import_options *o, struct err *err)
{
    struct arena arena = arena_make(IMPORT_MEMORY);
    struct import im = { .arena = &arena, .root = o->root, .config_dir = o->config_dir };
    int rc = load(&im, o->from, err);
    if (rc == 0) {
        im.own_instance = is_own_instance(&arena, o->config_dir);
        import_map(&im);
        rc = o->write ? import_write(&im, o->config_dir, err) : 0;
    }
    if (rc == 0)
        rc = show(&im, !o->write);
    import_done(&im);
    arena_done(&arena);
    return rc;
}

int import_command(int argc, char **argv, struct err *err)
{
    struct import_options o = { .config_dir = config_dir_choose(NULL), .from = "/etc/dovecot", .root = "" };
    bool good = argc > 0 && strcmp(argv[0], "dovecot") == 0;
    for (int i = 1; i < argc && good; i++) {
        if (strcmp(argv[i], "--write") == 0)
            o.write = true;
        else if (i + 1 == argc)
            good = false;
        else if (strcmp(argv[i], "-c") == 0)
            o.config_dir = argv[++i];
        else if (strcmp(argv[i], "--from") == 0)
            o.from = argv[++i];
        else if (strcmp(argv[i], "--root") == 0)
            o.root = argv[++i];
        else
            good = false;
    }
    return good ? run(&o, err) : EXIT_USAGE;
}
