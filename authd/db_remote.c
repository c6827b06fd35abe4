/* SPDX-License-Identifier: ISC */
#include "authd.h"
#include "db_remote.h"
#include "db/db_module.h"
#include "db/db_vars.h"
#include "rehash.h"

/* auth-db gives up by itself before that (4 s, 60 s); Postfix waits 10 s for us. */
enum { JOB_MS = 5000, LIST_JOB_MS = 65000, NEED_EVERY_MS = 500, POOLS_MAX = 2 * DB_ENTRIES_MAX, CONF_ARENA_MAX = 8 << 20 };

struct pool {
    const char *path;
    uint32_t entry;             /* how auth-db knows it */
    bool of_userdb;
    bool wants_password, binds;
    struct list workers, queue;
    size_t n_workers, n_queued;
    int64_t asked_at;
};

struct worker {
    struct list node;           /* of its pool, or of those that have none yet */
    struct chan *chan;
    struct pool *pool;
    struct remote_job *job;     /* NULL also when the asker has gone */
    bool busy;
    uint32_t id;
    struct timer timer;         /* of a question whose asker has gone */
};

struct remote_job {
    struct list node;
    struct pool *pool;
    struct worker *worker;      /* NULL: in the queue */
    struct ipc_db_ask ask;
    struct timer timer;         /* over waiting and work */
    struct db_step *step;       /* exactly one of step, list and rehash */
    struct db_list *list;
    struct rehash *rehash;
    void (*over)(struct db_list *l, bool complete);
};

static struct {
    struct pool pools[POOLS_MAX];
    size_t n_pools;
    struct list spare;          /* workers that have no database yet */
    size_t n_spare;
} self;

static void pump(struct pool *p);

/* ---- the ends of a job ---- */

static void finish_list(struct remote_job *job, bool complete)
{
    struct db_list *l = job->list;
    void (*over)(struct db_list *, bool) = job->over;
    free(job);
    over(l, complete);
}

/* MISMATCH: what is stored is not what it was. */
static void finish_rehash(struct remote_job *job, const struct ipc_db_answer *a)
{
    struct rehash *r = job->rehash;
    struct buf why = buf_make(0);
    bool over = a != NULL && (a->verdict == VERDICT_MATCH || a->verdict == VERDICT_MISMATCH);
    if (!over)
        buf_printf(&why, "%.*s: correct rehash_query, and let the database's user update what it names", STR_FMT(a == NULL ? STR("no answer in time") : a->text));
    free(job);
    rehash_stored(r, over && a->verdict == VERDICT_MISMATCH, over ? NULL : buf_cstr(&why));
    buf_done(&why);
}

/* NULL: no process could say. */
static void report(struct remote_job *job, const struct ipc_db_answer *a)
{
    struct db_step *s = job->step;
    timer_cancel(&job->timer);
    if (job->rehash != NULL) {
        finish_rehash(job, a);
        return;
    }
    if (s == NULL) {
        finish_list(job, false);
        return;
    }
    s->driver_state = NULL;
    if (a == NULL || a->verdict < VERDICT_MATCH || a->verdict > VERDICT_TEMPFAIL) {
        s->text = "no answer from the database in time";
        s->done(s, VERDICT_TEMPFAIL);
        return;
    }
    enum auth_verdict verdict = (enum auth_verdict)a->verdict;
    if (a->text.n > 0)
        db_step_say(s, "%.*s", STR_FMT(a->text));
    if (!fields_parse_line(&s->found, a->fields)) {
        s->text = "the database said more than there is room for";
        verdict = VERDICT_TEMPFAIL;
    }
    s->has_stored = a->has_stored;
    s->stored = str_dup(s->query->arena, a->stored);
    if (verdict == VERDICT_MATCH && a->stored.n > 0)
        verify_keep_sample(s->db, s->stored);
    s->done(s, verdict);
}

static void drop_worker(struct worker *w)
{
    struct remote_job *job = w->job;
    struct pool *p = w->pool;
    timer_cancel(&w->timer);
    list_remove(&w->node);
    if (p != NULL)
        p->n_workers--;
    else
        self.n_spare--;
    chan_free(w->chan);
    free(w);
    if (job != NULL)
        report(job, NULL);
    if (p != NULL)
        pump(p);
}

static void let_go(struct timer *t)
{
    struct worker *w = container_of(t, struct worker, timer);
    log_warning("auth: %s: no answer within %d s: its process is let go", w->pool->path, JOB_MS / 1000);
    drop_worker(w);
}

