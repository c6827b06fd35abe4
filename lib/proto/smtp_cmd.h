/* SPDX-License-Identifier: ISC
 *
 * smtp_cmd.h - SMTP command lines to structs (RFC 5321 §4.1, with the
 * parameters of RFC 1870, 3030, 3461, 4954, 6152, 6531). Pure: what a command
 * may do when is the engine's business.
 *
 * Slices of a result point into the line or the arena. A parameter that comes
 * twice, that is unknown, or whose value breaks its syntax is an error with a
 * text of its own; nothing is guessed.
 */
#ifndef PROTO_SMTP_CMD_H
#define PROTO_SMTP_CMD_H
#include "proto/smtp_path.h"

/* Longest line of an AUTH exchange (RFC 4954 §4). */
enum { SMTP_AUTH_LINE_MAX = 12288 };

#define SMTP_VERBS(V)                                                     \
    V(HELO, "HELO") V(EHLO, "EHLO") V(LHLO, "LHLO") V(STARTTLS, "STARTTLS") \
    V(AUTH, "AUTH") V(MAIL, "MAIL") V(RCPT, "RCPT") V(DATA, "DATA")       \
    V(BDAT, "BDAT") V(RSET, "RSET") V(NOOP, "NOOP") V(VRFY, "VRFY")       \
    V(ETRN, "ETRN") V(QUIT, "QUIT") V(XCLIENT, "XCLIENT")                 \
    V(XFORWARD, "XFORWARD") V(HELP, "HELP") V(EXPN, "EXPN")
#define SMTP_VERB_ENUM(upper, name) SMTP_##upper,
enum smtp_verb { SMTP_VERBS(SMTP_VERB_ENUM) SMTP_UNKNOWN, SMTP_VERB_COUNT };
#undef SMTP_VERB_ENUM

struct smtp_cmd {
    enum smtp_verb verb;
    struct str word;            /* the verb as the client wrote it */
    struct str args;            /* after it, without white space at both ends */
};
/* Any line is a command, if only SMTP_UNKNOWN. */
void smtp_cmd_parse(struct str line, struct smtp_cmd *ret);
/* "EHLO"; "unknown" for SMTP_UNKNOWN. */
const char *smtp_verb_name(enum smtp_verb verb);

enum smtp_notify { SMTP_NOTIFY_NEVER = 1, SMTP_NOTIFY_SUCCESS = 2, SMTP_NOTIFY_FAILURE = 4, SMTP_NOTIFY_DELAY = 8 };
enum smtp_ret { SMTP_RET_NONE = 0, SMTP_RET_FULL = 1, SMTP_RET_HDRS = 2 };

struct smtp_mail {
    struct smtp_path from;
    bool has_size, has_body, body_8bit, smtputf8, has_auth;
    uint64_t size;
    struct str auth;            /* decoded; empty = <> */
    enum smtp_ret ret;
    struct str envid;           /* decoded */
};
struct smtp_rcpt {
    struct smtp_path to;
    unsigned notify;            /* enum smtp_notify bits, 0 = not given */
    struct str orcpt;           /* "type;address" with the address decoded; empty = not given */
};
/* What went wrong: a whole reply, code first. */
struct smtp_fault { const char *reply; struct str detail; };

/* flags: enum smtp_path_flags without UTF8, which MAIL's own parameter decides. False and *ret_fault. */
bool smtp_mail_parse(struct str args, unsigned flags, struct arena *a, struct smtp_mail *ret, struct smtp_fault *ret_fault);
bool smtp_rcpt_parse(struct str args, unsigned flags, struct arena *a, struct smtp_rcpt *ret, struct smtp_fault *ret_fault);
/* BDAT n [LAST] (RFC 3030 §2). False on bad syntax. */
bool smtp_bdat_parse(struct str args, uint64_t *ret_size, bool *ret_last);
/* AUTH mechanism [initial-response]; "=" is an empty one (RFC 4954 §4). False on bad syntax. */
bool smtp_auth_parse(struct str args, struct str *ret_mechanism, bool *ret_has_initial, struct str *ret_initial);
#endif
