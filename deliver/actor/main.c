/* SPDX-License-Identifier: ISC
 *
 * NAME
 *      deliver-actor - does single local deliveries as one user
 *
 * DESCRIPTION
 *      Started by master when the router needs a process for a user. It waits
 *      for one BECOME (uid, gid, home), becomes that user for good, and then
 *      does ACTIONs one after the other: a message into a Maildir or mbox, a
 *      command of aliases(5), .forward or mailbox_command, a pipe(8) line, or
 *      reading .forward. Each ends in one ACTION_RESULT. The process ends when
 *      the router closes the channel.
 *
 *      A Maildir delivery is answered only after the file and the directory
 *      new/ are on stable storage.
 *
 * SECURITY
 *      Waits as root with CAP_SETUID and CAP_SETGID only; what runs before the
 *      ids are gone is become.c and the channel's decoder, fed by the router
 *      alone. uid 0 and gid 0 are refused. Not confined afterwards, because the
 *      user's commands must not be; it holds no descriptor but its channel and
 *      the log, and commands get 0, 1 and 2 only. In a private instance it
 *      stays the instance's uid.
 *
 * DIAGNOSTICS
 *      Nothing but errors is logged here: the router logs each recipient.
 */
#include <signal.h>
#include <unistd.h>
#include "actor.h"
#include "base/log.h"
#include "base/vec.h"
#include "daemon/daemon.h"
#include "store/deliver.h"

struct pending { uint64_t job; struct deliver *d; };

static struct {
    bool private_instance, became;
    struct actor_user user;
    struct chan *router;
    VEC(struct pending) pending;    /* written in this turn, not synced yet */
    struct deferred commit;
} self;

static void on_become(const struct ipc_become *who)
{
    struct err err = { 0 };
    if (self.became)
        log_fatal("a second BECOME from the router");
    if (actor_become(who, self.private_instance, &self.user, &err) < 0)
        log_fatal("%s", err.text);
    self.became = true;
}

static void say(const struct action_result *r, uint64_t job)
{
    struct ipc_action_result answer = {
        .job = job, .outcome = (uint32_t)r->outcome, .dsn = str_from(r->dsn), .text = buf_str(&r->text), .data = buf_str(&r->data),
    };
    if (self.router != NULL && !chan_send(self.router, IPC_ACTION_RESULT, 0, &answer))
        log_warning("the router did not take the result of an action");
}

static struct action_result new_result(void)
{
    return (struct action_result){ .outcome = OUTCOME_DEFERRED, .dsn = "4.3.0", .text = { .limit = 4000 }, .data = { .limit = 131072 } };
}

static void result_done(struct action_result *r)
{
    buf_done(&r->text);
    buf_done(&r->data);
}

/* What was written in this turn is synced together, and then answered. */
static void commit(struct deferred *unused)
{
    (void)unused;
    size_t n = self.pending.n;
    struct deliver **d = xcalloc(n + 1, sizeof(struct deliver *));
    int *rc = xcalloc(n + 1, sizeof(*rc));
    struct err *err = xcalloc(n + 1, sizeof(*err));
    for (size_t i = 0; i < n; i++)
        d[i] = self.pending.p[i].d;
    deliver_commit_all(d, n, rc, err);
    for (size_t i = 0; i < n; i++) {
        struct action_result r = new_result();
        action_maildir_end(rc[i], &err[i], &r);
        say(&r, self.pending.p[i].job);
        result_done(&r);
        deliver_free(d[i]);
    }
    self.pending.n = 0;
    free(d);
    free(rc);
    free(err);
}

static void begin_maildir(const struct ipc_action *a)
{
    struct action_result r = new_result();
    struct deliver *d;
    action_maildir_begin(a, &d, &r);
    if (d == NULL) {
        say(&r, a->job);
    } else {
        vec_push(&self.pending, ((struct pending){ a->job, d }));
        loop_defer(&self.commit, commit);
    }
    result_done(&r);
}

static void run_action(const struct ipc_action *a, struct action_result *r)
{
    switch ((enum action_kind)a->kind) {
    case ACTION_MBOX:
        action_mbox(a, r);
        return;
    case ACTION_COMMAND:
    case ACTION_PIPE:
        action_command(a, &self.user, r);
        return;
    case ACTION_READ_FORWARD:
    case ACTION_READ_INCLUDE:
        action_read_forward(a, &self.user, r);
        return;
    case ACTION_MAILDIR:
        break;
    }
    buf_puts(&r->text, "unknown action");
}

static void on_action(const struct ipc_action *a)
{
    if (self.became && self.user.spool_gid == 0 && a->kind == ACTION_MAILDIR) {
        begin_maildir(a);
        return;
    }
    struct action_result r = new_result();
    if (self.became && self.user.spool_gid != 0 && a->kind != ACTION_MBOX)
        buf_puts(&r.text, "this process writes mail spools only");
    else if (self.became)
        run_action(a, &r);
    else
        buf_puts(&r.text, "no user yet");
    say(&r, a->job);
    result_done(&r);
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)c;
    (void)id;
    if (type == IPC_BECOME)
        on_become(msg);
    else if (type == IPC_ACTION)
        on_action(msg);
}

static void on_closed(struct chan *c)
{
    chan_free(c);
    self.router = NULL;
    daemon_drain();
}

static const struct chan_ops router_ops = { .on_message = on_message, .on_closed = on_closed };

static void on_peer(const struct ipc_peer *peer, int fd)
{
    if (peer->role != ROLE_ROUTER || self.router != NULL) {
        close(fd);
        return;
    }
    self.router = daemon_chan(peer, fd, &router_ops, NULL);
}

static void start(const struct daemon_ctx *d)
{
    self.private_instance = d->private_instance;
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_ACTOR, .start = start, .on_peer = on_peer },
    };
    return daemon_main(argc, argv, "deliver-actor", roles, N_ELEMS(roles));
}
