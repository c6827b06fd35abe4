/* SPDX-License-Identifier: ISC
 *
 * smtp_body.h - message text as it comes over SMTP, cut into lines.
 *
 * The input may be cut anywhere; the result is the same. Rules, in DATA:
 *   - only CR LF "." CR LF ends the message, the start counting as a CR LF;
 *   - every LF ends a line, but one without CR before it ("bare") neither
 *     ends the message nor begins a line whose lone dot would;
 *   - a CR that no LF follows becomes a space, NUL is dropped;
 *   - one "." at the start of a line goes, unless the line is just ".".
 * In BDAT the length ends the message; lines and stray characters are treated
 * alike, dots are text.
 *
 * So no byte sequence is a message's end to us and text to others, and what we
 * pass on has no bare CR or LF left (SMTP smuggling).
 */
#ifndef PROTO_SMTP_BODY_H
#define PROTO_SMTP_BODY_H
#include "base/buf.h"

struct smtp_body {
    /* Called per line, without its end. ends = false: a piece of a line longer than line_max; more follows. */
    void (*line)(void *arg, struct str text, bool ends);
    void *arg;
    size_t line_max;
    bool dots;                  /* DATA, not BDAT */
    bool bare_lf, bare_cr;      /* was seen */

    /* private */
    struct buf part;            /* a line begun in an earlier call, cleaned */
    bool begun;                 /* something of this line was seen (its first byte decides on the dot) */
    bool cr;                    /* last byte was a CR, not yet judged */
    bool after_crlf;            /* the line began after a true line end */
    bool dot_first;             /* a "." was taken off and nothing else seen */
    bool split;                 /* a piece of this line was handed out already */
};

void smtp_body_init(struct smtp_body *b, bool dots, size_t line_max, void (*line)(void *arg, struct str text, bool ends), void *arg);
void smtp_body_done(struct smtp_body *b);
/* Returns the number of bytes used: all of them, unless *ret_end: then up to and with the end of the message. */
size_t smtp_body_feed(struct smtp_body *b, struct str in, bool *ret_end);
/* BDAT LAST has been fed: hands out a last line that has no end. */
void smtp_body_finish(struct smtp_body *b);
#endif
