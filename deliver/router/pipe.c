/* SPDX-License-Identifier: ISC
 *
 * pipe(8): the services of master.cf whose command is pipe. Their argv is
 * expanded for each recipient and run as the user that the row names.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include "base/log.h"
#include "conf/service.h"
#include "router.h"

struct pipe_service {
    const char *name;
    char flags[64], problem[200];
    char *user_name, *home;
    uint32_t uid, gid;
    uint64_t size_limit;
    uint32_t seconds;
    const char *null_sender;
    const char *const *argv;
    size_t n_argv;
};

static struct { VEC(struct pipe_service) rows; } all;

/* --- master.cf -------------------------------------------------------------------------- */

static void set_user(struct pipe_service *p, const char *value)
{
    char name[256];
    struct str user, group;
    bool with_group = str_cut(str_from(value), ':', &user, &group);
    if (!str_to_fixed(user, name, sizeof(name)))
        return;
    const struct passwd *pw = getpwnam(name);
    if (pw == NULL) {
        snprintf(p->problem, sizeof(p->problem), "unknown user %.150s", name);
        return;
    }
    p->user_name = xstrdup(name);
    p->home = xstrdup(pw->pw_dir);
    p->uid = pw->pw_uid;
    p->gid = pw->pw_gid;
    if (with_group && str_to_fixed(group, name, sizeof(name))) {
        const struct group *gr = getgrnam(name);
        if (gr == NULL)
            snprintf(p->problem, sizeof(p->problem), "unknown group %.150s", name);
        else
            p->gid = gr->gr_gid;
    }
}

static void take_arg(struct pipe_service *p, const char *arg)
{
    struct str name, value;
    if (!str_cut(str_from(arg), '=', &name, &value))
        return;
    if (str_eqz(name, "flags"))
        (void)str_to_fixed(value, p->flags, sizeof(p->flags));
    else if (str_eqz(name, "user"))
        set_user(p, value.p);
    else if (str_eqz(name, "null_sender"))
        p->null_sender = value.p;
}

/* SERVICE_time_limit, or command_time_limit. */
static uint32_t time_limit(struct config *config, const char *service)
{
    char name[128];
    struct { uint32_t seconds; } value = { router->conf.command_time_limit };
    struct err err;
    (void)snprintf(name, sizeof(name), "%s_time_limit", service);
    const struct param row = { name, PARAM_SECS, 0, "$command_time_limit", 1, 864000, "" };
    const struct param_table table = { &row, 1 };
    if (config_raw(config, name) != NULL && config_fill(config, &table, &value, &err) != 0)
        log_warning("%s; command_time_limit is used", err.text);
    return value.seconds;
}

static void take_service(struct config *config, const struct service *s)
{
    struct pipe_service *p = vec_add(&all.rows);
    p->name = s->name;
    p->seconds = time_limit(config, s->name);
    p->null_sender = "MAILER-DAEMON";
    for (size_t i = 0; i < s->n_args; i++) {
        if (strncmp(s->args[i], "argv=", 5) != 0) {
            take_arg(p, s->args[i]);
            continue;
        }
        p->argv = s->args + i;      /* the first one has "argv=" in front */
        p->n_argv = s->n_args - i;
        break;
    }
    if (p->argv == NULL && p->problem[0] == '\0')
        snprintf(p->problem, sizeof(p->problem), "no argv= in master.cf");
    if (p->user_name == NULL && p->problem[0] == '\0')
        snprintf(p->problem, sizeof(p->problem), "no user= in master.cf");
    if (p->user_name != NULL && (p->uid == 0 || p->gid == 0 || strcmp(p->user_name, router->conf.mail_owner) == 0) && !router->private_instance)
        snprintf(p->problem, sizeof(p->problem), "user= may be neither root nor the mail system");
}

int pipe_load(struct config *config, struct err *err)
{
    struct service_list list;
    if (service_load(config, &list, err) < 0)
        return err->sys == ENOENT ? 0 : -1;     /* master would have said so */
    for (size_t i = 0; i < list.n; i++)
        if (strcmp(list.rows[i].command, "pipe") == 0)
            take_service(config, &list.rows[i]);
    return 0;
}

static const struct pipe_service *find_service(struct str name)
{
    for (size_t i = 0; i < all.rows.n; i++)
        if (str_eqz(name, all.rows.p[i].name))
            return &all.rows.p[i];
    return NULL;
}

bool pipe_has(struct str service) { return find_service(service) != NULL; }

/* --- expansion ---------------------------------------------------------------------------- */

