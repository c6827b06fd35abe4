/* SPDX-License-Identifier: ISC
 *
 * check.c - user name and password to a verdict. The passdbs are asked in
 * order until one says yes; a no of one is final only when the last has been
 * asked. A user whom nobody knows costs a worker the same hash as one who
 * exists: what takes the time must not tell who is there.
 */
#include "authd.h"
#include "auth/scheme.h"

enum { MAIL_MAX = 1024, REFRESH_MS = 1000 };

static void try_next(struct check *c);

static void log_verdict(const struct check *c, const char *backend, const char *text)
{
    const char *open = c->session.n > 0 ? ",<" : "", *close = c->session.n > 0 ? ">" : "";
    log_as("dovecot", LOG_INFO_LEVEL, "auth: %s(%.*s,%.*s%s%.*s%s): %s", backend, STR_FMT(c->user), STR_FMT(c->remote), open,
           STR_FMT(c->session), close, text);
}

static const char *backend_name(const struct passdb *db) { return db->is_pam ? "pam" : "passwd-file"; }

static struct str expand(const struct check *c, struct str pattern, struct str home)
{
    struct buf b = buf_make(MAIL_MAX);
    bool needs_home = str_find(pattern, STR("~/")) >= 0 || str_find(pattern, STR("%h")) >= 0;
    bool ok = (!needs_home || home.n > 0) && account_expand(pattern, c->user, home, &b);
    struct str s = ok ? str_dup(c->arena, buf_str(&b)) : STR("");
    buf_done(&b);
    return s;
}

static void own_ids(struct account *a)
{
    if (!authd()->private_instance)
        return;
    a->has_ids = true;
    a->uid = (uint32_t)geteuid();
    a->gid = (uint32_t)getegid();
    a->groups = STR("");
}

static void account_from_entry(struct check *c, const struct passwd_entry *e)
{
    const struct authd_conf *conf = &authd()->conf;
    struct account a = { .user = c->user, .groups = STR(""), .home = e->home };
    a.has_ids = (e->has_uid || conf->mail_uid != 0) && (e->has_gid || conf->mail_gid != 0);
    a.uid = e->has_uid ? e->uid : conf->mail_uid;
    a.gid = e->has_gid ? e->gid : conf->mail_gid;
    if (a.home.n == 0)
        a.home = expand(c, str_from(conf->mail_home), STR(""));
    a.mail = expand(c, e->mail.n > 0 ? e->mail : str_from(conf->mail_location), a.home);
    own_ids(&a);
    c->account = account_dup(c->arena, &a);
}

static void account_from_verdict(struct check *c, const struct ipc_verdict *v)
{
    struct account a = { .user = c->user, .groups = v->groups, .has_ids = v->has_ids, .uid = v->uid, .gid = v->gid, .home = v->home };
    a.mail = expand(c, str_from(authd()->conf.mail_location), a.home);
    own_ids(&a);
    c->account = account_dup(c->arena, &a);
}

/*
 * A user whom one passdb does not know and the next lets in has not failed:
 * log readers that ban addresses must not see that line.
 */
static void finish(struct check *c, enum auth_verdict verdict)
{
    for (size_t i = 0; verdict != VERDICT_MATCH && i < c->at; i++)
        log_verdict(c, backend_name(&authd()->passdbs[i]), c->notes[i]);
    c->done(c, verdict);
}

/* This passdb did not let the user in. */
static void refused(struct check *c, enum auth_verdict verdict, const char *text)
{
    c->notes[c->at] = text;
    if (verdict == VERDICT_TEMPFAIL)
        log_warning("auth: %s: %s", backend_name(&authd()->passdbs[c->at]), text);
    if (c->worst == VERDICT_UNKNOWN || verdict == VERDICT_TEMPFAIL)
        c->worst = verdict;
    c->at++;
    try_next(c);
}

static const struct passwd_entry *current_entry(const struct check *c)
{
    const struct passdb *db = &authd()->passdbs[c->at];
    return db->is_pam ? NULL : passwd_file_find(db->file, c->user);
}

static void matched(struct check *c, const struct ipc_verdict *v, bool was_slow)
{
    const struct passwd_entry *e = current_entry(c);
    if (v != NULL && authd()->passdbs[c->at].is_pam)
        account_from_verdict(c, v);
    else if (e != NULL)
        account_from_entry(c, e);
    else {
        refused(c, VERDICT_TEMPFAIL, "the entry was removed during the check");
        return;
    }
    if (e != NULL && e->nologin) {
        /* Final: no other passdb may let this user in. */
        c->notes[c->at++] = "nologin is set";
        finish(c, VERDICT_DISABLED);
        return;
    }
    if (was_slow)
        auth_cache_put(authd()->cache, c->user, c->password, c->verifier, c->remote, &c->account, loop_now());
    finish(c, VERDICT_MATCH);
}

static const char *text_of(const struct ipc_verdict *v, struct arena *a)
{
    const char *text = v->text.n == 0 ? NULL : str_to_cstr(a, v->text);
    return text == NULL ? "Password mismatch" : text;
}

