/* SPDX-License-Identifier: ISC */
#include "hash.h"
#include "auth/scheme.h"
#include "base/enc.h"

enum { TEXT_MAX = 400 };

static struct str broken_text(const struct ipc_verify *ask, const char *why, struct arena *arena)
{
    const char *more = why == NULL ? "the stored text does not fit its scheme" : why;
    return str_head(str_printf(arena, "Invalid password in passdb: %.*s: %s", STR_FMT(ask->scheme), more), TEXT_MAX);
}

void hash_verify(const struct ipc_verify *ask, struct arena *arena, struct ipc_verdict *ret)
{
    struct scheme s = scheme_of(ask->scheme, ask->verifier);
    const char *why = NULL;
    s.user = ask->user;
    switch (scheme_verify_slow(&s, ask->password, &why)) {
    case SCHEME_MATCH:
        ret->verdict = VERDICT_MATCH;
        return;
    case SCHEME_MISMATCH:
        ret->verdict = VERDICT_MISMATCH;
        ret->text = STR("Password mismatch");
        return;
    case SCHEME_BROKEN:
        ret->verdict = VERDICT_MISMATCH;
        ret->text = broken_text(ask, why, arena);
        return;
    }
    UNREACHABLE();
}

void hash_make(const struct ipc_verify *ask, struct arena *arena, struct ipc_verdict *ret)
{
    struct buf made = buf_make(TEXT_MAX);
    struct err err = { 0 };
    bool ok = scheme_make(ask->scheme, ask->password, ask->user, ask->rounds, &made, &err) == 0 && !made.full;
    ret->verdict = ok ? VERDICT_MATCH : VERDICT_TEMPFAIL;
    ret->text = ok ? str_dup(arena, buf_str(&made)) : str_dup(arena, str_from(err.text));
    secret_wipe(made.p, made.n);
    buf_done(&made);
}

void hash_scram(const struct ipc_verify *ask, struct arena *arena, struct ipc_verdict *ret)
{
    struct scheme clear = scheme_of(STR("PLAIN"), ask->password);
    const char *mech = str_eqz(ask->scheme, "SCRAM-SHA-1") ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
    struct scheme_scram k;
    struct buf made = buf_make(TEXT_MAX);
    ret->text = STR("no keys can be made of this password");
    if (scheme_scram_keys(&clear, mech, ask->verifier, ask->rounds, arena, &k)) {
        buf_printf(&made, "{%s}%u,", mech, k.iterations);
        enc_base64(&made, k.salt);
        buf_putc(&made, ',');
        enc_base64(&made, str_make(k.stored_key, k.size));
        buf_putc(&made, ',');
        enc_base64(&made, str_make(k.server_key, k.size));
        secret_wipe(&k, sizeof k);
    }
    bool ok = made.n > 0 && !made.full;
    ret->verdict = ok ? VERDICT_MATCH : VERDICT_MISMATCH;
    if (ok)
        ret->text = str_dup(arena, buf_str(&made));
    secret_wipe(made.p, made.n);
    buf_done(&made);
}
