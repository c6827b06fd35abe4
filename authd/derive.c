/* SPDX-License-Identifier: ISC */
#include "derive.h"
#include "auth/scheme.h"
#include "base/enc.h"

bool derive_needed(const struct mech_run *run) { return run->row->digest != NULL && run->server_first.n > 0 && run->plaintext.n > 0; }

/* The scheme that keeps keys of the exchange's mechanism. */
static const char *scheme_of_run(const struct mech_run *run) { return strcmp(run->row->digest, "SHA1") == 0 ? "SCRAM-SHA-1" : "SCRAM-SHA-256"; }

/* The slice points into the arena of the exchange: writing there is ours to do. */
static void wipe(struct str *s)
{
    void *p;
    memcpy(&p, &s->p, sizeof p);
    if (s->n > 0)
        secret_wipe(p, s->n);
    *s = STR("");
}

static bool take_keys(struct mech_run *run, struct str stored)
{
    struct scheme s = scheme_split(stored);
    struct scheme_scram k;
    bool ok = scheme_scram_keys(&s, scheme_of_run(run), run->salt, run->iterations, run->arena, &k);
    if (ok) {
        memcpy(run->stored_key, k.stored_key, k.size);
        memcpy(run->server_key, k.server_key, k.size);
    }
    secret_wipe(&k, sizeof k);
    return ok;
}

static void on_keys(struct pool_job *job, const struct ipc_verdict *answer)
{
    struct derive *d = job->arg;
    d->in_work = false;
    wipe(&d->run->plaintext);
    /* Keys that could not be made are those of nobody. */
    if (answer != NULL && (answer->verdict != VERDICT_MATCH || !take_keys(d->run, answer->text)))
        d->run->is_fake = true;
    d->done(d, answer != NULL);
}

void derive_start(struct derive *d, struct mech_run *run, struct str remote, void (*done)(struct derive *d, bool answered))
{
    struct str password = saslprep(run->plaintext, run->arena);
    bool copied = password.p != run->plaintext.p;
    d->run = run;
    d->done = done;
    d->job = (struct pool_job){ .done = on_keys, .arg = d };
    d->job.ask = (struct ipc_verify){ .backend = STR("scram"), .user = STR(""), .password = password, .remote = remote, .service = STR(""),
                                      .scheme = str_from(scheme_of_run(run)), .verifier = run->salt, .rounds = run->iterations };
    if (copied)
        wipe(&run->plaintext);
    run->plaintext = password;
    d->in_work = true;
    if (password.n <= SCHEME_PASSWORD_MAX && pool_submit(&d->job))
        return;
    d->in_work = false;
    wipe(&run->plaintext);
    run->is_fake = true;
    done(d, password.n > SCHEME_PASSWORD_MAX);
}

void derive_cancel(struct derive *d)
{
    if (d->in_work)
        pool_cancel(&d->job);
    d->in_work = false;
}