static void on_worker(struct pool_job *job, const struct ipc_verdict *v)
{
    struct check *c = job->arg;
    c->job = NULL;
    if (v == NULL || v->verdict < VERDICT_MATCH || v->verdict > VERDICT_TEMPFAIL)
        refused(c, VERDICT_TEMPFAIL, "no answer from the auth worker");
    else if (v->verdict == VERDICT_MATCH)
        matched(c, v, true);
    else
        refused(c, (enum auth_verdict)v->verdict, text_of(v, c->arena));
}

/* Whatever a worker says about a user who is not there. */
static void on_dummy(struct pool_job *job, const struct ipc_verdict *v)
{
    struct check *c = job->arg;
    (void)v;
    c->job = NULL;
    refused(c, VERDICT_UNKNOWN, "unknown user");
}

static void ask_worker(struct check *c, const char *backend, const struct scheme *s, void (*done)(struct pool_job *, const struct ipc_verdict *))
{
    struct pool_job *job = ARENA_NEW(c->arena, struct pool_job);
    job->ask = (struct ipc_verify){ .backend = str_from(backend), .user = c->user, .password = c->password, .remote = c->remote,
                                    .service = c->service, .scheme = STR(""), .verifier = STR("") };
    if (s != NULL) {
        job->ask.scheme = str_dup(c->arena, s->label);
        job->ask.verifier = str_dup(c->arena, s->data);
    }
    job->done = done;
    job->arg = c;
    c->job = job;
    if (!pool_submit(job)) {
        c->job = NULL;
        refused(c, VERDICT_TEMPFAIL, "too many checks are waiting for a worker");
    }
}

/* A password that was right a moment ago, for the same verifier. */
static bool is_cached(struct check *c)
{
    const struct account *a = auth_cache_get(authd()->cache, c->user, c->password, c->verifier, loop_now());
    if (a != NULL)
        c->account = account_dup(c->arena, a);
    return a != NULL;
}

static void check_entry(struct check *c, const struct passwd_entry *e)
{
    struct scheme s = scheme_split(e->password);
    c->verifier = str_dup(c->arena, e->password);
    if (!allow_nets_match(e->allow_nets, c->remote)) {
        refused(c, VERDICT_MISMATCH, "allow_nets check failed: IP not in allowed networks");
        return;
    }
    if (scheme_is_weak(&s) && !authd()->conf.allow_weak_schemes) {
        refused(c, VERDICT_MISMATCH, "a weak password scheme is refused (postern_auth_allow_weak_schemes = yes lets it in)");
        return;
    }
    s.user = c->user;
    switch (scheme_kind(&s)) {
    case SCHEME_CHEAP:
        switch (scheme_verify(&s, c->password)) {
        case SCHEME_MATCH: matched(c, NULL, false); return;
        case SCHEME_MISMATCH: refused(c, VERDICT_MISMATCH, "Password mismatch"); return;
        case SCHEME_BROKEN: refused(c, VERDICT_MISMATCH, "Invalid password in passdb: the stored text does not fit its scheme"); return;
        }
        UNREACHABLE();
    case SCHEME_CRYPT:
    case SCHEME_PBKDF2:
        if (s.data.n == 0)
            refused(c, VERDICT_MISMATCH, "Password mismatch");
        else if (is_cached(c))
            matched(c, NULL, false);
        else
            ask_worker(c, "hash", &s, on_worker);
        return;
    case SCHEME_UNKNOWN:
        refused(c, VERDICT_TEMPFAIL, "Unknown password scheme");
        return;
    }
    UNREACHABLE();
}

static void refresh(struct passdb *db)
{
    struct err err;
    size_t first, bad;
    switch (passwd_file_refresh(db->file, &err)) {
    case 0: db->complained = false; return;
    case 1:
        bad = passwd_file_bad_lines(db->file, &first);
        log_info("%s: read again, %zu users", db->path, passwd_file_count(db->file));
        if (bad > 0)
            log_warning("%s: %zu lines are not entries, the first is line %zu", db->path, bad, first);
        return;
    default:
        if (!db->complained)
            log_warning("%s: the users read before stay in force", err.text);
        db->complained = true;
    }
}

static void check_file(struct check *c, struct passdb *db)
{
    refresh(db);
    const struct passwd_entry *e = passwd_file_find(db->file, c->user);
    struct str sample = passwd_file_slow_sample(db->file);
    struct scheme s = scheme_split(sample);
    if (e != NULL)
        check_entry(c, e);
    else if (sample.n > 0)
        ask_worker(c, "hash", &s, on_dummy);
    else
        refused(c, VERDICT_UNKNOWN, "unknown user");
}

static void try_next(struct check *c)
{
    if (c->at == authd()->n_passdbs) {
        finish(c, c->worst);
        return;
    }
    struct passdb *db = &authd()->passdbs[c->at];
    if (!db->is_pam) {
        check_file(c, db);
        return;
    }
    c->verifier = STR("pam");
    if (is_cached(c))
        finish(c, VERDICT_MATCH);
    else
        ask_worker(c, "pam", NULL, on_worker);
}

void check_start(struct check *c)
{
    c->at = 0;
    c->worst = VERDICT_UNKNOWN;
    c->job = NULL;
    try_next(c);
}

void check_cancel(struct check *c)
{
    if (c->job != NULL)
        pool_cancel(c->job);
    c->job = NULL;
}
