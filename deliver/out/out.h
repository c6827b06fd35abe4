/* SPDX-License-Identifier: ISC
 *
 * out.h - what the files of the delivery to other hosts share.
 *
 *   main.c       the program's table; channels to qmgr and resolver
 *   transport.c  master.cf rows that this program serves, with their parameters
 *   order.c      one DELIVER: recipients, log lines, results kept until acked
 *   pool.c       a fiber per connection; connections wait for the next order
 *   route.c      nexthop -> servers (MX, addresses, loops); dns.c asks the resolver
 *   client.c     one order: servers in turn, one session after the other
 *   session.c    connect, greeting, EHLO, STARTTLS, AUTH
 *   transfer.c   MAIL, RCPT, DATA; xforward.c before them; content.c records to SMTP lines
 *
 * An order belongs to the fiber that delivers it; its strings live in its arena.
 */
#ifndef OUT_OUT_H
#define OUT_OUT_H
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/vec.h"
#include "conf/param.h"
#include "daemon/daemon.h"
#include "event/conn.h"
#include "event/fiber.h"
#include "event/tls.h"
#include "map/map.h"
#include "os/net.h"
#include "params.h"
#include "proto/smtp_reply.h"

/* ---- transport.c ---- */

struct out_conf { OUT_SMTP_PARAMS(PARAM_MEMBER) };
enum out_kind { OUT_SMTP, OUT_LMTP, OUT_ERROR, OUT_RETRY, OUT_DISCARD };
enum tls_level { TLS_INVALID = -1, TLS_NONE, TLS_MAY, TLS_ENCRYPT, TLS_VERIFY, TLS_SECURE };

struct transport {
    const char *name;
    enum out_kind kind;
    char ident[160];                /* of log lines: "postfix/relay/smtp" */
    struct out_conf conf;
    uint16_t port;
    enum tls_level tls_level;
    struct map_list *passwords, *policy;
    struct tls_ctx *tls, *tls_verifying;
    struct sockaddr_storage bind4, bind6;
    bool has_bind4, has_bind6, use_ip4, use_ip6;
};
/* Before the drop: every transport of master.cf that is ours. */
int transports_open(const struct daemon_ctx *d, struct err *err);
struct transport *transport_find(struct str name);
/* TLS_INVALID: not a level that this program knows. */
enum tls_level tls_level_parse(struct str s);
/* Is this address one on which this host receives mail? */
bool is_own_address(const struct sockaddr_storage *a);

/* ---- order.c ---- */

/* Why something was not delivered, or that it was. Strings live in the order's arena. */
struct reason {
    uint32_t outcome;               /* enum outcome */
    char dsn[16];
    struct str text, mta, reply;
    bool next_hop_failed;
};
struct rcpt {
    uint32_t n;
    struct str address, orig, orcpt;
    uint32_t notify;
    bool settled, accepted;         /* accepted: RCPT was, in this session */
};
struct order {
    struct list node;               /* all orders, or waiting in a pool */
    struct arena arena;
    uint64_t job;
    const char *queue_id;
    struct transport *t;
    uint32_t flags, ret;
    struct str nexthop, sender, envid, attrs, content;
    uint64_t arrival_us, active_us, content_size, content_at, content_end;
    int file;                       /* -1: none */
    struct rcpt *rcpts;
    uint32_t n_rcpts, n_got, n_left;
    struct reason why;              /* latest failure that is not one recipient's */
    /* For "delays=" */
    int64_t started_us, connected_us;
    /* Server of the session, for "relay=". */
    char relay[400], mta[256];
    unsigned uses;
    bool dsn_passed_on;
};

