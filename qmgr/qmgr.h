/* SPDX-License-Identifier: ISC
 *
 * qmgr.h - what the files of the queue manager share.
 *
 * Everything runs on the loop's stack and is callback driven; only disk work is
 * offloaded. One static struct (qm) holds the process's state. The life of a
 * message here:
 *
 *   intake.c  MSG_SUBMIT -> queue_submit      MSG_COMMIT -> file in incoming/
 *   commit.c  end of turn: one batch -> durable -> MSG_DONE -> msg_activate
 *   sched.c   recipients -> routes -> destinations (dest.c) -> jobs
 *   results.c results of deliveries -> recipients; forward.c forwards
 *   msg.c     no recipient in work any more: bounce (notice.c), defer, or remove
 *   wait.c    deferred messages and when their time comes
 *   tool.c    showq and orders from the command line
 */
#ifndef QMGR_QMGR_H
#define QMGR_QMGR_H
#include "auth/token.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/vec.h"
#include "conf/service.h"
#include "daemon/daemon.h"
#include "event/offload.h"
#include "os/clock.h"
#include "params.h"
#include "queue/queue.h"

struct qmgr_conf { QMGR_PARAMS(PARAM_MEMBER) };

/* A process that puts mail into the queue. */
struct intake { struct chan *chan; struct list node; struct list leases; size_t n_leases; struct list bigs; uint32_t state_sent; bool foreign_auth, asked_ids; };
struct lease { char id[QID_MAX + 1]; struct intake *in; struct list node; };

/* A process that delivers, routes or composes. */
struct worker { struct chan *chan; struct list node; bool ready; int64_t ask_until; unsigned busy; };

/* What qm keeps per message besides the queue's own struct (qmsg.user). */
struct active {
    struct qmsg *m;
    struct intake *in;          /* who waits for MSG_DONE, NULL = nobody */
    bool forwarded;             /* made by a router: nobody waits */
    uint64_t active_us;
    unsigned working;           /* recipients that are being resolved, waiting or with a delivery */
    unsigned resolving;         /* of them, those a router is asked about: the others wait, to go together */
    unsigned composing;         /* notices that BOUNCE works on */
    bool logged, spilling, expired, delete_it, hold_it, warned;
    unsigned order;             /* enum queue_op that came while its file was being written, 0 = none */
    struct list node;           /* qm.active, by age */
    struct list ring_node;      /* qm.in_ring: not a file yet, by age */
    uint32_t next_rcpt;         /* 1: recipients wait for a router */
    int64_t not_before;         /* a file could not be written, or a notice composed: when to try again */
    struct qmsg *notice_of;     /* a notice: for the log line */
    unsigned notice_kind;
};

enum rcpt_state { RCPT_IDLE, RCPT_RESOLVING, RCPT_QUEUED, RCPT_BUSY, RCPT_DEFERRED, RCPT_BOUNCED, RCPT_COMPOSING, RCPT_SETTLED };

struct transport {
    char name[65];
    enum role role;             /* OUT or ROUTER */
    struct list dests;          /* with something to do, round robin */
    struct htab by_nexthop;
    unsigned busy, limit;       /* jobs in work */
    uint32_t concurrency, recipient_limit, initial;
    bool deferred;              /* defer_transports */
};
struct dest {
    struct transport *t;
    char *nexthop;
    struct list node;           /* t->dests */
    struct list entries;        /* messages with recipients for it, oldest first */
    unsigned suspects;          /* entries of qm.suspects that are for it */
    unsigned busy;
    double window;              /* how many jobs may be in work */
    double failures;            /* in units of cohorts */
    int64_t dead_until;         /* suspended */
    char *why, dsn[16];
};
/* Recipients of one message for one destination. */
struct entry { struct active *a; struct dest *d; VEC(uint32_t) rcpts; struct list node; bool suspect; };
struct jobs { uint64_t number; struct active *a; struct dest *d; struct worker *w; VEC(uint32_t) rcpts; unsigned left; bool notice; unsigned kind; char new_id[QID_MAX + 1];
              int64_t started; };

struct waiting { char id[QID_MAX + 1]; struct heap_node when; enum qplace place; };

struct ack { struct chan *chan; uint64_t job; uint32_t n; };
struct ack_list { struct ack *p; size_t n, cap; };
struct refusal { struct intake *in; char id[QID_MAX + 1]; };
struct refusal_list { struct refusal *p; size_t n, cap; };

struct qmgr_state {
    const struct daemon_ctx *ctx;
    struct qmgr_conf conf;
    struct qio io;
    struct queue q;
    struct list intakes, outs, routers, bouncers;
    struct htab leases;         /* id -> struct lease */
    struct htab jobs;           /* number -> struct jobs */
    struct htab transports;     /* name -> struct transport */
    struct list active;         /* struct active, oldest first */
    struct list in_ring;
    struct htab waiting;        /* id -> struct waiting: files that are not in memory */
    struct heap due;            /* of struct waiting */
    struct htab resolving;      /* request number -> struct resolving */
    uint64_t next_job;
    struct service_list services;
    struct token_keys keys;
    bool draining, committing, stopped_intake;
    int64_t started_at, drained_at;
    unsigned spills, bigs;
    int64_t hold_until;         /* no scheduling before: workers tell what is in flight */
    struct ack_list acks, acks_writing;     /* RESULT_ACKs that wait for the next write */
    struct refusal_list refusals;           /* 451s that wait until the VOID record is on disk */
    struct list suspects;                   /* entries that are tried alone */
    bool suspect_busy;
    struct deferred turn_end, schedule, spill_more;
    struct timer sync_timer, second, due_timer;
    uint32_t state_code;        /* what QUEUE_STATE said last */
};
/* The one state of this process. */
struct qmgr_state *qm_state(void);
#define qm (*qm_state())

