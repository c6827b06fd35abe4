/* SPDX-License-Identifier: ISC */
#include "hub.h"
#include "base/htab.h"
#include "login/line.h"
#include "map/net.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct { struct htab groups, pids; struct list all; uint64_t last; } self;

void members_init(void) { list_init(&self.all); }

static struct str without_slash(struct str mail)
{
    while (mail.n > 1 && mail.p[mail.n - 1] == '/')
        mail.n--;
    return mail;
}

static struct str key_of(const struct member *m) { return str_make(&m->pid, sizeof m->pid); }

static struct group *group_of(struct str mail)
{
    struct group *g = htab_get(&self.groups, mail);
    if (g != NULL)
        return g;
    g = xcalloc(1, sizeof *g);
    char *copy = xmalloc(mail.n + 1);
    memcpy(copy, mail.p, mail.n);
    copy[mail.n] = '\0';
    g->mail = str_make(copy, mail.n);
    list_init(&g->members);
    (void)htab_put(&self.groups, g->mail, g);
    return g;
}

static void leave_group(struct member *m)
{
    struct group *g = m->group;
    if (g == NULL)
        return;
    list_remove(&m->in_group);
    if (!list_is_empty(&g->members))
        return;
    (void)htab_remove(&self.groups, g->mail);
    void *text;
    memcpy(&text, &g->mail.p, sizeof text);
    free(text);
    free(g);
}

static void set_live(struct member *m, bool live)
{
    bool before = m->live;
    m->live = live;
    if (live || before)
        zygotes_tell(m);
}

static void member_free(struct member *m)
{
    set_live(m, false);
    leave_group(m);
    (void)htab_remove(&self.pids, key_of(m));
    watch_stop(&m->watch);
    close(m->watch.fd);
    list_remove(&m->node);
    free(m);
}