void orders_init(void);
void order_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg);
void order_qmgr_gone(struct chan *c);
bool orders_idle(void);
/* One recipient is decided: log line and RESULT. */
void order_settle(struct order *o, struct rcpt *r, const struct reason *why);
/* The same for all that are left. */
void order_settle_rest(struct order *o, const struct reason *why);
/* Everything settled: forget it. */
void order_free(struct order *o);
/* Text is copied into the order's arena. */
void reason_set(struct order *o, struct reason *ret, uint32_t outcome, const char *dsn, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* ---- pool.c ---- */

/* Hand an order to a waiting connection, or start a fiber for it. */
void pool_deliver(struct order *o);
/* Idle connections say goodbye. */
void pool_drain(void);
bool pool_idle(void);

/* ---- dns.c ---- */

enum dns_result { DNS_FOUND, DNS_NO_DATA, DNS_NO_NAME, DNS_TEMP };
enum { DNS_A = 1, DNS_MX = 15, DNS_AAAA = 28 };
void dns_peer(const struct ipc_peer *peer, int fd);
/* WAITS. Records are rdata as in DNS_ANSWER, in the arena. */
struct dns_records { struct str *p; size_t n; };
enum dns_result dns_query(struct str name, unsigned type, struct arena *a, struct dns_records *ret);

/* ---- route.c ---- */

/* A server to try. path: of a UNIX socket; then there is no address. */
struct target { struct str host; struct sockaddr_storage addr; uint32_t pref; const char *path; };
struct target_list { struct target *p; size_t n; };
/* A nexthop as Postfix writes them: "host", "[host]", ":port" behind either, "unix:path", "inet:host:port". */
struct hop { struct str host; uint16_t port; bool no_mx, has_port; const char *path; };
bool hop_parse(struct str text, uint16_t default_port, struct arena *a, struct hop *ret);
/* WAITS. Servers in the order in which to try them. -1: why is set. */
int route_find(struct order *o, const struct hop *hop, struct target_list *ret, struct reason *why);

/* ---- session.c ---- */

enum feature {
    F_ESMTP = 1, F_PIPELINING = 2, F_8BITMIME = 4, F_SIZE = 8, F_DSN = 16, F_SMTPUTF8 = 32, F_STARTTLS = 64, F_AUTH = 128, F_XFORWARD = 256,
};
struct session {
    struct transport *t;
    struct order *o;                /* in work */
    struct conn *conn;              /* NULL: none */
    struct str nexthop;             /* of the pool: connections are reused for this */
    char host[256], addr[NET_TEXT], name[400];  /* name: "host[addr]" */
    uint16_t port;
    unsigned features, xforward;    /* xforward: attributes that the server takes */
    uint64_t size_limit;
    bool auth_plain, auth_login, no_tls, need_rset, dead, tls_failed, content_begun;
    unsigned uses;
    int64_t opened;
    struct smtp_reply reply;
};
enum step {
    STEP_OK,
    STEP_FAILED,                    /* o->why is set; another server may do */
};
/* WAITS. Connects, greets, starts TLS, authenticates. */
enum step session_open(struct session *s, const struct target *to, enum tls_level level);
void session_close(struct session *s, bool polite);
/* WAITS. Reads one reply; false: connection lost, timed out or nonsense (o->why is set from `during`, the session is dead). */
bool session_reply(struct session *s, int64_t seconds, const char *during);
/* o->why := "host NAME said: REPLY (in reply to COMMAND)". */
void session_said(struct session *s, struct reason *why, const char *command);
enum tls_level session_tls_level(struct order *o);
/* Sets o->relay for the log. */
void session_name_relay(const struct session *s);

/* ---- xforward.c ---- */

/* The attribute names behind XFORWARD in an EHLO reply, as bits. */
unsigned xforward_parse(struct str names);
/* WAITS. Tells the server where the message came from. False: the session is lost. */
bool xforward_send(struct session *s);

/* ---- transfer.c ---- */

/* WAITS. One message; recipients that are decided are settled. */
void transfer(struct session *s);

/* ---- content.c ---- */

/* The message as SMTP lines, dots stuffed, pushed into the connection. False: the records are damaged. */
bool content_send(const struct order *o, struct conn *c, uint32_t line_limit);

/* ---- client.c ---- */

/* WAITS. Deliver s->o with the connection at hand, or new ones. All its recipients are settled afterwards. */
void client_deliver(struct session *s);
#endif
