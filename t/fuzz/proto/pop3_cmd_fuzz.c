/* SPDX-License-Identifier: ISC */
#include "proto/pop3_cmd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct seen { size_t total; bool at_start, dot; };

/* No line of what is sent is a single dot, before the end. */
static void check(void *arg, struct str piece)
{
    struct seen *s = arg;
    s->total += piece.n;
    for (size_t i = 0; i < piece.n; i++) {
        ASSERT(!(s->dot && s->at_start && piece.p[i] == '\r' && s->total == 0));
        s->at_start = piece.p[i] == '\n';
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str text = str_make(data, n), line, rest = text;
    struct pop3_cmd c;
    struct seen seen = { .at_start = true };
    while (rest.n > 0) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (pop3_cmd_parse(line, &c) == POP3_PARSE_OK)
            ASSERT(c.verb < POP3_VERBS && (!c.has_number || c.number > 0));
    }
    pop3_stuff(text, check, &seen);
    ASSERT(seen.total >= n + 3);
    ASSERT(n == 0 || pop3_top(text, data[0]) <= n);
    return 0;
}
