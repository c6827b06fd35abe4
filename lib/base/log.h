/* SPDX-License-Identifier: ISC
 *
 * log.h - the one way a program speaks to the administrator.
 *
 * Four words with one meaning each, as in Postfix: info (an event), warning
 * (somebody should look), error (something was not done), fatal (this process
 * cannot go on; master starts another). A bug is an ASSERT. Programs log;
 * libraries return struct err.
 *
 * A line goes to the sink: in a daemon a datagram socket to the log role
 * (log_to_socket), otherwise standard error. Bytes outside printable ASCII
 * and valid UTF-8 are replaced by '?', so that one call is always one line.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include "base/str.h"

enum log_level { LOG_DEBUG_LEVEL, LOG_INFO_LEVEL, LOG_WARNING_LEVEL, LOG_ERROR_LEVEL, LOG_FATAL_LEVEL };

/* Most bytes of one line after the prefix; the rest is cut. */
enum { LOG_LINE_MAX = 4000 };

/* ident: as it shall appear before "[pid]:", e.g. "postfix/smtpd". Copied. */
void log_set_ident(const char *ident);
const char *log_ident(void);
/*
 * Send lines to this connected SOCK_DGRAM descriptor instead of standard error:
 * "<level digit>ident[pid]: text". Never blocks: a line that does not fit is
 * counted and reported with the next one that does. -1 = back to standard error.
 */
void log_to_socket(int fd);
/* In verbose mode debug lines are written too. */
void log_set_verbose(bool on);

void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_warning(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
_Noreturn void log_fatal(const char *fmt, ...) PRINTF_LIKE(1, 2);
/*
 * One line under another program's name: log readers depend on Postfix's and
 * Dovecot's program names, whichever process does the work.
 * log_as("postfix/cleanup", LOG_INFO_LEVEL, "%s: message-id=<%s>", ...)
 */
void log_as(const char *ident, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);
#endif
