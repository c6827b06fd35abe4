/* SPDX-License-Identifier: ISC
 *
 * NAME
 *   qmgr - owner of the mail queue
 *
 * DESCRIPTION
 *   Takes messages from the receiving processes, makes them durable with one
 *   sync per turn of its loop, hands them to delivery processes, keeps what
 *   could not be delivered for later and returns what cannot be delivered at
 *   all. Messages live in the queue journal and, when they are large, old,
 *   deferred or held, as files in Postfix's directories and format. A clean
 *   stop leaves files only, so that another mail system finds an ordinary queue.
 *
 * SECURITY
 *   Runs as mail_owner with the queue directory as its working directory, and
 *   may write there only. It parses no network input: envelopes arrive as
 *   records from processes that master introduced, and are checked per role
 *   (record types, counts, sizes, transports, and a token of authd for a login
 *   name). Where main.cf or a -o of master.cf has a service authenticate at
 *   someone else's server (smtpd_sasl_path), there is no token: that service's
 *   processes, and no others, are believed. Tools speak to public/qmgr; what changes the queue is for root and
 *   mail_owner.
 *
 * DIAGNOSTICS
 *   One line per event in Postfix's shape: "ID: from=<...>, size=N, nrcpt=N
 *   (queue active)", "ID: removed", "ID: from=<...>, status=expired, returned to
 *   sender". Damaged messages are saved in corrupt/ and named. Nothing is lost
 *   when this process is killed at any instant.
 */
#include "qmgr.h"
#include "ipc/schema.h"
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

struct qmgr_state *qm_state(void)
{
    static struct qmgr_state state;
    return &state;
}

enum { HOLD_MS = 1500 };

static struct qmgr_conf conf;
#define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct qmgr_conf, k, m, name, def, lo, hi, doc)
static const struct param rows[] = { QMGR_PARAMS(ROW) };
static const struct param_table table = { rows, N_ELEMS(rows) };

