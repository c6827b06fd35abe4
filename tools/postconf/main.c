/* SPDX-License-Identifier: ISC
 *
 * NAME
 *      postconf - show and change the configuration
 *
 * SYNOPSIS
 *      postconf [-dfhHnopvx] [-c dir] [-C class] [-o name=value] [parameter ...]
 *      postconf -e|-#|-X [-c dir] name=value|name ...
 *      postconf -M|-F|-P [-fhHovx] [-c dir] [name/type[/attribute] ...]
 *      postconf -Me|-M#|-MX|-Fe|-Pe|-PX [-c dir] ...
 *      postconf -a|-A|-l|-m
 *      postconf --manual
 *
 * DESCRIPTION
 *      Without options: every parameter with its value. -d defaults, -n only
 *      what main.cf sets, -h values alone, -H names alone, -x with $names
 *      expanded, -f long lines folded, -o a value for this run, -C all, builtin,
 *      service or user. name=value arguments or -e change main.cf in place and
 *      keep its comments; -# comments out, -X removes. -M lists rows of
 *      master.cf, -F their fields, -P their -o. -m lists table types, -l lock
 *      types, -a and -A SASL kinds. --manual prints the manual page postconf(5).
 *
 * SECURITY
 *      Runs as who called it. A file is replaced as a whole, never half.
 *
 * DIAGNOSTICS
 *      "warning: FILE: unused parameter" for what is set and used by nobody;
 *      "fatal:" and exit status 1 for what cannot be read, parsed or written.
 */
#include "base/log.h"
#include "map/map.h"
#include "postconf.h"
#include <unistd.h>

static void list_types(void)
{
    const char *name;
    for (size_t i = 0; (name = map_type_name(i)) != NULL; i++)
        puts(name);
}

static int usage(void)
{
    log_error("usage: postconf [-a] [-A] [-c config_dir] [-C class] [-d] [-e] [-f] [-F] [-h] [-H] [-l] [-m] [-M] [-n] "
              "[-o name=value] [-p] [-P] [-v] [-x] [-X] [-#] [name[=value]...]");
    return EXIT_FAILURE;
}

struct command_line {
    struct options o;
    const char *dir, *class;
    VEC(const char *) overrides;
    int facts;                  /* 'a', 'A', 'l' or 'm' */
    bool bad;
};

static void set_mode(struct command_line *cl, enum mode mode)
{
    cl->bad |= cl->o.mode != MODE_MAIN;
    cl->o.mode = mode;
}

static void set_edit(struct command_line *cl, enum edit edit)
{
    cl->bad |= cl->o.edit != EDIT_NONE;
    cl->o.edit = edit;
}

static void take(struct command_line *cl, int c)
{
    switch (c) {
    case 'a': case 'A': case 'l': case 'm': cl->facts = c; break;
    case 'c': cl->dir = optarg; break;
    case 'C': cl->class = optarg; break;
    case 'o': vec_push(&cl->overrides, optarg); break;
    case 'd': cl->o.defaults = true; break;
    case 'n': cl->o.set_only = true; break;
    case 'f': cl->o.fold = true; break;
    case 'h': cl->o.no_name = true; break;
    case 'H': cl->o.no_value = true; break;
    case 'x': cl->o.expand = true; break;
    case 'e': set_edit(cl, EDIT_SET); break;
    case '#': set_edit(cl, EDIT_COMMENT); break;
    case 'X': set_edit(cl, EDIT_REMOVE); break;
    case 'M': set_mode(cl, MODE_MASTER); break;
    case 'F': set_mode(cl, MODE_FIELD); break;
    case 'P': set_mode(cl, MODE_SERVICE_PARAM); break;
    case 'p': case 'q': break;
    case 'v': log_set_verbose(true); break;
    default: cl->bad = true; break;
    }
}

static void read_class(struct command_line *cl)
{
    const char *class = cl->class == NULL ? "all" : cl->class;
    bool all = strcmp(class, "all") == 0;
    cl->o.builtin = all || strcmp(class, "builtin") == 0;
    cl->o.service = all || strcmp(class, "service") == 0;
    cl->o.user = all || strcmp(class, "user") == 0;
    cl->bad |= !cl->o.builtin && !cl->o.service && !cl->o.user;
}

/* Arguments that are all "name=value" change main.cf, with or without -e. */
static void infer_edit(struct command_line *cl, int n, char **args)
{
    int assignments = 0;
    for (int i = 0; i < n; i++)
        assignments += strchr(args[i], '=') != NULL;
    if (cl->o.edit == EDIT_NONE && assignments > 0) {
        if (assignments != n)
            log_fatal("name and name=value arguments cannot be mixed");
        cl->o.edit = EDIT_SET;
    }
}

static int facts(int what)
{
    switch (what) {
    case 'a': puts("dovecot"); break;
    case 'A': puts("postern"); break;
    case 'l': puts("flock\nfcntl\ndotlock"); break;
    default: list_types(); break;
    }
    return EXIT_SUCCESS;
}

static int manual(void)
{
    struct buf text = buf_make(0);
    registry_manual(&text);
    (void)fwrite(text.p, 1, text.n, stdout);
    buf_done(&text);
    return EXIT_SUCCESS;
}

static int run(struct command_line *cl, int n, char **args)
{
    struct err err = { 0 };
    struct options *o = &cl->o;
    const char *dir = config_dir_choose(cl->dir);
    bool alone = o->defaults && o->mode == MODE_MAIN;       /* what is set has no part in the defaults */
    o->config = alone ? config_parse(dir, "main.cf", STR(""), &err) : config_load(dir, &err);
    if (o->config == NULL)
        log_fatal("%s", err.text);
    for (size_t i = 0; i < cl->overrides.n; i++)
        if (config_override(o->config, str_from(cl->overrides.p[i]), &err) < 0)
            log_fatal("%s", err.text);
    infer_edit(cl, n, args);
    if (o->edit != EDIT_NONE && n == 0)
        log_fatal("-e, -X and -# need arguments");
    int rc;
    if (o->mode == MODE_MAIN)
        rc = o->edit == EDIT_NONE ? list_main(o, n, args, &err) : edit_main(o, n, args, &err);
    else
        rc = o->edit == EDIT_NONE ? list_master(o, n, args, &err) : edit_master(o, n, args, &err);
    if (rc < 0 || fflush(stdout) != 0)
        log_fatal("%s", rc < 0 ? err.text : "write error on standard output");
    config_free(o->config);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct command_line cl = { .o = { .arena = arena_make(64 << 20) } };
    int c;
    log_set_ident("postconf");
    if (argc == 2 && strcmp(argv[1], "--manual") == 0)
        return manual();
    while ((c = getopt(argc, argv, "aAc:C:deEf#FhHlmMno:pPqvxX")) != -1)
        take(&cl, c);
    read_class(&cl);
    if (cl.bad || (cl.o.defaults && cl.o.set_only) || (cl.o.no_name && cl.o.no_value))
        return usage();
    if (cl.o.mode == MODE_MASTER && (cl.o.no_name || cl.o.no_value))
        log_fatal("with option -M, do not specify -h or -H");
    int rc = cl.facts != 0 ? facts(cl.facts) : run(&cl, argc - optind, argv + optind);
    vec_done(&cl.overrides);
    arena_done(&cl.o.arena);
    return rc;
}
