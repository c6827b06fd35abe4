/* SPDX-License-Identifier: ISC
 *
 * pgsql.c - PostgreSQL through libpq. Settings: conninfo. Nothing here waits
 * in the library: it is asked step by step, with poll() and the deadline in between.
 */
/* First: some use what base/banned.h forbids. */
#include <libpq-fe.h>
#include "db/db_module.h"
#include "os/clock.h"
#include <errno.h>
#include <poll.h>

enum { TEXT_OID = 25 };

struct conn { PGconn *pg; };

static int fail(struct err *err, enum err_kind kind, const char *what, const char *detail)
{
    int n = (int)strcspn(detail == NULL ? "" : detail, "\n");
    return err_set(err, kind, "%s: %.*s", what, MIN(n, 250), detail == NULL ? "" : detail);
}

/* The library's socket, until it is ready or time is up. */
static bool wait_for(PGconn *pg, short events, int64_t deadline)
{
    for (;;) {
        struct pollfd p = { .fd = PQsocket(pg), .events = events };
        int64_t left = deadline - clock_mono_ms();
        if (left <= 0 || p.fd < 0)
            return false;
        int rc = poll(&p, 1, (int)MIN(left, 60000));
        if (rc > 0)
            return true;
        if (rc < 0 && errno != EINTR)
            return false;
    }
}

static void marker(struct buf *out, unsigned n) { buf_printf(out, "$%u", n); }

static const char *conninfo_of(const struct db_setting *s)
{
    for (; s->name != NULL; s++)
        if (strcmp(s->name, "conninfo") == 0)
            return s->value;
    return "";
}

static void no_notice(void *arg, const PGresult *r) { (void)arg, (void)r; }

static bool finish_connect(PGconn *pg, int64_t deadline, struct err *err)
{
    PostgresPollingStatusType st = PGRES_POLLING_WRITING;
    while (st == PGRES_POLLING_READING || st == PGRES_POLLING_WRITING) {
        if (!wait_for(pg, st == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline)) {
            (void)err_set(err, ERR_TEMP, "connect: no answer in time");
            return false;
        }
        st = PQconnectPoll(pg);
    }
    if (st != PGRES_POLLING_OK || PQsetnonblocking(pg, 1) != 0)
        (void)fail(err, ERR_TEMP, "connect", PQerrorMessage(pg));
    return st == PGRES_POLLING_OK;
}

static void *pg_open(const struct db_setting *settings, int64_t deadline, struct err *err)
{
    PGconn *pg = PQconnectStart(conninfo_of(settings));
    if (pg == NULL) {
        (void)err_set(err, ERR_TEMP, "connect: out of memory");
        return NULL;
    }
    (void)PQsetNoticeReceiver(pg, no_notice, NULL);
    if (PQstatus(pg) == CONNECTION_BAD)
        (void)fail(err, ERR_TEMP, "connect", PQerrorMessage(pg));
    else if (finish_connect(pg, deadline, err)) {
        struct conn *c = calloc(1, sizeof *c);
        if (c != NULL) {
            c->pg = pg;
            return c;
        }
    }
    PQfinish(pg);
    return NULL;
}

static bool flush(PGconn *pg, int64_t deadline)
{
    int rc;
    while ((rc = PQflush(pg)) == 1)
        if (!wait_for(pg, POLLIN | POLLOUT, deadline) || PQconsumeInput(pg) == 0)
            return false;
    return rc == 0;
}

/* The next result, NULL after the last; *ret_lost when none can come. */
static PGresult *next_result(PGconn *pg, int64_t deadline, bool *ret_lost)
{
    while (PQisBusy(pg))
        if (!wait_for(pg, POLLIN, deadline) || PQconsumeInput(pg) == 0) {
            *ret_lost = true;
            return NULL;
        }
    return PQgetResult(pg);
}

