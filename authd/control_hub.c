/* SPDX-License-Identifier: ISC */
#include "control_hub.h"
#include "authd.h"

enum { HUB_MS = 10000, NAME_MAX_ASKED = 256, ADDRESS_MAX_ASKED = 64, PIECE_ARENA = 128 << 10, PIECES_MAX = 1000 };

static struct { struct chan *hub; } self;

static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg) { (void)c, (void)type, (void)id, (void)msg; }

static void on_closed(struct chan *c)
{
    if (self.hub == c)
        self.hub = NULL;
    chan_free(c);
}

void control_hub_peer(const struct ipc_peer *peer, int fd)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    self.hub = daemon_chan(peer, fd, &ops, NULL);
}

static bool hub_is_there(struct conn *c)
{
    if (self.hub == NULL)
        conn_puts(c, "FAIL\tno hub runs here: IMAP and POP3 are another instance's, or not served\n");
    return self.hub != NULL;
}

/* One piece of the list; the value for the next question, 0 = that was all. */
static bool one_piece(struct conn *c, struct str user, uint64_t *after)
{
    struct arena arena = arena_make(PIECE_ARENA);
    struct ipc_hub_who ask = { .user = user, .after = *after };
    union ipc_any reply;
    enum ipc_type type;
    bool ok = self.hub != NULL && chan_call(self.hub, IPC_HUB_WHO, &ask, IPC_HUB_LIST, IPC_TYPE_COUNT, deadline_in(HUB_MS), &arena, &type, &reply) == CHAN_OK;
    if (ok) {
        conn_put(c, reply.hub_list.text);
        *after = reply.hub_list.after;
    }
    arena_done(&arena);
    return ok;
}

bool control_who(struct conn *c, const struct str args[], struct arena *a)
{
    uint64_t after = 0;
    (void)a;
    if (args[0].n > NAME_MAX_ASKED)
        return false;
    if (!hub_is_there(c))
        return true;
    unsigned pieces = 0;
    do
        if (!one_piece(c, args[0], &after)) {
            conn_puts(c, "FAIL\tthe hub does not answer\n");
            return true;
        }
    while (after != 0 && ++pieces < PIECES_MAX);
    conn_puts(c, "OK\n");
    return true;
}

bool control_kick(struct conn *c, const struct str args[], struct arena *a)
{
    struct ipc_hub_kick ask = { .user = args[0], .remote = args[1] };
    union ipc_any reply;
    enum ipc_type type;
    if (args[0].n == 0 || args[0].n > NAME_MAX_ASKED || args[1].n > ADDRESS_MAX_ASKED)
        return false;
    if (!hub_is_there(c))
        return true;
    if (chan_call(self.hub, IPC_HUB_KICK, &ask, IPC_HUB_KICKED, IPC_TYPE_COUNT, deadline_in(HUB_MS), a, &type, &reply) != CHAN_OK)
        conn_puts(c, "FAIL\tthe hub does not answer\n");
    else
        conn_printf(c, "OK\t%u\n", reply.hub_kicked.sessions);
    return true;
}
