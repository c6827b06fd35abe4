/* SPDX-License-Identifier: ISC
 *
 * control_hub.h - the questions of control.h about live sessions: authd hands
 * them on to the hub, so that one socket has one rule of who may ask.
 */
#ifndef AUTHD_CONTROL_HUB_H
#define AUTHD_CONTROL_HUB_H
#include "base/arena.h"
#include "event/conn.h"
#include "ipc/chan.h"

void control_hub_peer(const struct ipc_peer *peer, int fd);
/* WAIT. False: not a question. */
bool control_who(struct conn *c, const struct str args[], struct arena *a);
bool control_kick(struct conn *c, const struct str args[], struct arena *a);
#endif
