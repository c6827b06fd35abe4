/* SPDX-License-Identifier: ISC */
#include "auth/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Nothing that was not made with the key is a token. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct token_keys keys = { .keys = { { .serial = 1, .bytes = "this is the key of the fuzzer.." } } };
    struct token_claim claim = { .user = STR("alice"), .service = STR("smtp"), .channel = 7, .remote = STR("192.0.2.1") };
    ASSERT(!token_verify(&keys, &claim, 0, str_make(data, n)));
    return 0;
}
