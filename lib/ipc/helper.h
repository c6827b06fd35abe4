/* SPDX-License-Identifier: ISC
 *
 * helper.h - a role that answers questions (resolver, lookup, broker), as its
 * askers see it: the newest process of it. An older one still answers what it
 * was asked. A question whose process went away is asked again, so it must be
 * one that may be asked twice.
 */
#ifndef IPC_HELPER_H
#define IPC_HELPER_H
#include "ipc/chan.h"

struct helper { struct chan *chan; struct cond changed; };

/* For its channels, whose user is the helper. */
const struct chan_ops *helper_ops(void);
/* Takes the channel, which asks from now on. */
void helper_attach(struct helper *h, struct chan *c);
/* Is there one that will answer? */
bool helper_is_there(const struct helper *h);
/*
 * WAITS for the answer until the deadline, and while there is no such process
 * for absent_ms at most; see chan_call(). CHAN_CLOSED: there was none, or it
 * went away, and its successors too.
 */
enum chan_result helper_call(struct helper *h, enum ipc_type type, const void *msg, enum ipc_type want, int64_t absent_ms, int64_t deadline,
                             struct arena *arena, union ipc_any *ret_msg);
#endif
