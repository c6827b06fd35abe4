/* SPDX-License-Identifier: ISC
 *
 * queue_client.h - qmgr, as a process that takes mail in sees it: a lease of
 * queue ids, the hand-over of messages, and whether mail is taken at all.
 *
 * One per process. The channel may go at any time: what is in flight then
 * fails as temporary (451), sessions go on, and master brings a new channel.
 * Ids of a lost channel are void, since a lease belongs to it.
 */
#ifndef INTAKE_QUEUE_CLIENT_H
#define INTAKE_QUEUE_CLIENT_H
#include "ipc/chan.h"

struct queue_client;
enum { QUEUE_ID_MAX = 32 };

/* want: called when there is no channel; master is to be asked for one (daemon_need). May be NULL. */
struct queue_client *queue_client_new(void (*want)(void));
void queue_client_free(struct queue_client *q);
/* For daemon_chan(): the channel's ops; its user must be the client. */
const struct chan_ops *queue_client_ops(void);
/* Takes the channel. What one before it still says of messages that it has been given, counts. */
void queue_client_attach(struct queue_client *q, struct chan *c);

/* What goes to a client instead of an id or a 250: a reply without its line end. */
struct queue_reply { unsigned code; char dsn[16]; char text[400]; bool again; };

/* May mail be taken? False: say *ret_reply. */
bool queue_client_is_open(const struct queue_client *q, struct queue_reply *ret_reply);
/*
 * WAITS until the deadline for a queue manager that takes no mail for the moment (451), as before its successor comes
 * at a reload; a full disk is no matter of moments. False: say *ret_reply. True also when there is none at all: its ids are waited for.
 */
bool queue_client_await(struct queue_client *q, int64_t deadline, struct queue_reply *ret_reply);
/* WAITS until the deadline for an unused id. False: no qmgr. */
bool queue_client_take_id(struct queue_client *q, int64_t deadline, char ret_id[QUEUE_ID_MAX]);
/* An id that was taken will not be used. */
void queue_client_drop_id(struct queue_client *q, const char *id);

/* Each WAITS; false: not in the queue, and *ret_reply says what to answer. */
bool queue_client_submit(struct queue_client *q, const struct ipc_msg_submit *msg, int64_t deadline, struct queue_reply *ret_reply);
/* *ret_fd: write content records at its end; the caller closes it. *ret_epoch goes with commit and abort. */
bool queue_client_open(struct queue_client *q, const struct ipc_msg_open *msg, int64_t deadline, struct arena *a, int *ret_fd, uint64_t *ret_epoch,
                       struct queue_reply *ret_reply);
/* After closing the descriptor. */
bool queue_client_commit(struct queue_client *q, uint64_t epoch, const struct ipc_msg_commit *msg, int64_t deadline, struct queue_reply *ret_reply);
/* Does not wait. */
void queue_client_abort(struct queue_client *q, uint64_t epoch, const char *id);
#endif
