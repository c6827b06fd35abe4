/* SPDX-License-Identifier: ISC
 *
 * schema_local.h - router and actors. An actor starts as root, is told once
 * who to become, and then does single actions as that user.
 */
#ifndef IPC_SCHEMA_LOCAL_H
#define IPC_SCHEMA_LOCAL_H

enum action_kind { ACTION_MAILDIR = 1, ACTION_MBOX = 2, ACTION_COMMAND = 3, ACTION_READ_FORWARD = 4, ACTION_PIPE = 5, ACTION_READ_INCLUDE = 6 };

#define IPC_MSG_BECOME(F, T)                                                       \
    F(T, STR, user, 256, "login name for initgroups, or empty")                    \
    F(T, U32, uid, 0, "never 0")                                                   \
    F(T, U32, gid, 0, "never 0")                                                   \
    F(T, U32, spool_gid, 0, "also this group, for the lock files of a mail spool; 0 = none. Such an actor runs no command") \
    F(T, STR, home, 1024, "home directory, or empty")

#define IPC_MSG_ACTION(F, T)                                                       \
    F(T, U64, job, 0, "router's number")                                           \
    F(T, U32, kind, 0, "enum action_kind")                                         \
    F(T, STR, path, 4096, "mailbox or .forward file, absolute; command line for COMMAND") \
    F(T, STR, queue_id, 32, "part of the file name, with n")                       \
    F(T, U32, n, 0, "recipient number")                                            \
    F(T, U64, arrival_us, 0, "of the message: queue ids come back after years")    \
    F(T, BOOL, maybe_done, 0, "look for the file name in new/ and cur/ first")     \
    F(T, STR, sender, 1024, "envelope sender")                                     \
    F(T, STR, address, 1024, "envelope recipient")                                 \
    F(T, STR, headers, 8192, "Return-Path, X-Original-To, Delivered-To: lines ending in LF") \
    F(T, STR, environment, 16384, "NAME=value NUL, for commands")                  \
    F(T, U64, limit, 0, "largest mailbox or message, 0 = none")                    \
    F(T, U32, seconds, 0, "time limit of a command")                               \
    F(T, STR, content, 131072, "as in DELIVER")                                    \
    F(T, U64, content_at, 0, "as in DELIVER")                                      \
    F(T, U64, content_end, 0, "as in DELIVER")                                     \
    F(T, FD, file, 0, "as in DELIVER")

#define IPC_MSG_ACTION_RESULT(F, T)                                                \
    F(T, U64, job, 0, "of the action")                                             \
    F(T, U32, outcome, 0, "enum outcome")                                          \
    F(T, STR, dsn, 16, "status")                                                   \
    F(T, STR, text, 4000, "reason, or what was done")                              \
    F(T, STR, data, 131072, "text of the .forward file, or what a command printed")

#define IPC_LOCAL_MESSAGES(M)                                                      \
    M(BECOME, become, ROLE_BIT(ROUTER), ROLE_BIT(ACTOR))                           \
    M(ACTION, action, ROLE_BIT(ROUTER), ROLE_BIT(ACTOR))                           \
    M(ACTION_RESULT, action_result, ROLE_BIT(ACTOR), ROLE_BIT(ROUTER))
#endif
