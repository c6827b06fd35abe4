/* SPDX-License-Identifier: ISC
 *
 * db_lmdb.c - lmdb:/path, a table made by postmap: the key is the user, the value
 * either password:uid:gid:gecos:home:shell:extra (a line of a passwd-file
 * without its name) or name=value words.
 *
 * A read waits for the table's lock, so it is done on a fiber; the answer goes
 * back on the loop.
 */
#include "authd.h"
#include "db.h"
#include "event/fiber.h"
#include "map/lmdb_file.h"
#include "os/sandbox.h"

enum { VALUE_MAX = 64 << 10 };

/* Lives longer than a step that is cancelled. */
struct lookup {
    struct deferred over;
    struct db_step *step;       /* NULL: nobody waits any more */
    struct lmdb_file *file;
    struct arena arena;
    struct str key, value;
    enum map_result result;
    struct err err;
};

static bool add_words(struct db_step *s, struct str text)
{
    struct str word, name, value;
    while (str_token(&text, " \t\r", &word)) {
        bool has_value = str_cut(word, '=', &name, &value);
        if (s->db->is_userdb && str_eqz(name, "password"))
            continue;
        if (s->db->is_userdb && str_starts(name, STR("userdb_")))
            name = str_skip(name, 7);
        if (str_eqz(name, "password")) {
            s->stored = str_dup(s->query->arena, value);
            s->has_stored = true;
        } else if (!db_found_field(s, name, has_value ? value : STR("yes"))) {
            return false;
        }
    }
    return true;
}

static bool add_line(struct db_step *s, struct str value)
{
    struct passwd_entry e;
    struct buf line = buf_make(0);
    buf_puts(&line, "user:");
    buf_add(&line, value);
    bool ok = passwd_line_parse(buf_str(&line), &e);
    if (!ok)
        s->text = "the value is neither password:uid:gid:gecos:home:shell:extra nor name=value";
    else if (s->db->is_userdb) {
        static const char *const names[] = { "uid", "gid", "home" };
        struct str columns[] = { e.uid, e.gid, e.home };
        for (size_t i = 0; i < N_ELEMS(names); i++)
            if (columns[i].n > 0)
                (void)fields_set(&s->found, str_from(names[i]), columns[i]);
        s->vars.home = str_dup(s->query->arena, e.home);
    } else {
        s->stored = str_dup(s->query->arena, e.password);
        s->has_stored = true;
    }
    ok = ok && add_words(s, e.extra);
    buf_done(&line);
    return ok;
}

/* Words have a name before their first '='; a password in front of a ':' may hold one, too, but never before its '}' or '$'. */
static bool is_words(struct str value)
{
    size_t n = 0;
    while (n < value.n && (ascii_is_alnum(value.p[n]) || value.p[n] == '_'))
        n++;
    return n > 0 && (n == value.n || value.p[n] == '=' || ascii_is_space(value.p[n]));
}

static void on_over(struct deferred *d)
{
    struct lookup *l = container_of(d, struct lookup, over);
    struct db_step *s = l->step;
    enum auth_verdict verdict = VERDICT_UNKNOWN;
    if (s != NULL) {
        s->driver_state = NULL;
        if (l->result == MAP_TEMP) {
            db_step_say(s, "%s", l->err.text);
            verdict = VERDICT_TEMPFAIL;
        } else if (l->result == MAP_FOUND) {
            bool ok = is_words(l->value) ? add_words(s, l->value) : add_line(s, l->value);
            verdict = ok ? VERDICT_MATCH : VERDICT_TEMPFAIL;
        }
    }
    arena_done(&l->arena);
    free(l);
    if (s != NULL)
        s->done(s, verdict);
}

static void run(void *arg)
{
    struct lookup *l = arg;
    l->result = lmdb_file_get(l->file, l->key, &l->arena, &l->value, &l->err);
    loop_defer(&l->over, on_over);
}

static void step(struct db_step *s)
{
    struct lookup *l = xcalloc(1, sizeof *l);
    l->step = s;
    l->file = s->db->state;
    l->arena = arena_make(VALUE_MAX);
    l->arena.block_size = 1024;
    l->key = str_dup(&l->arena, s->vars.user);
    s->driver_state = l;
    if (s->vars.user.n <= LMDB_KEY_MAX && fiber_start("lmdb", run, l) != NULL)
        return;
    l->result = s->vars.user.n > LMDB_KEY_MAX ? MAP_NONE : MAP_TEMP;
    (void)err_set(&l->err, ERR_TEMP, "too many lookups at once");
    loop_defer(&l->over, on_over);
}

static void cancel(struct db_step *s)
{
    struct lookup *l = s->driver_state;
    if (l != NULL)
        l->step = NULL;
    s->driver_state = NULL;
}

static bool each(void *user, struct str key, struct str value)
{
    struct db_list *l = user;
    (void)value;
    /* Postfix's tables hold no other keys than users here. */
    l->on_user(l, key);
    return true;
}

struct listing { struct deferred over; struct db_list *l; struct lmdb_file *file; void (*done)(struct db_list *, bool); };

static void on_listed(struct deferred *d)
{
    struct listing *g = container_of(d, struct listing, over);
    struct err err;
    g->done(g->l, lmdb_file_each(g->file, each, g->l, &err) == 0);
    free(g);
}

static void list(struct db *db, struct db_list *l, void (*over)(struct db_list *l, bool complete))
{
    struct listing *g = xcalloc(1, sizeof *g);
    *g = (struct listing){ .l = l, .file = db->state, .done = over };
    loop_defer(&g->over, on_listed);
}

static int open_db(struct db *db, bool private_instance, struct err *err)
{
    struct buf path = buf_make(0);
    struct err why;
    const char *name;
    (void)private_instance;
    int fd = db_open_dir(db, db->conf->arg, &name, err);
    if (fd < 0)
        return -1;
    close(fd);
    buf_add(&path, db->conf->arg);
    if (!str_ends(db->conf->arg, STR(".lmdb")))
        buf_puts(&path, ".lmdb");
    db->state = lmdb_file_open(buf_cstr(&path), false, 0, 0, &why);
    int rc = db->state != NULL ? 0 : db_refuse(db, err, "%s: make it with postmap lmdb:%.*s, or correct the entry", why.text, STR_FMT(db->conf->arg));
    buf_done(&path);
    return rc;
}

const struct db_driver *db_lmdb(void)
{
    static const struct db_driver driver = { .name = "lmdb", .is_passdb = true, .is_userdb = true, .open = open_db, .step = step, .cancel = cancel, .list = list };
    return &driver;
}
