/* SPDX-License-Identifier: ISC
 *
 * client.h - asking authd, from a process full of sessions.
 *
 * One auth_client per process, over the byte stream that master made to authd;
 * it speaks Dovecot's auth protocol (proto/auth_proto.h). Any number of fibers
 * may have a request in flight; answers are matched by id. The initial and
 * later responses are the base64 text exactly as the SMTP, POP3 or IMAP client
 * sent it: nothing is decoded on this side.
 *
 *   struct auth_exchange ex;
 *   enum auth_reply r = auth_begin(client, &ex, STR("PLAIN"), &params, &initial, deadline, arena);
 *   while (r == AUTH_CONTINUE)      send ex.challenge, read a line; "*" -> auth_abort(&ex), 501
 *       r = auth_continue(&ex, line, deadline);
 *   AUTH_OK: ex.user is who it is (keep ex.token for qmgr, ex.cookie and ex.request for the session zygote)
 *
 * Refuses: an OK without user= (AUTH_TEMPFAIL), answers to requests that do not exist
 * (ignored), a line over AUTH_LINE_MAX or a wrong handshake (the connection is dropped,
 * what is in flight becomes AUTH_TEMPFAIL). Never says OK unless authd did.
 */
#ifndef AUTH_CLIENT_H
#define AUTH_CLIENT_H
#include "base/arena.h"
#include "base/buf.h"
#include "event/fiber.h"

enum auth_reply {
    AUTH_OK,
    AUTH_REFUSED,   /* wrong password, unknown user, disabled, mechanism unknown: 535. ex->reason: text for the end user or "" */
    AUTH_TEMPFAIL,  /* authd away or its back end: 454 4.7.0. ex->reason: for the log */
    AUTH_CONTINUE,  /* ex->challenge: base64 for the client (334 CHALLENGE / "+ CHALLENGE"), may be empty */
};

/* Longest response that is passed on, in base64 (RFC 4954 §4 asks for 12,288 with its CRLF). Beyond it: AUTH_REFUSED without a question. */
enum { AUTH_RESPONSE_MAX = 12286 };

struct auth_params {
    const char *service;            /* "smtp", "imap", "pop3" */
    struct str remote, local;       /* numeric addresses, "" if unknown */
    uint32_t remote_port, local_port;
    bool secured;                   /* TLS, or loopback that is configured so */
    struct str session;             /* log id, "" = none */
    struct str binding;             /* tls-exporter data, then that of tls-server-end-point, in base64; "" = none */
    struct str cert_user;           /* name in the client's verified certificate, "" = none */
};

/* What a connection has that some mechanisms need. */
struct auth_offer { bool allowed, binding, cert; };

struct auth_client;

/* One exchange with one client; lives on the stack of its fiber. */
struct auth_exchange {
    struct str challenge;           /* AUTH_CONTINUE */
    struct str user;                /* AUTH_OK: canonical name. After AUTH_REFUSED: the name that was tried, if authd told it */
    struct str token;               /* AUTH_OK: identity token for MSG_SUBMIT, "" if authd gave none */
    struct str cookie;              /* AUTH_OK: hand-over cookie (login), "" if none */
    struct str code, reason;        /* AUTH_REFUSED, AUTH_TEMPFAIL */
    uint32_t request;               /* id of this request, for SESSION_START */
    /* private */
    struct auth_client *client;
    struct arena *arena;
    struct list node;
    struct cond cond;
    struct buf line;
    bool answered, lost;
    unsigned epoch;
};

/* Without a connection at first. Process-owned; there is no error. */
struct auth_client *auth_client_new(void);
/*
 * A stream to authd (from on_peer with ROLE_AUTHD); takes fd, replaces the one
 * before, whose requests in flight become AUTH_TEMPFAIL.
 */
void auth_client_attach(struct auth_client *c, int fd);
/*
 * Someone else's auth server: a fiber that connects now, and again whenever the
 * connection is lost, at most every AUTH_RECONNECT_MS. connect WAITS; a
 * descriptor, or -1 when there is none to be had (it says so itself).
 */
enum { AUTH_RECONNECT_MS = 2000 };
void auth_client_keep_connected(struct auth_client *c, int (*connect)(void *arg), void *arg);
void auth_client_free(struct auth_client *c);
/* Connected and the handshake is done? */
bool auth_client_is_ready(const struct auth_client *c);
/* This process's peer_id as authd knows it (its CUID), for SESSION_START and tokens. 0 before the handshake. */
uint64_t auth_client_channel(const struct auth_client *c);
/* Mechanisms authd offers, separated by spaces ("PLAIN LOGIN"); valid until the next attach; "" before the handshake. */
struct str auth_client_mechs(const struct auth_client *c);
/*
 * The next one that such a connection may be offered: none unless `allowed` (TLS, or what stands for it); -PLUS with
 * channel binding data, EXTERNAL with a certificate. Those of a foreign server that we do not know are left out. *at starts at 0.
 */
bool auth_client_next_mech(const struct auth_client *c, const struct auth_offer *offer, size_t *at, struct str *ret);
/* Is it among them? (ASCII case does not matter.) */
bool auth_client_has_mech(const struct auth_client *c, struct str mech);

/*
 * WAITS for a connection (at most 10 s of the deadline) and for the answer.
 * initial: the client's initial response in base64 ("=" or "" = an empty one), NULL = it sent none.
 * Strings set in *ret_ex are in the arena. A mechanism that authd does not offer is AUTH_REFUSED with
 * code "auth_mech_invalid" without a question. When authd goes away before its answer, its successor is asked once
 * more. The deadline passed: AUTH_TEMPFAIL, and a late answer is ignored.
 */
enum auth_reply auth_begin(struct auth_client *c, struct auth_exchange *ret_ex, struct str mech, const struct auth_params *params,
                           const struct str *initial, int64_t deadline, struct arena *arena);
/* WAITS. After AUTH_CONTINUE only. */
enum auth_reply auth_continue(struct auth_exchange *ex, struct str response, int64_t deadline);
/* The client gave up ("*", or it is gone) after AUTH_CONTINUE. */
void auth_abort(struct auth_exchange *ex);

/*
 * WAITS. User name and password in one call (POP3 USER/PASS, IMAP LOGIN): PLAIN with
 * an initial response. A name or password that cannot be one (NUL, too long) is refused by authd like any wrong one.
 */
enum auth_reply auth_password(struct auth_client *c, struct auth_exchange *ret_ex, struct str user, struct str password,
                              const struct auth_params *params, int64_t deadline, struct arena *arena);
#endif
