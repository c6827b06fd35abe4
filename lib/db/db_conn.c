/* SPDX-License-Identifier: ISC */
#include "db/db_conn.h"
#include "os/clock.h"

/* ---- rows ---- */

static size_t keep(struct buf *text, struct str s)
{
    size_t at = text->n;
    buf_add(text, s);
    buf_putc(text, '\0');
    return at;
}

bool db_rows_add(void *arg, const struct db_cell *cells, size_t n)
{
    struct db_rows *r = arg;
    for (size_t i = 0; i < n && i < DB_CELLS_MAX; i++) {
        struct db_kept k = { .n = cells[i].value.n, .is_null = cells[i].is_null };
        k.name = keep(&r->text, str_from(cells[i].name));
        k.value = keep(&r->text, cells[i].value);
        vec_push(&r->cells, k);
    }
    vec_push(&r->ends, r->cells.n);
    return !r->text.full && (r->most == 0 || r->ends.n < r->most);
}

size_t db_rows_get(const struct db_rows *r, size_t row, struct db_cell ret[DB_CELLS_MAX])
{
    size_t first = row == 0 ? 0 : r->ends.p[row - 1], n = r->ends.p[row] - first;
    for (size_t i = 0; i < n; i++) {
        const struct db_kept *k = &r->cells.p[first + i];
        ret[i] = (struct db_cell){ r->text.p + k->name, str_make(r->text.p + k->value, k->n), k->is_null };
    }
    return n;
}

void db_rows_reset(struct db_rows *r)
{
    buf_reset(&r->text);
    r->cells.n = r->ends.n = 0;
}

/* They may hold passwords. */
void db_rows_done(struct db_rows *r)
{
    if (r->text.p != NULL)
        explicit_bzero(r->text.p, r->text.n);
    buf_done(&r->text);
    vec_done(&r->cells);
    vec_done(&r->ends);
}

/* ---- the connection ---- */

void db_conn_close(struct db_conn *c)
{
    if (c->handle == NULL)
        return;
    if (c->module->sql != NULL)
        c->module->sql->close(c->handle);
    else
        c->module->dir->close(c->handle);
    c->handle = NULL;
    c->answered = false;
    c->bound = NULL;
}

static void rest(struct db_conn *c, size_t host)
{
    unsigned n = c->hosts[host].failures;
    int64_t ms = n < 5 ? MIN((int64_t)DB_REST_FIRST_MS << n, DB_REST_MAX_MS) : DB_REST_MAX_MS;
    c->hosts[host].failures = n + 1;
    c->hosts[host].not_before = clock_mono_ms() + ms;
}

static bool connect_to(struct db_conn *c, size_t host, int64_t deadline)
{
    const struct db_target *t = &c->targets->rows[host];
    c->handle = c->module->sql != NULL ? c->module->sql->open(t->settings, deadline, &c->last) : c->module->dir->open(t->settings, deadline, &c->last);
    if (c->handle == NULL) {
        (void)err_prefix(&c->last, "%s(%s)", c->module->name, t->label);
        rest(c, host);
        return false;
    }
    c->at = host;
    c->answered = false;
    c->bound = NULL;
    return true;
}

bool db_conn_ready(struct db_conn *c, int64_t deadline, struct err *err)
{
    size_t n = c->targets->n, first = c->at;
    if (c->handle != NULL)
        return true;
    for (size_t i = 0; i < n; i++) {
        size_t host = (first + i) % n;
        int64_t now = clock_mono_ms();
        if (now >= deadline)
            break;
        if (c->hosts[host].not_before > now)
            continue;
        /* With another host to go to, none may eat all of the time. */
        if (connect_to(c, host, n > 1 ? MIN(deadline, now + DB_CONNECT_MS) : deadline))
            return true;
    }
    if (c->last.kind == ERR_NONE)
        (void)err_set(&c->last, ERR_TEMP, "%s: no time left to connect", c->module->name);
    *err = c->last;
    return false;
}

enum db_code db_conn_ask(struct db_conn *c, db_try ask, void *arg, int64_t deadline, struct err *err)
{
    for (;;) {
        if (!db_conn_ready(c, deadline, err))
            return DB_LOST;
        bool had_answered = c->answered;
        size_t host = c->at;
        enum db_code code = ask(c, arg, deadline, err);
        if (code != DB_LOST) {
            c->answered = true;
            c->hosts[host].failures = 0;
            if (code == DB_FAILED)
                (void)err_prefix(err, "%s(%s)", c->module->name, c->targets->rows[host].label);
            return code;
        }
        (void)err_prefix(err, "%s(%s)", c->module->name, c->targets->rows[host].label);
        c->last = *err;
        db_conn_close(c);
        /* One that was never good, or used up all the time there was: the next question starts with another host. */
        bool overdue = clock_mono_ms() >= deadline;
        if (!had_answered || overdue) {
            rest(c, host);
            c->at = (host + 1) % c->targets->n;
        }
        if (!had_answered || overdue)
            return DB_LOST;
    }
}
