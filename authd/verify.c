/* SPDX-License-Identifier: ISC
 *
 * verify.c - the client's password against a stored one: cheap schemes at
 * once, slow ones from the cache or in a worker. A user whom nobody knows costs
 * the worker the same hash as one who exists: what takes the time must not tell
 * who is there.
 */
#include "auth/scheme.h"
#include "authd.h"
#include "base/enc.h"
#include "db.h"

static void settle(struct verify *v, enum auth_verdict verdict, const char *text)
{
    if (text != NULL)
        v->step->text = text;
    v->done(v, verdict);
}

void verify_keep_sample(struct db *db, struct str stored)
{
    if (str_eq(db->sample, stored))
        return;
    char *copy = xcalloc(1, stored.n + 1);
    memcpy(copy, stored.p, stored.n);
    if (db->sample.n > 0) {
        void *old;
        memcpy(&old, &db->sample.p, sizeof old);
        secret_wipe(old, db->sample.n);
        free(old);
    }
    db->sample = str_make(copy, stored.n);
}

bool verify_is_slow(const struct db *db)
{
    struct scheme scheme = scheme_split(db->sample);
    return db->sample.n > 0 && scheme_kind(&scheme) != SCHEME_CHEAP;
}

static void on_worker(struct pool_job *job, const struct ipc_verdict *answer)
{
    struct verify *v = job->arg;
    struct db_step *s = v->step;
    v->job = NULL;
    if (answer == NULL || answer->verdict < VERDICT_MATCH || answer->verdict > VERDICT_TEMPFAIL) {
        settle(v, VERDICT_TEMPFAIL, "no answer from the auth worker");
        return;
    }
    if (answer->verdict == VERDICT_MATCH) {
        struct account known = { .user = s->vars.user };
        auth_cache_put(authd()->cache, s->vars.user, s->vars.password, s->stored, &known, loop_now());
        settle(v, VERDICT_MATCH, NULL);
        return;
    }
    if (answer->text.n > 0)
        db_step_say(s, "%.*s", STR_FMT(answer->text));
    settle(v, (enum auth_verdict)answer->verdict, answer->text.n > 0 ? NULL : "Password mismatch");
}

/* Whatever a worker says about a user who is not there. */
static void on_dummy(struct pool_job *job, const struct ipc_verdict *answer)
{
    struct verify *v = job->arg;
    (void)answer;
    v->job = NULL;
    settle(v, VERDICT_UNKNOWN, NULL);
}

static void ask_worker(struct verify *v, const struct scheme *scheme, void (*done)(struct pool_job *, const struct ipc_verdict *))
{
    struct db_step *s = v->step;
    struct arena *a = s->query->arena;
    struct pool_job *job = ARENA_NEW(a, struct pool_job);
    job->ask = (struct ipc_verify){ .backend = STR("hash"), .user = s->vars.user, .password = s->vars.password, .remote = s->vars.remote,
                                    .service = s->vars.service, .scheme = str_dup(a, scheme->label), .verifier = str_dup(a, scheme->data) };
    job->done = done;
    job->arg = v;
    v->job = job;
    if (pool_submit(job))
        return;
    v->job = NULL;
    settle(v, VERDICT_TEMPFAIL, "too many checks are waiting for a worker");
}

static void verify_slow(struct verify *v, const struct scheme *scheme)
{
    struct db_step *s = v->step;
    verify_keep_sample(s->db, s->stored);
    if (scheme->data.n == 0)
        settle(v, VERDICT_MISMATCH, "Password mismatch");
    else if (auth_cache_get(authd()->cache, s->vars.user, s->vars.password, s->stored, loop_now()) != NULL)
        settle(v, VERDICT_MATCH, NULL);
    else
        ask_worker(v, scheme, on_worker);
}

void verify_start(struct verify *v)
{
    struct scheme scheme = scheme_split(v->step->stored);
    v->job = NULL;
    scheme.user = v->step->vars.user;
    if (scheme_is_weak(&scheme) && !authd()->conf.allow_weak_schemes) {
        settle(v, VERDICT_MISMATCH, "a weak password scheme is refused (postern_auth_allow_weak_schemes = yes lets it in)");
        return;
    }
    if (scheme.data.n > SCHEME_DATA_MAX) {
        settle(v, VERDICT_MISMATCH, "Invalid password in passdb: it is longer than 2048 bytes");
        return;
    }
    switch (scheme_kind(&scheme)) {
    case SCHEME_CHEAP:
        /* A slow sample is worth more: it hides more. */
        if (v->step->db->sample.n == 0)
            verify_keep_sample(v->step->db, v->step->stored);
        switch (scheme_verify(&scheme, v->step->vars.password)) {
        case SCHEME_MATCH: settle(v, VERDICT_MATCH, NULL); return;
        case SCHEME_MISMATCH: settle(v, VERDICT_MISMATCH, "Password mismatch"); return;
        case SCHEME_BROKEN: settle(v, VERDICT_MISMATCH, "Invalid password in passdb: the stored text does not fit its scheme"); return;
        }
        UNREACHABLE();
    case SCHEME_CRYPT:
    case SCHEME_PBKDF2:
        verify_slow(v, &scheme);
        return;
    case SCHEME_UNKNOWN:
        db_step_say(v->step, "Unknown password scheme %.*s: \"postern pw -l\" names those that there are", STR_FMT(str_head(scheme.name, 64)));
        settle(v, VERDICT_TEMPFAIL, NULL);
        return;
    }
    UNREACHABLE();
}

void verify_dummy(struct verify *v)
{
    struct scheme scheme = scheme_split(v->step->db->sample);
    v->job = NULL;
    if (v->step->db->sample.n == 0)
        settle(v, VERDICT_UNKNOWN, NULL);
    else if (scheme_kind(&scheme) == SCHEME_CHEAP) {
        (void)scheme_verify(&scheme, v->step->vars.password);
        settle(v, VERDICT_UNKNOWN, NULL);
    } else
        ask_worker(v, &scheme, on_dummy);
}

void verify_cancel(struct verify *v)
{
    if (v->job != NULL)
        pool_cancel(v->job);
    v->job = NULL;
}
