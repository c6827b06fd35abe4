/* SPDX-License-Identifier: ISC
 * smtp_reply_fuzz.c - lines of a server: text and status stay within their limits. */
#include "proto/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct smtp_reply r = { .code = 0 };
    struct str rest = str_make(data, n), line;
    smtp_reply_reset(&r);
    while (rest.n > 0) {
        (void)str_cut(rest, '\n', &line, &rest);
        enum smtp_reply_state s = smtp_reply_line(&r, line);
        ASSERT(r.text.n <= SMTP_REPLY_TEXT_MAX);
        ASSERT(s == SMTP_REPLY_BAD || (r.code >= 200 && r.code < 600 && smtp_reply_dsn_length(str_from(r.dsn)) == strlen(r.dsn)));
        if (s != SMTP_REPLY_MORE)
            smtp_reply_reset(&r);
    }
    smtp_reply_done(&r);
    return 0;
}
