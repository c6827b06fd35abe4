/* SPDX-License-Identifier: ISC */
#include "base/num.h"
#include "daemon/skeleton.h"
#include <unistd.h>

static int number(char option, const char *text, uint32_t max, uint32_t *ret, struct err *err)
{
    if (!num_parse_u32(str_from(text), max, ret))
        return err_set(err, ERR_CONFIG, "option -%c %s: a number up to %u is needed", option, text, max);
    return 0;
}

static int one_option(int c, struct daemon_options *o, struct err *err)
{
    switch (c) {
    case 'r': o->role = optarg; return 0;
    case 'n': o->service = optarg; return 0;
    case 't': o->type = optarg; return 0;
    case 'c': o->config_dir = optarg; return 0;
    case 'v': o->verbose = true; return 0;
    case 'o': vec_push(&o->overrides, optarg); return 0;
    case 'g': return number('g', optarg, UINT32_MAX, &o->generation, err);
    case 'l': return number('l', optarg, 64, &o->listeners, err);
    case 'm': return number('m', optarg, 1000000, &o->max_clients, err);
    default:
        return err_set(err, ERR_CONFIG, "usage: -r role -n service -t type -c config_dir -g generation -l listeners "
                                        "[-m max_clients] [-v] [-o name=value]; this program is started by master");
    }
}

int daemon_options_parse(int argc, char **argv, struct daemon_options *ret, struct err *err)
{
    struct daemon_options o = { .service = "", .type = "unix", .config_dir = "/etc/postfix" };
    int c;
    opterr = 0;
    while ((c = getopt(argc, argv, "r:n:t:c:g:l:m:vo:")) != -1)
        if (one_option(c, &o, err) != 0)
            return -1;
    if (optind != argc)
        return err_set(err, ERR_CONFIG, "unexpected argument %s", argv[optind]);
    *ret = o;
    return 0;
}
