/* SPDX-License-Identifier: ISC */
#include "proto/auth_proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What parses must be the same after it was written and parsed again. */
static void command(struct str line, struct arena *a)
{
    struct auth_cmd c, again;
    const char *why;
    if (!auth_cmd_parse(line, a, &c, &why))
        return;
    struct buf out = buf_make(0);
    auth_cmd_put(&out, &c);
    struct str back = str_head(buf_str(&out), out.n - 1);
    /* Writing may escape what came unescaped; only then may it pass the limit. */
    if (back.n <= AUTH_LINE_MAX)
        ASSERT(auth_cmd_parse(back, a, &again, &why) && again.id == c.id && str_eq(again.resp, c.resp) && str_eq(again.mech, c.mech));
    ASSERT(str_chr(back, '\n') < 0);
    buf_done(&out);
}

static void answer(struct str line, struct arena *a)
{
    struct auth_answer r, again;
    const char *why;
    if (!auth_answer_parse(line, a, &r, &why))
        return;
    struct buf out = buf_make(0);
    auth_answer_put(&out, &r);
    struct str back = str_head(buf_str(&out), out.n - 1);
    if (back.n <= AUTH_LINE_MAX)
        ASSERT(auth_answer_parse(back, a, &again, &why) && again.id == r.id && str_eq(again.user, r.user));
    ASSERT(str_chr(back, '\n') < 0);
    buf_done(&out);
}

/* What a master or userdb socket takes. */
static void question(struct str line, struct arena *a)
{
    struct auth_ask q;
    const char *why;
    if (!auth_ask_parse(line, a, &q, &why))
        return;
    ASSERT(q.line.n > 0 && q.line.n <= AUTH_FIELDS_MAX);
    ASSERT(str_chr(q.cookie, '/') < 0);
    ASSERT((q.verb != AUTH_ASK_USER && q.verb != AUTH_ASK_PASS) || (q.user.n > 0 && q.about.service.n > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a = arena_make(1 << 20);
    struct str rest = str_make(data, n), line;
    for (int i = 0; i < 16 && rest.n > 0; i++) {
        (void)str_cut(rest, '\n', &line, &rest);
        command(line, &a);
        answer(line, &a);
        question(line, &a);
    }
    arena_done(&a);
    return 0;
}
