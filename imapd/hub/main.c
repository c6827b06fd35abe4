/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     hub - knows all live sessions, and tells them that their mail has changed
 *
 * DESCRIPTION
 *     Each IMAP and POP3 session has a line to the hub, made by its zygote and
 *     known by the root directory of the user's mail. A byte from one session
 *     becomes a byte to the others of that directory; a delivery (HUB_NEWS
 *     from the router) one to all of them. What changed is not said: a session
 *     looks for itself. A session without a line looks every few seconds.
 *
 *     The hub counts who is logged in from where: a zygote names its sessions,
 *     and hears of those of other zygotes of its service, which finish after a
 *     reload or were killed, so that mail_max_userip_connections holds for all
 *     of them. A session is there until its line ends; that of a process that
 *     was killed ends, too. When the hub itself is restarted, the zygotes name
 *     their sessions again, and give it the same lines; for those whose zygote
 *     was killed, another one of their service does, which the hub asked to.
 *
 *     authd asks it for the list (postern auth who), and has sessions ended
 *     (postern auth kick): a byte on their line, upon which they say good-bye.
 *
 * SECURITY
 *     Its own user, an empty root, no capability, no file. It sees names of
 *     users and directories, addresses and single bytes; a session can make
 *     others of the same directory look, and nothing else. A line that is not
 *     read gets no more bytes.
 *
 * DIAGNOSTICS
 *     None.
 */
#include "hub.h"
#include "daemon/daemon.h"
#include <unistd.h>

enum { LIST_MAX = 60000 };

static struct { struct list zygotes; } hub;

/* ---- zygotes ---- */

static struct zygote *zygote_of(struct list *it) { return container_of(it, struct zygote, node); }

/* Somebody who has not said yet whom he has may have sessions of any service. */
static void tell_known(void)
{
    struct ipc_hub_known known = { .sessions = members_live() };
    LIST_EACH(it, &hub.zygotes) {
        if (zygote_of(it)->service[0] == '\0')
            return;
    }
    LIST_EACH(it, &hub.zygotes) {
        struct zygote *z = zygote_of(it);
        if (!z->knows)
            (void)chan_send(z->chan, IPC_HUB_KNOWN, 0, &known);
        z->knows = true;
    }
}

void zygotes_tell(const struct member *m)
{
    struct ipc_hub_other o = { .pid = m->pid, .user = str_from(m->user), .remote = str_from(m->remote), .live = m->live };
    LIST_EACH(it, &hub.zygotes) {
        struct zygote *z = zygote_of(it);
        if (z != m->zygote && strcmp(z->service, m->service) == 0)
            (void)chan_send(z->chan, IPC_HUB_OTHER, 0, &o);
    }
}

static void take_told(struct zygote *z, const struct ipc_hub_told *m)
{
    if (z->service[0] != '\0' || m->service.n == 0 || !str_to_fixed(m->service, z->service, sizeof z->service))
        return;
    members_tell(z);
    members_entrust(z);
    tell_known();
}

static void on_zygote(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    struct zygote *z = chan_user(c);
    (void)id;
    if (type == IPC_HUB_JOIN)
        member_join(z, msg);
    else if (type == IPC_HUB_TURN)
        member_turn(z, msg);
    else if (type == IPC_HUB_TOLD)
        take_told(z, msg);
}

static void on_zygote_closed(struct chan *c)
{
    struct zygote *z = chan_user(c);
    members_orphan(z);
    list_remove(&z->node);
    free(z);
    chan_free(c);
    LIST_EACH(it, &hub.zygotes) {
        if (zygote_of(it)->service[0] != '\0')
            members_entrust(zygote_of(it));
    }
    tell_known();
}

/* ---- the router and authd ---- */

static void on_router(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    const struct ipc_hub_news *news = msg;
    (void)c, (void)id;
    if (type == IPC_HUB_NEWS)
        members_news(news->mail);
}

static void on_authd(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    if (type == IPC_HUB_WHO) {
        const struct ipc_hub_who *who = msg;
        struct buf text = buf_make(0);
        struct ipc_hub_list list = { .after = members_list(who->user, who->after, &text, LIST_MAX) };
        list.text = buf_str(&text);
        (void)chan_send(c, IPC_HUB_LIST, id, &list);
        buf_done(&text);
    } else if (type == IPC_HUB_KICK) {
        const struct ipc_hub_kick *kick = msg;
        struct ipc_hub_kicked kicked = { .sessions = members_kick(kick->user, kick->remote) };
        (void)chan_send(c, IPC_HUB_KICKED, id, &kicked);
    }
}

static void on_closed(struct chan *c) { chan_free(c); }

static void on_peer(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops zygote = { .on_message = on_zygote, .on_closed = on_zygote_closed };
    static const struct chan_ops router = { .on_message = on_router, .on_closed = on_closed }, authd = { .on_message = on_authd, .on_closed = on_closed };
    if (peer->role == ROLE_SESSION) {
        struct zygote *z = xcalloc(1, sizeof *z);
        z->chan = daemon_chan(peer, fd, &zygote, z);
        list_append(&hub.zygotes, &z->node);
    } else if (peer->role == ROLE_ROUTER) {
        (void)daemon_chan(peer, fd, &router, NULL);
    } else if (peer->role == ROLE_AUTHD) {
        (void)daemon_chan(peer, fd, &authd, NULL);
    } else {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = { { .role = ROLE_HUB, .on_peer = on_peer } };
    list_init(&hub.zygotes);
    members_init();
    return daemon_main(argc, argv, "hub", roles, N_ELEMS(roles));
}
