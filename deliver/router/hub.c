/* SPDX-License-Identifier: ISC
 *
 * hub.c - telling the hub which Maildir got a message. Nothing depends on it:
 * without a hub, sessions look by themselves.
 */
#include "router.h"
#include <unistd.h>

static struct { struct chan *chan; } hub;

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)c, (void)type, (void)id, (void)msg;
}

static void on_closed(struct chan *c)
{
    if (hub.chan == c)
        hub.chan = NULL;
    chan_free(c);
}

void hub_peer(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    hub.chan = daemon_chan(peer, fd, &ops, NULL);
}

void hub_news(struct str maildir)
{
    struct ipc_hub_news m = { .mail = maildir };
    if (hub.chan != NULL && maildir.n <= 1024)
        (void)chan_send(hub.chan, IPC_HUB_NEWS, 0, &m);
}
