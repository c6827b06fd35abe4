/* SPDX-License-Identifier: ISC
 *
 * skeleton.h - the parts of the skeleton among themselves; for lib/daemon only.
 *
 * daemon.c holds the start-up order, options.c the command line, confine.c the
 * privilege drop, serve.c the listeners and their clients, broker_client.c the
 * way to endpoints outside.
 */
#ifndef DAEMON_SKELETON_H
#define DAEMON_SKELETON_H
#include "base/vec.h"
#include "daemon/daemon.h"
#include "daemon/params.h"
#include "daemon/role_table.h"

struct daemon_conf { DAEMON_PARAMS(PARAM_MEMBER) };
struct param_table daemon_param_table(void);

enum { DAEMON_FD_CONTROL = 3, DAEMON_FD_LOG = 4, DAEMON_FD_LISTEN = 5 };

struct daemon_options {
    const char *role, *service, *type, *config_dir;
    uint32_t generation, listeners, max_clients;
    bool verbose;
    VEC(const char *) overrides;
};
/* -1 and *err with the usage. */
int daemon_options_parse(int argc, char **argv, struct daemon_options *ret, struct err *err);

struct daemon_path { char *path; unsigned access; };
struct daemon_path_list { VEC(struct daemon_path) v; };

/* chroot, ids, sandbox: after it nothing is privileged. */
int daemon_confine(const struct role_row *row, const struct daemon_ctx *ctx, const struct daemon_conf *conf,
                   const struct daemon_path_list *extra, struct sandbox_report *ret, struct err *err);

void serve_start(const struct role_ops *ops, unsigned listeners, unsigned max_clients);
void serve_close_listeners(void);
/* Every client's next wait fails. */
void serve_cancel_clients(void);
size_t serve_clients(void);

void broker_client_init(const struct daemon_ctx *ctx);
void broker_client_peer(const struct ipc_peer *peer, int fd);
void lookup_client_peer(const struct ipc_peer *peer, int fd);
#endif
