/* SPDX-License-Identifier: ISC */
#include "base/err.h"
#include <errno.h>
#include <stdarg.h>

_Noreturn void assert_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "panic: %s:%d: %s\n", file, line, what);
    fflush(stderr);
    abort();
}

static void set(struct err *err, enum err_kind kind, int sys, const char *fmt, va_list ap)
{
    err->sys = sys;
    err->kind = kind;
    (void)vsnprintf(err->text, sizeof err->text, fmt, ap);
}

int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(err, kind, errno, fmt, ap);
    va_end(ap);
    return -1;
}

int err_sys(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    int sys = errno;
    va_list ap;
    va_start(ap, fmt);
    set(err, kind, sys, fmt, ap);
    va_end(ap);
    size_t n = strlen(err->text);
    (void)snprintf(err->text + n, sizeof err->text - n, ": %s", strerror(sys));
    return -1;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    size_t n = strlen(err->text);
    (void)snprintf(err->text + n, sizeof err->text - n, ": %.*s", (int)(sizeof old - 1), old);
    return -1;
}
