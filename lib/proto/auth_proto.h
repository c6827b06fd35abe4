/* SPDX-License-Identifier: ISC
 *
 * auth_proto.h - lines of Dovecot's auth protocol, version 1.2, both sides.
 *
 * A line is fields separated by TAB and ended by LF; the first field is the
 * command. Byte 0x01 escapes: 0x01 and '0' NUL, '1' 0x01, 't' TAB, 'r' CR,
 * 'n' LF, anything else itself. Positional fields come first, then name or
 * name=value, in any order; unknown names are ignored. resp= must be last.
 *
 * What the decoder refuses ends the connection: an unknown command, id 0, a
 * missing service, something after resp=, more than AUTH_FIELDS_MAX fields, an
 * over-long line. What a client can cause inside one exchange (bad
 * base64, an unknown mechanism) is a FAIL for that exchange, not refused here.
 */
#ifndef PROTO_AUTH_PROTO_H
#define PROTO_AUTH_PROTO_H
#include "base/arena.h"
#include "base/buf.h"

enum { AUTH_LINE_MAX = 16384, AUTH_FIELDS_MAX = 64, AUTH_MECH_MAX = 64, AUTH_MAJOR = 1, AUTH_MINOR = 2 };

/* A line cut into fields, unescaped. */
struct auth_line { struct str fields[AUTH_FIELDS_MAX]; size_t n; };

/* line: without its LF. Unescaped fields are in the arena when they had escapes, else they point into the line. False: too many fields or too long. */
bool auth_line_parse(struct str line, struct arena *arena, struct auth_line *ret);
/* Value of name=value (or "" of a bare name) among the fields from index `from` on. False when it is absent. */
bool auth_line_get(const struct auth_line *l, size_t from, const char *name, struct str *ret_value);

/* Writing a line: begin, fields, end. Values are escaped. */
void auth_line_begin(struct buf *out, const char *command);
void auth_line_num(struct buf *out, uint64_t n);
void auth_line_word(struct buf *out, struct str word);
/* name=value */
void auth_line_field(struct buf *out, const char *name, struct str value);
void auth_line_end(struct buf *out);

/*
 * What is said of the user's connection in AUTH and in questions on a master
 * socket: T = text, "" if not said; F = a flag. Said twice, the last one counts.
 */
#define AUTH_ABOUT(T, F)                                                                       \
    T(service, "service")                   /* or protocol= */                                 \
    T(remote, "rip") T(local, "lip")        /* the user's connection, as proxies tell it */    \
    T(remote_port, "rport") T(local_port, "lport")                                             \
    T(real_remote, "real_rip") T(real_local, "real_lip")    /* the one that is there */        \
    T(real_remote_port, "real_rport") T(real_local_port, "real_lport")                         \
    T(session, "session")                   /* log id */                                       \
    T(local_name, "local_name")             /* the name asked for in TLS */                    \
    T(client_id, "client_id")               /* IMAP's ID */                                    \
    T(forward_fields, "forward_fields")     /* of a proxy: fields, escaped once more */        \
    T(cert_username, "cert_username")       /* of a client certificate that was verified */    \
    T(channel_binding, "tls_exporter")      /* ours: RFC 9266 data of the user's connection, then RFC 5929's, in base64 */ \
    T(cert_fp, "ssl_client_cert_fp") T(cert_pubkey_fp, "ssl_client_cert_pubkey_fp")            \
    F(secured, "secured") F(no_penalty, "no-penalty") F(valid_client_cert, "valid-client-cert") \
    F(final_resp_ok, "final-resp-ok") F(nologin, "nologin") F(debug, "debug") \
    F(with_mail, "postern-mail")            /* ours: USER, tell mail= as it is for sessions, with the defaults of main.cf */
#define AUTH_ABOUT_TEXT(member, name) struct str member;
#define AUTH_ABOUT_FLAG(member, name) bool member;

/* What a client of authd says. */
enum auth_verb { AUTH_VERB_VERSION, AUTH_VERB_CPID, AUTH_VERB_AUTH, AUTH_VERB_CONT, AUTH_VERB_CANCEL };

