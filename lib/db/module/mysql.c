/* SPDX-License-Identifier: ISC
 *
 * mysql.c - MariaDB and MySQL through libmariadb. Settings: Dovecot's words
 * of connect=, with socket for a host that is a path. Statements are prepared
 * by the server; time is limited by the library's read and write timeouts.
 */
/* First: some use what base/banned.h forbids. */
#include <errmsg.h>
#include <mysql.h>
#include "base/num.h"
#include "db/db_module.h"
#include "os/clock.h"

enum { CELL_MAX = 65536 };

struct conn { MYSQL *my; };

static void marker(struct buf *out, unsigned n)
{
    (void)n;
    buf_putc(out, '?');
}

static const char *find(const struct db_setting *s, const char *name)
{
    for (; s->name != NULL; s++)
        if (strcmp(s->name, name) == 0)
            return s->value;
    return NULL;
}

static unsigned long number_of(const struct db_setting *s, const char *name)
{
    uint64_t n = 0;
    const char *v = find(s, name);
    if (v != NULL)
        (void)num_parse_u64(str_from(v), UINT32_MAX, &n);
    return (unsigned long)n;
}

/* The library counts in seconds. */
static unsigned seconds_until(int64_t deadline)
{
    int64_t left = (deadline - clock_mono_ms() + 999) / 1000;
    return left < 1 ? 1 : (unsigned)MIN(left, 60);
}

static void set_times(MYSQL *my, int64_t deadline)
{
    unsigned secs = seconds_until(deadline);
    (void)mysql_options(my, MYSQL_OPT_CONNECT_TIMEOUT, &secs);
    (void)mysql_options(my, MYSQL_OPT_READ_TIMEOUT, &secs);
    (void)mysql_options(my, MYSQL_OPT_WRITE_TIMEOUT, &secs);
}

static void set_tls(MYSQL *my, const struct db_setting *s)
{
    const char *ca = find(s, "ssl_ca"), *dir = find(s, "ssl_ca_path"), *verify = find(s, "ssl_verify_server_cert");
    if (ca == NULL && dir == NULL)
        return;
    (void)mysql_ssl_set(my, find(s, "ssl_key"), find(s, "ssl_cert"), ca, dir, find(s, "ssl_cipher"));
    my_bool check = verify == NULL || strcmp(verify, "yes") == 0;
    my_bool enforce = 1;
    (void)mysql_options(my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &check);
    (void)mysql_options(my, MYSQL_OPT_SSL_ENFORCE, &enforce);
}

