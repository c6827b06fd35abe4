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

/* What the log role wants in front of a line: the level's number, the program, and the word that people read. */
static const char *const level_words[] = { "", "", "warning: ", "error: ", "fatal: " };
enum { HEAD_MAX = 256 };

static size_t put_head(char *out, size_t cap, const char *ident, enum log_level level)
{
    return (size_t)snprintf(out, cap, "%d%.200s[%ld]: %s", (int)level, ident, (long)getpid(), level_words[level]);
}

static void to_socket(const char *ident, struct str line)
{
    char lost[HEAD_MAX + 64];
    if (send(the_log.fd, line.p, line.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        the_log.lost++;
        return;
    }
    if (the_log.lost > 0) {
        size_t n = put_head(lost, HEAD_MAX, ident, LOG_WARNING_LEVEL);
        n += (size_t)snprintf(lost + n, sizeof lost - n, "%lu log lines were lost", the_log.lost);
        if (send(the_log.fd, lost, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            the_log.lost = 0;
    }
}

static void write_line(const char *ident, enum log_level level, const char *fmt, va_list ap)
{
    int saved = errno;
    char line[HEAD_MAX + LOG_LINE_MAX];
    size_t word = strlen(level_words[level]), head = put_head(line, HEAD_MAX, ident, level);
    char *text = line + head - word;
    int n = vsnprintf(line + head, LOG_LINE_MAX - word, fmt, ap);
    size_t len = n < 0 ? word : MIN(word + (size_t)n, (size_t)LOG_LINE_MAX - 1);
    sanitize(text, len);
    if (the_log.fd >= 0)
        to_socket(ident, str_make(line, (size_t)(text - line) + len));
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
