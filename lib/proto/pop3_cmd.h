/* SPDX-License-Identifier: ISC
 *
 * pop3_cmd.h - command lines of POP3 (RFC 1939 §3, RFC 2449, RFC 5034), and
 * byte-stuffing of multi-line responses. Pure.
 *
 * A keyword, then at most one space-separated argument text; message numbers
 * are decimal and from 1 on. PASS takes the rest of the line as it is, spaces
 * included. Refused: a NUL or another control character, numbers with signs or
 * over 2^31 - 1, an argument where none belongs, a missing one.
 */
#ifndef PROTO_POP3_CMD_H
#define PROTO_POP3_CMD_H
#include "base/buf.h"

enum pop3_verb {
    POP3_USER, POP3_PASS, POP3_AUTH, POP3_APOP, POP3_CAPA, POP3_STLS, POP3_QUIT, POP3_NOOP,
    POP3_STAT, POP3_LIST, POP3_RETR, POP3_DELE, POP3_RSET, POP3_TOP, POP3_UIDL, POP3_VERBS,
};
enum pop3_parse {
    POP3_PARSE_OK,
    POP3_PARSE_UNKNOWN,     /* no such command */
    POP3_PARSE_BAD_ARG,     /* an argument is missing, too many, or not a number */
};

struct pop3_cmd {
    enum pop3_verb verb;
    struct str arg;         /* USER, PASS, AUTH, APOP */
    bool has_number;        /* LIST, UIDL: optional; RETR, DELE, TOP: always */
    uint32_t number;        /* message */
    uint32_t lines;         /* TOP */
};

/* line: without its end. */
enum pop3_parse pop3_cmd_parse(struct str line, struct pop3_cmd *ret);
const char *pop3_verb_name(enum pop3_verb verb);

/*
 * Message text into a multi-line response: line ends become CRLF, a line that
 * begins with '.' gets another one (RFC 1939 §3). Continued piecewise; the end
 * adds a missing CRLF and ".".
 */
struct pop3_stuff { bool in_line, after_cr; };
void pop3_stuff(struct pop3_stuff *s, struct str in, struct buf *out);
void pop3_stuff_end(struct pop3_stuff *s, struct buf *out);
#endif
