/* SPDX-License-Identifier: ISC
 *
 * schema_deliver.h - qmgr and those who carry a message on: OUT (smtp, relay,
 * lmtp, error, retry, discard), ROUTER (local, virtual, pipe), BOUNCE.
 *
 *   qmgr                                     OUT or ROUTER
 *   DELIVER{job, ..., n_rcpt} DELIVER_RCPT*n  ->
 *                                            <-   RESULT{job, n} per recipient, any order
 *   RESULT_ACK{job, n}                       ->   the record is written; deliver forgets it
 *   INFLIGHT_ASK                             ->   a new qmgr asks before it schedules
 *                                            <-   INFLIGHT{...}* INFLIGHT_END
 *   RESOLVE{address}                         ->   ROUTER only
 *                                            <-   RESOLVED{transport, nexthop, recipient}
 * A forward (alias, .forward to an address) is a result of its own: REPLACE
 * carries the new message and settles the recipient in one record.
 *
 *   qmgr                                     BOUNCE
 *   COMPOSE{job, kind, ..., n_rcpt} COMPOSE_RCPT*n ->
 *                                            <-   COMPOSED{job, envelope, content}
 */
#ifndef IPC_SCHEMA_DELIVER_H
#define IPC_SCHEMA_DELIVER_H

enum outcome { OUTCOME_SENT = 1, OUTCOME_DEFERRED = 2, OUTCOME_BOUNCED = 3, OUTCOME_FORWARDED = 4 };
/* RFC 3461 NOTIFY, as Postfix's n record has it. */
enum dsn_notify { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };
enum dsn_ret { RET_NONE = 0, RET_FULL = 1, RET_HDRS = 2 };
enum msg_flags { MSG_HOLD = 1, MSG_SMTPUTF8 = 2, MSG_8BIT = 4, MSG_VERP = 8, MSG_NO_BOUNCE = 16 };
enum bounce_kind { BOUNCE_FAILURE = 1, BOUNCE_DELAY = 2, BOUNCE_SUCCESS = 3, BOUNCE_POSTMASTER = 4 };

#define IPC_MSG_DELIVER(F, T)                                                      \
    F(T, U64, job, 0, "qmgr's number for this order")                              \
    F(T, STR, queue_id, 32, "for logs and trace headers")                          \
    F(T, U32, flags, 0, "enum msg_flags")                                          \
    F(T, BOOL, maybe_done, 0, "an earlier attempt may have delivered: look before writing") \
    F(T, STR, transport, 64, "service name in master.cf")                          \
    F(T, STR, nexthop, 512, "domain, [host], host:port, unix:path: as the transport reads it") \
    F(T, STR, sender, 1024, "envelope sender, empty = null")                       \
    F(T, STR, envid, 512, "RFC 3461 ENVID, decoded")                               \
    F(T, U32, ret, 0, "enum dsn_ret")                                              \
    F(T, STR, attrs, 8192, "A records of the envelope (proto/qrec): client_name, sasl_username, ...") \
    F(T, U64, arrival_us, 0, "wall clock of the arrival")                          \
    F(T, U64, active_us, 0, "wall clock when the message became active")           \
    F(T, U64, content_size, 0, "bytes of the message, lines ending in LF")         \
    F(T, U32, n_rcpt, 0, "DELIVER_RCPT messages that follow")                      \
    F(T, STR, content, 131072, "N and L records, or empty and ...")                \
    F(T, U64, content_at, 0, "... offset of the first content record in the file") \
    F(T, U64, content_end, 0, "... and of the byte after the last")                \
    F(T, FD, file, 0, "read-only queue file, or none")

#define IPC_MSG_DELIVER_RCPT(F, T)                                                 \
    F(T, U64, job, 0, "of the order")                                              \
    F(T, U32, n, 0, "number of the recipient in the message, for ever the same")   \
    F(T, STR, address, 1024, "envelope recipient")                                 \
    F(T, STR, orig, 1024, "original recipient (O record), may be empty")           \
    F(T, STR, orcpt, 1024, "RFC 3461 ORCPT, may be empty")                         \
    F(T, U32, notify, 0, "enum dsn_notify bits, 0 = default")

#define IPC_MSG_RESULT(F, T)                                                       \
    F(T, U64, job, 0, "of the order")                                              \
    F(T, U32, n, 0, "number of the recipient")                                     \
    F(T, U32, outcome, 0, "enum outcome")                                          \
    F(T, STR, dsn, 16, "enhanced status code, e.g. 5.1.1")                         \
    F(T, STR, text, 4000, "reason: one line, printable")                           \
    F(T, STR, remote_mta, 256, "host that said it, or empty")                      \
    F(T, STR, remote_reply, 2000, "its SMTP reply, or empty")                      \
    F(T, BOOL, next_hop_failed, 0, "the destination itself is unreachable: lower its concurrency") \
    F(T, BOOL, dsn_passed_on, 0, "the next hop announced DSN and took over success notices")

#define IPC_MSG_RESULT_ACK(F, T)                                                   \
    F(T, U64, job, 0, "of the order")                                              \
    F(T, U32, n, 0, "number of the recipient")

#define IPC_MSG_INFLIGHT_ASK(F, T)                                                 \
    F(T, U32, unused, 0, "0")

