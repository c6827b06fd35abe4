/* SPDX-License-Identifier: ISC
 *
 * db_static.c - static: the same fields for everybody, as templates; and
 * prefetch: what a passdb said with "userdb_" in front is all there is to say.
 */
#include "authd.h"
#include "db.h"

/* The question whether there is such a user, put to the passdbs. */
struct probe { struct db_query query; struct db_step *step; };

static bool add_fields(struct db_step *s)
{
    const struct fields *f = &s->db->conf->options;
    for (size_t i = 0; i < f->n; i++) {
        struct str name = f->rows[i].name;
        if (str_eqz(name, "allow_all_users") || str_eqz(name, "password"))
            continue;
        /* home first: later templates may use it. */
        if (!db_set_template(s, &s->found, name, f->rows[i].value))
            return false;
        if (str_eqz(name, "home"))
            s->vars.home = fields_get(&s->found, "home");
    }
    return true;
}

static void found(struct db_step *s)
{
    const struct field *password = fields_find(&s->db->conf->options, "password");
    struct buf text = buf_make(4096);
    const char *why;
    bool ok = add_fields(s);
    if (ok && password != NULL && !s->db->is_userdb) {
        ok = var_expand(password->value, &s->vars, NULL, NULL, &text, &why);
        s->stored = str_dup(s->query->arena, buf_str(&text));
        if (s->stored.n > 0 && s->stored.p[0] != '{' && s->db->conf->default_scheme.n == 0)
            s->stored = str_printf(s->query->arena, "{PLAIN}%.*s", STR_FMT(s->stored));
        s->has_stored = true;
    }
    buf_done(&text);
    s->done(s, ok ? VERDICT_MATCH : VERDICT_TEMPFAIL);
}

static void on_probe(struct db_query *q, enum auth_verdict verdict)
{
    struct db_step *s = container_of(q, struct probe, query)->step;
    s->driver_state = NULL;
    if (verdict == VERDICT_MATCH) {
        found(s);
        return;
    }
    if (verdict == VERDICT_TEMPFAIL)
        s->text = "the password databases could not be asked for the user";
    s->done(s, verdict == VERDICT_TEMPFAIL ? VERDICT_TEMPFAIL : VERDICT_UNKNOWN);
}

static void step(struct db_step *s)
{
    bool is_login = s->query->kind != DB_USER;
    if (!s->db->is_userdb || is_login || fields_is_true(&s->db->conf->options, "allow_all_users")) {
        found(s);
        return;
    }
    /* Static fields fit any name: whether it is a user, the passdbs know. */
    struct probe *p = ARENA_NEW(s->query->arena, struct probe);
    p->step = s;
    p->query = (struct db_query){ .arena = s->query->arena, .vars = s->query->vars, .kind = DB_LOOKUP, .done = on_probe };
    p->query.vars.passdb = p->query.vars.userdb = NULL;
    s->driver_state = p;
    db_ask(&p->query);
}

static void cancel(struct db_step *s)
{
    struct probe *p = s->driver_state;
    s->driver_state = NULL;
    if (p != NULL)
        db_cancel(&p->query);
}

static int open_static(struct db *db, bool private_instance, struct err *err)
{
    const struct fields *f = &db->conf->options;
    const char *why;
    uint32_t id;
    (void)private_instance;
    for (size_t i = 0; i < f->n; i++)
        if (!var_check(f->rows[i].value, &why))
            return db_refuse(db, err, "%s \"%.*s\": VARIABLES in authdb(5) lists those that there are", why, STR_FMT(f->rows[i].value));
    static const char *const ids[] = { "uid", "gid", "userdb_uid", "userdb_gid" };
    for (size_t i = 0; i < N_ELEMS(ids); i++) {
        struct str text = fields_get(f, ids[i]);
        if (text.n > 0 && str_chr(text, '%') < 0 && !db_id(text, i % 2 == 1, &id))
            return db_refuse(db, err, "%s=%.*s: create that %s, or write a number", ids[i], STR_FMT(text), i % 2 == 1 ? "group" : "user");
    }
    if (!db->is_userdb && !fields_has(f, "password") && !fields_is_true(f, "nopassword") && !fields_has(f, "noauthenticate"))
        return db_refuse(db, err, "nobody could log in: add password=, or nopassword=yes to let everybody in");
    return 0;
}

static void prefetch_step(struct db_step *s)
{
    const struct fields *f = &s->query->userdb;
    if (f->n == 0)
        s->text = "passdb didn't return userdb entries";
    s->done(s, f->n > 0 ? VERDICT_MATCH : VERDICT_UNKNOWN);
}

static int open_prefetch(struct db *db, bool private_instance, struct err *err)
{
    (void)db, (void)private_instance, (void)err;
    return 0;
}

const struct db_driver *db_static(void)
{
    static const struct db_driver driver = { .name = "static", .is_passdb = true, .is_userdb = true, .open = open_static, .step = step, .cancel = cancel };
    return &driver;
}

const struct db_driver *db_prefetch(void)
{
    static const struct db_driver driver = { .name = "prefetch", .is_userdb = true, .open = open_prefetch, .step = prefetch_step };
    return &driver;
}
