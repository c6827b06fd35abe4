/* SPDX-License-Identifier: ISC
 *
 * schema_intake.h - who puts mail into the queue, and qmgr.
 *
 *   intake                          qmgr
 *   IDS_HELD{n, ids}           ->                            after a reload: ids of messages in work
 *   IDS_WANT{n}                ->
 *                              <-   IDS{n, ids}              a lease of queue ids, unique for ever
 *   MSG_SUBMIT{id, envelope, content}  ->                    up to queue_inline_limit (64 KiB) of content
 *                              <-   MSG_DONE{id} or MSG_REFUSED{id, code, dsn, text}
 * larger:
 *   MSG_OPEN{id, envelope}     ->
 *                              <-   MSG_FILE{id, fd} or MSG_REFUSED    qmgr has written the envelope; append content records
 *   MSG_COMMIT{id, size} or MSG_ABORT{id} ->                 after closing the descriptor
 *                              <-   MSG_DONE / MSG_REFUSED
 *
 * envelope: Postfix's records (proto/qrec) A, S, L, <, i, then per recipient
 * [o] [n] [O] R; without C, T and M, which qmgr writes. content: N and L records.
 * routes: "transport NUL nexthop NUL" per recipient, in the order of the R
 * records, as lib/intake resolved them; empty = qmgr asks the router.
 */
#ifndef IPC_SCHEMA_INTAKE_H
#define IPC_SCHEMA_INTAKE_H

#define IPC_MSG_IDS_WANT(F, T)                                                     \
    F(T, U32, n, 0, "how many, at most 256")

#define IPC_MSG_IDS(F, T)                                                          \
    F(T, U32, n, 0, "how many there are")                                          \
    F(T, STR, ids, 8192, "each followed by NUL")

#define IPC_MSG_IDS_HELD(F, T)                                                     \
    F(T, U32, n, 0, "how many there are")                                          \
    F(T, STR, ids, 8192, "each followed by NUL: leased by the qmgr before, for messages that are being received; only before the first IDS_WANT")

#define IPC_MSG_MSG_SUBMIT(F, T)                                                   \
    F(T, STR, queue_id, 32, "from a lease of this channel, unused")                \
    F(T, U64, arrival_us, 0, "wall clock when the transaction began")              \
    F(T, U32, flags, 0, "enum msg_flags")                                          \
    F(T, STR, token, 512, "authd's identity token when sasl_username is set")      \
    F(T, U32, n_rcpt, 0, "number of R records")                                    \
    F(T, STR, envelope, 4194304, "records, see above")                             \
    F(T, STR, routes, 2097152, "see above")                                        \
    F(T, STR, content, 131072, "records, see above")

#define IPC_MSG_MSG_OPEN(F, T)                                                     \
    F(T, STR, queue_id, 32, "from a lease of this channel, unused")                \
    F(T, U64, arrival_us, 0, "wall clock when the transaction began")              \
    F(T, U32, flags, 0, "enum msg_flags")                                          \
    F(T, STR, token, 512, "as in MSG_SUBMIT")                                      \
    F(T, U32, n_rcpt, 0, "number of R records")                                    \
    F(T, STR, envelope, 4194304, "records, see above")                             \
    F(T, STR, routes, 2097152, "see above")

#define IPC_MSG_MSG_FILE(F, T)                                                     \
    F(T, STR, queue_id, 32, "of the request")                                      \
    F(T, FD, file, 0, "queue file, positioned after the M record; write content records at its end")

#define IPC_MSG_MSG_COMMIT(F, T)                                                   \
    F(T, STR, queue_id, 32, "of a MSG_FILE; the descriptor has been closed")       \
    F(T, U64, records_size, 0, "bytes of content records written")                 \
    F(T, U64, content_size, 0, "bytes of the message as RFC 5322 has it, lines ending in LF")

#define IPC_MSG_MSG_ABORT(F, T)                                                    \
    F(T, STR, queue_id, 32, "of a MSG_FILE, or a leased id that will not be used")

#define IPC_MSG_MSG_DONE(F, T)                                                     \
    F(T, STR, queue_id, 32, "is durable: 250 may be sent")

#define IPC_MSG_MSG_REFUSED(F, T)                                                  \
    F(T, STR, queue_id, 32, "is not in the queue")                                 \
    F(T, U32, code, 0, "SMTP reply code: 451, 452, 550 ...")                       \
    F(T, STR, dsn, 16, "enhanced status code")                                     \
    F(T, STR, text, 400, "text of the reply")                                      \
    F(T, BOOL, again, 0, "yes: a moment later, or its successor, may take it; the lease stays")

#define IPC_MSG_QUEUE_STATE(F, T)                                                  \
    F(T, U32, code, 0, "0 = mail is taken; else the reply code for MAIL FROM")     \
    F(T, STR, dsn, 16, "enhanced status code")                                     \
    F(T, STR, text, 400, "text of the reply")

#define IPC_INTAKE_MESSAGES(M)                                                     \
    M(IDS_WANT, ids_want, ROLES_INTAKE | ROLES_DELIVER, ROLE_BIT(QMGR))            \
    M(IDS, ids, ROLE_BIT(QMGR), ROLES_INTAKE | ROLES_DELIVER)                      \
    M(IDS_HELD, ids_held, ROLES_INTAKE, ROLE_BIT(QMGR))                            \
    M(MSG_SUBMIT, msg_submit, ROLES_INTAKE, ROLE_BIT(QMGR))                        \
    M(MSG_OPEN, msg_open, ROLES_INTAKE, ROLE_BIT(QMGR))                            \
    M(MSG_FILE, msg_file, ROLE_BIT(QMGR), ROLES_INTAKE)                            \
    M(MSG_COMMIT, msg_commit, ROLES_INTAKE, ROLE_BIT(QMGR))                        \
    M(MSG_ABORT, msg_abort, ROLES_INTAKE, ROLE_BIT(QMGR))                          \
    M(MSG_DONE, msg_done, ROLE_BIT(QMGR), ROLES_INTAKE)                            \
    M(MSG_REFUSED, msg_refused, ROLE_BIT(QMGR), ROLES_INTAKE)                      \
    M(QUEUE_STATE, queue_state, ROLE_BIT(QMGR), ROLES_INTAKE)
#endif
