/* SPDX-License-Identifier: ISC
 *
 * local(8): what becomes of a recipient of this machine.
 *
 *   name -> alias_maps -> destinations        else
 *        -> user      -> .forward -> destinations, or the mailbox
 *        -> luser_relay, or "unknown user"
 *
 * Destinations wait in a list, not on the stack; each is done once however
 * often it is named. Actions come first; addresses elsewhere are collected
 * and end in one new message that replaces the recipient. Something that
 * fails temporarily defers the recipient as a whole.
 */
#include "base/htab.h"
#include "base/log.h"
#include "proto/alias_list.h"
#include "proto/qrec.h"
#include "router.h"

enum source { FROM_ENVELOPE, FROM_ALIAS, FROM_FORWARD, FROM_INCLUDE };

struct step {
    enum alias_kind kind;
    struct str text;
    enum source source;
    unsigned depth;
    bool no_forward;            /* \name, or a user's own name in its .forward */
    bool no_alias;
    const struct act_user *user;    /* whose .forward it stands in; NULL: default_privs */
};

struct local {
    struct rcpt *r;
    VEC(struct step) steps;
    size_t at;
    struct htab seen;
    VEC(struct str) forwards;
    struct str owner;           /* owner- alias: new envelope sender of forwards */
    struct act_user default_user;
    bool has_default_user;
    /* Worst and last result so far. */
    bool failed;
    bool delivered;
    struct str done_text;
};

/* --- results ------------------------------------------------------------------------------ */

/* A deferral stays one; a bounce of one destination bounces the recipient unless another defers it. */
static void fail(struct local *l, enum outcome outcome, struct str dsn, struct str text)
{
    char code[16];
    if (l->failed && (l->r->outcome == OUTCOME_DEFERRED || outcome != OUTCOME_DEFERRED))
        return;
    l->failed = true;
    rcpt_done(l->r, outcome, str_to_fixed(dsn, code, sizeof(code)) ? code : "4.3.0", "%.*s", STR_FMT(text));
}

static void take_result(struct local *l, const struct act_result *res)
{
    if (res->outcome == OUTCOME_SENT) {
        l->delivered = true;
        l->done_text = res->text;
    } else {
        fail(l, res->outcome == OUTCOME_BOUNCED ? OUTCOME_BOUNCED : OUTCOME_DEFERRED, res->dsn, res->text);
    }
}

static void add_step(struct local *l, struct step s)
{
    if (l->steps.n >= router->conf.duplicate_limit || s.depth > router->conf.include_depth) {
        fail(l, OUTCOME_BOUNCED, STR("5.4.6"), STR("alias expansion: too many destinations, or nested too deeply"));
        return;
    }
    s.text = str_dup(&l->r->arena, s.text);
    vec_push(&l->steps, s);
}

static bool first_time(struct local *l, const char *what, struct str text)
{
    struct str key = str_lower(&l->r->arena, str_printf(&l->r->arena, "%s%.*s", what, STR_FMT(text)));
    return htab_put(&l->seen, key, l) == NULL;
}

/* --- destinations from text ------------------------------------------------------------------ */

static bool list_has(const char *list, enum source source)
{
    static const char *const names[] = { "", "alias", "forward", "include" };
    struct str word, rest = str_from(list);
    while (str_token(&rest, ", \t", &word))
        if (str_eqz(word, names[source]))
            return true;
    return false;
}

/* self: a name that means the user's own mailbox here. */
static void add_list(struct local *l, struct str text, enum source source, unsigned depth, const struct act_user *user, struct str self)
{
    struct buf scratch = buf_make(65536);
    struct alias_item item;
    while (alias_next(&text, &scratch, &item)) {
        struct step s = { .kind = item.kind, .text = item.text, .source = source, .depth = depth + 1, .user = user };
        s.no_forward = item.kind == ALIAS_ADDRESS && self.n > 0 && str_ieq(item.text, self);
        add_step(l, s);
    }
    buf_done(&scratch);
}

/* --- who ---------------------------------------------------------------------------------------- */

