/* SPDX-License-Identifier: ISC
 *
 * host.h - the engine inside a daemon: what smtpd and submitd have in common
 * of their role_ops, so that their main.c is a declaration.
 */
#ifndef SMTPSRV_HOST_H
#define SMTPSRV_HOST_H
#include "daemon/daemon.h"
#include "smtpsrv/smtpsrv.h"

/* The one configuration of this process, for role_ops.conf. */
struct smtpsrv_all *host_conf(void);
/* before_drop: opens tables, keys and lists for this kind of service. */
int host_open(enum smtpsrv_kind kind, const struct daemon_ctx *d, struct err *err);
void host_start(const struct daemon_ctx *d);
void host_on_client(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local);
void host_on_peer(const struct ipc_peer *peer, int fd);
void host_on_drain(void);
bool host_idle(void);
#endif
