/* SPDX-License-Identifier: ISC */
#include "auth/scheme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Work that takes its time by design is no finding: those schemes are only taken apart. */
static bool is_quick(const struct scheme *s)
{
    switch (scheme_kind(s)) {
    case SCHEME_UNKNOWN:
    case SCHEME_CHEAP: return true;
    case SCHEME_CRYPT: return str_starts(s->data, STR("$1$")) && s->data.n < 64;
    case SCHEME_PBKDF2: return s->data.n < 8;
    }
    UNREACHABLE();
}

/* A stored password, LF, a password. Nothing but the right one matches, keys come only from what holds them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena arena = arena_make(1 << 20);
    struct str stored, password, clear;
    struct scheme_scram k;
    uint8_t digest[CRAM_DIGEST_SIZE];
    (void)str_cut(str_make(data, n), '\n', &stored, &password);
    struct scheme s = scheme_split(stored);
    s.user = STR("joe@example.org");
    ASSERT(s.data.n <= stored.n && s.name.n <= s.label.n + 5);
    bool plain = stored.n <= SCHEME_DATA_MAX && scheme_clear_text(&s, &arena, &clear);
    if (is_quick(&s) && stored.n <= SCHEME_DATA_MAX) {
        enum scheme_verdict v = scheme_verify(&s, password);
        ASSERT(!plain || (v == SCHEME_MATCH) == str_eq(clear, password));
        ASSERT(scheme_kind(&s) != SCHEME_CHEAP || scheme_verify_slow(&s, password, NULL) == v);
        (void)scheme_verify_slow(&s, password, NULL);
    }
    if (!plain && scheme_scram_keys(&s, "SCRAM-SHA-256", STR("salt"), 1, &arena, &k))
        ASSERT(k.size == 32 && k.salt.n > 0 && k.iterations > 0);
    if (!plain && scheme_scram_keys(&s, "SCRAM-SHA-1", STR("salt"), 1, &arena, &k))
        ASSERT(k.size == 20 && k.salt.n > 0 && k.iterations > 0);
    (void)scheme_cram_digest(&s, STR("<1@x>"), digest);
    arena_done(&arena);
    return 0;
}