/* A full line has unread news already. A broken one ends with its own event. */
static bool put_byte(const struct member *m, char byte)
{
    return send(m->watch.fd, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

static void wake(struct group *g, const struct member *except)
{
    LIST_EACH(it, &g->members) {
        struct member *m = container_of(it, struct member, in_group);
        if (m != except)
            (void)put_byte(m, LINE_NEWS);
    }
}

/* Whatever a session says, the others hear that there are news. */
static void on_line(struct watch *w, uint32_t events)
{
    struct member *m = container_of(w, struct member, watch);
    char bytes[256];
    (void)events;
    ssize_t n = recv(w->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0 && m->group != NULL)
        wake(m->group, m);
    else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        member_free(m);
}

static void set_text(char *to, size_t cap, struct str from)
{
    if (!str_to_fixed(from, to, cap))
        to[0] = '\0';
}

/* A number that is used again: its process is another. */
static void drop_pid(uint32_t pid)
{
    struct member *m = htab_get(&self.pids, str_make(&pid, sizeof pid));
    if (m != NULL)
        member_free(m);
}

void member_join(struct zygote *z, struct ipc_hub_join *j)
{
    struct str mail = without_slash(j->mail);
    int fd = chan_take_fd(&j->line);
    if (fd < 0)
        return;
    drop_pid(j->pid);
    struct member *m = xcalloc(1, sizeof *m);
    m->zygote = z;
    m->number = ++self.last;
    m->pid = j->pid;
    m->since = j->since;
    set_text(m->service, sizeof m->service, j->service);
    set_text(m->remote, sizeof m->remote, j->remote);
    set_text(m->session_id, sizeof m->session_id, j->session_id);
    set_text(m->user, sizeof m->user, j->user);
    list_init(&m->in_group);
    if (mail.n > 0) {
        m->group = group_of(mail);
        list_append(&m->group->members, &m->in_group);
    }
    list_append(&self.all, &m->node);
    (void)htab_put(&self.pids, key_of(m), m);
    watch_start(&m->watch, fd, EPOLLIN, on_line);
    set_live(m, j->live);
}

void member_turn(struct zygote *z, const struct ipc_hub_turn *t)
{
    struct member *m = htab_get(&self.pids, str_make(&t->pid, sizeof t->pid));
    if (m == NULL || m->zygote != z)
        return;
    /* In the list it is a new one. */
    m->number = ++self.last;
    list_remove(&m->node);
    list_append(&self.all, &m->node);
    set_text(m->remote, sizeof m->remote, t->remote);
    set_text(m->session_id, sizeof m->session_id, t->session_id);
    m->since = t->since;
    set_live(m, t->live);
}

void members_news(struct str mail)
{
    struct group *g = htab_get(&self.groups, without_slash(mail));
    if (g != NULL)
        wake(g, NULL);
}

void members_orphan(const struct zygote *z)
{
    LIST_EACH(it, &self.all) {
        struct member *m = container_of(it, struct member, node);
        if (m->zygote == z)
            m->zygote = NULL;
    }
}

void members_tell(struct zygote *z)
{
    LIST_EACH(it, &self.all) {
        const struct member *m = container_of(it, struct member, node);
        struct ipc_hub_other o = { .pid = m->pid, .user = str_from(m->user), .remote = str_from(m->remote), .live = true };
        if (m->live && m->zygote != z && strcmp(m->service, z->service) == 0)
            (void)chan_send(z->chan, IPC_HUB_OTHER, 0, &o);
    }
}

void members_entrust(const struct zygote *z)
{
    LIST_EACH(it, &self.all) {
        const struct member *m = container_of(it, struct member, node);
        struct ipc_hub_orphan o = { .mail = m->group == NULL ? STR("") : m->group->mail, .pid = m->pid, .service = str_from(m->service), .user = str_from(m->user),
                                    .remote = str_from(m->remote), .session_id = str_from(m->session_id), .since = m->since, .live = m->live,
                                    .line = m->watch.fd };
        if (m->zygote == NULL && strcmp(m->service, z->service) == 0)
            (void)chan_send(z->chan, IPC_HUB_ORPHAN, 0, &o);
    }
}

uint32_t members_live(void)
{
    uint32_t n = 0;
    LIST_EACH(it, &self.all)
        n += container_of(it, struct member, node)->live;
    return n;
}

/* ---- the administrator's ---- */

/* Names are compared without case, wherever they come from. */
static bool user_fits(struct str pattern, const struct member *m)
{
    char a[257], b[257];
    if (pattern.n == 0)
        return true;
    if (!str_to_fixed(pattern, a, sizeof a))
        return false;
    size_t n = strlen(m->user);
    for (size_t i = 0; i < pattern.n; i++)
        a[i] = ascii_lower(a[i]);
    for (size_t i = 0; i < n; i++)
        b[i] = ascii_lower(m->user[i]);
    return str_glob(str_make(a, pattern.n), str_make(b, n));
}

/* Names come from logins that were right; still, a TAB shall not make a field. */
static void put_word(struct buf *out, const char *text, char end)
{
    for (; *text != '\0'; text++)
        buf_putc(out, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
    buf_putc(out, end);
}

uint64_t members_list(struct str user, uint64_t after, struct buf *out, size_t max)
{
    LIST_EACH(it, &self.all) {
        const struct member *m = container_of(it, struct member, node);
        if (m->number <= after || !m->live || !user_fits(user, m))
            continue;
        if (out->n >= max)
            return after;
        put_word(out, m->user, '\t');
        put_word(out, m->service, '\t');
        put_word(out, m->remote, '\t');
        buf_printf(out, "%u\t%llu\t", m->pid, (unsigned long long)m->since);
        put_word(out, m->session_id, '\n');
        after = m->number;
    }
    return 0;
}

/* Who cannot be placed is outside of every network. */
static bool is_from(const struct member *m, struct str remote, const struct net *net)
{
    struct net own;
    if (remote.n == 0 || str_eqz(remote, m->remote))
        return true;
    return net->family != 0 && net_parse_addr(str_from(m->remote), &own) && net_contains(net, &own);
}

uint32_t members_kick(struct str user, struct str remote)
{
    uint32_t n = 0;
    struct net net = { .family = 0 };
    struct err err;
    if (net_parse(remote, &net, &err) != 0)
        net.family = 0;
    LIST_EACH(it, &self.all) {
        const struct member *m = container_of(it, struct member, node);
        if (m->live && user.n > 0 && user_fits(user, m) && is_from(m, remote, &net))
            n += put_byte(m, LINE_KICK);
    }
    return n;
}
