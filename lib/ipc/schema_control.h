/* SPDX-License-Identifier: ISC
 * schema_control.h - master and each of its children, over the control socket; LEAVING: over any channel. */
#ifndef IPC_SCHEMA_CONTROL_H
#define IPC_SCHEMA_CONTROL_H

#define IPC_MSG_HELLO(F, T)                                                        \
    F(T, U32, schema_hash, 0, "ipc_schema_hash() of the sender's build")           \
    F(T, U32, pid, 0, "the child's process id")

#define IPC_MSG_PEER(F, T)                                                         \
    F(T, U32, role, 0, "enum role of the process at the other end")                \
    F(T, STR, service, 64, "its service name in master.cf")                        \
    F(T, U32, generation, 0, "its configuration generation")                       \
    F(T, U64, peer_id, 0, "number of that process, never reused by this master")   \
    F(T, FD, channel, 0, "one end of a new socketpair to it")

#define IPC_MSG_NEED(F, T)                                                         \
    F(T, U32, role, 0, "a process of this role is wanted: master starts one, within its limits, and introduces it")

#define IPC_MSG_GIVE_UP(F, T)                                                      \
    F(T, U64, peer_id, 0, "a process that was started for the sender and does not answer: master kills it")

#define IPC_MSG_BUSY(F, T)                                                         \
    F(T, U32, sessions, 0, "sessions or jobs in work, for master's limits")        \
    F(T, BOOL, full, 0, "takes no more connections at this time")

#define IPC_MSG_DRAIN(F, T)                                                        \
    F(T, U32, grace_seconds, 0, "stop accepting, finish what is running, exit")

#define IPC_MSG_LEAVING(F, T)                                                      \
    F(T, BOOL, heard, 0, "no: the sender will end and takes nothing new; yes: the answer, after which the other one may end")

#define IPC_CONTROL_MESSAGES(M)                                        \
    M(HELLO, hello, ROLES_ANY, ROLE_BIT(MASTER))                       \
    M(PEER, peer, ROLE_BIT(MASTER), ROLES_ANY)                         \
    M(NEED, need, ROLES_ANY, ROLE_BIT(MASTER))                         \
    M(GIVE_UP, give_up, ROLES_ANY, ROLE_BIT(MASTER))                   \
    M(BUSY, busy, ROLES_ANY, ROLE_BIT(MASTER))                         \
    M(DRAIN, drain, ROLE_BIT(MASTER), ROLES_ANY)                       \
    M(LEAVING, leaving, ROLES_ANY, ROLES_ANY)
#endif
