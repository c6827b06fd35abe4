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
 * -g generation -m max_clients [-v] [-o name=value ...]. Inherited descriptors:
 * 3 = control socket, 4 = log socket, 5... = listeners (their number in -l N).
 *
 * Working directory: "/" of the empty root, the queue directory, or maildrop,
 * by the role's row in role_table.h; in a private instance nothing is chrooted,
 * so a role names its files relative to ".".
 *
 * Peers: a channel to each process that the table allows comes through
 * on_peer; when the peer dies, so does the channel (its on_closed), and its
 * successor is introduced anew. A peer that drains says so, and its channel is
 * leaving (chan_is_leaving): it shall get no new work. What was on its way to it
 * then is still done.
 *
 * A process that forks (session zygotes): the child calls loop_init() first,
 * then closes what it does not need; channels of the parent are left alone
 * (chan_free would be wrong there only before loop_init()).
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H
#include "base/err.h"
#include "conf/param.h"
#include "ipc/chan.h"
#include <sys/socket.h>

struct daemon_ctx {
    enum role role;
    const char *service;        /* name field of master.cf, e.g. "smtp", "127.0.0.1:10025" */
    const char *config_dir;
    unsigned generation;
    bool private_instance;      /* started by a user other than root: no uid change, no chroot */
    struct config *config;      /* main.cf with this service's -o applied (conf/param.h) */
    const char *queue_directory;
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
    /*
     * Instead of on_peer, for a process that does the jobs of one role and no
     * more: the messages of works_for. When that one closes, this one drains.
     */
    enum role works_for;
    void (*on_job)(struct chan *c, enum ipc_type type, uint32_t id, void *msg);
    /* daemon_keys for a role with TLS: private keys are the keys role's, and contexts read certificates alone. */
    void (*keys)(const struct daemon_ctx *d, const struct ipc_peer *peer, int fd);
    /* SIGTERM or DRAIN: stop starting work. The skeleton has closed the listeners; it exits when daemon_idle() is true. */
    void (*on_drain)(void);
    /* Nothing left to finish? NULL = no clients. */
    bool (*idle)(void);
    /* What it is for blocks: a turn of the loop that takes long is no news. */
    bool blocks;
};

/* Never returns to main's caller with work left; the return value is the exit status. */
int daemon_main(int argc, char **argv, const char *program, const struct role_ops *roles, size_t n_roles);
/* Landlock: a path that this role may use beyond its row; only in before_drop. access: SANDBOX_READ | ... */
void daemon_allow_path(const char *path, unsigned access);
/* Listeners that are not stream sockets are left to the role: descriptor of the i-th one, -1 beyond the last. */
int daemon_listener(unsigned i);
/* Stop (true) or go on accepting, beyond what max_clients does. */
void daemon_rest(bool rest);
/* Which listener (from 0) brought this client; for on_client, before its first wait. */
unsigned daemon_listener_of(int fd);
/* Clients whose on_client has not returned. */
size_t daemon_clients(void);
/* True after DRAIN, SIGTERM or the loss of master. */
bool daemon_is_draining(void);
/* True when that has a time limit: the system stops, or a successor waits. */
bool daemon_is_ending(void);
/*
 * WAITS. A connected socket to an endpoint that this service's configuration
 * names ("unix:private/policy", "inet:127.0.0.1:10023"; lib/daemon/endpoint.h),
 * made by the broker. -1 and *err.
 */
int daemon_connect(const char *endpoint, int64_t deadline, struct err *err);
/*
 * WAITS. An entry of the system's users (table 0) or groups (1), from the lookup
 * role, as "name:*:uid:...". On DAEMON_LOOKUP_TEMP *err says why.
 */
enum { DAEMON_LOOKUP_FOUND, DAEMON_LOOKUP_NONE, DAEMON_LOOKUP_TEMP };
int daemon_lookup(uint32_t table, struct str key, struct arena *a, struct str *ret_value, struct err *err);
/* Ask master for a process of that role (it introduces the peer, through on_peer). */
void daemon_need(enum role role);
/* That one, started for us, does not answer: master kills it. */
void daemon_give_up(uint64_t peer_id);
/* A chan with the peer's identity set. */
struct chan *daemon_chan(const struct ipc_peer *peer, int fd, const struct chan_ops *ops, void *user);
/* For role_ops.keys only. */
void daemon_keys(const struct daemon_ctx *d, const struct ipc_peer *peer, int fd);
/* End this process in good order, as DRAIN would. */
void daemon_drain(void);
#endif
