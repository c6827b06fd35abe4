/* SPDX-License-Identifier: ISC
 *
 * db_conn.h - one connection to a database of several hosts: which host is
 * tried, when it is tried again, and rows that are kept.
 *
 * A host that fails rests, for longer each time (up to DB_REST_MAX_MS); while
 * all hosts rest, questions fail at once, so that neither a dead server nor a
 * returning one is stormed. A connection that had answered before and is gone
 * (the server was restarted) is made anew at once, and the question asked
 * again: questions only read.
 *
 * Blocks; used on one thread at a time. No arena, no log.
 */
#ifndef DB_CONN_H
#define DB_CONN_H
#include "base/vec.h"
#include "db/db_module.h"
#include "db/sql_conf.h"

enum { DB_REST_FIRST_MS = 250, DB_REST_MAX_MS = 4000, DB_CONNECT_MS = 1500, DB_ROWS_BYTES_MAX = 64 << 20 };

/* ---- rows that are kept ---- */
struct db_kept { size_t name, value, n; bool is_null; };
struct db_rows {
    struct buf text;
    VEC(struct db_kept) cells;
    VEC(size_t) ends;                   /* index after the last cell of each row */
    size_t most;                        /* stop after that many; 0 = no limit */
};
static inline struct db_rows db_rows_make(size_t most) { return (struct db_rows){ .text = { .limit = DB_ROWS_BYTES_MAX }, .most = most }; }
/* A db_on_row; arg is a struct db_rows. */
bool db_rows_add(void *arg, const struct db_cell *cells, size_t n);
static inline size_t db_rows_count(const struct db_rows *r) { return r->ends.n; }
/* Cells of a row, at most DB_CELLS_MAX of them; they point into r. The count. */
size_t db_rows_get(const struct db_rows *r, size_t row, struct db_cell ret[DB_CELLS_MAX]);
void db_rows_reset(struct db_rows *r);
void db_rows_done(struct db_rows *r);

/* ---- the connection ---- */
struct db_conn {
    const struct db_module *module;     /* borrowed, like targets */
    const struct db_targets *targets;
    void *handle;                       /* NULL: not connected */
    size_t at;                          /* the target it is connected to, or is tried first */
    bool answered;                      /* has answered a question since it was made */
    const char *bound;                  /* directory: whom it is bound as, NULL = nobody we know */
    struct { int64_t not_before; unsigned failures; } hosts[DB_TARGETS_MAX];
    struct err last;
};
static inline struct db_conn db_conn_make(const struct db_module *m, const struct db_targets *t) { return (struct db_conn){ .module = m, .targets = t }; }
void db_conn_close(struct db_conn *c);
/* Connected now, or made so by trying hosts in turn. False and *err. */
bool db_conn_ready(struct db_conn *c, int64_t deadline, struct err *err);

/* What one try of a question is; arg is the question. Rows of a try that failed are its own to drop. */
typedef enum db_code (*db_try)(struct db_conn *c, void *arg, int64_t deadline, struct err *err);
/* Connects where needed and asks; once more when a connection that had been good was gone. *err names the host. */
enum db_code db_conn_ask(struct db_conn *c, db_try ask, void *arg, int64_t deadline, struct err *err);
#endif