struct auth_cmd {
    enum auth_verb verb;
    uint32_t id;                    /* AUTH, CONT, CANCEL: never 0. CPID: the process id. VERSION: the major version */
    uint32_t minor;                 /* VERSION */
    struct str mech;                /* AUTH */
    AUTH_ABOUT(AUTH_ABOUT_TEXT, AUTH_ABOUT_FLAG)
    bool secured_tls;               /* AUTH: secured=tls */
    bool has_resp;                  /* AUTH: resp= was there */
    struct str resp;                /* AUTH, CONT: base64 as sent */
};
/* line: without LF. False and *ret_why (a literal): the connection must end. */
bool auth_cmd_parse(struct str line, struct arena *arena, struct auth_cmd *ret, const char **ret_why);
/* The line that auth_cmd_parse() reads back. */
void auth_cmd_put(struct buf *out, const struct auth_cmd *cmd);
/* A copy whose strings, resp apart, are in the arena. */
struct auth_cmd auth_cmd_dup(struct arena *a, const struct auth_cmd *from);

/* What authd says. */
enum auth_answer_verb {
    AUTH_ANSWER_VERSION, AUTH_ANSWER_MECH, AUTH_ANSWER_SPID, AUTH_ANSWER_CUID, AUTH_ANSWER_COOKIE, AUTH_ANSWER_DONE,
    AUTH_ANSWER_OK, AUTH_ANSWER_CONT, AUTH_ANSWER_FAIL,
};
struct auth_answer {
    enum auth_answer_verb verb;
    uint64_t id;                    /* OK, CONT, FAIL: the request. VERSION: major. SPID, CUID: the number */
    uint32_t minor;
    struct str mech;                /* MECH */
    struct str data;                /* CONT: base64. COOKIE: its text */
    struct str user, code, reason;  /* OK, FAIL; "" if absent */
    struct str original_user;       /* OK, FAIL: the name before it was changed */
    struct str auth_user;           /* OK: whose password it was, of a master login */
    struct str token, cookie;       /* OK: ours */
    struct str extra;               /* put only. OK, FAIL: more fields as they stand on the line, each with its TAB in front */
    struct str resp;                /* OK: the server's last words, base64; has_resp */
    bool has_resp;
};
/* False and *ret_why: not a line of the protocol. Commands of later versions are AUTH_ANSWER_DONE's neighbours: refused too. The bare
 * words by which servers up to 2.2 said why (temp, authz, user_disabled, pass_expired) become codes. */
bool auth_answer_parse(struct str line, struct arena *arena, struct auth_answer *ret, const char **ret_why);
void auth_answer_put(struct buf *out, const struct auth_answer *answer);

/*
 * authd's handshake, all of it at once: older Exim waits for it before it
 * speaks. MECH lines stand before SPID: Postfix and Exim ask for that order.
 */
void auth_handshake_put(struct buf *out, const char *const mechs[][2], size_t n_mechs, uint64_t spid, uint64_t cuid, struct str cookie_hex);

/* What is asked on a master or userdb socket. */
enum auth_ask_verb { AUTH_ASK_VERSION, AUTH_ASK_CPID, AUTH_ASK_USER, AUTH_ASK_PASS, AUTH_ASK_LIST, AUTH_ASK_REQUEST, AUTH_ASK_CACHE_FLUSH };

struct auth_ask {
    enum auth_ask_verb verb;
    uint32_t id;                    /* of the question. VERSION: the major version. CPID: the process id */
    uint32_t minor;                 /* VERSION */
    struct str user;                /* USER, PASS: whom. LIST: wildcards, "" = all */
    uint32_t client_pid, client_id; /* REQUEST: CPID and request id of the login */
    struct str cookie;              /* REQUEST: hexadecimal digits, of that login's connection */
    bool has_session_pid;
    uint32_t session_pid;           /* REQUEST: who will serve the session */
    struct auth_line line;          /* CACHE-FLUSH: users or masks from field 2 on */
    struct auth_cmd about;          /* USER, PASS, LIST: AUTH_ABOUT fields */
};
/* As auth_cmd_parse(). */
bool auth_ask_parse(struct str line, struct arena *arena, struct auth_ask *ret, const char **ret_why);
void auth_master_handshake_put(struct buf *out, uint64_t spid);
#endif
