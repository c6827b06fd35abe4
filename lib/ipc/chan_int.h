/* SPDX-License-Identifier: ISC
 *
 * chan_int.h - between the files of a channel: chan.c (frames in and out) and
 * chan_wait.c (fibers that wait for an answer, or for room). For nobody else.
 */
#ifndef IPC_CHAN_INT_H
#define IPC_CHAN_INT_H
#include "ipc/chan.h"
#include "base/vec.h"

enum { CHAN_BUDGET = 4 << 20 /* bytes queued for a peer that does not read */, CALL_BUCKETS = 64 };

/* A descriptor waiting to be sent, with the frame that begins at `start`. */
struct out_fd { uint64_t start, end; int fd; };

struct chan {
    struct list all;            /* of the process */
    struct watch watch;
    struct deferred flush;
    const struct chan_ops *ops;
    void *user;
    enum role self, peer;
    int fd;
    uint32_t last_id;
    uint64_t peer_id;
    char service[65];
    bool closed;                /* nothing more is sent or received */
    bool broken;                /* nothing more can be sent; the reading side will tell */
    bool wipes;                 /* passwords and keys pass here: nothing of a frame stays in memory */
    bool flush_queued;          /* the loop holds `flush`: the struct must stay */
    bool told;                  /* on_closed has been called */
    bool said_leaving;          /* we will end, and told the peer */
    bool left;                  /* and it has heard */
    bool peer_leaving;
    unsigned busy;              /* depth of callbacks: freeing waits for 0 */
    bool free_later;

    struct buf in;
    size_t in_at;               /* decoded up to here */
    VEC(int) in_fds;            /* arrived, not yet claimed by a frame */

    struct buf out;
    size_t out_at;              /* sent up to here */
    uint64_t sent;              /* bytes, ever */
    VEC(struct out_fd) out_fds;
    struct list room;           /* struct room_wait */
    struct list calls[CALL_BUCKETS];
};

/* Closes it, if there is one; -1 stands there then. */
void chan_close_fd(int *fd);
/* The place of the descriptor in a message of this type; NULL: it has none. */
int *chan_fd_field(const struct ipc_message *m, void *msg);

/* chan_wait.c. A frame that a fiber waits for goes to it. False: nobody waits for it. */
bool chan_answer(struct chan *c, enum ipc_type type, uint32_t id, union ipc_any *msg);
/* Everyone who waits for this channel learns that it is gone. */
void chan_wake_all(struct chan *c);
/* Those who wait for room, if half of the budget is free. */
void chan_wake_room(struct chan *c);
#endif