/* Directories and ring belong to mail_owner, whoever made them. */
static int own_queue(const struct daemon_ctx *d, struct err *err)
{
    const char *owner = config_get(d->config, "mail_owner", err);
    const struct passwd *pw = d->private_instance || geteuid() != 0 || owner == NULL ? NULL : getpwnam(owner);
    if (pw == NULL)
        return 0;
    if (fchown(journal_fd(qm.q.j), pw->pw_uid, (gid_t)-1) < 0)
        return err_sys(err, ERR_CONFIG, "chown queue journal");
    for (size_t i = 0; queue_dir(i) != NULL; i++) {
        struct stat st;
        if (lstat(queue_dir(i), &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == 0 && chown(queue_dir(i), pw->pw_uid, (gid_t)-1) < 0)
            return err_sys(err, ERR_CONFIG, "chown queue directory %s", queue_dir(i));
    }
    return 0;
}

static void init_lists(void)
{
    list_init(&qm.intakes);
    list_init(&qm.outs);
    list_init(&qm.routers);
    list_init(&qm.bouncers);
    list_init(&qm.active);
    list_init(&qm.in_ring);
    list_init(&qm.suspects);
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    qm.ctx = d;
    qm.conf = conf;
    init_lists();
    /* Numbers of jobs go on where an earlier queue manager cannot have been: its own may still be in flight. */
    qm.next_job = (uint64_t)clock_wall_us();
    if (d->queue_directory != NULL && chdir(d->queue_directory) < 0)
        return err_sys(err, ERR_CONFIG, "queue directory %s", d->queue_directory);
    qio_init_system(&qm.io, AT_FDCWD);
    if (service_load(d->config, &qm.services, err) < 0 || queue_make_dirs(&qm.io, err) < 0 ||
        queue_open(&qm.q, &qm.io, conf.journal_size, &commit_queue_ops, NULL, err) < 0)
        return -1;
    qm.q.long_ids = conf.long_ids;
    return foreign_auth_load(d, &qm.services, err) < 0 ? -1 : own_queue(d, err);
}

/* Names, not pointers: a process that lives on may end a message before we start with it. */
struct recovered_id { char id[QID_MAX + 1]; };
static VEC(struct recovered_id) recovered;

static void on_found(void *user, struct qmsg *m)
{
    (void)user;
    (void)msg_new_active(m);
    memcpy(vec_add(&recovered)->id, m->id, sizeof m->id);
}

static void on_bad(void *user, const char *path, const struct err *why)
{
    (void)user;
    log_error("%s: %s", path, why->text);
}

static void activate_recovered(struct timer *t)
{
    (void)t;
    for (size_t i = 0; i < recovered.n && !qm.draining; i++) {
        struct qmsg *m = queue_find(&qm.q, str_from(recovered.p[i].id));
        if (m != NULL)
            msg_activate(m);
    }
    vec_done(&recovered);
    wait_start();
    sched_soon();
}

static void load_recovered_content(void)
{
    struct err err;
    for (size_t i = 0; i < recovered.n; i++) {
        struct qmsg *m = queue_find(&qm.q, str_from(recovered.p[i].id));
        for (uint32_t k = 0; k < m->n_rcpt; k++)
            m->rcpts[k].maybe_done = 1;
        if (!m->in_memory && m->content_end - m->content_at <= qm.conf.inline_limit && qmsg_load_content(&qm.io, m, &err) < 0)
            log_warning("%s", err.text);
    }
}

static struct timer hold_timer;

static void start(const struct daemon_ctx *d)
{
    static const struct queue_found found = { on_found, on_bad };
    struct err err;
    (void)d;
    qm.started_at = loop_now();
    if (queue_recover(&qm.q, &found, &err) < 0)
        log_fatal("%s", err.text);
    load_recovered_content();
    /* Processes that live on tell first what they are delivering. */
    qm.hold_until = recovered.n == 0 ? 0 : clock_mono_ms() + HOLD_MS;
    timer_set(&hold_timer, MAX(qm.hold_until, clock_mono_ms()), activate_recovered);
    commit_start();
    commit_soon();
}

static void on_auth_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)c;
    (void)id;
    if (type == IPC_TOKEN_KEY)
        intake_key(msg);
}
static void on_auth_closed(struct chan *c) { chan_free(c); }
static const struct chan_ops auth_ops = { on_auth_message, on_auth_closed };

static void on_peer(const struct ipc_peer *peer, int fd)
{
    enum role role = (enum role)peer->role;
    struct chan *c;
    switch ((int)role) {
    case ROLE_SMTPD: case ROLE_LMTPD: case ROLE_SUBMITD: case ROLE_PICKUP:
        c = daemon_chan(peer, fd, &intake_ops, xcalloc(1, sizeof(struct intake)));
        intake_peer(c, (peer->role == ROLE_SMTPD || peer->role == ROLE_SUBMITD) && foreign_auth_is_used_by(peer->service));
        break;
    case ROLE_OUT: case ROLE_ROUTER: case ROLE_BOUNCE:
        c = daemon_chan(peer, fd, &worker_ops, xcalloc(1, sizeof(struct worker)));
        worker_peer(c);
        break;
    case ROLE_AUTHD:
        (void)daemon_chan(peer, fd, &auth_ops, NULL);
        break;
    default:
        (void)close(fd);
    }
}

static void on_drain(void)
{
    qm.draining = true;
    qm.drained_at = loop_now();
    commit_stop();
}

static bool idle(void) { return sched_is_idle() && everything_spilled(); }

static const struct role_ops roles[] = {
    { .role = ROLE_QMGR, .params = &table, .conf = &conf, .before_drop = before_drop, .start = start, .on_client = tool_client,
      .max_clients = 200, .on_peer = on_peer, .on_drain = on_drain, .idle = idle },
};

int main(int argc, char **argv) { return daemon_main(argc, argv, "qmgr", roles, N_ELEMS(roles)); }