static const struct act_user *privileges(struct local *l, const struct step *s)
{
    struct err err = { 0 };
    if (s->user != NULL)
        return s->user;
    if (router->private_instance) {
        l->default_user = (struct act_user){ "", "/", router->own_uid, router->own_gid, 0 };
        return &l->default_user;
    }
    if (!l->has_default_user && user_find(str_from(router->conf.default_privs), &l->r->arena, &l->default_user, &err) != MAP_FOUND) {
        fail(l, OUTCOME_DEFERRED, STR("4.3.5"), str_printf(&l->r->arena, "default_privs: user %s cannot be found", router->conf.default_privs));
        return NULL;
    }
    l->has_default_user = true;
    return &l->default_user;
}

/* --- actions ------------------------------------------------------------------------------------- */

static struct str environment(struct local *l, const struct act_user *user, struct str local_part)
{
    struct arena *a = &l->r->arena;
    struct buf out = buf_make(16000);
    const struct ipc_deliver *d = &l->r->order->d;
    const struct { const char *name; struct str value; } vars[] = {
        { "PATH", STR("/usr/bin:/bin:/usr/sbin:/sbin") }, { "SHELL", STR("/bin/sh") }, { "HOME", str_from(user->home) },
        { "USER", str_from(user->name) }, { "LOGNAME", str_from(user->name) }, { "SENDER", d->sender }, { "RECIPIENT", l->r->address },
        { "LOCAL", local_part }, { "ORIGINAL_RECIPIENT", l->r->orig.n > 0 ? l->r->orig : l->r->address },
        { "DOMAIN", str_from(router->conf.mydomain) },
    };
    for (size_t i = 0; i < N_ELEMS(vars); i++) {
        buf_printf(&out, "%s=", vars[i].name);
        /* What the sender chose must not mean anything to a shell. */
        for (size_t k = 0; k < vars[i].value.n; k++) {
            char c = vars[i].value.p[k];
            bool safe = ascii_is_alnum(c) || strchr("@%-_=+:,./", c) != NULL;
            buf_putc(&out, c != '\0' && safe ? c : '_');
        }
        buf_putc(&out, '\0');
    }
    struct str s = str_dup(a, buf_str(&out));
    buf_done(&out);
    return s;
}

static struct str local_part(const struct rcpt *r)
{
    ptrdiff_t at = str_rchr(r->address, '@');
    return at < 0 ? r->address : str_head(r->address, (size_t)at);
}

static void run_command(struct local *l, struct str command, const struct act_user *user)
{
    struct act_result res;
    struct ipc_action a = {
        .kind = ACTION_COMMAND, .path = command, .headers = message_headers(l->r, l->r->address), .seconds = router->conf.command_time_limit,
        .environment = environment(l, user, local_part(l->r)), .file = -1,
    };
    act(l->r, user, &a, &res);
    take_result(l, &res);
}

static void write_file(struct local *l, struct str path, const struct act_user *user)
{
    struct act_result res;
    bool maildir = path.p[path.n - 1] == '/';
    struct ipc_action a = {
        .kind = maildir ? ACTION_MAILDIR : ACTION_MBOX, .path = maildir ? str_head(path, path.n - 1) : path,
        .headers = message_headers(l->r, l->r->address), .limit = router->conf.local_limit, .file = -1,
    };
    act(l->r, user, &a, &res);
    take_result(l, &res);
}

static void step_command_or_file(struct local *l, const struct step *s)
{
    bool command = s->kind == ALIAS_COMMAND;
    const struct act_user *user = privileges(l, s);
    if (user == NULL || !first_time(l, command ? "|" : "/", s->text))
        return;
    if (!list_has(command ? router->conf.allow_commands : router->conf.allow_files, s->source)) {
        fail(l, OUTCOME_BOUNCED, STR("5.7.1"), str_printf(&l->r->arena, "mail to %s is restricted", command ? "command" : "file"));
        return;
    }
    struct str path = s->text, part, rest = s->text;
    while (!command && str_token(&rest, "/", &part))
        if (str_eqz(part, "..")) {
            fail(l, OUTCOME_BOUNCED, STR("5.7.1"), STR("bad file name in an alias"));
            return;
        }
    if (command)
        run_command(l, path, user);
    else
        write_file(l, path, user);
    if (!command && !l->failed)
        l->done_text = str_printf(&l->r->arena, "delivered to file: %.*s", STR_FMT(path));
}

