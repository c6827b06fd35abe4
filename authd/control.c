/* SPDX-License-Identifier: ISC */
#include "control.h"
#include "abuse.h"
#include "authd.h"
#include "base/num.h"
#include "control_hub.h"
#include "db.h"
#include "event/conn.h"
#include "os/local.h"
#include <sys/epoll.h>
#include <sys/socket.h>

enum { BACKLOG = 16, ASK_MS = 30000, ARENA_MAX = 256 << 10, LIST_MAX = 10000 };

static struct { int fd; struct watch watch; unsigned n_clients; uid_t owner; } self = { .fd = -1 };

void control_open(const char *queue_directory)
{
    char path[4096];
    struct err err;
    if ((size_t)snprintf(path, sizeof path, "%s/private/auth-control", queue_directory) >= sizeof path)
        return;
    self.owner = geteuid();
    self.fd = local_listen(path, 0600, BACKLOG, &err);
    if (self.fd < 0)
        log_warning("%s: postern auth has nobody to ask", err.text);
}

struct client { int fd; struct conn *conn; };

/* ---- the questions ---- */

static bool list(struct conn *c, const struct str args[], struct arena *a)
{
    uint32_t max;
    struct buf out = buf_make(0);
    struct auth_cache_stats stats = auth_cache_stats(authd()->cache);
    (void)a;
    if (!num_parse_u32(args[0], LIST_MAX, &max) || max == 0)
        return false;
    abuse_list(&out, max);
    conn_put(c, buf_str(&out));
    buf_done(&out);
    conn_printf(c, "cache\t%zu\t%llu\t%llu\nknown\t%zu\nOK\n", stats.entries, (unsigned long long)stats.hits, (unsigned long long)stats.misses,
                abuse_known_count());
    return true;
}

static bool clear(struct conn *c, const struct str args[], struct arena *a)
{
    conn_printf(c, "OK\t%zu\n", abuse_clear(str_lower(a, args[0])));
    return args[0].n > 0;
}

static bool flush(struct conn *c, const struct str args[], struct arena *a)
{
    conn_printf(c, "OK\t%zu\n", auth_cache_flush(authd()->cache, str_lower(a, args[0])));
    return true;
}

static bool forget(struct conn *c, const struct str args[], struct arena *a)
{
    bool all = str_eqz(args[0], "all");
    conn_printf(c, "OK\t%zu\n", abuse_forget_known(all ? STR("") : str_lower(a, args[0])));
    return true;
}

/* ---- a password, as a login would be checked, without its waits ---- */

struct test { struct db_query query; struct cond over; bool done; enum auth_verdict verdict; };

static void on_verdict(struct db_query *q, enum auth_verdict verdict)
{
    struct test *t = container_of(q, struct test, query);
    t->verdict = verdict;
    t->done = true;
    cond_signal(&t->over);
}

static void cancel_test(void *arg)
{
    struct test *t = arg;
    if (!t->done)
        db_cancel(&t->query);
}

static const char *verdict_text(enum auth_verdict v)
{
    switch (v) {
    case VERDICT_MATCH: return "the password is right";
    case VERDICT_MISMATCH: return "the password is wrong";
    case VERDICT_UNKNOWN: return "no such user";
    case VERDICT_DISABLED: return "the account is disabled";
    case VERDICT_EXPIRED: return "the password has expired";
    case VERDICT_TEMPFAIL: break;
    }
    return "a database did not answer";
}

static void say_account(struct conn *c, const struct test *t)
{
    const struct account *who = &t->query.account;
    conn_printf(c, "user\t%.*s\n", STR_FMT(t->query.vars.login_user.n > 0 ? t->query.vars.login_user : t->query.vars.user));
    if (db_answered_by(&t->query) != NULL)
        conn_printf(c, "passdb\t%s\n", db_answered_by(&t->query));
    if (who->has_ids)
        conn_printf(c, "uid\t%u\ngid\t%u\n", who->uid, who->gid);
    if (who->home.n > 0)
        conn_printf(c, "home\t%.*s\n", STR_FMT(who->home));
    if (who->mail.n > 0)
        conn_printf(c, "mail\t%.*s\n", STR_FMT(who->mail));
}