static struct str macro(const struct pipe_service *p, struct rcpt *r, struct str name)
{
    const struct ipc_deliver *d = &r->order->d;
    struct str local = r->address, domain = STR(""), user, ext = STR("");
    ptrdiff_t at = str_rchr(r->address, '@');
    if (at >= 0) {
        local = str_head(r->address, (size_t)at);
        domain = str_skip(r->address, (size_t)at + 1);
    }
    if (!map_split_extension(local, router->conf.recipient_delimiter, &user, &ext)) {
        user = local;
        ext = STR("");
    }
    const struct { const char *name; struct str value; } macros[] = {
        { "recipient", r->address }, { "original_recipient", r->orig.n > 0 ? r->orig : r->address }, { "mailbox", local },
        { "user", user }, { "extension", ext.n > 0 ? str_skip(ext, 1) : ext }, { "domain", domain }, { "nexthop", d->nexthop },
        { "sender", d->sender.n > 0 ? d->sender : str_from(p->null_sender) }, { "queue_id", d->queue_id },
        { "size", str_printf(&r->arena, "%llu", (unsigned long long)d->content_size) }, { "envid", d->envid },
    };
    for (size_t i = 0; i < N_ELEMS(macros); i++)
        if (str_eqz(name, macros[i].name))
            return macros[i].value;
    return STR("");
}

/* Characters of an address that could mean something to a program's option parser or shell become '_'. */
static void put_value(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        buf_putc(out, value.p[i] == '\0' || value.p[i] == '\n' || value.p[i] == '\r' ? '_' : value.p[i]);
}

static void expand_arg(const struct pipe_service *p, struct rcpt *r, struct str arg, struct buf *out)
{
    while (arg.n > 0) {
        if (arg.p[0] != '$' || arg.n == 1) {
            buf_putc(out, arg.p[0]);
            arg = str_skip(arg, 1);
            continue;
        }
        if (arg.p[1] == '$') {
            buf_putc(out, '$');
            arg = str_skip(arg, 2);
            continue;
        }
        bool braces = arg.p[1] == '{' || arg.p[1] == '(';
        struct str name = str_skip(arg, braces ? 2 : 1);
        size_t n = 0;
        while (n < name.n && (ascii_is_alnum(name.p[n]) || name.p[n] == '_'))
            n++;
        put_value(out, macro(p, r, str_head(name, n)));
        arg = str_skip(name, n + (braces && n < name.n ? 1 : 0));
    }
}

/* --- delivery ------------------------------------------------------------------------------- */

static struct str headers(const struct pipe_service *p, struct rcpt *r)
{
    struct buf out = buf_make(8000);
    const struct ipc_deliver *d = &r->order->d;
    if (strchr(p->flags, 'R') != NULL)
        buf_printf(&out, "Return-Path: <%.*s>\n", STR_FMT(d->sender));
    if (strchr(p->flags, 'O') != NULL && r->orig.n > 0)
        buf_printf(&out, "X-Original-To: %.*s\n", STR_FMT(r->orig));
    if (strchr(p->flags, 'D') != NULL)
        buf_printf(&out, "Delivered-To: %.*s\n", STR_FMT(r->address));
    struct str s = str_dup(&r->arena, buf_str(&out));
    buf_done(&out);
    return s;
}

void deliver_pipe(struct rcpt *r)
{
    const struct pipe_service *p = find_service(r->order->d.transport);
    struct err err = { 0 };
    static const char environment[] = "PATH=/usr/bin:/bin:/usr/sbin:/sbin\0LANG=C";
    if (p->problem[0] != '\0') {
        rcpt_done(r, OUTCOME_DEFERRED, "4.3.5", "mail system configuration error: service %s: %s", p->name, p->problem);
        return;
    }
    int loop = strchr(p->flags, 'D') == NULL ? 0 : message_has_delivered_to(r->order, r->address, &err);
    if (loop != 0) {
        rcpt_done(r, loop > 0 ? OUTCOME_BOUNCED : OUTCOME_DEFERRED, loop > 0 ? "5.4.6" : "4.3.0", "%s",
                  loop > 0 ? "mail forwarding loop" : err.text);
        return;
    }
    struct buf argv = buf_make(4096);
    for (size_t i = 0; i < p->n_argv; i++) {
        if (i > 0)
            buf_putc(&argv, '\0');
        expand_arg(p, r, str_from(p->argv[i] + (i == 0 ? 5 : 0)), &argv);
    }
    struct act_user user = { p->user_name, p->home, p->uid, p->gid, 0 };
    struct ipc_action a = {
        .kind = ACTION_PIPE, .path = str_dup(&r->arena, buf_str(&argv)), .headers = headers(p, r), .seconds = p->seconds,
        .environment = str_make(environment, sizeof(environment)), .file = -1,
    };
    bool too_long = argv.full;
    buf_done(&argv);
    if (too_long)
        rcpt_done(r, OUTCOME_BOUNCED, "5.3.0", "command line is too long");
    else
        act_and_done(r, &user, &a);
    if (r->outcome == OUTCOME_SENT)
        rcpt_done(r, OUTCOME_SENT, "2.0.0", "delivered via %s service", p->name);
}
