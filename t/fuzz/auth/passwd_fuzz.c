/* SPDX-License-Identifier: ISC */
#include "auth/account.h"
#include "auth/passwd_file.h"
#include "auth/scheme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Lines of a passwd-file, its passwords against one that nobody has, its mail locations and address lists. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str rest = str_make(data, n), line;
    struct passwd_entry e;
    for (int i = 0; i < 16 && rest.n > 0; i++) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (!passwd_line_parse(line, &e))
            continue;
        ASSERT(e.user.n > 0 && e.user.n <= 255);
        struct scheme s = scheme_split(e.password);
        /* Slow ones take their time by design. */
        if (scheme_kind(&s) == SCHEME_CHEAP)
            (void)scheme_verify(&s, STR("a password"));
        (void)allow_nets_match(e.extra, STR("192.0.2.1"));
        struct buf b = buf_make(2048);
        struct auth_vars vars = { .user = e.user, .home = e.home };
        const char *why;
        if (account_expand(e.extra, &vars, &b, &why))
            ASSERT(!b.full);
        buf_done(&b);
    }
    return 0;
}
