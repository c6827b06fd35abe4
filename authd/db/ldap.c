/* SPDX-License-Identifier: ISC */
#include "auth_db.h"
#include "db/db_vars.h"

/* What a thread does: maybe a search as the directory's own reader, maybe a bind as the user. */
struct ldap_job {
    struct job job;
    struct db_conn *conn;
    const struct ldap_conf *conf;
    struct db_search search;            /* filter NULL: none */
    const char *user_dn;                /* bind as this one; NULL: as the entry that was found */
    bool binds;
    struct str password;
    struct db_rows *rows;
    int64_t deadline;
    enum db_code code;
    struct err err;
};

/* A connection that was last bound as a user becomes the reader's again. */
static enum db_code become_reader(struct db_conn *c, const struct ldap_conf *conf, int64_t deadline, struct err *err)
{
    if (c->bound == conf->dn)
        return DB_OK;
    if (conf->dn[0] == '\0' && !conf->sasl_bind && c->bound == NULL && !c->answered) {
        c->bound = conf->dn;
        return DB_OK;
    }
    enum db_code code = conf->sasl_bind ? c->module->dir->bind_sasl(c->handle, &conf->sasl, deadline, err)
                                        : c->module->dir->bind(c->handle, conf->dn, conf->dnpass, deadline, err);
    c->bound = code == DB_OK ? conf->dn : NULL;
    if (code == DB_OK)
        return DB_OK;
    (void)err_prefix(err, "dn %s", conf->dn);
    return code == DB_LOST ? DB_LOST : DB_FAILED;
}

static enum db_code try_job(struct db_conn *c, void *arg, int64_t deadline, struct err *err)
{
    struct ldap_job *j = arg;
    char dn[2048];
    enum db_code code = DB_OK;
    db_rows_reset(j->rows);
    if (j->search.filter != NULL) {
        code = become_reader(c, j->conf, deadline, err);
        if (code == DB_OK)
            code = c->module->dir->search(c->handle, &j->search, deadline, db_rows_add, j->rows, err);
    }
    if (code != DB_OK || !j->binds)
        return code;
    if (j->user_dn == NULL && db_rows_count(j->rows) != 1)
        return DB_OK;
    if (j->user_dn == NULL) {
        struct db_cell cells[DB_CELLS_MAX];
        (void)db_rows_get(j->rows, 0, cells);
        if (!str_to_fixed(cells[0].value, dn, sizeof dn) || cells[0].value.n == 0) {
            (void)err_set(err, ERR_TEMP, "the entry's name is too long");
            return DB_FAILED;
        }
    }
    c->bound = NULL;
    c->answered = true;
    return c->module->dir->bind(c->handle, j->user_dn != NULL ? j->user_dn : dn, j->password, deadline, err);
}

static void run(struct job *job)
{
    struct ldap_job *j = container_of(job, struct ldap_job, job);
    j->code = db_conn_ask(j->conn, try_job, j, j->deadline, &j->err);
}

/* ---- texts ---- */

/* %Dd is a domain in DN form, "example,dc=org": the commas are ours, so that only its labels are escaped. */
static bool put_labels(struct str domain, struct buf *out)
{
    struct str label;
    for (bool first = true; str_token(&domain, ".", &label); first = false) {
        buf_puts(out, first ? "" : ",dc=");
        if (!ldap_escape_dn(out, label, NULL))
            return false;
    }
    return true;
}

static const char *make_dn(struct str pattern, const struct ask *ask, const char **why)
{
    struct buf out = buf_make(2048);
    struct str local, domain;
    bool ok = true;
    (void)str_cut(ask->vars.user, '@', &local, &domain);
    while (ok && pattern.n > 0) {
        ptrdiff_t at = str_find(pattern, STR("%Dd"));
        struct str part = at < 0 ? pattern : str_head(pattern, (size_t)at);
        ok = part.n == 0 || var_expand(part, &ask->vars, ldap_escape_dn, NULL, &out, why);
        if (ok && at >= 0) {
            *why = "the domain cannot be part of a DN";
            ok = put_labels(domain, &out);
        }
        pattern = at < 0 ? STR("") : str_skip(pattern, (size_t)at + 3);
    }
    if (ok && out.full)
        *why = "the DN is too long";
    const char *dn = ok && !out.full ? str_to_cstr(ask->arena, buf_str(&out)) : NULL;
    buf_done(&out);
    return dn;
}

static const char *make_filter(struct str pattern, const struct ask *ask, const char **why)
{
    struct buf out = buf_make(VAR_RESULT_MAX);
    const char *filter = NULL;
    if (var_expand(pattern, &ask->vars, ldap_escape_filter, NULL, &out, why))
        filter = str_to_cstr(ask->arena, buf_str(&out));
    buf_done(&out);
    return filter;
}

static bool prepare_search(struct source *s, const struct ask *ask, struct str filter, const struct ldap_attrs *attrs, unsigned most,
                           struct ldap_job *j, const char **why)
{
    j->search = (struct db_search){ .base = make_dn(s->conf.ldap->base, ask, why), .scope = s->conf.ldap->scope, .attrs = attrs->wanted, .most = most };
    if (j->search.base == NULL)
        return false;
    j->search.filter = make_filter(filter, ask, why);
    return j->search.filter != NULL;
}

/* ---- fields ---- */

