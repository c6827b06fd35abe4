/* SPDX-License-Identifier: ISC */
#include "sendmail.h"

/* Letters, as the old sendmail had them: with a value, and without. */
static const char takes_value[] = "ABCFLNORVXbdfhpqr";
static const char ignored_flags[] = "GUevnmsx";

struct scan { int argc; char **argv; int at; const char *rest; struct options *o; };

static int complain(const char *what, const char *value)
{
    tell("%s: %s", what, value);
    return EX_USAGE;
}

/* A mistake in what is asked for beside the mail must not keep the mail. */
static int ignore(const char *option, const char *value)
{
    (void)fprintf(stderr, "sendmail: warning: bad %s option value \"%s\" -- ignored\n", option, value);
    return 0;
}

/* What follows the letter, or the next argument. */
static const char *value_of(struct scan *s)
{
    const char *v = s->rest;
    s->rest = "";
    if (*v == '\0' && s->at + 1 < s->argc)
        v = s->argv[++s->at];
    return v;
}

static int set_mode(struct options *o, const char *value)
{
    switch (value[0]) {
    case 'm': return 0;
    case 's': o->mode = MODE_SMTP; return 0;
    case 'p': o->mode = MODE_LIST; return 0;
    case 'i': case 'I': o->mode = MODE_ALIASES; return 0;
    case 'h': case 'H': return 0;
    default: return complain("unsupported mode -b", value);
    }
}

static int set_encoding(struct options *o, const char *value)
{
    struct str v = str_from(value);
    if (str_ieqz(v, "8BITMIME"))
        o->encoding = "8bit";
    else if (str_ieqz(v, "7BIT"))
        o->encoding = "7bit";
    else
        return complain("-B needs 7BIT or 8BITMIME", value);
    return 0;
}

static int set_notify(struct options *o, const char *value)
{
    struct smtp_rcpt r;
    struct smtp_fault fault;
    struct arena a = arena_make(65536);
    struct str text = str_printf(&a, "TO:<x> NOTIFY=%s", value);
    bool ok = smtp_rcpt_parse(text, 0, &a, &r, &fault);
    if (ok)
        o->notify = r.notify;
    arena_done(&a);
    return ok ? 0 : ignore("-N", value);
}

static int set_ret(struct options *o, const char *value)
{
    struct str v = str_from(value);
    o->ret = str_ieqz(v, "full") ? SMTP_RET_FULL : str_ieqz(v, "hdrs") ? SMTP_RET_HDRS : SMTP_RET_NONE;
    return o->ret != SMTP_RET_NONE ? 0 : ignore("-R", value);
}

static void set_queue(struct options *o, const char *value)
{
    if (value[0] == 'I')
        o->flush_id = value + 1;
    if (value[0] == 'R')
        o->flush_site = value + 1;
    if (value[0] == '\0' || value[0] == 'I' || value[0] == 'R')
        o->mode = MODE_FLUSH;       /* -q30m asks a daemon to run the queue: ours does */
}

static int take_value(struct scan *s, char letter)
{
    const char *v = letter == 'q' || letter == 'o' ? s->rest : value_of(s);
    switch (letter) {
    case 'b': return set_mode(s->o, v);
    case 'f': case 'r': s->o->sender = v; return 0;
    case 'F': s->o->full_name = v; return 0;
    case 'B': return set_encoding(s->o, v);
    case 'N': return set_notify(s->o, v);
    case 'R': return set_ret(s->o, v);
    case 'V': s->o->envid = v; return 0;
    case 'C': s->o->config_dir = v; return 0;
    case 'q': set_queue(s->o, v); s->rest = ""; return 0;
    case 'o': s->o->dots_are_text |= v[0] == 'i'; s->rest = ""; return 0;     /* -oem, -oi, -o7 ...: only -oi means something */
    default: return 0;              /* A, L, O, X, d, h, p: nothing that means something here */
    }
}

static int take_letters(struct scan *s)
{
    while (*s->rest != '\0') {
        char letter = *s->rest++;
        int rc = 0;
        if (letter == 'i')
            s->o->dots_are_text = true;
        else if (letter == 't')
            s->o->from_header = true;
        else if (letter == 'o' || strchr(takes_value, letter) != NULL)
            rc = take_value(s, letter);
        else if (letter == 'I')
            s->o->mode = MODE_ALIASES;
        else if (strchr(ignored_flags, letter) == NULL)
            return complain("unknown option", s->argv[s->at]);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int options_parse(int argc, char **argv, struct options *ret)
{
    struct scan s = { .argc = argc, .argv = argv, .at = 1, .o = ret };
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash == NULL ? argv[0] : slash + 1;
    *ret = (struct options){ .mode = strcmp(name, "mailq") == 0 ? MODE_LIST : strcmp(name, "newaliases") == 0 ? MODE_ALIASES : MODE_MAIL };
    for (; s.at < argc && argv[s.at][0] == '-' && argv[s.at][1] != '\0'; s.at++) {
        if (strcmp(argv[s.at], "--") == 0) {
            s.at++;
            break;
        }
        s.rest = argv[s.at] + 1;
        int rc = take_letters(&s);
        if (rc != 0)
            return rc;
    }
    ret->first_rcpt = s.at;
    return 0;
}
