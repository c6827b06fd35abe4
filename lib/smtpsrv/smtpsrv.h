/* SPDX-License-Identifier: ISC
 *
 * smtpsrv.h - the SMTP server engine of smtpd, lmtpd and submitd (RFC 5321,
 * 2033, 6409). A session is one fiber; what sessions share is struct smtpsrv,
 * opened before the privilege drop.
 *
 * Whatever the configuration says, or leaves out: mail for domains that are
 * not ours is taken only from mynetworks, from authenticated clients, and
 * where a table of the administrator's names the client; only CR LF . CR LF
 * ends a message; 250 at the end of data means that the message is durable.
 */
#ifndef SMTPSRV_SMTPSRV_H
#define SMTPSRV_SMTPSRV_H
#include <sys/socket.h>
#include "intake/message.h"
#include "ipc/helper.h"
#include "proto/smtp_body.h"
#include "smtpsrv/params.h"

struct smtpsrv;
struct auth_client;
struct chan;

enum smtpsrv_kind { SMTPSRV_MX, SMTPSRV_SUBMIT, SMTPSRV_LMTP };

/* All that is tuned; one struct so that a program needs one parameter table. */
struct smtpsrv_all { struct resolve_conf resolve; struct intake_conf intake; struct smtpsrv_conf srv; };
struct param_table smtpsrv_params(void);

struct smtpsrv_env {
    enum smtpsrv_kind kind;
    const struct smtpsrv_all *conf;
    struct config *config;
    const char *service;            /* for logs and statistics, "smtp" */
    struct queue_client *queue;
    struct auth_client *auth;       /* NULL: no AUTH */
    /* A line for the log: Postfix's program name without prefix ("smtpd"), or "cleanup". */
    void (*log)(const char *program, struct str line);
    /* No resolver is connected: ask master for one. May be NULL. */
    void (*want_resolver)(void);
    /* WAITS. A connected socket to an endpoint of the configuration (policy servers); -1 and *err. May be NULL: none can be reached. */
    int (*connect)(const char *endpoint, int64_t deadline, struct err *err);
};

/* Opens tables and keys, parses the restriction lists. NULL and *err, which names the parameter. */
struct smtpsrv *smtpsrv_open(const struct smtpsrv_env *env, struct err *err);
void smtpsrv_close(struct smtpsrv *srv);
/* For the resolver's channel. */
struct helper *smtpsrv_resolver(struct smtpsrv *srv);

/* The same of anvil's (user = smtpsrv_limits(srv)). Without it clients are counted in this process alone. */
struct shared_limits;
struct shared_limits *smtpsrv_limits(struct smtpsrv *srv);
const struct chan_ops *smtpsrv_anvil_ops(void);
void smtpsrv_anvil_attach(struct smtpsrv *srv, struct chan *c);

/* WAITS: one session from greeting to close, on the calling fiber. Takes fd. */
void smtpsrv_serve(struct smtpsrv *srv, int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local);
/* Stop: sessions end with 421 at their next command. */
void smtpsrv_drain(struct smtpsrv *srv);
size_t smtpsrv_sessions(const struct smtpsrv *srv);
#endif