/* Read by a process of the alias's user: the router itself sees little of the file system. */
static void step_include(struct local *l, const struct step *s)
{
    struct act_result res;
    const struct act_user *user = privileges(l, s);
    if (user == NULL || !first_time(l, ":include:", s->text))
        return;
    struct ipc_action a = { .kind = ACTION_READ_INCLUDE, .path = s->text, .file = -1 };
    act(l->r, user, &a, &res);
    if (s->text.p[0] == '/' && res.outcome == OUTCOME_SENT)
        add_list(l, res.data, FROM_INCLUDE, s->depth, s->user, STR(""));
    else
        fail(l, OUTCOME_DEFERRED, STR("4.3.5"), str_printf(&l->r->arena, "cannot open include file %.*s", STR_FMT(s->text)));
}

/* --- users ------------------------------------------------------------------------------------------ */

/* A spool directory is shared: making a mailbox or a lock file there takes its group. */
static void write_spool(struct local *l, const struct act_user *user)
{
    const char *dir = router->conf.mail_spool_directory;
    bool maildir = dir[0] != '\0' && dir[strlen(dir) - 1] == '/';
    struct act_user member = *user;
    member.spool_gid = maildir || router->private_instance ? 0 : router->spool_gid;
    write_file(l, str_printf(&l->r->arena, "%s/%s%s", dir, user->name, maildir ? "/" : ""), &member);
}

static void deliver_mailbox(struct local *l, const struct act_user *user)
{
    const struct router_conf *c = &router->conf;
    struct arena *a = &l->r->arena;
    if (!first_time(l, "\\", str_from(user->name)))
        return;
    if (c->local_limit > 0 && l->r->order->d.content_size > c->local_limit)
        fail(l, OUTCOME_BOUNCED, STR("5.2.2"), STR("message is larger than mailbox_size_limit"));
    else if (c->mailbox_command[0] != '\0')
        run_command(l, str_from(c->mailbox_command), user);
    else if (c->home_mailbox[0] != '\0')
        write_file(l, str_printf(a, "%s/%s", user->home, c->home_mailbox), user);
    else
        write_spool(l, user);
}

/* $home, $user, $extension and $recipient_delimiter of forward_path; a path whose extension is missing is left out. */
static bool expand_forward(struct local *l, struct str item, const struct act_user *user, struct str ext, struct str *ret)
{
    struct buf out = buf_make(4096);
    bool ok = true;
    while (item.n > 0) {
        if (item.p[0] != '$') {
            buf_putc(&out, item.p[0]);
            item = str_skip(item, 1);
            continue;
        }
        bool braces = item.n > 1 && item.p[1] == '{';
        struct str name = str_skip(item, braces ? 2 : 1);
        size_t n = 0;
        while (n < name.n && (ascii_is_alnum(name.p[n]) || name.p[n] == '_'))
            n++;
        struct str macro = str_head(name, n);
        if (str_eqz(macro, "home"))
            buf_puts(&out, user->home);
        else if (str_eqz(macro, "user"))
            buf_puts(&out, user->name);
        else if (str_eqz(macro, "extension"))
            buf_add(&out, str_skip(ext, 1));
        else if (str_eqz(macro, "recipient_delimiter"))
            buf_add(&out, str_head(ext, 1));
        if ((str_eqz(macro, "extension") || str_eqz(macro, "recipient_delimiter")) && ext.n < 2)
            ok = false;
        item = str_skip(name, n + (braces && n < name.n ? 1 : 0));
    }
    ok = ok && str_chr(ext, '/') < 0;
    *ret = str_dup(&l->r->arena, buf_str(&out));
    buf_done(&out);
    return ok;
}

