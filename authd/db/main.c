/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     auth-db - asks SQL and LDAP servers about users, for authd
 *
 * DESCRIPTION
 *     Reads the entries sql: and ldap: of postern_passdb and postern_userdb
 *     and their configuration files, which are Dovecot's, and answers one
 *     question of authd at a time: what is stored of a user, may he in (LDAP
 *     bind), what does the user database say, who are all the users; and stores
 *     a password's new hash where an SQL entry has rehash=. authd
 *     starts as many as it needs, up to postern_auth_db_processes for each
 *     database, and lets one go that does not answer in time.
 *
 *     Clients of databases are modules (postern-pgsql.so ...), loaded if an
 *     entry names them. What a client sent reaches a server as a parameter or
 *     escaped, never as text of a statement.
 *
 * SECURITY
 *     Configuration files and modules are read before privileges are dropped. After that it
 *     runs as authd's user without capability or group, may open connections,
 *     and reads what the client libraries need (names, certificates). It talks
 *     to authd only. It sees passwords that databases hold, those of clients
 *     only where the database checks them, and keeps neither.
 *
 * DIAGNOSTICS
 *     None of its own after the start: authd logs what went wrong.
 */
#include "auth_db.h"
#include "base/enc.h"
#include "daemon/daemon.h"
#include "db/db_vars.h"
#include "os/sandbox.h"
#include "params.h"
#include <stdarg.h>
#include <unistd.h>

enum { CONF_ARENA_MAX = 16 << 20, QUESTION_ARENA_MAX = 1 << 20, STACK_OF_PATHS = 4096 };



