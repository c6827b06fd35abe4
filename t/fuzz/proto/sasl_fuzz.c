/* SPDX-License-Identifier: ISC */
#include "proto/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    struct arena a = arena_make(1 << 20);
    struct sasl_server s = { .mech = data[0] % SASL_MECHS };
    struct str rest = str_make(data + 1, n - 1), in, challenge;
    enum sasl_step step = data[0] & 0x80 ? sasl_server_step(&s, NULL, &a, &challenge) : SASL_CONTINUE;
    for (int i = 0; i < 4 && step == SASL_CONTINUE; i++) {
        (void)str_cut(rest, '\n', &in, &rest);
        step = sasl_server_step(&s, &in, &a, &challenge);
    }
    ASSERT(step != SASL_DONE || (s.user.n > 0 && s.password.n > 0 && str_chr(s.user, '\0') < 0 && str_chr(s.password, '\0') < 0));
    arena_done(&a);
    return 0;
}
