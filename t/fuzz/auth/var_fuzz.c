/* SPDX-License-Identifier: ISC */
#include "auth/var.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void mark(struct buf *out, unsigned n) { buf_printf(out, "?%u", n); }

/* A pattern of either generation, expanded, checked and cut into a query; what var_check() refuses must not expand. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena arena = arena_make(4 << 20);
    struct fields f = fields_make(&arena);
    (void)fields_parse_words(&f, STR("uid=1000 home=/home/u quota=1G"));
    struct auth_vars vars = { .user = STR("User@Example.Org"), .service = STR("imap"), .remote = STR("192.0.2.1"), .home = STR("/home/u"), .password = STR("secret"),
                              .passdb = &f, .userdb = &f, .row = &f };
    struct str params[VAR_PARAMS_MAX], pattern = str_make(data, n > 2000 ? 2000 : n);
    struct buf out = buf_make(0), query = buf_make(1 << 20);
    const char *why = NULL;
    size_t count = 0;
    if (var_expand(pattern, &vars, NULL, NULL, &out, &why))
        ASSERT(out.n <= VAR_RESULT_MAX);
    else
        ASSERT(why != NULL && out.n == 0);
    (void)var_check(pattern, &why);
    (void)var_uses_password(pattern);
    if (var_query(pattern, &vars, &arena, mark, &query, params, &count, &why))
        ASSERT(count <= VAR_PARAMS_MAX);
    buf_done(&out);
    buf_done(&query);
    arena_done(&arena);
    return 0;
}
