/* SPDX-License-Identifier: ISC
 *
 * Stored passwords, made and checked as doveadm pw does it: same options, same
 * output. Unlike it, one line of standard input is enough.
 */
#include "auth/scheme.h"
#include "base/enc.h"
#include "base/num.h"
#include "password.h"
#include "postern.h"
#include <sysexits.h>
#include <unistd.h>

struct pw { const char *scheme, *password, *test, *user; uint32_t rounds; bool list, verify; };

static int usage(void)
{
    fprintf(stderr, "usage: postern pw [-l] [-V] [-p PASSWORD] [-r ROUNDS] [-s SCHEME] [-t {SCHEME}HASH] [-u USER]\n");
    return EX_USAGE;
}

static int fail(const char *text)
{
    fprintf(stderr, "postern: fatal: %s\n", text);
    return EX_TEMPFAIL;
}

static int list(void)
{
    for (size_t i = 0; scheme_name(i) != NULL; i++)
        printf("%s%s", i == 0 ? "" : " ", scheme_name(i));
    printf("\n");
    return 0;
}

static void warn_weak(const struct scheme *s)
{
    if (scheme_is_weak(s))
        fprintf(stderr, "postern: warning: %.*s is weak: authd refuses it unless postern_auth_allow_weak_schemes = yes\n", STR_FMT(s->name));
}

/* 0 when it is the password; says why not. */
static int check(const struct pw *o, struct str stored, const char *password)
{
    struct scheme s = scheme_split(stored);
    const char *why = NULL;
    s.user = str_from(o->user == NULL ? "" : o->user);
    if (s.label.n == 0)
        return fail("the hash does not begin with its {SCHEME}");
    switch (scheme_verify_slow(&s, str_from(password), &why)) {
    case SCHEME_MATCH:
        warn_weak(&s);
        printf("%.*s (verified)\n", STR_FMT(stored));
        return 0;
    case SCHEME_MISMATCH:
        return fail("the password does not match");
    case SCHEME_BROKEN:
        return fail(why != NULL ? why : "the hash does not fit its scheme");
    }
    UNREACHABLE();
}

static int make(const struct pw *o, const char *password)
{
    struct buf label = buf_make(0), out = buf_make(0);
    struct err err = { 0 };
    for (const char *p = o->scheme == NULL ? "CRYPT" : o->scheme; *p != '\0'; p++)
        buf_putc(&label, ascii_upper(*p));
    int rc = scheme_make(buf_str(&label), str_from(password), str_from(o->user == NULL ? "" : o->user), o->rounds, &out, &err);
    if (rc < 0) {
        rc = fail(err.text);
    } else if (o->verify) {
        rc = check(o, buf_str(&out), password);
    } else {
        struct scheme s = scheme_split(buf_str(&out));
        warn_weak(&s);
        printf("%s\n", buf_cstr(&out));
    }
    buf_done(&label);
    buf_done(&out);
    return rc;
}

static bool parse(int argc, char **argv, struct pw *o)
{
    int c;
    optind = 1;
    while ((c = getopt(argc, argv, "lp:r:s:t:u:V")) != -1) {
        switch (c) {
        case 'l': o->list = true; break;
        case 'p': o->password = optarg; break;
        case 'r':
            if (!num_parse_u32(str_from(optarg), 1U << 31, &o->rounds) || o->rounds == 0)
                return false;
            break;
        case 's': o->scheme = optarg; break;
        case 't': o->test = optarg; break;
        case 'u': o->user = optarg; break;
        case 'V': o->verify = true; break;
        default: return false;
        }
    }
    return optind == argc;
}

int pw_command(int argc, char **argv)
{
    struct pw o = { 0 };
    struct err err = { 0 };
    char typed[PASSWORD_MAX + 2] = "";
    if (!parse(argc, argv, &o))
        return usage();
    if (o.list)
        return list();
    if (o.password == NULL && password_ask(o.test != NULL ? "Password to verify" : "New password", o.test == NULL, typed, &err) < 0)
        return fail(err.text);
    const char *password = o.password != NULL ? o.password : typed;
    int rc = o.test != NULL ? check(&o, str_from(o.test), password) : make(&o, password);
    secret_wipe(typed, sizeof typed);
    return rc;
}
