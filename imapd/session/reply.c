/* SPDX-License-Identifier: ISC */
#include "session.h"
#include <errno.h>
#include <stdarg.h>

struct reply reply_ok(const char *text) { return (struct reply){ "OK", str_from(text), false }; }
struct reply reply_no(const char *text) { return (struct reply){ "NO", str_from(text), false }; }
struct reply reply_bad(const char *text) { return (struct reply){ "BAD", str_from(text), false }; }

struct reply reply_fmt(struct session *s, const char *word, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return (struct reply){ word, str_dup(&s->mem, str_from(text)), false };
}

struct reply reply_store(struct session *s, enum store_result r, const struct err *err)
{
    switch (r) {
    case STORE_OK: break;
    case STORE_NOT_FOUND: return reply_no("[NONEXISTENT] Mailbox doesn't exist");
    case STORE_EXISTS: return reply_no("[ALREADYEXISTS] Mailbox already exists");
    case STORE_BAD_NAME: return reply_no("[CANNOT] Invalid mailbox name");
    case STORE_LIMIT:
        if (err->sys == ENOSPC || err->sys == EDQUOT || err->sys == EFBIG)
            return reply_no("[OVERQUOTA] Not enough disk space.");
        return reply_fmt(s, "NO", "[LIMIT] %s", err->text[0] != '\0' ? err->text : "Limit reached");
    case STORE_READ_ONLY: return reply_no("[READ-ONLY] Mailbox is read-only");
    case STORE_FAILED: return reply_no("[UNAVAILABLE] Internal error occurred. Try again later.");
    }
    return reply_ok("Completed.");
}
