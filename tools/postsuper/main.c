/* SPDX-License-Identifier: ISC
 *
 * NAME
 *      postsuper - the mail queue for the superuser
 *
 * SYNOPSIS
 *      postsuper [-psSv] [-c config_dir] [-d id] [-e id] [-f id] [-h id] [-H id] [-r id] [queue ...]
 *
 * DESCRIPTION
 *      -d deletes, -h holds, -H releases, -r requeues, -e expires (-f: and
 *      releases) the message with that queue id; "-" reads ids from standard
 *      input, ALL means every message of the named queues (all by default; for
 *      -H the hold queue). Orders go to the queue manager; when the mail system
 *      is down, -d, -h and -H work on the files. -s and -p look after the
 *      queue's directories, which start does by itself.
 *
 * SECURITY
 *      For root and the owner of the queue. Ids are checked before they become
 *      file names.
 *
 * DIAGNOSTICS
 *      One line per message on standard error ("ID: removed") and one with the
 *      sum ("Deleted: N messages"). Exit status 0; 1 with a "fatal:" line.
 */
#include "base/log.h"
#include "base/vec.h"
#include "conf/param.h"
#include "ipc/order.h"
#include "queue/queue.h"
#include "queue/showq.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct action { char option; enum queue_op op; const char *did, *sum; uint32_t n; bool asked; };
static const struct action table[] = {
    { 'd', QUEUE_DELETE, "removed", "Deleted", 0, false },
    { 'h', QUEUE_HOLD, "placed on hold", "Placed on hold", 0, false },
    { 'H', QUEUE_RELEASE, "released from hold", "Released from hold", 0, false },
    { 'r', QUEUE_REQUEUE, "requeued", "Requeued", 0, false },
    { 'e', QUEUE_EXPIRE, "expired", "Force-expired", 0, false },
    { 'f', QUEUE_EXPIRE, "expired", "Force-expired", 0, false },
};

struct work { int qmgr; struct qio io; VEC(const char *) queues; bool quiet; };

/* ---- on the files ---- */

static const enum qplace places[] = { QPLACE_INCOMING, QPLACE_ACTIVE, QPLACE_DEFERRED, QPLACE_HOLD, QPLACE_CORRUPT };

static bool wanted(const struct work *w, const char *queue)
{
    for (size_t i = 0; i < w->queues.n; i++)
        if (strcmp(w->queues.p[i], queue) == 0)
            return true;
    return w->queues.n == 0;
}

static bool move_file(struct work *w, const char *id, enum qplace from, enum qplace to)
{
    char from_path[QPATH_MAX], to_path[QPATH_MAX], dir[QPATH_MAX];
    qid_path(qplace_name(from), id, "", from_path);
    qid_path(qplace_name(to), id, "", to_path);
    qid_dir(qplace_name(to), id, dir);
    if (w->io.rename(&w->io, from_path, to_path) == 0)
        return true;
    return errno == ENOENT && w->io.mkdir(&w->io, dir) == 0 && w->io.rename(&w->io, from_path, to_path) == 0;
}

static bool on_file(struct work *w, const struct action *a, const char *id, enum qplace place)
{
    char log[QPATH_MAX];
    switch (a->option) {
    case 'd':
        if (queue_remove_file(&w->io, place, id) < 0)
            return false;
        qid_path("defer", id, "", log);
        (void)w->io.unlink(&w->io, log);
        return true;
    case 'h': return place != QPLACE_HOLD && place != QPLACE_CORRUPT && move_file(w, id, place, QPLACE_HOLD);
    case 'H': return place == QPLACE_HOLD && move_file(w, id, place, QPLACE_DEFERRED);
    case 'r': return place != QPLACE_INCOMING && place != QPLACE_CORRUPT && move_file(w, id, place, QPLACE_INCOMING);
    default: return false;
    }
}

static bool on_files(struct work *w, const struct action *a, const char *id)
{
    for (size_t i = 0; i < N_ELEMS(places); i++)
        if (wanted(w, qplace_name(places[i])) && on_file(w, a, id, places[i]))
            return true;
    return false;
}

/* ---- one message ---- */

static bool by_order(struct work *w, const struct action *a, const char *id)
{
    struct err err;
    uint32_t n = 0, sum = 0;
    size_t times = w->queues.n == 0 ? 1 : w->queues.n;
    for (size_t i = 0; i < times; i++) {
        if (order_send(w->qmgr, a->op, str_from(id), str_from(w->queues.n == 0 ? "" : w->queues.p[i]), &n, &err) < 0)
            log_fatal("%s", err.text);
        sum += n;
    }
    return sum > 0;
}

static void one(struct work *w, struct action *a, const char *id)
{
    if (!qid_is_valid(str_from(id))) {
        log_warning("invalid mail queue id: %s", id);
        return;
    }
    if (!(w->qmgr >= 0 ? by_order(w, a, id) : on_files(w, a, id)))
        return;
    a->n++;
    if (w->qmgr < 0)
        log_info("%s: %s", id, a->did);     /* otherwise qmgr has logged it */
}

/* ---- all, or those on standard input ---- */

struct names { VEC(char *) v; };

static void note_name(void *arg, const char *id, const struct qio_stat *st)
{
    struct names *n = arg;
    (void)st;
    vec_push(&n->v, xstrdup(id));
}

