/* SPDX-License-Identifier: ISC
 *
 * smtp_reply.h - replies of SMTP and LMTP servers (RFC 5321 §4.2, RFC 2034),
 * fed line by line. Pure.
 *
 * The text keeps the codes of all lines, joined by blanks, as Postfix's logs
 * have it: "550-5.1.1 no such 550 5.1.1 user". Lines beyond the limit are
 * counted but not kept.
 */
#ifndef PROTO_SMTP_REPLY_H
#define PROTO_SMTP_REPLY_H
#include "base/buf.h"

enum { SMTP_REPLY_LINE_MAX = 2048, SMTP_REPLY_TEXT_MAX = 3000, SMTP_REPLY_LINES_MAX = 200 };

struct smtp_reply {
    unsigned code;          /* 200..599 */
    char dsn[12];           /* of the reply, or "2.0.0" "4.0.0" "5.0.0" by its code */
    struct buf text;
    unsigned lines;
    bool begun;
};
enum smtp_reply_state { SMTP_REPLY_MORE, SMTP_REPLY_DONE, SMTP_REPLY_BAD };

void smtp_reply_reset(struct smtp_reply *r);
void smtp_reply_done(struct smtp_reply *r);
/* A line without its end. BAD: no reply code, another code than before, or too many lines. */
enum smtp_reply_state smtp_reply_line(struct smtp_reply *r, struct str line);
/* The text after the code (and dash) of one line. */
struct str smtp_reply_line_text(struct str line);
/* An enhanced status code at the start of s ("5.1.1"): its length, 0 if there is none. */
size_t smtp_reply_dsn_length(struct str s);
#endif