/* No process came, or the one at work hangs. */
static void on_job_timeout(struct timer *t)
{
    struct remote_job *job = container_of(t, struct remote_job, timer);
    if (job->worker != NULL) {
        let_go(&job->worker->timer);
        return;
    }
    list_remove(&job->node);
    job->pool->n_queued--;
    report(job, NULL);
}

/* ---- giving work ---- */

static void need_worker(struct pool *p)
{
    if (p->n_workers >= authd()->conf.auth_db_processes || loop_now() - p->asked_at < NEED_EVERY_MS)
        return;
    p->asked_at = loop_now();
    daemon_need(ROLE_AUTHDB);
}

static struct worker *idle_worker(struct pool *p)
{
    LIST_EACH(it, &p->workers) {
        struct worker *w = container_of(it, struct worker, node);
        if (!w->busy)
            return w;
    }
    if (list_is_empty(&self.spare) || p->n_workers >= authd()->conf.auth_db_processes)
        return NULL;
    struct worker *w = container_of(self.spare.next, struct worker, node);
    list_remove(&w->node);
    self.n_spare--;
    w->pool = p;
    p->n_workers++;
    list_append(&p->workers, &w->node);
    return w;
}

static void give(struct worker *w, struct remote_job *job)
{
    w->job = job;
    w->busy = true;
    w->id = chan_next_id(w->chan);
    job->worker = w;
    if (!chan_send(w->chan, IPC_DB_ASK, w->id, &job->ask))
        drop_worker(w);
}

static void pump(struct pool *p)
{
    struct worker *w;
    while (p->n_queued > 0 && (w = idle_worker(p)) != NULL) {
        struct remote_job *job = container_of(p->queue.next, struct remote_job, node);
        list_remove(&job->node);
        p->n_queued--;
        give(w, job);
    }
    if (p->n_queued > 0)
        need_worker(p);
}

static bool submit(struct remote_job *job, int64_t ms)
{
    struct pool *p = job->pool;
    if (p->n_queued >= authd()->conf.queue_limit)
        return false;
    list_append(&p->queue, &job->node);
    p->n_queued++;
    timer_set(&job->timer, loop_now() + ms, on_job_timeout);
    pump(p);
    return true;
}

/* ---- what processes say ---- */

/* The worker is free for the next question. */
static struct remote_job *take_job(struct worker *w)
{
    struct remote_job *job = w->job;
    w->job = NULL;
    w->busy = false;
    timer_cancel(&w->timer);
    return job;
}

static void on_message(struct chan *ch, enum ipc_type type, uint32_t id, void *msg)
{
    struct worker *w = chan_user(ch);
    if (!w->busy || id != w->id)
        return;
    bool is_list = w->job != NULL && w->job->list != NULL;
    if (type == IPC_DB_ROW && is_list) {
        w->job->list->on_user(w->job->list, ((const struct ipc_db_row *)msg)->user);
        return;
    }
    if (type != IPC_DB_ANSWER && type != IPC_DB_END)
        return;
    struct pool *p = w->pool;
    struct remote_job *job = take_job(w);
    if (job != NULL && type == IPC_DB_ANSWER && !is_list) {
        report(job, msg);
    } else if (job != NULL && type == IPC_DB_END && is_list) {
        const struct ipc_db_end *end = msg;
        if (!end->complete)
            log_warning("auth: %s: %.*s", p->path, STR_FMT(end->text));
        timer_cancel(&job->timer);
        finish_list(job, end->complete);
    } else if (job != NULL) {
        report(job, NULL);
    }
    pump(p);
}

static void on_closed(struct chan *ch) { drop_worker(chan_user(ch)); }

static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };

void db_remote_peer(const struct ipc_peer *peer, int fd)
{
    struct worker *w = xcalloc(1, sizeof *w);
    if (self.spare.next == NULL)
        list_init(&self.spare);
    w->chan = daemon_chan(peer, fd, &ops, w);
    list_append(&self.spare, &w->node);
    self.n_spare++;
    for (size_t i = 0; i < self.n_pools; i++) {
        struct pool *p = &self.pools[i];
        if (p->n_queued > 0)
            p->asked_at = loop_now() - NEED_EVERY_MS;
        pump(p);
    }
}

/* ---- questions ---- */

static enum db_ask_kind kind_of(const struct db_step *s)
{
    if (s->db->is_userdb)
        return DB_ASK_USER;
    return s->query->kind == DB_VERIFY && !s->verified ? DB_ASK_VERIFY : DB_ASK_LOOKUP;
}

