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

/*
 * A message, whose line ends are CRLF, as the body of a multi-line response:
 * a line that begins with '.' gets another one (RFC 1939 §3), a missing CRLF
 * at the end is added, then "." CRLF. put is called with pieces.
 */
void pop3_stuff(struct str text, void (*put)(void *arg, struct str piece), void *arg);
/* How much of the message TOP sends: the header, the empty line, and so many lines of the body. */
size_t pop3_top(struct str text, uint32_t lines);
#endif
