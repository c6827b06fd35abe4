/* SPDX-License-Identifier: ISC
 *
 * db_pam.c - pam: the machine's own users, asked for in a worker; and passwd,
 * what the system knows of them (NSS), by the same way since it may block.
 */
#include "authd.h"
#include "base/num.h"
#include "db.h"
#include <sys/stat.h>

static void set_number(struct fields *f, const char *name, uint32_t n)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", n);
    (void)fields_set(f, str_from(name), str_from(text));
}

/* Of a passdb: as fields for the userdbs. "system" tells db_passwd that nothing is left to ask. */
static void add_ids(struct db_step *s, const struct account *a)
{
    static const char *const names[2][5] = { { "userdb_uid", "userdb_gid", "userdb_home", "userdb_system_groups", "userdb_system" },
                                             { "uid", "gid", "home", "system_groups", "system" } };
    const char *const *name = names[s->db->is_userdb];
    if (!a->has_ids)
        return;
    set_number(&s->found, name[0], a->uid);
    set_number(&s->found, name[1], a->gid);
    (void)fields_set(&s->found, str_from(name[2]), a->home);
    (void)fields_set(&s->found, str_from(name[3]), a->groups);
    (void)fields_set(&s->found, str_from(name[4]), STR("yes"));
}

static void on_answer(struct pool_job *job, const struct ipc_verdict *v)
{
    struct db_step *s = job->arg;
    s->driver_state = NULL;
    if (v == NULL || v->verdict < VERDICT_MATCH || v->verdict > VERDICT_TEMPFAIL) {
        s->text = "no answer from the auth worker";
        s->done(s, VERDICT_TEMPFAIL);
        return;
    }
    if (v->text.n > 0)
        db_step_say(s, "%.*s", STR_FMT(v->text));
    if (v->verdict == VERDICT_MATCH) {
        struct account a = { .user = s->vars.user, .has_ids = v->has_ids, .uid = v->uid, .gid = v->gid, .groups = v->groups, .home = v->home };
        add_ids(s, &a);
        if (str_eqz(job->ask.backend, "pam"))
            auth_cache_put(authd()->cache, s->vars.user, s->vars.password, s->stored, &a, loop_now());
    }
    s->done(s, (enum auth_verdict)v->verdict);
}

static void ask(struct db_step *s, const char *backend, struct str service)
{
    struct pool_job *job = ARENA_NEW(s->query->arena, struct pool_job);
    job->ask = (struct ipc_verify){ .backend = str_from(backend), .user = s->vars.user, .password = s->vars.password, .remote = s->vars.remote,
                                    .service = s->vars.service, .scheme = service, .verifier = STR("") };
    job->done = on_answer;
    job->arg = s;
    s->driver_state = job;
    if (pool_submit(job))
        return;
    s->driver_state = NULL;
    s->text = "too many checks are waiting for a worker";
    s->done(s, VERDICT_TEMPFAIL);
}

static void cancel(struct db_step *s)
{
    if (s->driver_state != NULL)
        pool_cancel(s->driver_state);
    s->driver_state = NULL;
}

/* When the system's users were last changed: what was right before is asked again. */
static struct str state_of_system(struct arena *a)
{
    static const char *const files[] = { "/etc/shadow", "/etc/passwd", "/etc/pam.d/dovecot" };
    struct str text = str_dup(a, STR("pam"));
    for (size_t i = 0; i < N_ELEMS(files); i++) {
        struct stat st;
        if (stat(files[i], &st) == 0)
            text = str_printf(a, "%.*s %lld.%09ld.%llu", STR_FMT(text), (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (unsigned long long)st.st_ino);
    }
    return text;
}

static void pam_step(struct db_step *s)
{
    /* Who logs in by a token or a certificate, or as a user for whom a master's password was right, must be one who may. */
    bool is_login = s->query->kind == DB_LOOKUP && s->vars.mech.n > 0;
    if (s->query->kind != DB_VERIFY && !is_login) {
        s->text = "PAM checks passwords only";
        s->done(s, VERDICT_UNKNOWN);
        return;
    }
    if (s->verified || is_login) {
        ask(s, "pam-account", STR(""));
        return;
    }
    s->stored = state_of_system(s->query->arena);
    /* What spares the modules that check passwords does not spare those that say who may log in now. */
    bool known = auth_cache_get(authd()->cache, s->vars.user, s->vars.password, s->stored, loop_now()) != NULL;
    ask(s, known ? "pam-account" : "pam", STR(""));
}

static int nothing_to_open(struct db *db, bool private_instance, struct err *err)
{
    (void)db, (void)private_instance, (void)err;
    return 0;
}

static void passwd_step(struct db_step *s)
{
    /* PAM's answer came with it. */
    if (fields_has(&s->query->userdb, "system"))
        s->done(s, VERDICT_MATCH);
    else
        ask(s, "passwd", STR(""));
}

/* Part after part, in a worker: NSS may block. */
struct listing {
    struct pool_job job;
    struct db_list *l;
    void (*over)(struct db_list *l, bool complete);
    char from[16];
};

static void ask_part(struct listing *g, uint32_t from);

static void say_names(struct db_list *l, struct str names)
{
    struct str word, name, id;
    uint32_t uid;
    while (str_token(&names, " ", &word)) {
        (void)str_cut(word, ':', &name, &id);
        /* Those below are the system's own. */
        if (num_parse_u32(id, UINT32_MAX, &uid) && uid >= authd()->conf.first_valid_uid)
            l->on_user(l, name);
    }
}

static void on_part(struct pool_job *job, const struct ipc_verdict *v)
{
    struct listing *g = job->arg;
    bool good = v != NULL && v->verdict == VERDICT_MATCH;
    if (good)
        say_names(g->l, v->groups);
    if (good && v->has_ids) {
        ask_part(g, v->uid);
        return;
    }
    g->over(g->l, good);
    free(g);
}

static void ask_part(struct listing *g, uint32_t from)
{
    (void)snprintf(g->from, sizeof g->from, "%u", from);
    g->job = (struct pool_job){ .done = on_part, .arg = g };
    g->job.ask = (struct ipc_verify){ .backend = STR("passwd-list"), .user = str_from(g->from), .password = STR(""), .remote = STR(""),
                                      .service = STR(""), .scheme = STR(""), .verifier = STR("") };
    if (pool_submit(&g->job))
        return;
    g->over(g->l, false);
    free(g);
}

static void passwd_list(struct db *db, struct db_list *l, void (*over)(struct db_list *l, bool complete))
{
    struct listing *g = xcalloc(1, sizeof *g);
    (void)db;
    g->l = l;
    g->over = over;
    ask_part(g, 0);
}

const struct db_driver *db_pam(void)
{
    static const struct db_driver driver = { .name = "pam", .verifies = true, .is_passdb = true, .open = nothing_to_open, .step = pam_step, .cancel = cancel };
    return &driver;
}

const struct db_driver *db_passwd(void)
{
    static const struct db_driver driver = { .name = "passwd", .is_userdb = true, .open = nothing_to_open, .step = passwd_step, .cancel = cancel,
                                             .list = passwd_list };
    return &driver;
}