/* True when a .forward decided; then its destinations are steps. */
static bool use_forward(struct local *l, const struct step *s, const struct act_user *user, struct str ext)
{
    struct str item, path, rest = str_from(router->conf.forward_path);
    while (str_token(&rest, ", \t", &item)) {
        struct act_result res;
        if (!expand_forward(l, item, user, ext, &path))
            continue;
        struct ipc_action a = { .kind = ACTION_READ_FORWARD, .path = path, .file = -1 };
        act(l->r, user, &a, &res);
        if (res.outcome == OUTCOME_DEFERRED || res.outcome == OUTCOME_BOUNCED) {
            fail(l, OUTCOME_DEFERRED, res.dsn, res.text);
            return true;
        }
        if (res.text.n > 0)
            log_warning("%.*s: %.*s", STR_FMT(l->r->order->d.queue_id), STR_FMT(res.text));
        if (res.outcome != OUTCOME_SENT || str_trim(res.data).n == 0)
            continue;
        add_list(l, res.data, FROM_FORWARD, s->depth, user, str_from(user->name));
        return true;
    }
    return false;
}

static void unknown_user(struct local *l, struct str name, const struct step *s)
{
    const char *relay = router->conf.luser_relay;
    if (relay[0] != '\0' && s->source == FROM_ENVELOPE) {
        add_list(l, str_from(relay), FROM_ALIAS, s->depth, NULL, STR(""));
        return;
    }
    fail(l, OUTCOME_BOUNCED, STR("5.1.1"), str_printf(&l->r->arena, "unknown user: \"%.*s\"", STR_FMT(name)));
}

static void step_user(struct local *l, const struct step *s, struct str name, struct str ext)
{
    struct err err = { 0 };
    struct act_user *user = ARENA_NEW(&l->r->arena, struct act_user);
    switch (user_find(str_lower(&l->r->arena, name), &l->r->arena, user, &err)) {
    case MAP_NONE:
        unknown_user(l, name, s);
        return;
    case MAP_TEMP:
        fail(l, OUTCOME_DEFERRED, STR("4.3.0"), str_from(err.text));
        return;
    case MAP_FOUND:
        break;
    }
    if (user->uid == 0 && !router->private_instance) {
        fail(l, OUTCOME_BOUNCED, STR("5.7.1"), STR("mail for root is not delivered: name another user for root in aliases(5)"));
        return;
    }
    if (s->no_forward || !first_time(l, "user:", name) || !use_forward(l, s, user, ext))
        deliver_mailbox(l, user);
}

/* --- names ----------------------------------------------------------------------------------------------- */

/* owner-NAME: errors of what this alias forwards go there. */
static void find_owner(struct local *l, struct str name)
{
    struct err err = { 0 };
    struct str value, key = str_printf(&l->r->arena, "owner-%.*s", STR_FMT(name));
    if (l->owner.n == 0 && map_list_get(router->alias_maps, key, &l->r->arena, &value, &err) == MAP_FOUND)
        l->owner = str_printf(&l->r->arena, "%.*s@%s", STR_FMT(key), router->conf.myorigin);
}

/* True when alias_maps decided, also when they failed. */
static bool use_alias(struct local *l, const struct step *s, struct str name)
{
    struct err err = { 0 };
    struct str value;
    if (s->no_alias || map_list_is_empty(router->alias_maps))
        return false;
    switch (map_list_get(router->alias_maps, str_lower(&l->r->arena, name), &l->r->arena, &value, &err)) {
    case MAP_TEMP:
        fail(l, OUTCOME_DEFERRED, STR("4.3.0"), str_printf(&l->r->arena, "alias database unavailable: %s", err.text));
        return true;
    case MAP_FOUND:
        if (!first_time(l, "alias:", name))     /* "joe: joe, other": the second one is the user */
            return false;
        find_owner(l, name);
        add_list(l, value, FROM_ALIAS, s->depth, NULL, STR(""));
        return true;
    case MAP_NONE:
        break;
    }
    return false;
}

