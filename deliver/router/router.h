/* SPDX-License-Identifier: ISC
 *
 * router.h - the parts of the router among themselves.
 *
 * orders.c takes DELIVER from qmgr, runs each recipient on a fiber of its own
 * and keeps each result until qmgr has written it; virtual.c, local.c and
 * pipe.c decide what is to be done for one recipient; actors.c has it done by
 * a process of the right user; message.c looks at the message.
 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H
#include "base/vec.h"
#include "daemon/daemon.h"
#include "intake/expand.h"
#include "intake/resolve.h"
#include "params.h"
#include "proto/delivery_log.h"

struct router_conf { ROUTER_PARAMS(PARAM_MEMBER) };

struct router {
    struct router_conf conf;
    struct resolve_conf resolve_conf;
    struct intake_conf intake_conf;
    struct resolve *resolve;
    struct expand *expand;
    struct map_list *mailbox_maps, *uid_maps, *gid_maps, *alias_maps;
    struct match_list *mydestination;
    struct config *config;
    const char *queue_directory;
    bool private_instance;
    uint32_t own_uid, own_gid;
    uint32_t spool_gid;         /* group that may make files in mail_spool_directory; 0 = none is needed */
};
extern const struct router *const router;

/* One order of qmgr: a message and some of its recipients. Its strings are in the arena. */
struct order {
    struct list node;
    struct arena arena;
    struct ipc_deliver d;
    int file;
    size_t expected, left;      /* recipients that have not come yet; recipients without RESULT_ACK */
};

/* One recipient, on its fiber. */
struct rcpt {
    struct list node;
    struct order *order;
    uint32_t n;
    struct str address, orig, orcpt;
    uint32_t notify;
    struct arena arena;
    int64_t start_us;           /* for the delays */
    /* The result, set once. */
    bool finished;
    enum outcome outcome;
    struct str dsn, text;
    struct ipc_replace *replace;    /* instead of a result: a forward */
};

/* Set the outcome; text is copied. */
void rcpt_done(struct rcpt *r, enum outcome outcome, const char *dsn, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* --- forward.c */
/* WAITS. Appends what canonical and virtual aliases make of an address. False: a table failed, and the recipient is deferred. */
bool forward_expand(struct rcpt *r, struct str address, struct expand_list *list);
/* WAITS. A new message to these addresses in place of the recipient. */
void forward_to(struct rcpt *r, const struct expand_list *to, struct str sender);
/* WAITS. */
void deliver_virtual(struct rcpt *r);
void deliver_local(struct rcpt *r);
void deliver_pipe(struct rcpt *r);

/* --- orders.c */
void orders_peer(const struct ipc_peer *peer, int fd);
bool orders_idle(void);
/* WAITS for an unused queue id of a lease. False: none now. */
bool orders_take_id(char ret_id[33], struct arena *a);

/* --- actors.c */
struct act_user { const char *name, *home; uint32_t uid, gid, spool_gid; };
struct act_result { enum outcome outcome; struct str dsn, text, data; };
void actors_start(void);
void actors_peer(const struct ipc_peer *peer, int fd);

/* hub.c */
void hub_peer(const struct ipc_peer *peer, int fd);
/* A message was delivered into this Maildir. */
void hub_news(struct str maildir);
/*
 * WAITS until an actor of that user has done the action (job, queue id, number, message and so on are filled in from r).
 * The result's strings are in r's arena. An actor that died leaves a deferral.
 */
void act(struct rcpt *r, const struct act_user *user, struct ipc_action *a, struct act_result *ret);
/* Copies the action's result into the recipient's. */
void act_and_done(struct rcpt *r, const struct act_user *user, struct ipc_action *a);

/* --- users.c. WAITS: the user database is asked on a thread. MAP_TEMP and *err when it does not answer. */
enum map_result user_find(struct str name, struct arena *a, struct act_user *ret, struct err *err);

/* --- message.c */
/* Is there a Delivered-To header field with that address? -1 and *err when the message cannot be read. */
int message_has_delivered_to(const struct order *o, struct str address, struct err *err);
/* Return-Path, X-Original-To, Delivered-To. */
struct str message_headers(struct rcpt *r, struct str delivered_to);

/* --- pipe.c: master.cf's pipe services, before the privilege drop */
int pipe_load(struct config *config, struct err *err);
bool pipe_has(struct str service);
#endif
