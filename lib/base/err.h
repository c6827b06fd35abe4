/* SPDX-License-Identifier: ISC
 *
 * err.h - why something that may fail did fail.
 *
 * Library code never logs: it returns -1 with a struct err filled in, and the
 * caller that decides what to do logs once, with the session's identity.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H
#include "base/def.h"

enum err_kind {
    ERR_NONE,
    ERR_TEMP,   /* try again later: a lookup, a lock, a full disk */
    ERR_PERM,   /* will fail the same way next time */
    ERR_LIMIT,  /* a configured or built-in limit was met */
    ERR_PROTO,  /* the peer or the file broke its format */
    ERR_CONFIG, /* the administrator has to change something */
};

struct err {
    enum err_kind kind;
    int sys;            /* errno when the error was recorded */
    char text[320];     /* one line, no newline, ready for a log */
};

/* Record why; always returns -1 so that callers can `return err_set(...)`. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As err_set, with ": " and strerror(errno) appended. */
int err_sys(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Put "text: " in front of what is already there. Returns -1. */
int err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
#endif