static struct {
    struct auth_db_conf conf;
    struct arena arena;
    struct source *sources[2][DB_ENTRIES_MAX];  /* passdbs, userdbs; NULL: of another kind */
    struct chan *authd;
    bool busy;
} self;

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct auth_db_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { AUTH_DB_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

/* ---- before privileges are dropped ---- */

/* The directory of a file, for reading; of a database in a file, for its journal as well. */
static void allow_dir_of(const char *path, unsigned access)
{
    char dir[STACK_OF_PATHS];
    ptrdiff_t slash = path == NULL ? -1 : str_rchr(str_from(path), '/');
    if (slash > 0 && str_to_fixed(str_head(str_from(path), (size_t)slash), dir, sizeof dir))
        daemon_allow_path(dir, access);
}

static void allow_files(const struct db_source *s)
{
    static const char *const files[] = { "tls_ca_cert_file", "tls_cert_file", "tls_key_file", "ssl_ca", "ssl_cert", "ssl_key", "option_file" };
    static const char *const dirs[] = { "tls_ca_cert_dir", "ssl_ca_path" };
    for (size_t t = 0; t < s->targets->n; t++) {
        const struct db_setting *settings = s->targets->rows[t].settings;
        for (size_t i = 0; i < N_ELEMS(files); i++)
            if (db_setting_find(settings, files[i]) != NULL)
                daemon_allow_path(db_setting_find(settings, files[i]), SANDBOX_READ);
        for (size_t i = 0; i < N_ELEMS(dirs); i++)
            if (db_setting_find(settings, dirs[i]) != NULL)
                daemon_allow_path(db_setting_find(settings, dirs[i]), SANDBOX_READ);
        allow_dir_of(db_setting_find(settings, "file"), SANDBOX_READ | SANDBOX_WRITE);
    }
}

/* libpq's own names of files. */
static void allow_conninfo_files(const struct db_source *s)
{
    static const char *const names[] = { "sslrootcert=", "sslcert=", "sslkey=", "sslcrl=", "passfile=" };
    for (size_t t = 0; t < s->targets->n; t++) {
        const char *info = db_setting_find(s->targets->rows[t].settings, "conninfo");
        struct str rest = str_from(info == NULL ? "" : info), word;
        while (str_token(&rest, " \t", &word))
            for (size_t i = 0; i < N_ELEMS(names); i++)
                if (str_starts(word, str_from(names[i])))
                    daemon_allow_path(str_to_cstr(&self.arena, str_skip(word, strlen(names[i]))), SANDBOX_READ);
    }
}

static struct source *open_source(const struct db_entry *entry, const char *dir, struct err *err)
{
    struct source *s = ARENA_NEW(&self.arena, struct source);
    s->entry = entry;
    if (db_source_open(entry, &self.arena, &s->conf, err) != 0)
        return NULL;
    s->module = db_module_load(dir, s->conf.driver, err);
    if (s->module == NULL)
        return NULL;
    allow_files(&s->conf);
    allow_conninfo_files(&s->conf);
    s->conn = db_conn_make(s->module, s->conf.targets);
    return s;
}

static int open_all(const struct daemon_ctx *d, const char *parameter, const char *dir, struct source **ret, struct err *err)
{
    const char *text = config_get(d->config, parameter, err);
    struct db_entry *entries = ARENA_ARRAY(&self.arena, struct db_entry, DB_ENTRIES_MAX);
    size_t n = 0;
    if (db_conf_parse(parameter, str_from(text == NULL ? "" : text), &self.arena, entries, &n, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (!db_source_is(&entries[i]))
            continue;
        ret[i] = open_source(&entries[i], dir, err);
        if (ret[i] == NULL)
            return err_prefix(err, "%s", parameter);
    }
    return 0;
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    char own[STACK_OF_PATHS];
    const char *dir = self.conf.module_directory;
    self.arena = arena_make(CONF_ARENA_MAX);
    if (dir[0] == '\0' && !db_module_own_dir(own, sizeof own))
        return err_set(err, ERR_CONFIG, "postern_module_directory: not set, and the program's own directory is not known");
    dir = dir[0] == '\0' ? own : dir;
    return open_all(d, "postern_passdb", dir, self.sources[0], err) != 0 || open_all(d, "postern_userdb", dir, self.sources[1], err) != 0 ? -1 : 0;
}

/* ---- answers ---- */

void reply_set(struct reply *r, const struct ask *ask, enum auth_verdict verdict, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r->verdict = verdict;
    r->text = str_dup(ask->arena, str_from(text));
}

/* Without a scheme of its own it has the one that main.cf or the file names. */
static void keep_stored(struct reply *r, const struct source *s, const struct ask *ask, struct str value, bool has_scheme)
{
    struct str def = s->entry->default_scheme;
    if (def.n == 0)
        def = s->conf.sql != NULL ? s->conf.sql->default_scheme : s->conf.ldap->default_scheme;
    r->has_stored = true;
    r->stored = has_scheme && value.n > 0 && value.p[0] == '{' ? str_dup(ask->arena, value)
              : value.n == 0 ? STR("") : str_printf(ask->arena, "{%.*s}%.*s", STR_FMT(def), STR_FMT(value));
}

/* The name so far: what the row said, else what was asked for. */
static struct str name_so_far(const struct reply *r, const struct ask *ask)
{
    const struct field *f = fields_find(&r->fields, "user");
    return f != NULL ? f->value : ask->vars.user;
}

/* "username" keeps the domain that there is, "domain" replaces it. */
static bool add_name(struct reply *r, const struct ask *ask, const char *name, struct str value)
{
    struct str now = name_so_far(r, ask), local, domain, full = value;
    bool has_domain = str_cut(now, '@', &local, &domain);
    if (strcmp(name, "username") == 0 && has_domain && str_chr(value, '@') < 0)
        full = str_printf(ask->arena, "%.*s@%.*s", STR_FMT(value), STR_FMT(domain));
    else if (strcmp(name, "domain") == 0)
        full = value.n == 0 ? local : str_printf(ask->arena, "%.*s@%.*s", STR_FMT(local), STR_FMT(value));
    return fields_set(&r->fields, STR("user"), full);
}

bool reply_add(struct reply *r, const struct source *s, const struct ask *ask, const char *name, struct str value)
{
    bool is_passdb = ask->kind == DB_ASK_VERIFY || ask->kind == DB_ASK_LOOKUP;
    if (is_passdb && (strcmp(name, "password") == 0 || strcmp(name, "password_noscheme") == 0)) {
        keep_stored(r, s, ask, value, strcmp(name, "password") == 0);
        return true;
    }
    if (is_passdb && (strcmp(name, "user") == 0 || strcmp(name, "username") == 0 || strcmp(name, "domain") == 0))
        return add_name(r, ask, name, value);
    return name[0] == '\0' || fields_set(&r->fields, str_from(name), value);
}

void reply_check_password(struct reply *r, const struct ask *ask)
{
    if (r->fields.full)
        reply_set(r, ask, VERDICT_TEMPFAIL, "the database said more than there is room for");
    else if (r->has_stored && r->stored.n > 2047)
        reply_set(r, ask, VERDICT_TEMPFAIL, "the stored password is longer than 2047 bytes");
    else
        r->verdict = VERDICT_MATCH;
}

static void send_answer(struct chan *c, uint32_t id, const struct reply *r)
{
    struct buf line = buf_make(20480);
    struct ipc_db_answer a = { .verdict = r->verdict, .has_stored = r->has_stored, .stored = r->stored, .text = str_head(r->text, 400) };
    fields_put_line(&r->fields, &line);
    if (line.full) {
        a = (struct ipc_db_answer){ .verdict = VERDICT_TEMPFAIL, .stored = STR(""), .text = STR("the database said more than there is room for") };
        buf_reset(&line);
    }
    a.fields = buf_str(&line);
    (void)chan_send(c, IPC_DB_ANSWER, id, &a);
    chan_flush(c);
    buf_done(&line);
}

static void send_list(struct chan *c, uint32_t id, const struct db_rows *rows_found, bool complete, struct str why)
{
    struct db_cell cells[DB_CELLS_MAX];
    for (size_t i = 0; complete && self.authd == c && i < db_rows_count(rows_found); i++) {
        size_t n = db_rows_get(rows_found, i, cells);
        struct ipc_db_row row = { .user = n == 0 ? STR("") : cells[0].value };
        if (row.user.n == 0 || row.user.n > 256)
            continue;
        while (self.authd == c && !chan_send(c, IPC_DB_ROW, id, &row))
            if (chan_wait_room(c, deadline_in(LIST_MS)) != CHAN_OK)
                return;
    }
    const struct ipc_db_end end = { .complete = complete, .text = str_head(why, 400) };
    if (self.authd == c)
        (void)chan_send(c, IPC_DB_END, id, &end);
}

/* ---- questions ---- */

struct question { struct arena arena; struct chan *chan; uint32_t id; struct ask ask; struct source *source; const char *wrong; };

static void list_users(struct question *q)
{
    struct db_rows found = db_rows_make(0);
    struct str why = str_from(q->wrong == NULL ? "" : q->wrong);
    bool complete = q->wrong == NULL && (q->source->conf.sql != NULL ? sql_list : ldap_list)(q->source, &q->ask, &found, &why);
    if (self.authd == q->chan)
        send_list(q->chan, q->id, &found, complete, why);
    db_rows_done(&found);
}

static void answer_user(struct question *q)
{
    struct reply *r = ARENA_NEW(&q->arena, struct reply);
    *r = (struct reply){ .verdict = VERDICT_TEMPFAIL, .stored = STR(""), .fields = fields_make(&q->arena), .text = STR("") };
    if (q->wrong != NULL)
        reply_set(r, &q->ask, VERDICT_TEMPFAIL, "%s", q->wrong);
    else if (q->ask.kind == DB_ASK_REHASH)
        sql_rehash(q->source, &q->ask, r);
    else
        (q->source->conf.sql != NULL ? sql_answer : ldap_answer)(q->source, &q->ask, r);
    if (self.authd == q->chan)
        send_answer(q->chan, q->id, r);
    if (r->stored.n > 0) {
        void *p;
        memcpy(&p, &r->stored.p, sizeof p);
        secret_wipe(p, r->stored.n);
    }
}

static void question_run(void *arg)
{
    struct question *q = arg;
    if (q->ask.kind == DB_ASK_LIST)
        list_users(q);
    else
        answer_user(q);
    arena_done(&q->arena);
    free(q);
    self.busy = false;
}

static void on_ask(struct chan *c, uint32_t id, const struct ipc_db_ask *m)
{
    struct question *q = xcalloc(1, sizeof *q);
    *q = (struct question){ .arena = arena_make(QUESTION_ARENA_MAX), .chan = c, .id = id };
    q->ask = (struct ask){ .arena = &q->arena, .kind = (enum db_ask_kind)m->kind, .deadline = deadline_in(m->kind == DB_ASK_LIST ? LIST_MS : QUESTION_MS) };
    if (!db_vars_parse(str_dup(&q->arena, m->vars), &q->arena, &q->ask.vars))
        q->wrong = "the question was not understood";
    q->ask.vars.password = str_dup(&q->arena, m->password);
    q->ask.vars.rehash = str_dup(&q->arena, m->rehash);
    q->ask.old = str_dup(&q->arena, m->old);
    q->source = m->entry < DB_ENTRIES_MAX ? self.sources[m->is_userdb][m->entry] : NULL;
    if (q->source == NULL || m->kind < DB_ASK_VERIFY || m->kind > DB_ASK_REHASH)
        q->wrong = "there is no such database in this process";
    else if (m->kind == DB_ASK_REHASH && (q->source->conf.sql == NULL || q->source->entry->rehash_query.n == 0))
        q->wrong = "no password can be stored in this database";
    else if (self.busy)
        q->wrong = "another question is being answered";
    bool first = !self.busy;
    self.busy = true;
    if (first && fiber_start("question", question_run, q) != NULL)
        return;
    q->wrong = "the process is busy";
    question_run(q);
    self.busy = !first;
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    if (type == IPC_DB_ASK)
        on_ask(c, id, msg);
}

/* authd let us go, or is gone. A client library that hangs on a thread is not waited for. */
static void on_closed(struct chan *c)
{
    if (self.busy)
        _exit(0);
    chan_free(c);
    self.authd = NULL;
    daemon_drain();
}

static void on_peer(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    if (peer->role == ROLE_AUTHD && self.authd == NULL)
        self.authd = daemon_chan(peer, fd, &ops, NULL);
    else
        (void)close(fd);
}

static bool idle(void) { return !self.busy; }

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_AUTHDB, .params = &params, .conf = &self.conf, .before_drop = before_drop, .on_peer = on_peer, .idle = idle },
    };
    return daemon_main(argc, argv, "auth-db", roles, N_ELEMS(roles));
}
