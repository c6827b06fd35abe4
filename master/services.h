/* SPDX-License-Identifier: ISC
 *
 * services.h - which processes there shall be: master.cf's rows by the role
 * that does their work, and built-in rows for what master.cf leaves out.
 *
 * Every Postfix command is known. Those whose work is done inside another role
 * (cleanup, trivial-rewrite, ...) need no process. A command that nobody knows
 * is an error that names file and line.
 */
#ifndef MASTER_SERVICES_H
#define MASTER_SERVICES_H
#include "base/vec.h"
#include "conf/service.h"
#include "daemon/role_table.h"
#include "params.h"

struct master_conf { MASTER_PARAMS(PARAM_MEMBER) };

/* name: "inet:HOST:PORT" (HOST may be empty), "unix:public/pickup". Of a UNIX socket: mode 0 = 0666; NULL = mail_owner, the group as it is. */
struct plan_socket { char *name; mode_t mode; char *user, *group; };

struct plan {
    char name[65];              /* master.cf's, or the built-in row's */
    enum role role;
    const char *program;        /* file name */
    char family[8];             /* "imap" or "pop3" for the login roles, else "" */
    enum service_type type;
    VEC(char *) overrides;      /* "name=value" */
    VEC(struct plan_socket) sockets;
    uint32_t processes;         /* started; the limit for those on demand */
    uint32_t max_clients;       /* 0 = the role's own */
    bool verbose;
    unsigned line;              /* of master.cf, 0 = built in */
};
/* A spawn(8) service: a command per connection, run by master itself. */
struct spawn_plan {
    char name[65];
    char *socket, *user, *group;    /* group: NULL = the user's own */
    VEC(char *) argv;               /* ends with NULL */
    uint32_t max_proc, time_limit;  /* 0 = no limit; seconds */
};
struct plan_list { VEC(struct plan) v; VEC(struct spawn_plan) spawn; char file[1024]; };

/* The sockets of one service. */
struct service_fds { int fds[16]; size_t n; };

/* The whole plan; warnings go to *warnings, one per line. -1 and *err with file and line. */
int plan_make(struct config *c, const struct master_conf *conf, struct plan_list *ret, struct buf *warnings, struct err *err);
void plan_done(struct plan_list *l);
#endif
