/* SPDX-License-Identifier: ISC
 *
 * chan.h - a channel: frames between two processes over a socketpair that
 * master made. What the peer is was told by master and is not asked again.
 *
 * Frames to be sent collect until the end of the loop's turn and go out in one
 * sendmsg (a frame with a descriptor closes a batch). Received frames call the
 * channel's handler, or complete a chan_call() with the same request id. A
 * frame of a type that the peer's role may not send, a malformed one, a
 * descriptor nobody announced, or a truncated control message closes the
 * channel: on_closed is called once, waiting calls return CHAN_CLOSED.
 *
 * Budget: at most 4 MiB may be queued for sending; beyond that chan_send
 * returns false, and chan_wait_room() waits until half of it is free.
 */
#ifndef IPC_CHAN_H
#define IPC_CHAN_H
#include "base/arena.h"
#include "event/fiber.h"
#include "ipc/codec.h"

struct chan;

struct chan_ops {
    /*
     * A frame that answers no call. msg is the type's struct; strings point into
     * the channel's buffer and are valid during the call. A descriptor in an FD
     * field belongs to the channel unless taken (chan_take_fd). Must not wait.
     */
    void (*on_message)(struct chan *c, enum ipc_type type, uint32_t id, void *msg);
    /* Once, after the last message; frees nothing by itself: the owner calls chan_free, now or later. */
    void (*on_closed)(struct chan *c);
};

enum chan_result { CHAN_OK, CHAN_CLOSED, CHAN_TIMEOUT, CHAN_CANCELLED };

/* Takes fd. user: whatever the owner wants to find again. */
struct chan *chan_new(int fd, enum role self, enum role peer, const struct chan_ops *ops, void *user);
/* Closes and frees; no callback. NULL is fine. Allowed inside the callbacks. */
void chan_free(struct chan *c);
void *chan_user(const struct chan *c);
enum role chan_peer_role(const struct chan *c);
/* What master said about the peer (0 / "" unless set by the skeleton). */
uint64_t chan_peer_id(const struct chan *c);
const char *chan_peer_service(const struct chan *c);
void chan_set_peer(struct chan *c, uint64_t peer_id, const char *service);

/* Move the descriptor out of a received message's FD field: *fd becomes -1. */
int chan_take_fd(int *fd);
/* False: closed, over budget, or a string over its maximum (that one asserts in dev builds). An FD field's descriptor is duplicated by the kernel; the caller keeps its own. */
bool chan_send(struct chan *c, enum ipc_type type, uint32_t id, const void *msg);
/* An id for a request of ours, never 0. */
uint32_t chan_next_id(struct chan *c);
/*
 * WAITS. Sends and waits for the frame with the same id; it must be of type
 * `want` (or `or_type`, if not IPC_TYPE_COUNT). Its strings are copied into the
 * arena; *ret_type and *ret_msg (room for union ipc_any) are set on CHAN_OK.
 */
enum chan_result chan_call(struct chan *c, enum ipc_type type, const void *msg, enum ipc_type want, enum ipc_type or_type,
                           int64_t deadline, struct arena *arena, enum ipc_type *ret_type, union ipc_any *ret_msg);
/* WAITS until half of the budget is free again. */
enum chan_result chan_wait_room(struct chan *c, int64_t deadline);

/*
 * Leaving. A process that will end says so on all its channels and goes on
 * reading; a peer's channel answers by itself, behind what it has sent before.
 * So nothing is on its way to a process that ends, if its peers use a channel
 * for nothing new once it is leaving.
 */
void chan_leave(struct chan *c);
/* On each channel but those to master. */
void chan_leave_all(void);
/* Every one of these has answered, or is gone. */
bool chan_all_left(void);
/* The peer will end: what it has still goes on, new requests are for its successor. */
bool chan_is_leaving(const struct chan *c);

/* Send what is queued now rather than at the end of the turn. */
void chan_flush(struct chan *c);
size_t chan_queued(const struct chan *c);
#endif