void db_remote_step(struct db_step *s)
{
    struct pool *p = s->db->state;
    struct remote_job *job = ARENA_NEW(s->query->arena, struct remote_job);
    struct buf vars = buf_make(16384);
    *job = (struct remote_job){ .pool = p, .step = s };
    job->ask = (struct ipc_db_ask){ .entry = p->entry, .is_userdb = p->of_userdb, .kind = kind_of(s), .password = STR(""), .old = STR(""), .rehash = STR("") };
    list_init(&job->node);
    if (p->wants_password && job->ask.kind == DB_ASK_VERIFY)
        job->ask.password = s->vars.password;
    bool fits = db_vars_put(&s->vars, s->query->arena, &vars) && job->ask.password.n <= 1024;
    job->ask.vars = str_dup(s->query->arena, buf_str(&vars));
    buf_done(&vars);
    s->driver_state = job;
    if (fits && submit(job, JOB_MS))
        return;
    s->driver_state = NULL;
    s->text = fits ? "too many questions are waiting for this database" : "more is known of the request than fits a question";
    s->done(s, VERDICT_TEMPFAIL);
}

void db_remote_cancel(struct db_step *s)
{
    struct remote_job *job = s->driver_state;
    if (job == NULL)
        return;
    s->driver_state = NULL;
    timer_cancel(&job->timer);
    if (job->worker == NULL) {
        list_remove(&job->node);
        job->pool->n_queued--;
        return;
    }
    job->worker->job = NULL;
    timer_set(&job->worker->timer, loop_now() + JOB_MS, let_go);
}

bool db_remote_keep(struct db_step *s, struct rehash *r)
{
    struct buf vars = buf_make(16384);
    bool fits = db_vars_put(&s->vars, &r->arena, &vars);
    struct str *line = ARENA_NEW(&r->arena, struct str);
    *line = str_dup(&r->arena, buf_str(&vars));
    buf_done(&vars);
    r->driver_state = line;
    return fits && r->old.n < 2048 && r->password.n <= 1024;
}

void db_remote_store(struct rehash *r)
{
    struct pool *p = r->db->state;
    struct remote_job *job = xcalloc(1, sizeof *job);
    const struct str *line = r->driver_state;
    *job = (struct remote_job){ .pool = p, .rehash = r };
    job->ask = (struct ipc_db_ask){ .entry = (uint32_t)r->db->index, .is_userdb = false, .kind = DB_ASK_REHASH, .vars = *line,
                                    .password = p->wants_password ? r->password : STR(""), .old = r->raw, .rehash = r->fresh };
    list_init(&job->node);
    if (!submit(job, JOB_MS))
        finish_rehash(job, NULL);
}

void db_remote_list(struct db *db, struct db_list *l, void (*over)(struct db_list *l, bool complete))
{
    struct pool *p = db->state;
    struct remote_job *job = xcalloc(1, sizeof *job);
    *job = (struct remote_job){ .pool = p, .list = l, .over = over };
    job->ask = (struct ipc_db_ask){ .entry = p->entry, .is_userdb = p->of_userdb, .kind = DB_ASK_LIST, .vars = STR(""), .password = STR(""),
                                    .old = STR(""), .rehash = STR("") };
    list_init(&job->node);
    if (!submit(job, LIST_JOB_MS))
        finish_list(job, false);
}

/* ---- before privileges are dropped ---- */

static struct pool *pool_of(struct db *db, const struct db_source *s)
{
    for (size_t i = 0; i < self.n_pools; i++)
        if (strcmp(self.pools[i].path, s->path) == 0)
            return &self.pools[i];
    struct pool *p = &self.pools[self.n_pools++];
    /* A userdb that nobody wrote is that of the passdb, and known to auth-db as such. */
    bool implied = db->follows != SIZE_MAX;
    *p = (struct pool){ .path = xstrdup(s->path), .entry = (uint32_t)(implied ? db->follows : db->index), .of_userdb = db->is_userdb && !implied,
                        .wants_password = s->wants_password, .binds = s->binds, .asked_at = -NEED_EVERY_MS };
    list_init(&p->workers);
    list_init(&p->queue);
    return p;
}

/* The file is read to refuse what cannot work before anybody logs in; what it says is forgotten. */
int db_remote_open(struct db *db, const struct db_driver *if_binds, struct err *err)
{
    struct arena arena = arena_make(CONF_ARENA_MAX);
    struct db_source s;
    char path[4096];
    struct err why = { 0 };
    if (self.spare.next == NULL)
        list_init(&self.spare);
    int rc = db_source_open(db->conf, &arena, &s, &why);
    if (rc == 0)
        rc = db_module_find(authd()->conf.module_directory, s.driver, path, sizeof path, &why);
    if (rc != 0)
        (void)db_refuse(db, err, "%s", why.text);
    else {
        struct pool *p = pool_of(db, &s);
        db->state = p;
        if (p->binds)
            db->driver = if_binds;
    }
    arena_done(&arena);
    return rc;
}
