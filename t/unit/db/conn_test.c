/* SPDX-License-Identifier: ISC */
#include "db/db_conn.h"
#include "db/db_vars.h"
#include "os/clock.h"
#include "tap.h"

/* A database whose hosts do what the test says. */
static struct { bool up[3]; unsigned opened[3], closed, asked; enum db_code answer; size_t at; int64_t takes; } fake;

/* The clock is moved on. */
static void later(int64_t ms)
{
    static int64_t all;
    clock_shift_for_test(all += ms);
}

static void marker(struct buf *out, unsigned n) { buf_printf(out, "?%u", n); }

static void *fake_open(const struct db_setting *s, int64_t deadline, struct err *err)
{
    size_t i = (size_t)(s->value[0] - 'a');
    (void)deadline;
    fake.opened[i]++;
    if (!fake.up[i]) {
        (void)err_set(err, ERR_TEMP, "refused");
        return NULL;
    }
    fake.at = i;
    return &fake;
}

static enum db_code fake_query(void *conn, const char *sql, const struct str *params, size_t n, int64_t deadline, db_on_row on_row, void *arg, struct err *err)
{
    const struct db_cell cells[] = { { "user", STR_INIT("carol"), false }, { "none", STR_INIT(""), true } };
    (void)conn, (void)sql, (void)params, (void)n, (void)deadline;
    fake.asked++;
    later(fake.takes);
    if (fake.answer == DB_OK && !fake.up[fake.at])
        return DB_LOST;
    if (fake.answer == DB_OK)
        (void)(on_row(arg, cells, 2) && on_row(arg, cells, 2));
    else
        (void)err_set(err, ERR_TEMP, "no");
    return fake.answer;
}

static void fake_close(void *conn)
{
    (void)conn;
    fake.closed++;
}

static const struct db_sql_ops ops = { marker, fake_open, fake_query, fake_close };
static const struct db_module module = { DB_MODULE_VERSION, sizeof module, "fake", &ops, NULL };
static const struct db_targets targets = { .rows = { { .settings = { { "host", "a" } }, .n = 1, .label = "a" }, { .settings = { { "host", "b" } }, .n = 1, .label = "b" } }, .n = 2 };

static enum db_code ask_once(struct db_conn *c, void *arg, int64_t deadline, struct err *err)
{
    db_rows_reset(arg);
    return c->module->sql->query(c->handle, "SELECT", NULL, 0, deadline, db_rows_add, arg, err);
}

static enum db_code ask(struct db_conn *c, struct db_rows *rows, struct err *err)
{
    return db_conn_ask(c, ask_once, rows, deadline_in(4000), err);
}

static void test_hosts(void)
{
    struct db_conn c = db_conn_make(&module, &targets);
    struct db_rows rows = db_rows_make(2);
    struct err err = { 0 };
    fake.up[1] = true;
    OK(ask(&c, &rows, &err) == DB_OK && c.at == 1 && fake.opened[0] == 1, "a host that is not there: the next one is asked");
    fake.up[0] = true;
    OK(ask(&c, &rows, &err) == DB_OK && c.at == 1 && fake.opened[1] == 1, "a connection that is good is kept");
    fake.up[1] = false;
    later(1000);
    OK(ask(&c, &rows, &err) == DB_OK && c.at == 0 && fake.closed == 1, "a server that was good and is gone: asked again at once, of the other host");
    fake.up[0] = false;
    OK(ask(&c, &rows, &err) == DB_LOST && strstr(err.text, "refused") != NULL, "no host is there: no answer, and why");
    unsigned before = fake.opened[0] + fake.opened[1];
    for (int i = 0; i < 1000; i++)
        (void)ask(&c, &rows, &err);
    OK(fake.opened[0] + fake.opened[1] == before, "hosts that failed rest: a thousand questions are no storm");
    for (int i = 0; i < 100; i++) {
        later(100);
        (void)ask(&c, &rows, &err);
    }
    OK(fake.opened[0] + fake.opened[1] - before <= 20, "in ten seconds each is tried a few times");
    fake.up[1] = true;
    later(DB_REST_MAX_MS);
    OK(ask(&c, &rows, &err) == DB_OK, "a host that is back is found within its longest rest");
    db_conn_close(&c);
    db_rows_done(&rows);
}

static void test_answers(void)
{
    struct db_conn c = db_conn_make(&module, &targets);
    struct db_rows rows = db_rows_make(2);
    struct db_cell cells[DB_CELLS_MAX];
    struct err err = { 0 };
    fake.up[0] = fake.up[1] = true;
    OK(ask(&c, &rows, &err) == DB_OK && db_rows_count(&rows) == 2 && db_rows_get(&rows, 1, cells) == 2 && strcmp(cells[0].name, "user") == 0 &&
       str_eqz(cells[0].value, "carol") && cells[1].is_null, "rows are kept as they came");
    fake.answer = DB_FAILED;
    unsigned closed = fake.closed, asked = fake.asked;
    OK(ask(&c, &rows, &err) == DB_FAILED && fake.closed == closed && fake.asked == asked + 1 && strstr(err.text, "fake(a): no") != NULL,
       "a statement that is refused is asked once, on a connection that is kept");
    fake.answer = DB_LOST;
    fake.takes = 5000;
    asked = fake.asked;
    OK(ask(&c, &rows, &err) == DB_LOST && fake.asked == asked + 1 && c.at == 1, "a server that eats all the time is not asked again, and the next question goes elsewhere");
    db_conn_close(&c);
    db_rows_done(&rows);
}

static void test_vars(void)
{
    struct arena a = arena_make(1 << 20);
    struct fields passdb = fields_make(&a);
    (void)fields_set(&passdb, STR("x"), STR("a\tb"));
    const struct auth_vars vars = { .user = STR("carol@example.test"), .remote = STR("192.0.2.1"), .password = STR("secret"), .secured = true, .passdb = &passdb };
    struct auth_vars back;
    struct buf line = buf_make(0);
    OK(db_vars_put(&vars, &a, &line) && str_find(buf_str(&line), STR("secret")) < 0, "a request's variables are a line, without the password");
    OK(db_vars_parse(buf_str(&line), &a, &back) && str_eq(back.user, vars.user) && str_eq(back.remote, vars.remote) && back.secured && back.service.n == 0 &&
       str_eqz(fields_get(back.passdb, "x"), "a\tb") && !fields_has(back.userdb, "x"), "... and the other side has them again");
    buf_done(&line);
    arena_done(&a);
}

int main(void)
{
    test_hosts();
    test_answers();
    test_vars();
    return tap_done();
}
