/* SPDX-License-Identifier: ISC
 *
 * command.h - arguments of an IMAP command before login, literals included.
 *
 * One line at a time; a literal is asked for ("+ OK") and read when it is met.
 * Limits: ARG_MAX bytes per argument, ARGS_MAX arguments, LITERAL_MAX bytes per
 * literal. A literal over its limit is refused before the client sends it; one
 * that is sent without asking (RFC 7888) is thrown away, or ends the connection
 * when it is too long for that. Parentheses have no depth here: only ID has a
 * list, and that is passed over, not parsed.
 */
#ifndef IMAPD_LOGIN_COMMAND_H
#define IMAPD_LOGIN_COMMAND_H
#include "login/login.h"

enum { LITERAL_MAX = 4096, DISCARD_MAX = 65536 };

enum arg_result {
    ARG_OK,
    ARG_NONE,       /* the command is over */
    ARG_BAD,        /* not as the grammar has it */
    ARG_TOO_BIG,    /* a literal over its limit */
    ARG_GONE,       /* the connection must end */
};

/* rest: what of the command's current line has not been read. */
struct args { struct login_client *client; struct str rest; };

/* WAITS. The next astring (RFC 3501 §9), after its space; in the arena. */
enum arg_result args_string(struct args *a, struct str *ret);
/* WAITS. Reads the command to its end, whatever it holds; false when the connection must end. */
bool args_skip(struct args *a);
/* Nothing is left of the command? */
bool args_at_end(const struct args *a);
#endif
