/* SPDX-License-Identifier: ISC */
#include "base/log.h"
#include "base/buf.h"
#include "base/utf8.h"
#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
    char ident[128];
    int fd;
    bool verbose;
    unsigned long lost;
} the_log = { .ident = "postern", .fd = -1 };

void log_set_ident(const char *ident) { (void)snprintf(the_log.ident, sizeof the_log.ident, "%s", ident); }
const char *log_ident(void) { return the_log.ident; }
void log_to_socket(int fd) { the_log.fd = fd; }
void log_set_verbose(bool on) { the_log.verbose = on; }
bool log_is_verbose(void) { return the_log.verbose; }

/* Replace in place whatever could break a line or a terminal. */
static void sanitize(char *p, size_t n)
{
    struct str rest = { p, n };
    while (rest.n > 0) {
        uint32_t code;
        char *at = p + (n - rest.n);
        if (!utf8_next(&rest, &code)) {
            *at = '?';
            rest = str_skip(rest, 1);
        } else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            memset(at, '?', (size_t)(rest.p - at));
        }
    }
}

static void to_socket(const char *ident, enum log_level level, const char *text)
{
    char line[LOG_LINE_MAX + 256];
    int n = snprintf(line, sizeof line, "%d%s[%ld]: %s", (int)level, ident, (long)getpid(), text);
    size_t len = MIN((size_t)n, sizeof line - 1);
    if (send(the_log.fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        the_log.lost++;
        return;
    }
    if (the_log.lost > 0) {
        n = snprintf(line, sizeof line, "%d%s[%ld]: warning: %lu log lines were lost",
                     (int)LOG_WARNING_LEVEL, ident, (long)getpid(), the_log.lost);
        if (send(the_log.fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            the_log.lost = 0;
    }
}

static void write_line(const char *ident, enum log_level level, const char *fmt, va_list ap)
{
    static const char *const words[] = { "", "", "warning: ", "error: ", "fatal: ", "panic: " };
    int saved = errno;
    char text[LOG_LINE_MAX];
    size_t at = (size_t)snprintf(text, sizeof text, "%s", words[level]);
    int n = vsnprintf(text + at, sizeof text - at, fmt, ap);
    size_t len = n < 0 ? at : MIN(at + (size_t)n, sizeof text - 1);
    sanitize(text, len);
    if (the_log.fd >= 0)
        to_socket(ident, level, text);
    else
        (void)fprintf(stderr, "%s: %.*s\n", ident, (int)len, text);
    errno = saved;
}

#define WRITE(ident, level) \
    do { \
        va_list ap; \
        va_start(ap, fmt); \
        write_line((ident), (level), fmt, ap); \
        va_end(ap); \
    } while (0)

void log_info(const char *fmt, ...) { WRITE(the_log.ident, LOG_INFO_LEVEL); }
void log_warning(const char *fmt, ...) { WRITE(the_log.ident, LOG_WARNING_LEVEL); }
void log_error(const char *fmt, ...) { WRITE(the_log.ident, LOG_ERROR_LEVEL); }
void log_as(const char *ident, enum log_level level, const char *fmt, ...) { WRITE(ident, level); }

void log_debug(const char *fmt, ...)
{
    if (the_log.verbose)
        WRITE(the_log.ident, LOG_DEBUG_LEVEL);
}

void log_fatal(const char *fmt, ...)
{
    WRITE(the_log.ident, LOG_FATAL_LEVEL);
    _exit(1);
}

void log_panic(const char *fmt, ...)
{
    WRITE(the_log.ident, LOG_PANIC_LEVEL);
    abort();
}
