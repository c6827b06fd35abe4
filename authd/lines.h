/* SPDX-License-Identifier: ISC
 *
 * lines.h - a connection of lines: what the sockets of authd have in common.
 *
 * Input is taken line by line and wiped when it was read; output is collected
 * in a turn and sent at its end. A line over its limit, a peer that does not
 * read its answers, an end of file: on_end, after which the struct is dead.
 */
#ifndef AUTHD_LINES_H
#define AUTHD_LINES_H
#include "base/buf.h"
#include "event/loop.h"

struct lines {
    int fd;
    size_t line_max;
    struct buf in, out;
    struct watch watch;
    struct deferred flush;
    /* One line without its LF. False: the connection must end. */
    bool (*on_line)(struct lines *l, struct str line);
    /* Is there nothing more to do for it? Asked when all was sent; NULL = never. */
    bool (*is_over)(struct lines *l);
    /* The connection is over, for this reason ("" = the peer left): call lines_done() and free what holds it. */
    void (*on_end)(struct lines *l, const char *why);
};
/* Takes fd. line_max, on_line, is_over and on_end are set already. out_max: most bytes that wait to be sent. */
void lines_start(struct lines *l, int fd, size_t out_max);
/* Appended to l->out, sent at the end of this turn. */
void lines_flush(struct lines *l);
/* Closes; nothing is called. */
void lines_done(struct lines *l);
#endif
