/* SPDX-License-Identifier: ISC
 *
 * toy.c - two toy roles under the real master: sessions and an owner.
 *
 * Installed under the names smtpd and qmgr beside a copy of master. A client
 * of the sessions role sends lines; each is answered "id N" after the owner
 * has been asked for an id, or "later" when it could not be reached in time.
 * The owner dies and comes back; the sessions go on. "crash" ends the process
 * that holds the session.
 */
#include "base/log.h"
#include "daemon/daemon.h"
#include "event/conn.h"
#include <unistd.h>

enum { WAIT_MS = 5000 };

/* ---- sessions ---- */

static struct { struct chan *owner; struct cond arrived; } toy;

static void owner_closed(struct chan *c)
{
    if (toy.owner == c)
        toy.owner = NULL;
    chan_free(c);
}

static void on_owner(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_closed = owner_closed };
    if (peer->role != ROLE_QMGR) {
        (void)close(fd);
        return;
    }
    struct chan *old = toy.owner;
    toy.owner = daemon_chan(peer, fd, &ops, NULL);
    chan_free(old);
    cond_broadcast(&toy.arrived);
}

/* Asks until the deadline, whoever owns the ids meanwhile. */
static bool ask(struct arena *a, struct str *ret)
{
    int64_t deadline = deadline_in(WAIT_MS);
    struct ipc_ids_want want = { .n = 1 };
    while (clock_mono_ms() < deadline) {
        if (toy.owner == NULL && cond_wait(&toy.arrived, deadline) != WAIT_OK)
            return false;
        if (toy.owner == NULL)
            continue;
        enum ipc_type type;
        union ipc_any answer;
        if (chan_call(toy.owner, IPC_IDS_WANT, &want, IPC_IDS, IPC_TYPE_COUNT, deadline, a, &type, &answer) == CHAN_OK) {
            *ret = answer.ids.ids;
            return true;
        }
    }
    return false;
}

static void via_broker(struct conn *c, struct str endpoint)
{
    struct err err = { 0 };
    struct str line;
    char name[512];
    int fd = str_to_fixed(endpoint, name, sizeof name) ? daemon_connect(name, deadline_in(WAIT_MS), &err) : -1;
    if (fd < 0) {
        conn_printf(c, "refused %s\r\n", err.text);
        return;
    }
    struct conn *there = conn_new(fd, 1024);
    if (conn_read_line(there, 1000, deadline_in(WAIT_MS), &line) == READ_OK)
        conn_printf(c, "connected %.*s\r\n", STR_FMT(line));
    else
        conn_puts(c, "connected, and nothing came\r\n");
    conn_free(there);
}

/* Commands for tests of what surrounds a session; false when it is none of them. */
static bool special(struct conn *c, struct str line)
{
    if (str_starts(line, STR("connect "))) {
        via_broker(c, str_skip(line, 8));
    } else if (str_starts(line, STR("log "))) {
        log_info("%.*s", STR_FMT(str_skip(line, 4)));
        conn_puts(c, "logged\r\n");
    } else if (str_starts(line, STR("forge "))) {
        struct str raw = str_skip(line, 6);
        char copy[1000];
        for (size_t i = 0; i < raw.n; i++)
            copy[i] = raw.p[i];
        for (size_t i = 0; i < raw.n; i++)
            copy[i] = copy[i] == '^' ? '\n' : copy[i];
        (void)send(4, copy, raw.n, MSG_NOSIGNAL);
        conn_puts(c, "forged\r\n");
    } else {
        return false;
    }
    return true;
}

static void session(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    struct conn *c = conn_new(fd, 4096);
    struct arena a = arena_make(1 << 16);
    struct str line, id;
    (void)peer;
    (void)local;
    conn_printf(c, "hello %ld\r\n", (long)getpid());
    while (conn_read_line(c, 1000, deadline_in(60000), &line) == READ_OK) {
        if (str_eqz(line, "crash"))
            abort();
        if (str_eqz(line, "quit"))
            break;
        if (special(c, line))
            continue;
        if (ask(&a, &id))
            conn_printf(c, "id %.*s\r\n", STR_FMT(id));
        else
            conn_puts(c, "later\r\n");
        arena_done(&a);
    }
    (void)conn_flush(c, deadline_in(1000));
    conn_free(c);
    arena_done(&a);
}

/* ---- the owner ---- */

static uint64_t last_id;

static void on_want(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    char text[64];
    (void)msg;
    if (type != IPC_IDS_WANT)
        return;
    int n = snprintf(text, sizeof text, "%ld.%llu", (long)getpid(), (unsigned long long)++last_id);
    struct ipc_ids ids = { .n = 1, .ids = str_make(text, (size_t)n) };
    (void)chan_send(c, IPC_IDS, id, &ids);
}

static void session_closed(struct chan *c) { chan_free(c); }

static void on_sessions(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_want, .on_closed = session_closed };
    (void)daemon_chan(peer, fd, &ops, NULL);
}

static bool never_idle(void) { return false; }

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_SMTPD, .on_client = session, .on_peer = on_owner },
        { .role = ROLE_QMGR, .on_peer = on_sessions },
        { .role = ROLE_HUB, .idle = never_idle },
    };
    return daemon_main(argc, argv, "toy", roles, N_ELEMS(roles));
}