static void step_name(struct local *l, const struct step *s, struct str name)
{
    struct str user, ext;
    if (s->kind != ALIAS_USER && use_alias(l, s, name))
        return;
    if (!map_split_extension(name, router->conf.recipient_delimiter, &user, &ext)) {
        user = name;
        ext = STR("");
    } else if (s->kind != ALIAS_USER && use_alias(l, s, user)) {
        return;
    }
    struct step plain = *s;
    plain.no_forward = s->no_forward || s->kind == ALIAS_USER;
    step_user(l, &plain, user, ext);
}

/* Ours: goes on here. Elsewhere: a recipient of the new message. */
static void step_address(struct local *l, const struct step *s)
{
    struct err err = { 0 };
    ptrdiff_t at = str_rchr(s->text, '@');
    if (at < 0) {
        step_name(l, s, s->text);
        return;
    }
    enum map_result ours = match_list_string(router->mydestination, str_skip(s->text, (size_t)at + 1), &err);
    if (ours == MAP_TEMP)
        fail(l, OUTCOME_DEFERRED, STR("4.3.0"), str_from(err.text));
    else if (ours == MAP_FOUND || s->source == FROM_ENVELOPE)
        step_name(l, s, str_head(s->text, (size_t)at));
    else if (first_time(l, "@", s->text))
        vec_push(&l->forwards, s->text);
}

static void run_step(struct local *l, const struct step *s)
{
    switch (s->kind) {
    case ALIAS_ADDRESS:
        step_address(l, s);
        return;
    case ALIAS_USER:
        step_name(l, s, s->text);
        return;
    case ALIAS_COMMAND:
    case ALIAS_FILE:
        step_command_or_file(l, s);
        return;
    case ALIAS_INCLUDE:
        step_include(l, s);
        return;
    case ALIAS_BAD:
        fail(l, OUTCOME_BOUNCED, STR("5.3.0"), STR("bad destination in an alias"));
        return;
    }
}

/* --- the new message ------------------------------------------------------------------------------------------ */

static void forward(struct local *l)
{
    struct expand_list to = { 0 };
    bool good = true;
    for (size_t i = 0; good && i < l->forwards.n; i++)
        good = forward_expand(l->r, l->forwards.p[i], &to);
    if (good)
        forward_to(l->r, &to, l->owner.n > 0 ? l->owner : l->r->order->d.sender);
    vec_done(&to.addrs);
}

static void local_done(void *arg)
{
    struct local *l = arg;
    vec_done(&l->steps);
    vec_done(&l->forwards);
    htab_done(&l->seen);
}

void deliver_local(struct rcpt *r)
{
    struct err err = { 0 };
    struct local l = { .r = r };
    struct cleanup done;
    int loop = message_has_delivered_to(r->order, r->address, &err);
    if (loop != 0) {
        rcpt_done(r, loop > 0 ? OUTCOME_BOUNCED : OUTCOME_DEFERRED, loop > 0 ? "5.4.6" : "4.3.0", "%s%.*s",
                  loop > 0 ? "mail forwarding loop for " : err.text, loop > 0 ? (int)r->address.n : 0, r->address.p);
        return;
    }
    cleanup_push(&done, local_done, &l);
    add_step(&l, (struct step){ .kind = ALIAS_ADDRESS, .text = r->address, .source = FROM_ENVELOPE });
    for (l.at = 0; l.at < l.steps.n; l.at++) {
        struct step s = l.steps.p[l.at];
        run_step(&l, &s);
    }
    if (!l.failed && l.forwards.n > 0)
        forward(&l);
    else if (!l.failed && l.delivered)
        rcpt_done(r, OUTCOME_SENT, "2.0.0", "%.*s", STR_FMT(l.done_text));
    else if (!l.failed)
        rcpt_done(r, OUTCOME_BOUNCED, "5.4.6", "alias loop: %.*s expands to nothing but itself", STR_FMT(r->address));
    cleanup_pop(&done, true);
}
