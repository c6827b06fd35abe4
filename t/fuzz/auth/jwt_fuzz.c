/* SPDX-License-Identifier: ISC
 *
 * A key file and, after an empty line, a token: no token holds that was not
 * made with the key, and none of these was.
 */
#include "auth/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a = arena_make(8 << 20);
    struct jwt_keys *keys = jwt_keys_new();
    struct token_policy policy = { .username_attribute = STR("sub"), .scope = STR("mail"), .client_id = STR("c"), .audiences = STR("a b") };
    struct err err = { 0 };
    struct str whole = str_make(data, n), file = whole, token = whole, user;
    ptrdiff_t at = str_find(whole, STR("\n\n"));
    struct json claims;
    const char *why = "";
    if (at >= 0) {
        file = str_head(whole, (size_t)at);
        token = str_skip(whole, (size_t)at + 2);
    }
    (void)jwt_keys_add(keys, "key.json", file, &err);
    if (jwt_verify(token, keys, (1u << JWT_ALGS) - 1, &a, &claims, &why))
        (void)token_claims_check(&policy, claims, 1000, &a, &user, &why);
    if (json_parse(token, &claims))
        (void)token_claims_check(&policy, claims, 1000, &a, &user, &why);
    ASSERT(why != NULL);
    jwt_keys_free(keys);
    arena_done(&a);
    return 0;
}
