/* SPDX-License-Identifier: ISC
 *
 * notify.h - tells the service manager how far master is: systemd's protocol
 * of sd_notify(3), datagrams of NAME=VALUE lines to the socket that
 * NOTIFY_SOCKET names (a path, or with '@' in front an abstract name). Without
 * the variable, or when nobody reads there, nothing happens.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

/* Reads NOTIFY_SOCKET and takes it out of the environment. Before master goes to the background. */
void notify_init(void);
/* The system is up: READY=1, with this process as the main one. */
void notify_ready(const char *status);
void notify_reloading(void);
void notify_stopping(void);
#endif