static bool test(struct conn *c, const struct str args[], struct arena *a)
{
    struct test *t = ARENA_NEW(a, struct test);
    struct cleanup cleanup;
    const char *why = NULL;
    t->query = (struct db_query){ .arena = a, .kind = DB_VERIFY, .want_account = true, .done = on_verdict };
    t->query.vars = (struct auth_vars){ .user = args[0], .service = args[1].n > 0 ? args[1] : STR("imap"), .remote = args[2], .password = args[3],
                                        .mech = STR("PLAIN"), .secured = true };
    if (!db_canonical(&t->query, &why)) {
        conn_printf(c, "FAIL\t%s\n", why);
        return true;
    }
    cleanup_push(&cleanup, cancel_test, t);
    db_ask(&t->query);
    while (!t->done && cond_wait(&t->over, deadline_in(ASK_MS)) == WAIT_OK)
        continue;
    cleanup_pop(&cleanup, true);
    if (!t->done || t->verdict != VERDICT_MATCH) {
        conn_printf(c, "FAIL\t%s\n", t->done ? verdict_text(t->verdict) : "no answer in time");
        return true;
    }
    say_account(c, t);
    conn_puts(c, "OK\n");
    return true;
}

static const struct { const char *name; size_t n_args; bool (*run)(struct conn *c, const struct str args[], struct arena *a); } questions[] = {
    { "LIST", 1, list }, { "CLEAR", 1, clear }, { "FLUSH", 1, flush }, { "FORGET", 1, forget }, { "TEST", 4, test },
    { "WHO", 1, control_who }, { "KICK", 2, control_kick },
};

static void answer(struct conn *c, struct str line)
{
    struct arena arena = arena_make(ARENA_MAX);
    struct auth_line l;
    bool good = false;
    if (auth_line_parse(line, &arena, &l) && l.n > 0)
        for (size_t i = 0; i < N_ELEMS(questions); i++)
            if (str_eqz(l.fields[0], questions[i].name) && l.n == questions[i].n_args + 1)
                good = questions[i].run(c, l.fields + 1, &arena);
    if (!good)
        conn_puts(c, "FAIL\tnot a question\n");
    arena_done(&arena);
}

/* ---- clients ---- */

static void done(void *arg)
{
    struct client *k = arg;
    conn_free(k->conn);
    free(k);
    self.n_clients--;
}

static void serve(void *arg)
{
    struct client *k = arg;
    struct cleanup cleanup;
    struct str line;
    k->conn = conn_new(k->fd, CONTROL_LINE_MAX);
    cleanup_push(&cleanup, done, k);
    if (conn_read_line(k->conn, CONTROL_LINE_MAX, deadline_in(ASK_MS), &line) == READ_OK) {
        answer(k->conn, line);
        (void)conn_flush(k->conn, deadline_in(ASK_MS));
    }
    cleanup_pop(&cleanup, true);
}

static void on_connect(struct watch *w, uint32_t events)
{
    uid_t uid;
    gid_t gid;
    pid_t pid;
    (void)events;
    int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (self.n_clients >= CONTROL_CLIENTS_MAX || !local_peer(fd, &uid, &gid, &pid) || (uid != 0 && uid != self.owner)) {
        close(fd);
        return;
    }
    struct client *k = xcalloc(1, sizeof *k);
    k->fd = fd;
    self.n_clients++;
    if (fiber_start("control", serve, k) != NULL)
        return;
    close(fd);
    free(k);
    self.n_clients--;
}

void control_start(void)
{
    if (self.fd >= 0)
        watch_start(&self.watch, self.fd, EPOLLIN, on_connect);
}

void control_stop(void)
{
    if (self.fd < 0)
        return;
    watch_stop(&self.watch);
    close(self.fd);
    self.fd = -1;
}
