/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     sendmail, mailq, newaliases - send mail from this machine
 *
 * SYNOPSIS
 *     sendmail [-t] [-i] [-f sender] [-F name] [-B type] [-N when] [-R what] [-V envid] [recipient ...]
 *     sendmail -bs | -bp | -bi | -q[I id|R site]
 *
 * DESCRIPTION
 *     Reads a message from standard input, up to its end or, without -i, a
 *     line of a lone dot, and leaves it in maildrop, where pickup takes it up.
 *     That works while the mail system is down. -t takes the recipients from
 *     To, Cc and Bcc, beside those of the command line. -bs speaks SMTP, -bp is
 *     postqueue -p, -bi newaliases, -q postqueue -f. Options of the old
 *     sendmail that have no meaning here are accepted.
 *
 * SECURITY
 *     Needs the right to create files in maildrop: installed set-group-id
 *     setgid_group. Then -C and MAIL_CONFIG do not count, and
 *     authorized_submit_users says who may send. Nothing that it writes is
 *     believed: the file's owner is who the mail is from, and pickup refuses
 *     files that hold anything unknown.
 *
 * DIAGNOSTICS
 *     Exit codes of sysexits.h: 0; 64 usage; 65 message too large; 69 no
 *     maildrop; 75 try again; 77 not permitted; 78 configuration.
 */
#include "sendmail.h"
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include "map/map.h"

enum { LINE_PIECE = 2048 };

#define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct sendmail_conf, k, m, name, def, lo, hi, doc)
static const struct param rows[] = { SENDMAIL_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

void tell(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)fputs("sendmail: fatal: ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    va_end(ap);
}

static bool is_set_id(void) { return getuid() != geteuid() || getgid() != getegid(); }

/* ---- other commands ---- */

/* The program of that name beside this one. */
static int become(const char *program, char *const args[])
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
    if (n <= 0)
        return EX_OSERR;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    (void)snprintf(slash + 1, 60, "%s", program);
    (void)execv(path, args);
    tell("%s: %m", path);
    return EX_UNAVAILABLE;
}

/* A private copy, since argument vectors are not const. */
static char *arg(const char *text) { return xstrdup(text); }

static int run_other(const struct options *o)
{
    const char *program = o->mode == MODE_ALIASES ? "newaliases" : "postqueue";
    char *args[8] = { arg(program) };
    size_t n = 1;
    if (o->config_dir != NULL && !is_set_id()) {
        args[n++] = arg("-c");
        args[n++] = arg(o->config_dir);
    }
    if (o->mode == MODE_LIST)
        args[n++] = arg("-p");
    if (o->mode == MODE_FLUSH && o->flush_id == NULL && o->flush_site == NULL)
        args[n++] = arg("-f");
    if (o->flush_id != NULL || o->flush_site != NULL) {
        args[n++] = arg(o->flush_id != NULL ? "-i" : "-s");
        args[n++] = arg(o->flush_id != NULL ? o->flush_id : o->flush_site);
    }
    return become(program, args);
}

/* ---- a message ---- */

/* Lines of standard input; CR LF is a line end too. False: the input could not be read. */
static bool read_input(struct post *p, bool dots_are_text)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        struct str s = str_make(line, (size_t)n);
        if (s.p[s.n - 1] == '\n')
            s.n--;
        if (s.n > 0 && s.p[s.n - 1] == '\r')
            s.n--;
        if (!dots_are_text && str_eqz(s, "."))
            break;
        for (; s.n > LINE_PIECE; s = str_skip(s, LINE_PIECE))
            post_line(p, str_head(s, LINE_PIECE), false);
        post_line(p, s, true);
    }
    free(line);
    return ferror(stdin) == 0;
}

static struct str one_address(struct post *p, const char *text)
{
    struct post scratch = { .arena = arena_make(1 << 20) };
    post_add_list(&scratch, str_from(text));
    struct str out = scratch.rcpts.n > 0 ? str_dup(&p->arena, scratch.rcpts.p[0]) : STR("");
    post_done(&scratch);
    return out;
}

static struct str full_name_of(struct arena *a, const struct options *o, const struct passwd *pw)
{
    if (o->full_name != NULL)
        return str_dup(a, str_from(o->full_name));
    if (pw == NULL || pw->pw_gecos == NULL)
        return STR("");
    struct str name, rest;
    (void)str_cut(str_from(pw->pw_gecos), ',', &name, &rest);
    return str_dup(a, name);
}

static int send_mail(const struct options *o, const struct sendmail_conf *conf, int argc, char **argv)
{
    const struct passwd *pw = getpwuid(getuid());
    struct post p = { .limit = conf->message_size_limit, .arena = arena_make(256 << 20), .encoding = o->encoding, .notify = o->notify, .ret = o->ret };
    int rc = 0;
    p.full_name = full_name_of(&p.arena, o, pw);
    if (o->sender != NULL)
        p.sender = one_address(&p, o->sender);
    else
        p.sender = pw != NULL ? str_dup(&p.arena, str_from(pw->pw_name)) : str_printf(&p.arena, "uid%lu", (unsigned long)getuid());
    if (o->envid != NULL)
        p.envid = str_from(o->envid);
    for (int i = o->first_rcpt; i < argc; i++)
        post_add_list(&p, str_from(argv[i]));
    if (p.rcpts.n == 0 && !o->from_header) {
        tell("Recipient addresses must be specified on the command line or via the -t option");
        rc = EX_USAGE;
    } else if (!read_input(&p, o->dots_are_text)) {
        tell("standard input: %m");
        rc = EX_TEMPFAIL;
    } else if (o->from_header) {
        post_add_header_rcpts(&p);
    }
    if (rc == 0 && p.rcpts.n == 0) {
        tell("No recipient addresses found in message header");
        rc = EX_USAGE;
    }
    if (rc == 0)
        rc = post_commit(&p, conf->queue_directory);
    post_done(&p);
    return rc;
}

/* ---- the program ---- */

static bool may_submit(const struct sendmail_conf *conf, struct config *config)
{
    struct err err = { 0 };
    const struct passwd *pw = getpwuid(getuid());
    if (getuid() == 0 || strcmp(conf->submit_users, "static:anyone") == 0)
        return true;
    struct match_list *users = match_list_open(conf->submit_users, 0, config, &err);
    bool may = users != NULL && match_list_string(users, pw != NULL ? str_from(pw->pw_name) : STR("unknown"), &err) == MAP_FOUND;
    match_list_free(users);
    if (!may)
        tell("User %s(%lu) is not allowed to submit mail", pw != NULL ? pw->pw_name : "unknown", (unsigned long)getuid());
    return may;
}

static int run(const struct options *o, int argc, char **argv)
{
    struct sendmail_conf conf = { 0 };
    struct err err = { 0 };
    struct config *config = config_load(config_dir_choose(is_set_id() ? NULL : o->config_dir), &err);
    int rc;
    if (config == NULL || config_fill(config, &params, &conf, &err) < 0) {
        tell("%s", err.text);
        rc = EX_CONFIG;
    } else if (!may_submit(&conf, config)) {
        rc = EX_NOPERM;
    } else if (o->mode == MODE_SMTP) {
        rc = smtp_on_stdio(&conf);
    } else {
        rc = send_mail(o, &conf, argc, argv);
    }
    config_free(config);
    return rc;
}

int main(int argc, char **argv)
{
    struct options o;
    int rc = options_parse(argc, argv, &o);
    if (rc != 0)
        return rc;
    if (o.mode == MODE_LIST || o.mode == MODE_ALIASES || o.mode == MODE_FLUSH)
        return run_other(&o);
    return run(&o, argc, argv);
}
