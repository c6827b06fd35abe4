/* SPDX-License-Identifier: ISC
 *
 * NAME
 *      postmap, postalias, newaliases - make, query and change tables
 *
 * SYNOPSIS
 *      postmap   [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [type:]file ...
 *      postalias [-finNoprsuvw] [-c config_dir] [-d key] [-q key] [type:]file ...
 *      newaliases
 *
 * DESCRIPTION
 *      Makes FILE.lmdb from FILE for the types lmdb, hash and btree (hash and
 *      btree are served from LMDB); with -q any type of table is asked. What
 *      the letters mean is what they mean in Postfix: -i add lines of standard
 *      input, -r replace and -w ignore what is there already, -d delete, -s
 *      list, -f keep upper case, -N and -n with or without a NUL after keys and
 *      values, -F values are files, -o keep root's rights, -p mode 0644.
 *      postalias reads aliases(5); newaliases is postalias of every table of
 *      alias_database.
 *
 * SECURITY
 *      As root it becomes the owner of the source file first, unless -o. A new
 *      table is written beside its place; one that exists is changed in one
 *      transaction, which readers see as a whole.
 *
 * DIAGNOSTICS
 *      Silent when all is well; "warning:" lines for lines that cannot be used
 *      and for duplicates. Exit status 0; 1 when a key was not found or with a
 *      "fatal:" line.
 */
#include "base/log.h"
#include "conf/lex.h"
#include "postmap.h"
#include <unistd.h>

static void warn(void *user, const char *text)
{
    (void)user;
    log_warning("%s", text);
}

static int usage(const char *program)
{
    log_error("usage: %s [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...", program);
    return EXIT_FAILURE;
}

static bool set_letter(struct options *o, int c)
{
    switch (c) {
    case 'b': o->body = true; return true;
    case 'h': o->headers = true; return true;
    case 'm': o->mime = true; return true;
    case 'f': o->no_fold = true; return true;
    case 'F': o->build.file_values = true; return true;
    case 'i': o->build.keep = true; return true;
    case 'n': o->build.with_nul = false; return true;
    case 'N': o->build.with_nul = true; return true;
    case 'o': o->as_root = true; return true;
    case 'p': o->default_mode = true; return true;
    case 'r': o->build.duplicates = BUILD_REPLACE; return true;
    case 'w': o->build.duplicates = BUILD_IGNORE; return true;
    case 's': o->list = true; return true;
    case 'v': log_set_verbose(true); return true;
    case 'u': case 'U': case 'I': return true;
    default: return false;
    }
}

static bool read_options(struct options *o, int argc, char **argv, const char **ret_dir)
{
    int c;
    while ((c = getopt(argc, argv, "bc:d:fFhimnNopq:rsuUvwI")) != -1) {
        if (c == 'c')
            *ret_dir = optarg;
        else if (c == 'd')
            o->remove = optarg;
        else if (c == 'q')
            o->query = optarg;
        else if (!set_letter(o, c))
            return false;
    }
    return (o->query != NULL) + (o->remove != NULL) + o->list <= 1;
}

static int run(const struct options *o, int n, char **names)
{
    struct err err = { 0 };
    int rc = 0;
    if (o->query != NULL)
        rc = do_query(o, n, names, &err);
    else if (o->remove != NULL)
        rc = do_remove(o, n, names, &err);
    else if (o->list)
        rc = do_list(o, n, names, &err);
    else
        for (int i = 0; rc == 0 && i < n; i++)
            rc = do_build(o, names[i], &err);
    if (rc < 0)
        log_as(log_ident(), LOG_FATAL_LEVEL, "%s", err.text);
    return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Every table of alias_database, as sendmail -bi does. */
static int newaliases(struct options *o)
{
    struct err err = { 0 };
    const char *list = config_get(o->config, "alias_database", &err);
    if (list == NULL)
        log_fatal("%s", err.text);
    struct str rest = str_from(list), word;
    int rc = EXIT_SUCCESS;
    struct arena a = arena_make(1 << 20);
    while (rc == EXIT_SUCCESS && lex_word(&rest, ", \t\r\n", &word)) {
        char *name = str_to_cstr(&a, word);
        rc = run(o, 1, &name);
    }
    arena_done(&a);
    return rc;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *dir = NULL;
    struct err err = { 0 };
    struct options o = { .program = slash == NULL ? argv[0] : slash + 1,
                         .build = { .with_nul = true, .duplicates = BUILD_WARN, .warn = warn } };
    log_set_ident(o.program);
    o.build.aliases = strcmp(o.program, "postmap") != 0;
    if (!read_options(&o, argc, argv, &dir))
        return usage(o.program);
    o.config = config_load(config_dir_choose(dir), &err);
    if (o.config == NULL)
        log_fatal("%s", err.text);
    o.build.fold = !o.no_fold;
    o.build.map_size = map_lmdb_size(o.config);
    int rc = strcmp(o.program, "newaliases") == 0 ? newaliases(&o) : optind == argc ? usage(o.program) : run(&o, argc - optind, argv + optind);
    if (fflush(stdout) != 0)
        log_fatal("write error on standard output");
    config_free(o.config);
    return rc;
}
