/* SPDX-License-Identifier: ISC
 *
 * daemon.h - the skeleton that every daemon program is started by.
 *
 * main() is a declaration: a table of the program's roles. The start-up order
 * is the security argument and is written once, in daemon_main():
 *
 *   options -> log -> configuration -> before_drop (opens tables, keys,
 *   sockets: nothing from the network) -> chroot, setgroups, setresgid,
 *   setresuid, proof that it cannot be undone -> sandbox -> offload threads ->
 *   start -> loop -> drain.
 *
 * Options, given by master:  -r role -n service -t inet|unix -c config_dir
 * -g generation [-o name=value ...]. Inherited descriptors: 3 = control socket,
 * 4 = log socket, 5... = listeners (their number in -l N).
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H
#include "base/err.h"
#include "conf/param.h"
#include "ipc/chan.h"

struct daemon_ctx {
    enum role role;
    const char *service;        /* name field of master.cf, e.g. "smtp", "127.0.0.1:10025" */
    const char *config_dir;
    unsigned generation;
    bool private_instance;      /* started by a user other than root: no uid change, no chroot */
    const struct config *config;/* main.cf with this service's -o applied (conf/param.h) */
};

struct role_ops {
    enum role role;
    const struct param_table *params;   /* rows that this role reads; conf is filled before before_drop */
    void *conf;
    /* Still privileged. Must not read from the network. -1 and *err ends the process with fatal. */
    int (*before_drop)(const struct daemon_ctx *d, struct err *err);
    /* Confined, loop running, on the loop's stack. */
    void (*start)(const struct daemon_ctx *d);
    /* One accepted client (nonblocking, close-on-exec) per call, on a fiber of its own; the callee closes. NULL: no listeners. */
    void (*on_client)(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local);
    /* Most clients at once; beyond it the listener rests. 0 = 1000. */
    unsigned max_clients;
    /* master introduced a peer. Take fd: make a chan of it (daemon_chan) or a byte stream. On the loop's stack. */
    void (*on_peer)(const struct ipc_peer *peer, int fd);
    /* SIGTERM or DRAIN: stop starting work. The skeleton has closed the listeners; it exits when daemon_idle() is true. */
    void (*on_drain)(void);
    /* Nothing left to finish? NULL = no clients. */
    bool (*idle)(void);
};

/* Never returns to main's caller with work left; the return value is the exit status. */
int daemon_main(int argc, char **argv, const char *program, const struct role_ops *roles, size_t n_roles);
/* Ask master for a process of that role (it introduces the peer, through on_peer). */
void daemon_need(enum role role);
/* A chan with the peer's identity set. */
struct chan *daemon_chan(const struct ipc_peer *peer, int fd, const struct chan_ops *ops, void *user);
/* End this process in good order, as DRAIN would. */
void daemon_drain(void);
#endif
