/* SPDX-License-Identifier: ISC
 *
 * line.h - the line between a session and the hub: what its bytes mean. A
 * session reads it empty and takes a byte that it does not know for news.
 */
#ifndef LOGIN_LINE_H
#define LOGIN_LINE_H

enum {
    LINE_CHANGED = 'c',         /* from the session: it has changed the mailbox */
    LINE_NEWS = 'n',            /* to it: look at the mailbox */
    LINE_KICK = 'k',            /* to it: say good-bye and end */
};
#endif
