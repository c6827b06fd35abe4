/* SPDX-License-Identifier: ISC
 *
 * shared.h - counters of clients: this process's own (base/limit.h), and
 * anvil's, which counts for all processes of the service. The greater of the
 * two holds. While anvil is away or slow, this process counts alone, and mail
 * goes on; a new anvil is told what is held here.
 */
#ifndef SMTPSRV_SHARED_H
#define SMTPSRV_SHARED_H
#include "base/limit.h"
#include "ipc/chan.h"

struct shared_limits { struct limits own; struct chan *anvil; int64_t slow_until; bool expected; struct cond attached; };

void shared_init(struct shared_limits *l, int64_t unit_ms);
/* There will be an anvil: a client that comes before it is kept waiting for a moment, once. */
void shared_expect(struct shared_limits *l);
void shared_done(struct shared_limits *l);
const struct chan_ops *shared_ops(void);
void shared_attach(struct shared_limits *l, struct chan *c);

/* WAIT. c (of limit_enter) has a connection more: how many at once, and in this time unit. */
void shared_connect(struct shared_limits *l, struct limit_client *c, uint32_t *ret_connections, uint32_t *ret_rate);
/* Another event; the number in this time unit. 0: c is NULL. */
uint32_t shared_count(struct shared_limits *l, struct limit_client *c, enum limit_event e);
uint32_t shared_look(struct shared_limits *l, struct limit_client *c, enum limit_event e);
/* Does not wait. connected: shared_connect() was called. c may be NULL. */
void shared_leave(struct shared_limits *l, struct limit_client *c, bool connected);
#endif
