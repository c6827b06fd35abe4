/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     hub - tells live sessions that their mail has changed
 *
 * DESCRIPTION
 *     Each IMAP and POP3 session has a line to the hub, made by its zygote and
 *     known by the root directory of the user's mail. A byte from one session
 *     becomes a byte to the others of that directory; a delivery (HUB_NEWS
 *     from the router) one to all of them. What changed is not said: a session
 *     looks for itself. A session without a line looks every few seconds.
 *
 * SECURITY
 *     Its own user, an empty root, no capability, no file. It sees directory
 *     names and single bytes; a session can make others of the same directory
 *     look, and nothing else. A line that is not read gets no more bytes.
 *
 * DIAGNOSTICS
 *     None.
 */
#include "base/htab.h"
#include "base/list.h"
#include "daemon/daemon.h"
#include "event/loop.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* All sessions of one mail directory. */
struct group { struct str mail; struct list members; };
struct member { struct list node; struct watch watch; struct group *group; };

static struct { struct htab groups; } hub;

static struct str without_slash(struct str mail)
{
    while (mail.n > 1 && mail.p[mail.n - 1] == '/')
        mail.n--;
    return mail;
}

static struct group *group_of(struct str mail)
{
    struct group *g = htab_get(&hub.groups, mail);
    if (g != NULL)
        return g;
    g = xcalloc(1, sizeof *g);
    char *copy = xmalloc(mail.n + 1);
    memcpy(copy, mail.p, mail.n);
    copy[mail.n] = '\0';
    g->mail = str_make(copy, mail.n);
    list_init(&g->members);
    (void)htab_put(&hub.groups, g->mail, g);
    return g;
}

static void member_free(struct member *m)
{
    struct group *g = m->group;
    watch_stop(&m->watch);
    close(m->watch.fd);
    list_remove(&m->node);
    free(m);
    if (!list_is_empty(&g->members))
        return;
    (void)htab_remove(&hub.groups, g->mail);
    void *text;
    memcpy(&text, &g->mail.p, sizeof text);
    free(text);
    free(g);
}

/* A full line has unread news already. A broken one ends with its own event. */
static void wake(struct group *g, const struct member *except)
{
    LIST_EACH(it, &g->members) {
        struct member *m = container_of(it, struct member, node);
        if (m != except && send(m->watch.fd, "n", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            continue;
    }
}

static void on_line(struct watch *w, uint32_t events)
{
    struct member *m = container_of(w, struct member, watch);
    char bytes[256];
    (void)events;
    ssize_t n = recv(w->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        wake(m->group, m);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        member_free(m);
}

static void join(struct ipc_hub_join *j)
{
    int fd = chan_take_fd(&j->line);
    if (fd < 0)
        return;
    struct member *m = xcalloc(1, sizeof *m);
    m->group = group_of(without_slash(j->mail));
    list_append(&m->group->members, &m->node);
    watch_start(&m->watch, fd, EPOLLIN, on_line);
}

static void news(const struct ipc_hub_news *n)
{
    struct group *g = htab_get(&hub.groups, without_slash(n->mail));
    if (g != NULL)
        wake(g, NULL);
}

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)c, (void)id;
    if (type == IPC_HUB_JOIN)
        join(msg);
    else if (type == IPC_HUB_NEWS)
        news(msg);
}

static void on_closed(struct chan *c) { chan_free(c); }

static void on_peer(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    if (peer->role == ROLE_SESSION || peer->role == ROLE_ROUTER)
        (void)daemon_chan(peer, fd, &ops, NULL);
    else
        close(fd);
}

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = { { .role = ROLE_HUB, .on_peer = on_peer } };
    return daemon_main(argc, argv, "hub", roles, N_ELEMS(roles));
}
