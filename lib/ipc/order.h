/* SPDX-License-Identifier: ISC
 *
 * order.h - a command-line tool's orders to the queue manager over its public
 * socket: plain blocking calls, one at a time. Refuses to wait for ever.
 */
#ifndef IPC_ORDER_H
#define IPC_ORDER_H
#include "base/err.h"
#include "ipc/schema.h"
#include "base/str.h"

/* Connect to a unix socket. -1 and *err; err->sys tells whether nobody is there (ENOENT, ECONNREFUSED). */
int order_connect(const char *path, struct err *err);
/* One order and its answer: how many messages it met. -1 and *err when it was refused or the connection broke. */
int order_send(int fd, enum queue_op op, struct str queue_id, struct str queue, uint32_t *ret_n, struct err *err);
#endif
