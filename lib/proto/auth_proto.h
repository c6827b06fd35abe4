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
 * IMAP-style over-long line. What a client can cause inside one exchange (bad
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

/* What a client of authd says. */
enum auth_verb { AUTH_VERB_VERSION, AUTH_VERB_CPID, AUTH_VERB_AUTH, AUTH_VERB_CONT, AUTH_VERB_CANCEL };

struct auth_cmd {
    enum auth_verb verb;
    uint32_t id;                    /* AUTH, CONT, CANCEL: never 0. CPID: the process id. VERSION: the major version */
    uint32_t minor;                 /* VERSION */
    struct str mech;                /* AUTH */
    struct str service;             /* AUTH: service= or protocol= */
    struct str remote, local;       /* AUTH: rip=, lip=, "" if absent */
    struct str remote_port, local_port;
    struct str session;
    bool secured, no_penalty, final_resp_ok;
    bool has_resp;                  /* AUTH: resp= was there */
    struct str resp;                /* AUTH, CONT: base64 as sent */
};
/* line: without LF. False and *ret_why (a literal): the connection must end. */
bool auth_cmd_parse(struct str line, struct arena *arena, struct auth_cmd *ret, const char **ret_why);
/* The line that auth_cmd_parse() reads back. */
void auth_cmd_put(struct buf *out, const struct auth_cmd *cmd);

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
    struct str token, cookie;       /* OK: ours */
};
/* False and *ret_why: not a line of the protocol. Commands of later versions are AUTH_ANSWER_DONE's neighbours: refused too. */
bool auth_answer_parse(struct str line, struct arena *arena, struct auth_answer *ret, const char **ret_why);
void auth_answer_put(struct buf *out, const struct auth_answer *answer);

/*
 * authd's handshake, all of it at once: older Exim waits for it before it
 * speaks. MECH lines stand before SPID: Postfix and Exim ask for that order.
 */
void auth_handshake_put(struct buf *out, const char *const mechs[][2], size_t n_mechs, uint64_t spid, uint64_t cuid, struct str cookie_hex);
#endif
