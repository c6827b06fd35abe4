/* SPDX-License-Identifier: ISC */
#include "auth/scheme.h"
#include "base/enc.h"
#include "worker.h"
#include <crypt.h>

static enum scheme_verdict verify_crypt(struct str password, struct str verifier, struct arena *arena)
{
    static struct crypt_data data;
    char *pw = str_to_cstr(arena, password), *setting = str_to_cstr(arena, verifier);
    if (pw == NULL || setting == NULL || setting[0] == '\0' || setting[0] == '*')
        return SCHEME_BROKEN;
    const char *got = crypt_r(pw, setting, &data);
    /* Since a failure may be told by a string that starts with '*', that is never a match. */
    enum scheme_verdict v = got == NULL || got[0] == '*' ? SCHEME_BROKEN
                          : secret_eq(str_from(got), verifier) ? SCHEME_MATCH : SCHEME_MISMATCH;
    secret_wipe(pw, password.n);
    secret_wipe(&data, sizeof data);
    return v;
}

void verify_hash(const struct ipc_verify *ask, struct arena *arena, struct ipc_verdict *ret)
{
    static const struct { enum auth_verdict verdict; const char *text; } rows[] = {
        [SCHEME_MATCH] = { VERDICT_MATCH, "" },
        [SCHEME_MISMATCH] = { VERDICT_MISMATCH, "Password mismatch" },
        [SCHEME_BROKEN] = { VERDICT_MISMATCH, "Invalid password in passdb: the stored text does not fit its scheme" },
    };
    struct scheme s = { .name = ask->scheme, .data = ask->verifier };
    enum scheme_verdict v = scheme_kind(&s) == SCHEME_CRYPT ? verify_crypt(ask->password, ask->verifier, arena) : scheme_verify(&s, ask->password);
    ret->verdict = rows[v].verdict;
    ret->text = str_from(rows[v].text);
}
