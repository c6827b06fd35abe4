/* SPDX-License-Identifier: ISC */
#include "login/roll.h"
#include "base/htab.h"
#include "base/list.h"
#include "daemon/daemon.h"
#include "event/loop.h"
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KNOWN_MS = 2000, FORGET_MS = 30000, TEXT_MAX = 65 };

/* A process of ours, or one whose own zygote is gone. */
struct entry {
    uint32_t pid;               /* the key */
    bool live;
    int line;
    struct watch end;           /* of an orphan's line */
    uint64_t since;
    char remote[TEXT_MAX], session_id[TEXT_MAX];
    char *user, *mail;
};

/* A session of somebody else's. */
struct other { uint32_t pid; uint64_t who; bool stale; };

static struct {
    const char *service;
    void (*on_known)(void);
    struct chan *hub;
    struct htab own, others, orphans;
    bool known;
    struct timer wait, forget;
} roll;

static struct str key_of(const uint32_t *pid) { return str_make(pid, sizeof *pid); }
static uint64_t now_seconds(void) { return (uint64_t)clock_wall_ms() / 1000; }

void roll_init(const char *service, void (*on_known)(void))
{
    roll.service = service;
    roll.on_known = on_known;
}

bool roll_is_known(void) { return roll.known; }

static void become_known(void)
{
    timer_cancel(&roll.wait);
    if (roll.known)
        return;
    roll.known = true;
    roll.on_known();
}

static void on_no_hub(struct timer *t)
{
    (void)t;
    become_known();
}

void roll_start(void) { timer_set(&roll.wait, loop_now() + KNOWN_MS, on_no_hub); }

uint64_t roll_who(struct str user, struct str remote)
{
    struct buf b = buf_make(0);
    buf_printf(&b, "%.*s %.*s", STR_FMT(user), STR_FMT(remote));
    uint64_t h = htab_hash(buf_str(&b));
    buf_done(&b);
    return h;
}

/* ---- the sessions of others ---- */

static void drop_other(struct other *o)
{
    (void)htab_remove(&roll.others, key_of(&o->pid));
    free(o);
}

/* One at a time, since a table that is walked must not change. */
static void drop_stale(void)
{
    struct other *o;
    do {
        size_t pos = 0;
        while ((o = htab_each(&roll.others, &pos)) != NULL && !o->stale)
            ;
        if (o != NULL)
            drop_other(o);
    } while (o != NULL);
}

static bool is_ours(const uint32_t *pid) { return htab_get(&roll.own, key_of(pid)) != NULL || htab_get(&roll.orphans, key_of(pid)) != NULL; }

static void make_stale(void)
{
    size_t pos = 0;
    for (struct other *o; (o = htab_each(&roll.others, &pos)) != NULL;)
        o->stale = true;
}

static void on_forget(struct timer *t)
{
    (void)t;
    drop_stale();
}

static void take_other(const struct ipc_hub_other *m)
{
    struct other *o = htab_get(&roll.others, key_of(&m->pid));
    if (is_ours(&m->pid))
        return;
    if (!m->live) {
        if (o != NULL)
            drop_other(o);
        return;
    }
    if (o == NULL) {
        o = xcalloc(1, sizeof *o);
        o->pid = m->pid;
        (void)htab_put(&roll.others, key_of(&o->pid), o);
    }
    o->who = roll_who(m->user, m->remote);
    o->stale = false;
}

size_t roll_others(uint64_t who)
{
    size_t n = 0, pos = 0;
    for (struct other *o; (o = htab_each(&roll.others, &pos)) != NULL;)
        n += o->who == who;
    pos = 0;
    for (struct entry *e; (e = htab_each(&roll.orphans, &pos)) != NULL;)
        n += e->live && roll_who(str_from(e->user), str_from(e->remote)) == who;
    return n;
}

size_t roll_all_others(void) { return roll.others.n + roll.orphans.n; }

/* ---- the hub ---- */

static void name(const struct entry *e)
{
    struct ipc_hub_join m = { .mail = str_from(e->mail), .pid = e->pid, .service = str_from(roll.service), .user = str_from(e->user),
                              .remote = str_from(e->remote), .session_id = str_from(e->session_id), .since = e->since, .live = e->live, .line = e->line };
    if (roll.hub != NULL && e->line >= 0)
        (void)chan_send(roll.hub, IPC_HUB_JOIN, 0, &m);
}

static void take_orphan(struct ipc_hub_orphan *m);

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)id;
    if (c != roll.hub)
        return;
    if (type == IPC_HUB_OTHER) {
        take_other(msg);
    } else if (type == IPC_HUB_ORPHAN) {
        take_orphan(msg);
    } else if (type == IPC_HUB_KNOWN) {
        timer_cancel(&roll.forget);
        drop_stale();
        become_known();
    }
}