/* commit.c */
void commit_soon(void);
void commit_start(void);
void check_space(void);
void send_queue_state(struct intake *in);
/* Files of messages that are being received, for as long as a qmgr that ends waits for them. */
bool intake_awaits_files(void);
bool everything_spilled(void);
bool needs_file(const struct active *a);
void make_file(struct active *a);
extern const struct queue_ops commit_queue_ops;
void commit_stop(void);

/* intake.c */
/* foreign_auth: its users log in at someone else's auth server, which makes no tokens. */
void intake_peer(struct chan *c, bool foreign_auth);
/* foreign_auth.c: services whose smtpd_sasl_path is not authd's, by the configuration. Before privileges are dropped. */
int foreign_auth_load(const struct daemon_ctx *d, const struct service_list *services, struct err *err);
bool foreign_auth_is_used_by(struct str service);
extern const struct chan_ops intake_ops;
bool lease_take(struct intake *in, struct str id);
void make_id(char ret[QID_MAX + 1]);
void refuse(struct intake *in, uint32_t req, struct str id, uint32_t code, const char *dsn, const char *text);
bool intake_is_writing(const char *id);         /* a large message that is not committed yet */
void intake_key(const struct ipc_token_key *key);

/* msg.c */
struct active *msg_new_active(struct qmsg *m);
void msg_activate(struct qmsg *m);              /* durable, or read from disk */
void msg_check(struct active *a);               /* whatever is next, if no recipient is in work */
void msg_settle(struct active *a, uint32_t n, unsigned outcome, struct str dsn, struct str text);
void msg_set_reason(struct qrcpt *r, enum rcpt_state state, struct str dsn, struct str text, struct str mta, struct str reply);
void msg_drop(struct active *a);                /* out of memory */
bool msg_delete(struct active *a);
void msg_unload(struct active *a);              /* too many in memory: its file waits */

/* notice.c */
/* Does the sender want to hear of this recipient? bit: NOTIFY_FAILURE ... */
bool notice_is_wanted(const struct qrcpt *r, uint32_t bit);
/* One notice about the recipients in that state (the rest gets another one). False: no process to compose it, asked for one. */
bool notice_compose(struct active *a, unsigned kind, enum rcpt_state state, struct str sender);
void notice_composed(struct jobs *job, const struct ipc_composed *c);
void notice_failed(struct jobs *job);
/* It is in the queue, and what it replaces is settled. Also for forwards, where the message of a router replaced a recipient. */
void notice_durable(struct active *a);

/* results.c */
void worker_peer(struct chan *c);
extern const struct chan_ops worker_ops;
void result_ack(struct chan *c, uint64_t job, uint32_t n);         /* with the next write */
bool result_is_awaited(const struct jobs *job, uint32_t n);
void result_ended(struct jobs *job, uint32_t n);

/* forward.c */
/* A message that a router puts in a recipient's place. */
void forward_take(struct chan *c, const struct ipc_replace *rep);

/* dest.c */
/* NULL: neither master.cf nor the built-in rows have it. */
struct transport *transport_get(struct str name);
struct dest *dest_get(struct transport *t, struct str nexthop);
/* One with nothing to do and no history is forgotten. */
void dest_release(struct dest *d);
/* A delivery there ended: its window, and whether it is dead now. */
void dest_feedback(struct dest *d, bool failed, struct str dsn, struct str text);
/* An administrator's flush forgives the dead. */
void dest_flush_dead(void);

/* sched.c */
void sched_message(struct active *a);
void sched_soon(void);
void sched_forget(struct active *a);            /* out of every queue */
void sched_unqueue(struct active *a);           /* recipients that are not with a delivery yet are idle again */
void sched_resolved(uint32_t id, const struct ipc_resolved *res);
void sched_forget_resolving(const struct chan *c, const struct active *a);
void job_finish(struct jobs *job);
struct jobs *job_new(struct active *a, struct worker *w);
void job_free(struct jobs *job);
struct worker *worker_pick(struct list *list, const char *service);
bool sched_is_idle(void);

/* wait.c */
void wait_add(const char *id, enum qplace place, int64_t when_ms);
void wait_remove(const char *id);
void wait_start(void);
void wait_scan(void);
/* Of a message anywhere in the queue, or leased for one. */
bool id_is_known(const char *id);
void wait_flush(const char *id);
bool wait_knows(const char *id);
struct active *wait_load(const char *id, enum qplace place);

/* tool.c */
/* An order that came while a message's file was being written: taken before the message may go, carried out when it is there. */
struct late_order { char id[QID_MAX + 1]; unsigned op; };
struct late_order tool_late_order(struct active *a);
void tool_carry_out(const struct late_order *o);
void tool_client(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local);

static inline struct active *active_of(struct qmsg *m) { return m->user; }
#define QM_IDENT(buf, program) (void)snprintf(buf, sizeof buf, "%s/%s", qm.conf.syslog_name, program)
#endif