#define IPC_MSG_INFLIGHT(F, T)                                                     \
    F(T, STR, queue_id, 32, "message being delivered")                             \
    F(T, U32, n, 0, "number of the recipient")                                     \
    F(T, U64, job, 0, "under which its RESULT will come")

#define IPC_MSG_INFLIGHT_END(F, T)                                                 \
    F(T, U32, unused, 0, "0")

#define IPC_MSG_REPLACE(F, T)                                                      \
    F(T, U64, job, 0, "of the order")                                              \
    F(T, U32, n, 0, "recipient that is settled by the new message")                \
    F(T, STR, queue_id, 32, "leased id of the new message")                        \
    F(T, STR, text, 4000, "for the log: forwarded as ...")                         \
    F(T, U32, n_rcpt, 0, "number of R records")                                    \
    F(T, STR, envelope, 1048576, "as in MSG_SUBMIT")                               \
    F(T, STR, prepend, 8192, "N records to put before the content of the original (Delivered-To)")

#define IPC_MSG_RESOLVE(F, T)                                                      \
    F(T, STR, sender, 1024, "envelope sender")                                     \
    F(T, STR, address, 1024, "envelope recipient")

#define IPC_MSG_RESOLVED(F, T)                                                     \
    F(T, U32, outcome, 0, "0 = resolved; OUTCOME_DEFERRED: a table failed")        \
    F(T, STR, transport, 64, "service name")                                       \
    F(T, STR, nexthop, 512, "for that transport")                                  \
    F(T, STR, recipient, 1024, "rewritten address")                                \
    F(T, STR, text, 400, "why it failed")

#define IPC_MSG_COMPOSE(F, T)                                                      \
    F(T, U64, job, 0, "qmgr's number")                                             \
    F(T, U32, kind, 0, "enum bounce_kind")                                         \
    F(T, STR, queue_id, 32, "of the original")                                     \
    F(T, STR, new_id, 32, "queue id of the notice")                                \
    F(T, STR, sender, 1024, "of the original: where the notice goes")              \
    F(T, STR, envid, 512, "of the original")                                       \
    F(T, U32, ret, 0, "enum dsn_ret")                                              \
    F(T, BOOL, smtputf8, 0, "the original needs it")                               \
    F(T, U64, arrival_us, 0, "of the original")                                    \
    F(T, U64, content_size, 0, "of the original")                                  \
    F(T, U32, n_rcpt, 0, "COMPOSE_RCPT messages that follow")                      \
    F(T, STR, content, 131072, "content records of the original, or its beginning")\
    F(T, U64, content_at, 0, "as in DELIVER")                                      \
    F(T, U64, content_end, 0, "as in DELIVER")                                     \
    F(T, FD, file, 0, "as in DELIVER")

#define IPC_MSG_COMPOSE_RCPT(F, T)                                                 \
    F(T, U64, job, 0, "of the order")                                              \
    F(T, STR, address, 1024, "final recipient")                                    \
    F(T, STR, orig, 1024, "original recipient")                                    \
    F(T, STR, orcpt, 1024, "ORCPT")                                                \
    F(T, U32, outcome, 0, "enum outcome")                                          \
    F(T, STR, dsn, 16, "status")                                                   \
    F(T, STR, text, 4000, "reason")                                                \
    F(T, STR, remote_mta, 256, "host that said it, or empty")                      \
    F(T, STR, remote_reply, 2000, "its SMTP reply, or empty")

#define IPC_MSG_COMPOSED(F, T)                                                     \
    F(T, U64, job, 0, "of the order")                                              \
    F(T, BOOL, failed, 0, "could not be composed: try again later")                \
    F(T, STR, envelope, 8192, "as in MSG_SUBMIT, null sender")                     \
    F(T, STR, content, 262144, "content records of the notice")

#define IPC_DELIVER_MESSAGES(M)                                                    \
    M(DELIVER, deliver, ROLE_BIT(QMGR), ROLES_DELIVER)                             \
    M(DELIVER_RCPT, deliver_rcpt, ROLE_BIT(QMGR), ROLES_DELIVER)                   \
    M(RESULT, result, ROLES_DELIVER, ROLE_BIT(QMGR))                               \
    M(RESULT_ACK, result_ack, ROLE_BIT(QMGR), ROLES_DELIVER)                       \
    M(INFLIGHT_ASK, inflight_ask, ROLE_BIT(QMGR), ROLES_DELIVER)                   \
    M(INFLIGHT, inflight, ROLES_DELIVER, ROLE_BIT(QMGR))                           \
    M(INFLIGHT_END, inflight_end, ROLES_DELIVER, ROLE_BIT(QMGR))                   \
    M(REPLACE, replace, ROLE_BIT(ROUTER), ROLE_BIT(QMGR))                          \
    M(RESOLVE, resolve, ROLE_BIT(QMGR), ROLE_BIT(ROUTER))                          \
    M(RESOLVED, resolved, ROLE_BIT(ROUTER), ROLE_BIT(QMGR))                        \
    M(COMPOSE, compose, ROLE_BIT(QMGR), ROLE_BIT(BOUNCE))                          \
    M(COMPOSE_RCPT, compose_rcpt, ROLE_BIT(QMGR), ROLE_BIT(BOUNCE))                \
    M(COMPOSED, composed, ROLE_BIT(BOUNCE), ROLE_BIT(QMGR))
#endif
