/* SPDX-License-Identifier: ISC
 *
 * listen.h - the sockets that the world and the tools connect to. They are
 * opened once and kept over reloads: a connection that arrives between two
 * generations waits in the kernel's queue.
 */
#ifndef MASTER_LISTEN_H
#define MASTER_LISTEN_H
#include "services.h"

struct listen_plan {
    const char *inet_interfaces, *inet_protocols;
    uid_t owner;                /* of UNIX sockets; (uid_t)-1: as it is */
};

/* Marks all sockets as unwanted; listen_open() marks those it is asked for as wanted; listen_end() closes the rest. */
void listen_begin(void);
/*
 * Appends the descriptors for "inet:HOST:PORT" or "unix:PATH" (relative to the
 * working directory) to fds. They stay owned here. -1 and *err.
 */
int listen_open(const struct plan_socket *socket, const struct listen_plan *plan, int fds[], size_t *n, size_t max, struct err *err);
void listen_end(void);
void listen_close_all(void);
#endif
