/* SPDX-License-Identifier: ISC */
#include "services.h"
#include "daemon/auth_listen.h"
#include "daemon/mailbox_services.h"
#include "os/proc.h"
#include "spawn.h"

enum kind { DOES_ROLE, DONE_INSIDE, TRANSPORT, SPAWNS, NOT_SERVED };

/* Commands of master.cf. family: of the login roles. */
static const struct command { const char *name; enum kind kind; enum role role; const char *family, *program; } commands[] = {
    { "smtpd", DOES_ROLE, ROLE_SMTPD, "", "smtpd" },
    { "postscreen", DOES_ROLE, ROLE_SMTPD, "", "smtpd" },
    { "lmtpd", DOES_ROLE, ROLE_LMTPD, "", "smtpd" },
    { "submitd", DOES_ROLE, ROLE_SUBMITD, "", "submitd" },
    { "pickup", DOES_ROLE, ROLE_PICKUP, "", "pickup" },
    { "qmgr", DOES_ROLE, ROLE_QMGR, "", "qmgr" },
    { "oqmgr", DOES_ROLE, ROLE_QMGR, "", "qmgr" },
    { "nqmgr", DOES_ROLE, ROLE_QMGR, "", "qmgr" },
    { "bounce", TRANSPORT, ROLE_BOUNCE, "", "deliver-bounce" },
    { "smtp", TRANSPORT, ROLE_OUT, "", "deliver-out" },
    { "lmtp", TRANSPORT, ROLE_OUT, "", "deliver-out" },
    { "error", TRANSPORT, ROLE_OUT, "", "deliver-out" },
    { "discard", TRANSPORT, ROLE_OUT, "", "deliver-out" },
    { "local", TRANSPORT, ROLE_ROUTER, "", "deliver-router" },
    { "virtual", TRANSPORT, ROLE_ROUTER, "", "deliver-router" },
    { "pipe", TRANSPORT, ROLE_ROUTER, "", "deliver-router" },
    { "cleanup", DONE_INSIDE, ROLE_SMTPD, "", "" },
    { "trivial-rewrite", DONE_INSIDE, ROLE_SMTPD, "", "" },
    { "tlsmgr", DONE_INSIDE, ROLE_SMTPD, "", "" },
    { "tlsproxy", DONE_INSIDE, ROLE_SMTPD, "", "" },
    { "dnsblog", DONE_INSIDE, ROLE_SMTPD, "", "" },
    { "anvil", DOES_ROLE, ROLE_ANVIL, "", "anvil" },
    { "verify", DONE_INSIDE, ROLE_SMTPD, "", "" },
    { "flush", DONE_INSIDE, ROLE_QMGR, "", "" },
    { "showq", DONE_INSIDE, ROLE_QMGR, "", "" },
    { "scache", DONE_INSIDE, ROLE_OUT, "", "" },
    { "proxymap", DONE_INSIDE, ROLE_LOOKUP, "", "" },
    { "postlogd", DONE_INSIDE, ROLE_LOG, "", "" },
    { "nbdb_reindexd", DONE_INSIDE, ROLE_LOOKUP, "", "" },
    { "spawn", SPAWNS, ROLE_MASTER, "", "" },
    { "qmqpd", NOT_SERVED, ROLE_SMTPD, "", "" },
    { "imap-login", DOES_ROLE, ROLE_LOGIN, "imap", "imap-login" },
    { "pop3-login", DOES_ROLE, ROLE_LOGIN, "pop3", "pop3-login" },
    { "tls-proxy", DOES_ROLE, ROLE_TLS, "", "tls-proxy" },
    { "imapd", DOES_ROLE, ROLE_SESSION, "imap", "imapd" },
    { "pop3d", DOES_ROLE, ROLE_SESSION, "pop3", "pop3d" },
    { "hub", DOES_ROLE, ROLE_HUB, "", "hub" },
    { "authd", DOES_ROLE, ROLE_AUTHD, "", "authd" },
    { "auth-worker", DOES_ROLE, ROLE_WORKER, "", "auth-worker" },
    { "auth-db", DOES_ROLE, ROLE_AUTHDB, "", "auth-db" },
    { "auth-hash", DOES_ROLE, ROLE_HASH, "", "auth-hash" },
    { "resolver", DOES_ROLE, ROLE_RESOLVER, "", "resolver" },
    { "keys", DOES_ROLE, ROLE_KEYS, "", "keys" },
    { "lookup", DOES_ROLE, ROLE_LOOKUP, "", "lookup" },
    { "broker", DOES_ROLE, ROLE_BROKER, "", "broker" },
    { "logd", DOES_ROLE, ROLE_LOG, "", "logd" },
    { "deliver-out", DOES_ROLE, ROLE_OUT, "", "deliver-out" },
    { "deliver-router", DOES_ROLE, ROLE_ROUTER, "", "deliver-router" },
    { "deliver-actor", DOES_ROLE, ROLE_ACTOR, "", "deliver-actor" },
    { "deliver-bounce", DOES_ROLE, ROLE_BOUNCE, "", "deliver-bounce" },
};

