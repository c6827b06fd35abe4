/* SPDX-License-Identifier: ISC
 *
 * wait.c - messages that are files and not in memory: deferred ones with the
 * time of their next attempt (the file's modification time, as in Postfix), and
 * held ones, which only have their name here. The files are the truth; a look
 * into the directories every queue_run_delay finds what others put there.
 */
#include "qmgr.h"
#include <errno.h>

void wait_add(const char *id, enum qplace place, int64_t when_ms)
{
    struct waiting *w = htab_get(&qm.waiting, str_from(id));
    if (w == NULL) {
        w = xcalloc(1, sizeof *w);
        (void)snprintf(w->id, sizeof w->id, "%s", id);
        (void)htab_put(&qm.waiting, str_from(w->id), w);
    }
    w->place = place;
    heap_remove(&qm.due, &w->when);
    if (place == QPLACE_DEFERRED)
        heap_set(&qm.due, &w->when, when_ms);
}

void wait_remove(const char *id)
{
    struct waiting *w = htab_remove(&qm.waiting, str_from(id));
    if (w == NULL)
        return;
    heap_remove(&qm.due, &w->when);
    free(w);
}

bool wait_knows(const char *id) { return htab_get(&qm.waiting, str_from(id)) != NULL; }

/* Into memory; the file moves to active/. A damaged one goes to corrupt/ with one line. */
struct active *wait_load(const char *id, enum qplace place)
{
    struct err err = { .kind = ERR_NONE };
    char name[QID_MAX + 1];
    (void)snprintf(name, sizeof name, "%s", id);
    wait_remove(id);
    struct qmsg *m = queue_load(&qm.q, place, name, qm.conf.inline_limit, &err);
    if (m == NULL) {
        if (err.kind == ERR_PROTO || err.kind == ERR_LIMIT) {
            char from[QPATH_MAX], to[QPATH_MAX];
            qid_path(qplace_name(place), name, "", from);
            qid_path("corrupt", name, "", to);
            (void)qm.io.rename(&qm.io, from, to);
            log_error("%s; saved as %s", err.text, to);
        } else if (err.kind != ERR_NONE) {
            log_warning("%s; tried again later", err.text);
            wait_add(name, place, clock_wall_ms() + 60000);
        }
        return NULL;
    }
    if (place != QPLACE_ACTIVE && queue_move(&qm.q, m, QPLACE_ACTIVE, 0, false, &err) < 0)
        log_warning("%s", err.text);
    return msg_new_active(m);
}

static void on_due(struct timer *t)
{
    struct heap_node *top;
    unsigned n = 0;
    int64_t now = clock_wall_ms();
    while (!qm.draining && (top = heap_top(&qm.due)) != NULL && top->key <= now && n++ < 200) {
        struct waiting *w = container_of(top, struct waiting, when);
        if (qm.q.by_id.n >= qm.conf.active_limit)
            break;
        struct active *a = wait_load(w->id, w->place);
        if (a != NULL)
            msg_activate(a->m);
    }
    top = heap_top(&qm.due);
    int64_t in = top == NULL ? 1000 : MAX(top->key - now, n >= 200 ? 1 : 50);
    timer_set(t, clock_mono_ms() + MIN(in, 1000), on_due);
}

static void note_deferred(void *arg, const char *id, const struct qio_stat *st)
{
    (void)arg;
    wait_add(id, QPLACE_DEFERRED, st->mtime * 1000);
}

static void note_held(void *arg, const char *id, const struct qio_stat *st)
{
    (void)arg;
    (void)st;
    wait_add(id, QPLACE_HOLD, 0);
}

static void note_incoming(void *arg, const char *id, const struct qio_stat *st)
{
    (void)arg;
    (void)st;
    struct active *a = wait_load(id, QPLACE_INCOMING);
    if (a != NULL)
        msg_activate(a->m);
}

bool id_is_known(const char *id)
{
    return wait_knows(id) || intake_is_writing(id) || queue_find(&qm.q, str_from(id)) != NULL || htab_get(&qm.leases, str_from(id)) != NULL;
}

void wait_scan(void)
{
    qm.q.is_known = id_is_known;
    (void)queue_scan(&qm.q, QPLACE_DEFERRED, note_deferred, NULL);
    (void)queue_scan(&qm.q, QPLACE_HOLD, note_held, NULL);
    (void)queue_scan(&qm.q, QPLACE_INCOMING, note_incoming, NULL);
}

/* A time further away than any that is ever set comes from a clock that was wrong. */
static void correct_times(void)
{
    struct waiting *w;
    int64_t latest = clock_wall_ms() + (int64_t)MAX(qm.conf.maximal_backoff, qm.conf.minimal_backoff) * 1000;
    for (size_t pos = 0; (w = htab_each(&qm.waiting, &pos)) != NULL;)
        if (w->place == QPLACE_DEFERRED && heap_has(&w->when) && w->when.key > latest)
            heap_set(&qm.due, &w->when, latest);
}

static struct timer scan_timer;
static void on_scan(struct timer *t)
{
    if (!qm.draining) {
        wait_scan();
        correct_times();
    }
    timer_set(t, clock_mono_ms() + (int64_t)qm.conf.queue_run_delay * 1000, on_scan);
}

void wait_start(void)
{
    on_scan(&scan_timer);
    on_due(&qm.due_timer);
}

/* NULL: all that is deferred. */
void wait_flush(const char *id)
{
    struct waiting *w;
    int64_t now = clock_wall_ms();
    VEC(struct waiting *) all = { 0 };
    for (size_t pos = 0; (w = htab_each(&qm.waiting, &pos)) != NULL;)
        if (w->place == QPLACE_DEFERRED && (id == NULL || strcmp(id, w->id) == 0))
            vec_push(&all, w);
    for (size_t i = 0; i < all.n; i++)
        heap_set(&qm.due, &all.p[i]->when, MIN(now, all.p[i]->when.key));
    vec_done(&all);
    timer_set(&qm.due_timer, clock_mono_ms(), on_due);
}
