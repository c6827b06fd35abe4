/* SPDX-License-Identifier: ISC
 *
 * sqlite.c - SQLite. Settings: file; writes. Without the latter, statements that
 * would write are refused by the database itself.
 */
/* First: some use what base/banned.h forbids. */
#include <sqlite3.h>
#include "db/db_module.h"
#include "os/clock.h"

enum { STEPS_PER_CHECK = 10000 };

struct conn { sqlite3 *db; int64_t deadline; };

static void marker(struct buf *out, unsigned n) { buf_printf(out, "?%u", n); }

static int overdue(void *arg)
{
    const struct conn *c = arg;
    return clock_mono_ms() >= c->deadline;
}

static void *lite_open(const struct db_setting *settings, int64_t deadline, struct err *err)
{
    const char *file = "";
    bool writes = false;
    for (; settings->name != NULL; settings++) {
        file = strcmp(settings->name, "file") == 0 ? settings->value : file;
        writes |= strcmp(settings->name, "writes") == 0;
    }
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)err_set(err, ERR_TEMP, "out of memory");
        return NULL;
    }
    c->deadline = deadline;
    /* Read-write, so that a journal that a crash left is rolled back; query_only is what holds. */
    int rc = sqlite3_open_v2(file, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_CANTOPEN) {
        (void)sqlite3_close(c->db);
        c->db = NULL;
        rc = sqlite3_open_v2(file, &c->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    }
    if (rc == SQLITE_OK && !writes)
        rc = sqlite3_exec(c->db, "PRAGMA query_only = 1", NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_progress_handler(c->db, STEPS_PER_CHECK, overdue, c);
        return c;
    }
    (void)err_set(err, ERR_TEMP, "open: %.200s", c->db == NULL ? "out of memory" : sqlite3_errmsg(c->db));
    (void)sqlite3_close(c->db);
    free(c);
    return NULL;
}

static bool send_row(sqlite3_stmt *st, db_on_row on_row, void *arg)
{
    struct db_cell cells[DB_CELLS_MAX];
    int n = MIN(sqlite3_column_count(st), DB_CELLS_MAX);
    for (int i = 0; i < n; i++) {
        bool is_null = sqlite3_column_type(st, i) == SQLITE_NULL;
        const unsigned char *text = sqlite3_column_text(st, i);
        cells[i] = (struct db_cell){ sqlite3_column_name(st, i), str_make(text, text == NULL ? 0 : (size_t)sqlite3_column_bytes(st, i)), is_null };
    }
    return on_row(arg, cells, (size_t)n);
}

static enum db_code lite_query(void *conn, const char *sql, const struct str *params, size_t n, int64_t deadline,
                               db_on_row on_row, void *arg, struct err *err)
{
    struct conn *c = conn;
    sqlite3_stmt *st = NULL;
    int64_t left = deadline - clock_mono_ms();
    int has_moved = 0;
    c->deadline = deadline;
    /* An open file keeps its content whatever happens to its name: a new file of that name would never be read. */
    if (sqlite3_file_control(c->db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved) == SQLITE_OK && has_moved != 0) {
        (void)err_set(err, ERR_TEMP, "query: the file was moved or replaced");
        return DB_LOST;
    }
    (void)sqlite3_busy_timeout(c->db, left > 0 ? (int)MIN(left, 60000) : 1);
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &st, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < n; i++)
        rc = sqlite3_bind_text(st, (int)i + 1, params[i].p, (int)params[i].n, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        while ((rc = sqlite3_step(st)) == SQLITE_ROW && send_row(st, on_row, arg))
            ;
    bool good = rc == SQLITE_DONE || rc == SQLITE_ROW;
    if (!good)
        (void)err_set(err, ERR_TEMP, "query: %.200s", rc == SQLITE_INTERRUPT ? "no answer in time" : sqlite3_errmsg(c->db));
    (void)sqlite3_finalize(st);
    /* A file that was replaced or broke is opened again. */
    rc &= 0xff;
    return good ? DB_OK : rc == SQLITE_ERROR || rc == SQLITE_BUSY || rc == SQLITE_INTERRUPT || rc == SQLITE_READONLY ? DB_FAILED : DB_LOST;
}

static void lite_close(void *conn)
{
    struct conn *c = conn;
    (void)sqlite3_close(c->db);
    free(c);
}

static const struct db_sql_ops ops = { marker, lite_open, lite_query, lite_close };
const struct db_module postern_db_module = { DB_MODULE_VERSION, sizeof(struct db_module), "sqlite", &ops, NULL };