/* Rows that are there whatever master.cf says; a row of master.cf for the same role replaces its name and -o. */
static const struct { const char *name, *command; const char *sockets[2]; } builtin[] = {
    { "log", "logd", { NULL } },
    { "broker", "broker", { NULL } },
    { "keys", "keys", { NULL } },
    { "resolver", "resolver", { NULL } },
    { "anvil", "anvil", { NULL } },
    { "lookup", "lookup", { NULL } },
    { "auth", "authd", { NULL } },
    { "auth-worker", "auth-worker", { NULL } },
    { "auth-db", "auth-db", { NULL } },
    { "auth-hash", "auth-hash", { NULL } },
    { "bounce", "deliver-bounce", { NULL } },
    { "out", "deliver-out", { NULL } },
    { "router", "deliver-router", { NULL } },
    { "actor", "deliver-actor", { NULL } },
    { "qmgr", "qmgr", { "unix:public/qmgr", "unix:public/showq" } },
    { "pickup", "pickup", { "unix:public/pickup" } },
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < N_ELEMS(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* ---- one row ---- */

static const char *override_of(const struct plan *p, const char *name)
{
    size_t n = strlen(name);
    const char *value = NULL;
    for (size_t i = 0; i < p->overrides.n; i++)
        if (strncmp(p->overrides.p[i], name, n) == 0 && p->overrides.p[i][n] == '=')
            value = p->overrides.p[i] + n + 1;
    return value;
}

static void add_override(struct plan *p, const char *text) { vec_push(&p->overrides, xstrdup(text)); }

static void add_socket(struct plan *p, const char *text)
{
    struct plan_socket s = { .name = xstrdup(text) };
    vec_push(&p->sockets, s);
}

static uint32_t processes_of(enum role role, const struct master_conf *conf)
{
    if (role == ROLE_ACTOR)
        return conf->actor_limit;
    if (role == ROLE_WORKER)
        return conf->worker_limit;
    /* authd keeps to the limit of each database by itself. */
    if (role == ROLE_AUTHDB)
        return conf->auth_db_processes * 32;
    if (role == ROLE_HASH)
        return conf->hash_limit > 0 ? conf->hash_limit : proc_cpus();
    return role_row(role)->start == START_SERVICE ? conf->processes : 1;
}

static struct plan *add_plan(struct plan_list *l, const char *name, const struct command *cmd, enum role role, const struct master_conf *conf)
{
    struct plan *p = vec_add(&l->v);
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    (void)snprintf(p->family, sizeof p->family, "%s", cmd->family);
    p->role = role;
    p->program = role == ROLE_SUBMITD ? "submitd" : cmd->program;
    p->type = SERVICE_UNIX;
    p->processes = processes_of(role, conf);
    return p;
}

/* A port for users: by name, number, or because TLS comes first. */
static bool is_submission(const struct service *s)
{
    static const char *const ports[] = { "submission", "submissions", "smtps", "ssmtp", "587", "465" };
    const char *colon = strrchr(s->name, ':'), *port = colon == NULL ? s->name : colon + 1;
    for (size_t i = 0; i < N_ELEMS(ports); i++)
        if (strcmp(port, ports[i]) == 0)
            return true;
    for (size_t i = 0; i < s->n_overrides; i++)
        if (strcmp(s->overrides[i], "smtpd_tls_wrappermode=yes") == 0)
            return true;
    return false;
}

static void take_row(struct plan *p, const struct service *s, const struct master_conf *conf)
{
    (void)snprintf(p->name, sizeof p->name, "%s", s->name);
    p->type = s->type;
    p->line = s->line;
    p->verbose = s->verbose > 0;
    for (size_t i = 0; i < s->n_overrides; i++)
        add_override(p, s->overrides[i]);
    bool limited = strcmp(s->fields[6], "-") != 0 && s->max_proc > 0;
    if (limited && role_row(p->role)->start == START_SERVICE)
        p->max_clients = (s->max_proc + conf->processes - 1) / conf->processes;
    else if (limited && role_row(p->role)->start == START_NEEDED)
        p->processes = s->max_proc;
    const char *family = override_of(p, "tls_service");
    if (p->role == ROLE_TLS && family != NULL)
        (void)snprintf(p->family, sizeof p->family, "%s", family);
}

static void take_socket(struct plan *p, const struct service *s)
{
    char socket[256];
    if (s->type == SERVICE_INET)
        (void)snprintf(socket, sizeof socket, "inet:%s%s", strchr(s->name, ':') == NULL ? ":" : "", s->name);
    else
        (void)snprintf(socket, sizeof socket, "unix:%s/%s", s->is_private ? "private" : "public", s->name);
    bool listens = s->type == SERVICE_INET || role_row(p->role)->start == START_SERVICE;
    if (listens && s->type != SERVICE_PASS)
        add_socket(p, socket);
}

static struct plan *find_plan(struct plan_list *l, enum role role, const char *family)
{
    for (size_t i = 0; i < l->v.n; i++)
        if (l->v.p[i].role == role && strcmp(l->v.p[i].family, family) == 0)
            return &l->v.p[i];
    return NULL;
}

static int add_row(struct plan_list *l, struct config *c, const struct service *s, const struct master_conf *conf, struct buf *warnings, struct err *err)
{
    const struct command *cmd = find_command(s->command);
    if (cmd == NULL)
        return err_set(err, ERR_CONFIG, "%s: line %u: unknown command \"%s\" (a Postfix daemon's name is needed)", l->file, s->line, s->command);
    if (cmd->kind == NOT_SERVED)
        buf_printf(warnings, "%s: line %u: service %s: command \"%s\" is not run by this system; run it on its own and name its socket\n",
                   l->file, s->line, s->name, s->command);
    if (cmd->kind == SPAWNS)
        return spawn_plan_make(c, l->file, s, vec_add(&l->spawn), err);
    /* Transports are option sets that the delivery roles read for themselves. */
    if (cmd->kind != DOES_ROLE || (s->type == SERVICE_PASS && cmd->role == ROLE_SMTPD))
        return 0;
    enum role role = cmd->role == ROLE_SMTPD && is_submission(s) ? ROLE_SUBMITD : cmd->role;
    if (role_row(role)->start != START_SERVICE && role != ROLE_SESSION) {
        struct plan *p = find_plan(l, role, cmd->family);
        ASSERT(p != NULL || role == ROLE_HUB);
        if (p == NULL)
            p = add_plan(l, s->name, cmd, role, conf);
        take_row(p, s, conf);
        return 0;
    }
    struct plan *p = add_plan(l, s->name, cmd, role, conf);
    take_row(p, s, conf);
    take_socket(p, s);
    return 0;
}

/* ---- the whole ---- */

static void add_builtin(struct plan_list *l, const struct master_conf *conf)
{
    for (size_t i = 0; i < N_ELEMS(builtin); i++) {
        const struct command *cmd = find_command(builtin[i].command);
        struct plan *p = add_plan(l, builtin[i].name, cmd, cmd->role, conf);
        for (size_t k = 0; k < N_ELEMS(builtin[i].sockets) && builtin[i].sockets[k] != NULL; k++)
            add_socket(p, builtin[i].sockets[k]);
    }
}

static struct plan *add_family_role(struct plan_list *l, const char *command, const char *family, const char *name, const struct master_conf *conf)
{
    const struct command *cmd = find_command(command);
    struct plan *p = add_plan(l, name, cmd, cmd->role, conf);
    (void)snprintf(p->family, sizeof p->family, "%s", family);
    if (cmd->role == ROLE_TLS) {
        char text[32];
        (void)snprintf(text, sizeof text, "tls_service=%s", family);
        add_override(p, text);
    }
    return p;
}

/* The plan of an entry's name; entries of one name share it. */
static struct plan *mailbox_plan(struct plan_list *l, const struct mailbox_service *m, const struct master_conf *conf, size_t first)
{
    for (size_t i = first; i < l->v.n; i++)
        if (strcmp(l->v.p[i].name, m->name) == 0)
            return &l->v.p[i];
    struct plan *p = add_family_role(l, m->command, m->family, m->name, conf);
    p->type = m->is_inet ? SERVICE_INET : SERVICE_UNIX;
    return p;
}

static int add_mailbox(struct plan_list *l, const struct master_conf *conf, struct err *err)
{
    struct mailbox_service rows[MAILBOX_SERVICES_MAX];
    struct arena a = arena_make(1 << 20);
    size_t n = 0, first = l->v.n;
    int rc = mailbox_services_parse(str_from(conf->mailbox_services), &a, rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct plan_socket s = { .name = xstrdup(rows[i].socket), .mode = rows[i].mode, .user = rows[i].user == NULL ? NULL : xstrdup(rows[i].user),
                                 .group = rows[i].group == NULL ? NULL : xstrdup(rows[i].group) };
        vec_push(&mailbox_plan(l, &rows[i], conf, first)->sockets, s);
    }
    arena_done(&a);
    return rc;
}

/* A protocol that is served at all needs all three of tls, login and session, and the hub. */
static void complete_families(struct plan_list *l, const struct master_conf *conf)
{
    static const struct { const char *family, *login, *session; } families[] = { { "imap", "imap-login", "imapd" }, { "pop3", "pop3-login", "pop3d" } };
    bool any = false;
    for (size_t i = 0; i < N_ELEMS(families); i++) {
        const char *f = families[i].family;
        bool tls = find_plan(l, ROLE_TLS, f) != NULL, login = find_plan(l, ROLE_LOGIN, f) != NULL;
        if (!tls && !login)
            continue;
        any = true;
        if (!tls)
            (void)add_family_role(l, "tls-proxy", f, f, conf);
        if (!login)
            (void)add_family_role(l, families[i].login, f, f, conf);
        if (find_plan(l, ROLE_SESSION, f) == NULL)
            (void)add_family_role(l, families[i].session, f, f, conf);
    }
    if (any && find_plan(l, ROLE_HUB, "") == NULL)
        (void)add_plan(l, "hub", find_command("hub"), ROLE_HUB, conf);
}

/* authd's sockets are a list of their own, so that each may have its owner; its index is how authd knows them. */
static int add_auth_sockets(struct plan_list *l, const struct master_conf *conf, struct err *err)
{
    struct plan *p = find_plan(l, ROLE_AUTHD, "");
    struct auth_listen rows[AUTH_LISTEN_MAX];
    struct arena a = arena_make(1 << 20);
    size_t n = 0;
    const char *own = p == NULL ? NULL : override_of(p, "postern_auth_listeners");
    int rc = p == NULL ? 0 : auth_listen_parse(str_from(own == NULL ? conf->auth_listeners : own), &a, rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct plan_socket s = { .name = xstrdup(rows[i].socket), .mode = rows[i].mode, .user = rows[i].user == NULL ? NULL : xstrdup(rows[i].user),
                                 .group = rows[i].group == NULL ? NULL : xstrdup(rows[i].group) };
        vec_push(&p->sockets, s);
    }
    arena_done(&a);
    return rc;
}

static void free_socket(struct plan_socket *s)
{
    free(s->name);
    free(s->user);
    free(s->group);
}

void plan_done(struct plan_list *l)
{
    for (size_t i = 0; i < l->v.n; i++) {
        struct plan *p = &l->v.p[i];
        for (size_t k = 0; k < p->overrides.n; k++)
            free(p->overrides.p[k]);
        for (size_t k = 0; k < p->sockets.n; k++)
            free_socket(&p->sockets.p[k]);
        vec_done(&p->overrides);
        vec_done(&p->sockets);
    }
    for (size_t i = 0; i < l->spawn.n; i++)
        spawn_plan_done(&l->spawn.p[i]);
    vec_done(&l->spawn);
    vec_done(&l->v);
}

int plan_make(struct config *c, const struct master_conf *conf, struct plan_list *ret, struct buf *warnings, struct err *err)
{
    struct service_list services;
    struct plan_list l = { 0 };
    if (service_load(c, &services, err) != 0)
        return -1;
    (void)snprintf(l.file, sizeof l.file, "%s", services.file);
    add_builtin(&l, conf);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < services.n; i++)
        rc = add_row(&l, c, &services.rows[i], conf, warnings, err);
    if (rc == 0)
        rc = add_mailbox(&l, conf, err);
    if (rc == 0)
        rc = add_auth_sockets(&l, conf, err);
    if (rc != 0) {
        plan_done(&l);
        return -1;
    }
    complete_families(&l, conf);
    *ret = l;
    return 0;
}