static bool take_attr(struct source *s, const struct ask *ask, const struct ldap_attr *a, const struct db_cell *cells, size_t n, struct reply *ret)
{
    const struct db_cell *c = a->attr[0] == '\0' ? NULL : ldap_cell_find(cells, n, str_from(a->attr));
    const char *name = str_to_cstr(ask->arena, a->field), *why = "";
    if (a->no_field || (a->attr[0] != '\0' && c == NULL))
        return true;
    if (!a->has_text)
        return reply_add(ret, s, ask, name, c->value);
    struct buf out = buf_make(VAR_RESULT_MAX);
    bool ok = ldap_attr_expand(a->text, c == NULL ? STR("") : c->value, cells, n, &ask->vars, &out, &why);
    if (ok)
        ok = reply_add(ret, s, ask, name, str_dup(ask->arena, buf_str(&out)));
    else
        reply_set(ret, ask, VERDICT_TEMPFAIL, "%s: %s", name, why);
    buf_done(&out);
    return ok;
}

static bool take_entry(struct source *s, const struct ask *ask, const struct ldap_attrs *attrs, const struct db_rows *rows, struct reply *ret)
{
    struct db_cell cells[DB_CELLS_MAX];
    size_t n = db_rows_get(rows, 0, cells);
    for (size_t i = 0; i < attrs->n; i++)
        if (!take_attr(s, ask, &attrs->rows[i], cells, n, ret))
            return false;
    return true;
}

/* ---- questions ---- */

/* A base or filter made of the user's name may lead nowhere; a fixed one that does is a mistake. */
static bool names_nobody(const struct ldap_job *j, const struct ldap_conf *conf)
{
    return j->code == DB_NO_OBJECT && (str_chr(conf->base, '%') >= 0 || j->binds);
}

static void settle(struct source *s, const struct ask *ask, const struct ldap_job *j, const struct ldap_attrs *attrs, struct reply *ret)
{
    const char *filter = ask->kind == DB_ASK_USER ? "user_filter" : "pass_filter";
    size_t n = db_rows_count(j->rows);
    if (j->code == DB_REFUSED)
        reply_set(ret, ask, VERDICT_MISMATCH, "Password mismatch (for LDAP bind)");
    else if (names_nobody(j, s->conf.ldap) || (j->code == DB_OK && j->search.filter != NULL && n == 0))
        ret->verdict = VERDICT_UNKNOWN;
    else if (j->code != DB_OK)
        reply_set(ret, ask, VERDICT_TEMPFAIL, "%s", j->err.text);
    else if (n > 1)
        reply_set(ret, ask, VERDICT_TEMPFAIL, "%s matched multiple objects, aborting", filter);
    else if (j->search.filter == NULL || take_entry(s, ask, attrs, j->rows, ret)) {
        ret->verdict = VERDICT_MATCH;
        reply_check_password(ret, ask);
    } else if (ret->text.n == 0)
        reply_set(ret, ask, VERDICT_TEMPFAIL, "the directory said more than there is room for");
}

void ldap_answer(struct source *s, const struct ask *ask, struct reply *ret)
{
    const struct ldap_conf *conf = s->conf.ldap;
    bool is_user = ask->kind == DB_ASK_USER, binds = ask->kind == DB_ASK_VERIFY && conf->auth_bind, ok = true;
    const struct ldap_attrs *attrs = is_user ? &conf->user : &conf->pass;
    struct db_rows rows = db_rows_make(2);
    struct ldap_job *j = ARENA_NEW(ask->arena, struct ldap_job);
    const char *why = "";
    *j = (struct ldap_job){ .conn = &s->conn, .conf = conf, .binds = binds, .password = ask->vars.password, .rows = &rows, .deadline = ask->deadline };
    /* RFC 4513 section 5.1.2: a bind without a password succeeds and proves nothing. */
    if (binds && ask->vars.password.n == 0) {
        reply_set(ret, ask, VERDICT_MISMATCH, "Login attempt with empty password");
        return;
    }
    if (binds && conf->bind_dn.n > 0)
        ok = (j->user_dn = make_dn(conf->bind_dn, ask, &why)) != NULL;
    else
        ok = prepare_search(s, ask, is_user ? conf->user_filter : conf->pass_filter, attrs, 2, j, &why);
    if (ok) {
        offload_run(&j->job, run);
        settle(s, ask, j, attrs, ret);
    } else {
        reply_set(ret, ask, VERDICT_TEMPFAIL, "%s", why);
    }
    db_rows_done(&rows);
}

bool ldap_list(struct source *s, const struct ask *ask, struct db_rows *rows, struct str *ret_why)
{
    struct db_rows found = db_rows_make(0);
    struct ldap_job *j = ARENA_NEW(ask->arena, struct ldap_job);
    const struct ldap_attrs *attrs = &s->conf.ldap->iterate;
    struct db_cell cells[DB_CELLS_MAX];
    const char *why = "";
    *j = (struct ldap_job){ .conn = &s->conn, .conf = s->conf.ldap, .rows = &found, .deadline = ask->deadline };
    bool ok = prepare_search(s, ask, s->conf.ldap->iterate_filter, attrs, 0, j, &why);
    if (ok) {
        offload_run(&j->job, run);
        ok = j->code == DB_OK;
        why = j->err.text;
    }
    if (!ok)
        *ret_why = str_dup(ask->arena, str_from(why));
    for (size_t i = 0; ok && i < db_rows_count(&found); i++) {
        size_t n = db_rows_get(&found, i, cells);
        for (size_t k = 0; k < attrs->n; k++) {
            const struct db_cell *c = str_eqz(attrs->rows[k].field, "user") ? ldap_cell_find(cells, n, str_from(attrs->rows[k].attr)) : NULL;
            const struct db_cell user = { "user", c == NULL ? STR("") : c->value, false };
            if (c != NULL)
                (void)db_rows_add(rows, &user, 1);
        }
    }
    db_rows_done(&found);
    return ok;
}