static bool send_rows(const PGresult *r, db_on_row on_row, void *arg)
{
    struct db_cell cells[DB_CELLS_MAX];
    int columns = MIN(PQnfields(r), DB_CELLS_MAX);
    for (int row = 0; row < PQntuples(r); row++) {
        for (int i = 0; i < columns; i++)
            cells[i] = (struct db_cell){ PQfname(r, i), str_make(PQgetvalue(r, row, i), (size_t)PQgetlength(r, row, i)), PQgetisnull(r, row, i) != 0 };
        if (!on_row(arg, cells, (size_t)columns))
            return false;
    }
    return true;
}

struct outcome { enum db_code code; bool untyped; };

static void take_result(PGconn *pg, const PGresult *r, db_on_row on_row, void *arg, struct outcome *o, struct err *err)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    switch ((int)PQresultStatus(r)) {
    case PGRES_TUPLES_OK: (void)send_rows(r, on_row, arg); return;
    case PGRES_COMMAND_OK: return;
    default: break;
    }
    /* Class 57: the server is going down or cut us off; 08: the connection. */
    bool lost = PQstatus(pg) == CONNECTION_BAD || (state != NULL && (strncmp(state, "57P", 3) == 0 || strncmp(state, "08", 2) == 0));
    o->untyped = state != NULL && (strcmp(state, "42P18") == 0 || strcmp(state, "42P08") == 0);
    o->code = lost ? DB_LOST : DB_FAILED;
    (void)fail(err, ERR_TEMP, "query", PQresultErrorMessage(r));
}

/* types: NULL lets the server choose by where the parameter stands. */
static struct outcome run(PGconn *pg, const char *sql, const Oid *types, const char *const *values, size_t n, int64_t deadline,
                          db_on_row on_row, void *arg, struct err *err)
{
    struct outcome o = { DB_OK, false };
    bool lost = false;
    PGresult *r;
    if (PQsendQueryParams(pg, sql, (int)n, types, values, NULL, NULL, 0) == 0 || !flush(pg, deadline)) {
        (void)fail(err, ERR_TEMP, "query", PQerrorMessage(pg));
        o.code = DB_LOST;
        return o;
    }
    while ((r = next_result(pg, deadline, &lost)) != NULL) {
        take_result(pg, r, on_row, arg, &o, err);
        PQclear(r);
    }
    if (!lost)
        return o;
    if (PQstatus(pg) == CONNECTION_BAD)
        (void)fail(err, ERR_TEMP, "query", PQerrorMessage(pg));
    else
        (void)err_set(err, ERR_TEMP, "query: no answer in time");
    o.code = DB_LOST;
    return o;
}

static enum db_code pg_query(void *conn, const char *sql, const struct str *params, size_t n, int64_t deadline,
                             db_on_row on_row, void *arg, struct err *err)
{
    struct conn *c = conn;
    const char *values[DB_PARAMS_MOST];
    Oid types[DB_PARAMS_MOST];
    struct buf text = buf_make(0);
    size_t at[DB_PARAMS_MOST];
    if (n > DB_PARAMS_MOST) {
        (void)err_set(err, ERR_PERM, "more than %d parameters", DB_PARAMS_MOST);
        return DB_FAILED;
    }
    for (size_t i = 0; i < n; i++) {
        at[i] = text.n;
        buf_add(&text, params[i]);
        buf_putc(&text, '\0');
        types[i] = TEXT_OID;
    }
    for (size_t i = 0; i < n; i++)
        values[i] = text.p + at[i];
    struct outcome o = run(c->pg, sql, NULL, values, n, deadline, on_row, arg, err);
    /* concat($1) and its like do not say what type they want: text it is. */
    if (o.untyped && o.code == DB_FAILED)
        o = run(c->pg, sql, types, values, n, deadline, on_row, arg, err);
    buf_done(&text);
    return o.code;
}

static void pg_close(void *conn)
{
    struct conn *c = conn;
    PQfinish(c->pg);
    free(c);
}

static const struct db_sql_ops ops = { marker, pg_open, pg_query, pg_close };
const struct db_module postern_db_module = { DB_MODULE_VERSION, sizeof(struct db_module), "pgsql", &ops, NULL };
