/* SPDX-License-Identifier: ISC
 *
 * schema_tool.h - command-line tools and qmgr, over the socket public/qmgr.
 * qmgr checks the peer's uid (SO_PEERCRED) against the authorized_* lists.
 */
#ifndef IPC_SCHEMA_TOOL_H
#define IPC_SCHEMA_TOOL_H

enum queue_op { QUEUE_FLUSH = 1, QUEUE_FLUSH_ID, QUEUE_FLUSH_SITE, QUEUE_DELETE, QUEUE_HOLD, QUEUE_RELEASE, QUEUE_REQUEUE, QUEUE_EXPIRE };

#define IPC_MSG_QUEUE_ORDER(F, T)                                                  \
    F(T, U32, op, 0, "enum queue_op")                                              \
    F(T, STR, queue_id, 256, "message, ALL, or the site for FLUSH_SITE")           \
    F(T, STR, queue, 16, "only in this queue, or empty")

#define IPC_MSG_QUEUE_DONE(F, T)                                                   \
    F(T, U32, n, 0, "messages that were affected")                                 \
    F(T, STR, text, 400, "error, or empty")

#define IPC_TOOL_MESSAGES(M)                                                       \
    M(QUEUE_ORDER, queue_order, ROLE_BIT(TOOL), ROLE_BIT(QMGR))                    \
    M(QUEUE_DONE, queue_done, ROLE_BIT(QMGR), ROLE_BIT(TOOL))
#endif