static void *my_open(const struct db_setting *s, int64_t deadline, struct err *err)
{
    struct conn *c = calloc(1, sizeof *c);
    MYSQL *my = mysql_init(NULL);
    if (c == NULL || my == NULL) {
        (void)err_set(err, ERR_TEMP, "out of memory");
        free(c);
        if (my != NULL)
            mysql_close(my);
        return NULL;
    }
    const char *file = find(s, "option_file"), *group = find(s, "option_group");
    my_bool no = 0;
    if (file != NULL)
        (void)mysql_options(my, MYSQL_READ_DEFAULT_FILE, file);
    (void)mysql_options(my, MYSQL_READ_DEFAULT_GROUP, group == NULL ? "client" : group);
    (void)mysql_options(my, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    (void)mysql_options(my, MYSQL_OPT_RECONNECT, &no);
    (void)mysql_options(my, MYSQL_OPT_LOCAL_INFILE, &(unsigned){ 0 });
    set_times(my, deadline);
    set_tls(my, s);
    if (mysql_real_connect(my, find(s, "host"), find(s, "user"), find(s, "password"), find(s, "dbname"), (unsigned)number_of(s, "port"),
                           find(s, "socket"), number_of(s, "client_flags")) != NULL) {
        c->my = my;
        return c;
    }
    (void)err_set(err, ERR_TEMP, "connect: %.250s", mysql_error(my));
    mysql_close(my);
    free(c);
    return NULL;
}

static bool is_lost(unsigned error)
{
    static const unsigned of_server[] = { 1040, 1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1203, 1317, 1927 };
    for (size_t i = 0; i < N_ELEMS(of_server); i++)
        if (error == of_server[i])
            return true;
    /* The library's own: no socket, no answer, an answer that makes no sense. */
    return error >= CR_MIN_ERROR && error <= CR_MAX_ERROR;
}

static enum db_code fail(MYSQL_STMT *st, struct err *err)
{
    (void)err_set(err, ERR_TEMP, "query: %.250s", mysql_stmt_error(st));
    return is_lost(mysql_stmt_errno(st)) ? DB_LOST : DB_FAILED;
}

struct columns {
    unsigned n;
    MYSQL_FIELD *fields;
    MYSQL_BIND binds[DB_CELLS_MAX];
    unsigned long sizes[DB_CELLS_MAX];
    my_bool nulls[DB_CELLS_MAX];
    struct db_cell cells[DB_CELLS_MAX];
    char *room;
    size_t room_n;
};

/* Reads the values of a row, whose sizes the fetch has told, into one room. */
static int read_cells(MYSQL_STMT *st, struct columns *k)
{
    size_t total = 0, at = 0;
    for (unsigned i = 0; i < k->n; i++)
        total += k->nulls[i] != 0 ? 1 : MIN(k->sizes[i], CELL_MAX) + 1;
    if (total > k->room_n) {
        char *p = realloc(k->room, total);
        if (p == NULL)
            return 1;
        k->room = p;
        k->room_n = total;
    }
    for (unsigned i = 0; i < k->n; i++) {
        size_t n = k->nulls[i] != 0 ? 0 : MIN(k->sizes[i], CELL_MAX);
        MYSQL_BIND b = { .buffer_type = MYSQL_TYPE_STRING, .buffer = k->room + at, .buffer_length = n + 1 };
        if (n > 0 && mysql_stmt_fetch_column(st, &b, i, 0) != 0)
            return 1;
        k->cells[i] = (struct db_cell){ k->fields[i].name, str_make(k->room + at, n), k->nulls[i] != 0 };
        at += n + 1;
    }
    return 0;
}

static enum db_code fetch(MYSQL_STMT *st, struct columns *k, db_on_row on_row, void *arg, struct err *err)
{
    for (unsigned i = 0; i < k->n; i++)
        k->binds[i] = (MYSQL_BIND){ .buffer_type = MYSQL_TYPE_STRING, .buffer = NULL, .buffer_length = 0, .length = &k->sizes[i], .is_null = &k->nulls[i] };
    if (mysql_stmt_bind_result(st, k->binds) != 0)
        return fail(st, err);
    int rc;
    while ((rc = mysql_stmt_fetch(st)) == 0 || rc == MYSQL_DATA_TRUNCATED) {
        if (read_cells(st, k) != 0)
            return fail(st, err);
        if (!on_row(arg, k->cells, k->n))
            return DB_OK;
    }
    return rc == MYSQL_NO_DATA ? DB_OK : fail(st, err);
}

static enum db_code run(MYSQL_STMT *st, const char *sql, const struct str *params, size_t n, db_on_row on_row, void *arg, struct err *err)
{
    MYSQL_BIND binds[DB_PARAMS_MOST] = { 0 };
    unsigned long sizes[DB_PARAMS_MOST];
    if (mysql_stmt_prepare(st, sql, (unsigned long)strlen(sql)) != 0)
        return fail(st, err);
    if (n > DB_PARAMS_MOST || mysql_stmt_param_count(st) != n) {
        (void)err_set(err, ERR_PERM, "query: it has %lu places for %zu values: a '?' in its text?", mysql_stmt_param_count(st), n);
        return DB_FAILED;
    }
    for (size_t i = 0; i < n; i++) {
        void *value;
        memcpy(&value, &params[i].p, sizeof value);
        sizes[i] = params[i].n;
        binds[i] = (MYSQL_BIND){ .buffer_type = MYSQL_TYPE_STRING, .buffer = value, .buffer_length = params[i].n, .length = &sizes[i] };
    }
    if ((n > 0 && mysql_stmt_bind_param(st, binds) != 0) || mysql_stmt_execute(st) != 0 || mysql_stmt_store_result(st) != 0)
        return fail(st, err);
    MYSQL_RES *meta = mysql_stmt_result_metadata(st);
    if (meta == NULL)
        return DB_OK;
    struct columns *k = calloc(1, sizeof *k);
    enum db_code code = DB_FAILED;
    if (k != NULL) {
        k->n = MIN(mysql_num_fields(meta), (unsigned)DB_CELLS_MAX);
        k->fields = mysql_fetch_fields(meta);
        if (mysql_num_fields(meta) > DB_CELLS_MAX)
            (void)err_set(err, ERR_PERM, "query: more than %d columns", DB_CELLS_MAX);
        else
            code = fetch(st, k, on_row, arg, err);
        free(k->room);
        free(k);
    }
    mysql_free_result(meta);
    return code;
}

static enum db_code my_query(void *conn, const char *sql, const struct str *params, size_t n, int64_t deadline,
                             db_on_row on_row, void *arg, struct err *err)
{
    struct conn *c = conn;
    set_times(c->my, deadline);
    MYSQL_STMT *st = mysql_stmt_init(c->my);
    if (st == NULL) {
        (void)err_set(err, ERR_TEMP, "out of memory");
        return DB_LOST;
    }
    enum db_code code = run(st, sql, params, n, on_row, arg, err);
    (void)mysql_stmt_close(st);
    return code;
}

static void my_close(void *conn)
{
    struct conn *c = conn;
    mysql_close(c->my);
    free(c);
}

static const struct db_sql_ops ops = { marker, my_open, my_query, my_close };
const struct db_module postern_db_module = { DB_MODULE_VERSION, sizeof(struct db_module), "mysql", &ops, NULL };
