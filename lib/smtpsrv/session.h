/* SPDX-License-Identifier: ISC
 *
 * session.h - the inside of the engine: one session, and what its parts need
 * of each other. Private to lib/smtpsrv.
 *
 * Memory: `arena` lives as long as the session (HELO name, SASL user), `txn`
 * as long as the transaction (MAIL to end of data).
 */
#ifndef SMTPSRV_SESSION_H
#define SMTPSRV_SESSION_H
#include "event/conn.h"
#include "event/tls.h"
#include "smtpsrv/dns.h"
#include "smtpsrv/restrict.h"
#include "smtpsrv/shared.h"
#include "smtpsrv/smtpsrv.h"

struct smtpsrv {
    struct smtpsrv_env env;
    const struct smtpsrv_conf *conf;
    const struct resolve_conf *rconf;
    struct intake intake;
    struct dns dns;
    struct shared_limits limits;
    struct tls_ctx *tls;                /* NULL: no TLS */
    bool tls_required;
    struct match_list *mynetworks, *exceptions, *sasl_exceptions;
    struct map_list *sender_login;
    struct rule_set rules;
    const char *banner;
    unsigned discard;                   /* enum ext bits not announced */
    size_t sessions;
    bool draining;
};

enum ext { EXT_PIPELINING = 1, EXT_SIZE = 2, EXT_VRFY = 4, EXT_ETRN = 8, EXT_STARTTLS = 16, EXT_AUTH = 32, EXT_ENHANCED = 64,
           EXT_8BITMIME = 128, EXT_DSN = 256, EXT_SMTPUTF8 = 512, EXT_CHUNKING = 1024 };

/* States are bits so that a command can name every one it is legal in. */
enum state { ST_START = 1, ST_READY = 2, ST_MAIL = 4, ST_RCPT = 8, ST_BDAT = 16, ST_CLOSING = 32 };
enum { ST_TRANSACTION = ST_MAIL | ST_RCPT | ST_BDAT, ST_ANY = ST_START | ST_READY | ST_TRANSACTION };

struct session {
    struct smtpsrv *srv;
    const struct smtpsrv_conf *conf;
    struct conn *conn;
    struct arena arena, txn;
    enum state state;
    int64_t started, deadline;

    /* the client */
    struct str name, addr, rfc_addr;    /* "unknown", "192.0.2.1", "IPv6:..." */
    struct str reverse_name;            /* PTR, whether or not it leads back */
    uint32_t port, local_port;
    struct str local_addr;
    bool name_temp;                     /* the name could not be looked up, which may pass */
    bool trusted;                       /* in mynetworks */
    bool loopback;
    struct limit_client *client;        /* counters shared by its sessions, or NULL */
    bool counted;                       /* anvil knows of the connection */

    /* the dialogue */
    bool esmtp, tls;
    struct str helo;                    /* "" = none yet */
    const char *where;                  /* last command, for "lost connection after" */
    unsigned ok[SMTP_VERB_COUNT], total[SMTP_VERB_COUNT];
    unsigned errors, junk, auth_failures;
    bool refused;                       /* the command in work got a 4xx or 5xx */
    bool said_bare_lf;

    /* SASL */
    struct str sasl_method, sasl_user, sasl_token;

    /* the transaction */
    struct smtp_mail mail;
    struct str sender;                  /* standard form */
    struct str rcpt;                    /* in work, or the last; standard form */
    struct str only_rcpt;               /* the one recipient, as the client gave it */
    uint32_t n_rcpt;
    struct intake_msg msg;
    struct resolved dest;               /* of rcpt */
    bool rcpt_is_plain;                 /* no table rewrites rcpt */
    struct reject reject;
    struct rule_state rule_state;
    const char *where_text;             /* "DATA", "END-OF-MESSAGE": what is judged without a recipient */
    bool denied;                        /* refused at the greeting */
    bool hold, discard;                 /* said by an access table */
    struct str prepend;                 /* field to put on top, by an access table */
    uint64_t bdat_bytes;
    struct smtp_body *body;             /* BDAT in progress */
};

/* reply.c */
void reply(struct session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);      /* one line; counts errors, sleeps when there are many. WAITS */
void reply_plain(struct session *s, const char *text);                       /* no accounting */
void say(struct session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);        /* log, "NAME[ADDR]" is the caller's */
#define CLIENT_FMT "%.*s[%.*s]"
#define CLIENT(s) STR_FMT((s)->name), STR_FMT((s)->addr)
/* "ID" or "NOQUEUE" */
const char *queue_id(const struct session *s);
/* Log a refusal in Postfix's form and say it. stage: "RCPT", "MAIL" ... */
void reply_reject(struct session *s, const char *stage, const struct reject *r);
void log_reject(struct session *s, const char *what, const char *stage, const struct reject *r);
const char *proto_name(const struct session *s);

/* commands.c, mail.c, data.c, auth.c */
void cmd_ehlo(struct session *s, struct str args);
void cmd_helo(struct session *s, struct str args);
void cmd_lhlo(struct session *s, struct str args);
void cmd_noop(struct session *s, struct str args);
void cmd_rset(struct session *s, struct str args);
void cmd_vrfy(struct session *s, struct str args);
void cmd_quit(struct session *s, struct str args);
void cmd_starttls(struct session *s, struct str args);
void cmd_refused(struct session *s, struct str args);
void cmd_mail(struct session *s, struct str args);
void cmd_rcpt(struct session *s, struct str args);
void cmd_data(struct session *s, struct str args);
void cmd_bdat(struct session *s, struct str args);
void cmd_auth(struct session *s, struct str args);
/* Forget the transaction. */
void transaction_reset(struct session *s);
/* WAITS: the handshake, and its log lines. False: the session is over. */
bool session_start_tls(struct session *s);
/* WAITS. Has the client begun too many TLS sessions? It was logged: "Refusing WHAT request ..."; nothing was said. */
bool session_refuses_tls(struct session *s, const char *what);
/* May the client use AUTH now? */
bool auth_is_offered(const struct session *s);
/* The next SASL mechanism for this client; *at starts at 0. */
bool auth_next_mech(const struct session *s, size_t *at, struct str *ret);
bool session_is_submission(const struct session *s);
/* The connection is gone: log once how. */
void session_lost(struct session *s, enum read_result why, uint64_t bytes);
#endif