static void names_from_qmgr(const struct work *w, struct names *names)
{
    struct err err;
    struct buf raw = buf_make(1 << 30);
    struct str name, value, queue = { "", 0 };
    int fd = order_connect("public/showq", &err);
    if (fd < 0)
        log_fatal("%s", err.text);
    for (ssize_t n = 1; n > 0;) {
        char *to = buf_room(&raw, 65536);
        n = to == NULL ? -1 : read(fd, to, 65536);
        buf_added(&raw, n > 0 ? (size_t)n : 0);
    }
    (void)close(fd);
    struct str in = buf_str(&raw);
    enum showq_result r;
    while (in.n > 0 && (r = showq_next(&in, &name, &value)) != SHOWQ_BAD) {
        char text[QID_MAX + 1];
        if (r == SHOWQ_PAIR && str_eqz(name, "queue_name"))
            queue = value;
        if (r == SHOWQ_PAIR && str_eqz(name, "queue_id") && str_to_fixed(value, text, sizeof text)) {
            char q[32];
            if (str_to_fixed(queue, q, sizeof q) && wanted(w, q))
                vec_push(&names->v, xstrdup(text));
        }
    }
    buf_done(&raw);
}

static void names_from_files(struct work *w, struct names *names)
{
    struct queue q = { .io = &w->io };
    for (size_t i = 0; i < N_ELEMS(places); i++)
        if (wanted(w, qplace_name(places[i])) && places[i] != QPLACE_CORRUPT)
            (void)queue_scan(&q, places[i], note_name, names);
}

static void names_from_input(struct names *names)
{
    char line[256];
    while (fgets(line, sizeof line, stdin) != NULL) {
        char id[QID_MAX + 1];
        struct str s = str_trim(str_from(line));
        if (s.n > 0 && str_to_fixed(s, id, sizeof id))
            vec_push(&names->v, xstrdup(id));
        else if (s.n > 0)
            log_warning("invalid mail queue id: %.*s", STR_FMT(s));
    }
}

static void act(struct work *w, struct action *a, const char *what)
{
    struct names names = { 0 };
    if (strcmp(what, "-") == 0)
        names_from_input(&names);
    else if (strcmp(what, "ALL") != 0)
        vec_push(&names.v, xstrdup(what));
    else if (w->qmgr >= 0)
        names_from_qmgr(w, &names);
    else
        names_from_files(w, &names);
    for (size_t i = 0; i < names.v.n; i++) {
        one(w, a, names.v.p[i]);
        free(names.v.p[i]);
    }
    vec_done(&names.v);
}

/* ---- main ---- */

static void enter_queue(const char *config_dir)
{
    struct err err;
    struct config *c = config_load(config_dir_choose(config_dir), &err);
    if (c == NULL || config_enter_queue(c, &err) < 0)
        log_fatal("%s", err.text);
    config_free(c);
}

static bool is_queue(const char *name)
{
    for (size_t i = 0; i < N_ELEMS(places); i++)
        if (strcmp(name, qplace_name(places[i])) == 0)
            return true;
    return strcmp(name, "maildrop") == 0 || strcmp(name, "bounce") == 0 || strcmp(name, "defer") == 0 || strcmp(name, "trace") == 0 ||
           strcmp(name, "flush") == 0;
}

struct request { char option; const char *arg; };

int main(int argc, char **argv)
{
    const char *config_dir = NULL;
    struct work w = { .qmgr = -1 };
    struct action actions[N_ELEMS(table)];
    VEC(struct request) requests = { 0 };
    struct err err;
    int c;
    log_set_ident("postsuper");
    memcpy(actions, table, sizeof actions);
    while ((c = getopt(argc, argv, "c:d:e:f:h:H:pr:sSv")) != -1) {
        if (c == 'c')
            config_dir = optarg;
        else if (strchr("deffhHr", c) != NULL)
            *vec_add(&requests) = (struct request){ (char)c, optarg };
        else if (strchr("psSv", c) == NULL)
            log_fatal("usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (force-expire)] [-f queue_id (force-expire and "
                      "unhold)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary files)] [-r queue_id (requeue)] "
                      "[-s (structure fix)] [-S (redundant structure fix)] [-v (verbose)] [queue...]");
    }
    for (; optind < argc; optind++) {
        if (!is_queue(argv[optind]))
            log_fatal("bad queue name: %s", argv[optind]);
        vec_push(&w.queues, argv[optind]);
    }
    enter_queue(config_dir);
    qio_init_system(&w.io, AT_FDCWD);
    w.qmgr = order_connect("public/qmgr", &err);
    if (w.qmgr < 0 && err.sys != ENOENT && err.sys != ECONNREFUSED)
        log_fatal("%s", err.text);
    for (size_t i = 0; i < requests.n; i++)
        for (size_t k = 0; k < N_ELEMS(actions); k++)
            if (actions[k].option == requests.p[i].option) {
                actions[k].asked = true;
                act(&w, &actions[k], requests.p[i].arg);
            }
    for (size_t k = 0; k < N_ELEMS(actions); k++)
        if (actions[k].asked)
            log_info("%s: %u message%s", actions[k].sum, actions[k].n, actions[k].n == 1 ? "" : "s");
    vec_done(&requests);
    vec_done(&w.queues);
    if (w.qmgr >= 0)
        (void)close(w.qmgr);
    return EXIT_SUCCESS;
}
