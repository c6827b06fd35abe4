/* SPDX-License-Identifier: ISC */
#include "auth_db.h"
#include "base/enc.h"
#include "db/db_vars.h"

/* A query with its values, for the thread. */
struct sql_job {
    struct job job;
    struct db_conn *conn;
    const char *sql;
    struct str params[VAR_PARAMS_MAX];
    size_t n;
    struct db_rows *rows;
    int64_t deadline;
    enum db_code code;
    struct err err;
};

static enum db_code try_query(struct db_conn *c, void *arg, int64_t deadline, struct err *err)
{
    struct sql_job *j = arg;
    db_rows_reset(j->rows);
    return c->module->sql->query(c->handle, j->sql, j->params, j->n, deadline, db_rows_add, j->rows, err);
}

static void run(struct job *job)
{
    struct sql_job *j = container_of(job, struct sql_job, job);
    j->code = db_conn_ask(j->conn, try_query, j, j->deadline, &j->err);
    if (j->code == DB_OK && j->rows->text.full)
        j->code = DB_FAILED;
}

/* WAITS. False and *ret_why. */
static bool query(struct source *s, const struct ask *ask, struct str pattern, struct db_rows *rows, struct str *ret_why)
{
    struct sql_job *j = ARENA_NEW(ask->arena, struct sql_job);
    struct buf text = buf_make(2 * DB_QUERY_MAX);
    const char *why;
    *j = (struct sql_job){ .conn = &s->conn, .rows = rows, .deadline = ask->deadline };
    bool ok = var_query(pattern, &ask->vars, ask->arena, s->module->sql->marker, &text, j->params, &j->n, &why);
    /* Client libraries see C strings; a NUL in a value would cut it. */
    for (size_t i = 0; ok && i < j->n; i++)
        if (str_chr(j->params[i], '\0') >= 0) {
            ok = false;
            why = "a NUL in a value";
        }
    j->sql = ok ? str_to_cstr(ask->arena, buf_str(&text)) : NULL;
    buf_done(&text);
    if (j->sql == NULL) {
        *ret_why = str_from(ok ? "a NUL in the query" : why);
        return false;
    }
    offload_run(&j->job, run);
    if (j->code != DB_OK)
        *ret_why = str_dup(ask->arena, str_from(j->err.text));
    return j->code == DB_OK;
}

static const struct db_cell *find(const struct db_cell *cells, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(cells[i].name, name) == 0)
            return &cells[i];
    return NULL;
}

static void take_row(struct source *s, const struct ask *ask, const struct db_cell *cells, size_t n, struct reply *ret)
{
    for (size_t i = 0; i < n; i++)
        if (!cells[i].is_null && !reply_add(ret, s, ask, cells[i].name, cells[i].value))
            break;
}

static void take_password_row(struct source *s, const struct ask *ask, const struct db_rows *rows, struct reply *ret)
{
    struct db_cell cells[DB_CELLS_MAX];
    size_t n = db_rows_get(rows, 0, cells);
    if (find(cells, n, "password") == NULL && find(cells, n, "password_noscheme") == NULL)
        reply_set(ret, ask, VERDICT_TEMPFAIL, "Password query must return a field named 'password'");
    else if (db_rows_count(rows) > 1)
        reply_set(ret, ask, VERDICT_TEMPFAIL, "Password query returned multiple matches");
    else {
        take_row(s, ask, cells, n, ret);
        reply_check_password(ret, ask);
    }
}

static void take_user_row(struct source *s, const struct ask *ask, const struct db_rows *rows, struct reply *ret)
{
    struct db_cell cells[DB_CELLS_MAX];
    take_row(s, ask, cells, db_rows_get(rows, 0, cells), ret);
    ret->verdict = VERDICT_MATCH;
    if (ret->fields.full)
        reply_set(ret, ask, VERDICT_TEMPFAIL, "the database said more than there is room for");
}

void sql_answer(struct source *s, const struct ask *ask, struct reply *ret)
{
    bool is_user = ask->kind == DB_ASK_USER;
    struct db_rows rows = db_rows_make(2);
    struct str why;
    if (!query(s, ask, is_user ? s->conf.sql->user_query : s->conf.sql->password_query, &rows, &why))
        reply_set(ret, ask, VERDICT_TEMPFAIL, "%s query failed: %.*s", is_user ? "User" : "Password", STR_FMT(why));
    else if (db_rows_count(&rows) == 0)
        ret->verdict = VERDICT_UNKNOWN;
    else
        (is_user ? take_user_row : take_password_row)(s, ask, &rows, ret);
    db_rows_done(&rows);
}

/* Between the look and the statement there are milliseconds; a WHERE that names what was stored closes even them. */
void sql_rehash(struct source *s, const struct ask *ask, struct reply *ret)
{
    struct reply now = { .verdict = VERDICT_TEMPFAIL, .stored = STR(""), .fields = fields_make(ask->arena), .text = STR("") };
    struct ask look = *ask;
    struct db_rows rows = db_rows_make(2);
    struct str why = STR("");
    look.kind = DB_ASK_LOOKUP;
    sql_answer(s, &look, &now);
    bool same = now.verdict == VERDICT_MATCH && now.has_stored && secret_eq(now.stored, ask->old);
    if (now.verdict == VERDICT_TEMPFAIL)
        reply_set(ret, ask, VERDICT_TEMPFAIL, "%.*s", STR_FMT(now.text));
    else if (!same)
        ret->verdict = VERDICT_MISMATCH;
    else if (query(s, ask, s->entry->rehash_query, &rows, &why))
        ret->verdict = VERDICT_MATCH;
    else
        reply_set(ret, ask, VERDICT_TEMPFAIL, "rehash_query failed: %.*s", STR_FMT(why));
    db_rows_done(&rows);
}

bool sql_list(struct source *s, const struct ask *ask, struct db_rows *rows, struct str *ret_why)
{
    struct db_rows found = db_rows_make(0);
    struct db_cell cells[DB_CELLS_MAX];
    bool ok = query(s, ask, s->conf.sql->iterate_query, &found, ret_why);
    for (size_t i = 0; ok && i < db_rows_count(&found); i++) {
        size_t n = db_rows_get(&found, i, cells);
        const struct db_cell *user = find(cells, n, "user"), *domain = find(cells, n, "domain");
        user = user == NULL ? find(cells, n, "username") : user;
        if (user == NULL) {
            *ret_why = STR("Iterate query didn't return 'user' field");
            ok = false;
            break;
        }
        if (user->is_null)
            continue;
        char name[600];
        int len = domain != NULL && !domain->is_null ? snprintf(name, sizeof name, "%.*s@%.*s", STR_FMT(user->value), STR_FMT(domain->value))
                                                     : snprintf(name, sizeof name, "%.*s", STR_FMT(user->value));
        const struct db_cell cell = { "user", str_make(name, MIN((size_t)MAX(len, 0), sizeof name - 1)), false };
        if (!db_rows_add(rows, &cell, 1))
            break;
    }
    db_rows_done(&found);
    return ok;
}
