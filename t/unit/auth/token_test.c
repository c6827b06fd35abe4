/* SPDX-License-Identifier: ISC */
#include "auth/token.h"
#include "tap.h"

static const struct token_claim alice = { { "alice", 5 }, { "smtp", 4 }, 42, { "192.0.2.7", 9 } };
static const struct { const char *name; struct token_claim claim; } others[] = {
    { "another user", { { "alicf", 5 }, { "smtp", 4 }, 42, { "192.0.2.7", 9 } } },
    { "another service", { { "alice", 5 }, { "imap", 4 }, 42, { "192.0.2.7", 9 } } },
    { "another process", { { "alice", 5 }, { "smtp", 4 }, 43, { "192.0.2.7", 9 } } },
    { "another address", { { "alice", 5 }, { "smtp", 4 }, 42, { "192.0.2.8", 9 } } },
    { "a byte moved from one field to the next", { { "alices", 6 }, { "mtp", 3 }, 42, { "192.0.2.7", 9 } } },
    { "no user", { { "", 0 }, { "smtp", 4 }, 42, { "192.0.2.7", 9 } } },
};

static struct token_keys keys;

static void test_claims(struct str text)
{
    OK(token_verify(&keys, &alice, 999, text), "a token holds for its claim");
    OK(!token_verify(&keys, &alice, 1000, text), "a token does not hold when it has expired");
    for (size_t i = 0; i < N_ELEMS(others); i++)
        OK(!token_verify(&keys, &others[i].claim, 999, text), others[i].name);
}

/* Every cut, and every byte changed, is refused. */
static void test_forged(struct str text)
{
    bool refused = true;
    for (size_t cut = 0; cut < text.n; cut++)
        refused &= !token_verify(&keys, &alice, 999, str_head(text, cut));
    OK(refused, "every truncated token is refused");
    for (size_t i = 0; i < text.n; i++) {
        char copy[TOKEN_TEXT_MAX];
        memcpy(copy, text.p, text.n);
        copy[i] ^= 1;
        refused &= !token_verify(&keys, &alice, 999, str_make(copy, text.n));
    }
    OK(refused, "every token with a changed bit is refused");
    OK(!token_verify(&keys, &alice, 1, STR("0:1000:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")), "serial 0 is no key");
    OK(!token_verify(&keys, &alice, 1, STR("::")) && !token_verify(&keys, &alice, 1, STR("")), "empty parts are refused");
}

static void test_rotation(struct str text)
{
    struct token_key next;
    OK(!token_keys_add(&keys, 9, STR("short")), "a key of another size is not taken");
    OK(!token_keys_add(&keys, 1, str_make(keys.keys[0].bytes, TOKEN_KEY_SIZE)), "a serial that is known is not taken");
    for (uint32_t serial = 2; serial <= TOKEN_KEYS_KEPT; serial++)
        (void)(token_key_make(serial, &next) && token_keys_add(&keys, serial, str_make(next.bytes, TOKEN_KEY_SIZE)));
    OK(token_verify(&keys, &alice, 999, text), "a token holds while its key is kept");
    (void)(token_key_make(TOKEN_KEYS_KEPT + 1, &next) && token_keys_add(&keys, TOKEN_KEYS_KEPT + 1, str_make(next.bytes, TOKEN_KEY_SIZE)));
    OK(!token_verify(&keys, &alice, 999, text), "a token does not hold when its key is forgotten");
}

int main(void)
{
    struct token_key key;
    struct buf b = buf_make(0);
    OK(token_key_make(1, &key) && token_keys_add(&keys, 1, str_make(key.bytes, TOKEN_KEY_SIZE)), "a key can be made");
    token_make(&key, &alice, 1000, &b);
    OK(b.n <= TOKEN_TEXT_MAX, "a token is not longer than promised");
    test_claims(buf_str(&b));
    test_forged(buf_str(&b));
    test_rotation(buf_str(&b));
    buf_done(&b);
    return tap_done();
}