static void on_closed(struct chan *c)
{
    if (roll.hub == c) {
        roll.hub = NULL;
        make_stale();
        timer_set(&roll.forget, loop_now() + FORGET_MS, on_forget);
    }
    chan_free(c);
}

void roll_hub(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    struct ipc_hub_told told = { .service = str_from(roll.service) };
    size_t pos = 0;
    roll.hub = daemon_chan(peer, fd, &ops, NULL);
    make_stale();
    timer_set(&roll.forget, loop_now() + FORGET_MS, on_forget);
    for (struct entry *e; (e = htab_each(&roll.own, &pos)) != NULL;)
        name(e);
    pos = 0;
    for (struct entry *e; (e = htab_each(&roll.orphans, &pos)) != NULL;)
        name(e);
    (void)chan_send(roll.hub, IPC_HUB_TOLD, 0, &told);
}

/* ---- entries ---- */

static void set_text(char text[TEXT_MAX], struct str s)
{
    if (!str_to_fixed(s, text, TEXT_MAX))
        text[0] = '\0';
}

static char *copy(struct str s)
{
    char *p = xmalloc(s.n + 1);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

static struct entry *find(pid_t pid)
{
    uint32_t number = (uint32_t)pid;
    return htab_get(&roll.own, key_of(&number));
}

static void entry_free(struct entry *e)
{
    watch_stop(&e->end);
    if (e->line >= 0)
        close(e->line);
    free(e->user);
    free(e->mail);
    free(e);
}

/* ---- those of a zygote that was killed ---- */

static void drop_orphan(uint32_t pid)
{
    struct entry *e = htab_get(&roll.orphans, key_of(&pid));
    if (e == NULL)
        return;
    (void)htab_remove(&roll.orphans, key_of(&e->pid));
    entry_free(e);
}

/* Nobody waits for an orphan, and its hub may be away: the end of its line is the end of its count. */
static void on_orphan_end(struct watch *w, uint32_t events)
{
    (void)events;
    drop_orphan(container_of(w, struct entry, end)->pid);
}

static bool is_socket(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* The hub still serves the line: it is kept for the next one. */
static void take_orphan(struct ipc_hub_orphan *m)
{
    int line = chan_take_fd(&m->line);
    struct other *o = htab_get(&roll.others, key_of(&m->pid));
    if (line < 0 || !is_socket(line) || is_ours(&m->pid)) {
        if (line >= 0)
            close(line);
        return;
    }
    if (o != NULL)
        drop_other(o);
    struct entry *e = xcalloc(1, sizeof *e);
    e->pid = m->pid;
    e->live = m->live;
    e->line = line;
    e->since = m->since;
    e->user = copy(m->user);
    e->mail = copy(m->mail);
    set_text(e->remote, m->remote);
    set_text(e->session_id, m->session_id);
    (void)htab_put(&roll.orphans, key_of(&e->pid), e);
    watch_start(&e->end, line, EPOLLRDHUP, on_orphan_end);
}

/* ---- our own ---- */

void roll_join(const struct roll_entry *from, int line)
{
    struct entry *e = xcalloc(1, sizeof *e);
    roll_gone(from->pid);
    drop_orphan((uint32_t)from->pid);
    e->pid = (uint32_t)from->pid;
    e->live = true;
    e->line = line;
    e->since = now_seconds();
    e->user = copy(from->user);
    e->mail = copy(from->mail);
    set_text(e->remote, from->remote);
    set_text(e->session_id, from->session_id);
    (void)htab_put(&roll.own, key_of(&e->pid), e);
    name(e);
}

static void turn(const struct entry *e)
{
    struct ipc_hub_turn m = { .pid = e->pid, .live = e->live, .remote = str_from(e->remote), .session_id = str_from(e->session_id), .since = e->since };
    if (roll.hub != NULL && e->line >= 0)
        (void)chan_send(roll.hub, IPC_HUB_TURN, 0, &m);
}

void roll_over(pid_t pid)
{
    struct entry *e = find(pid);
    if (e == NULL)
        return;
    e->live = false;
    turn(e);
}

void roll_next(pid_t pid, struct str remote, struct str session_id)
{
    struct entry *e = find(pid);
    if (e == NULL)
        return;
    e->live = true;
    e->since = now_seconds();
    set_text(e->remote, remote);
    set_text(e->session_id, session_id);
    turn(e);
}

/* The hub sees the end of the line. */
void roll_gone(pid_t pid)
{
    struct entry *e = find(pid);
    if (e == NULL)
        return;
    (void)htab_remove(&roll.own, key_of(&e->pid));
    entry_free(e);
}
