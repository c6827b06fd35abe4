/* SPDX-License-Identifier: ISC
 *
 * chain.c - the databases in order, and what a result means for the next.
 *
 *   master passdbs (of a master login) --> passdbs --> userdbs --> account
 *
 * Each passdb's result goes by its rule: return what was found, or go on with
 * the state "success" or "failure" set, or as it was. A disabled user, an
 * expired password and a hit in a deny passdb are final whatever the rules say.
 * What a database said of a user is kept only when it let the user in.
 */
#include "base/enc.h"
#include "chain.h"
#include "rehash.h"

static void next_passdb(struct db_query *q, enum auth_verdict last);

static const char unknown_user[] = "unknown user";

/* ---- one step ---- */

static bool in_list(struct str list, struct str word)
{
    bool negated_only = true;
    struct str w;
    while (str_token(&list, ", \t", &w)) {
        bool negated = w.p[0] == '!';
        if (str_ieq(negated ? str_skip(w, 1) : w, word))
            return !negated;
        negated_only &= negated;
    }
    return negated_only;
}

bool chain_is_filtered(const struct db_query *q, const struct db *db)
{
    const struct db_entry *e = db->conf;
    struct str mech = q->vars.mech.n > 0 ? q->vars.mech : STR("none");
    return !in_list(e->services, q->vars.service) || !in_list(e->mechanisms, mech) || !db_mask_fits(e->username_filter, q->vars.user);
}

bool chain_is_skipped(enum db_skip skip, bool so_far)
{
    return (skip == DB_SKIP_AUTHENTICATED && so_far) || (skip == DB_SKIP_UNAUTHENTICATED && !so_far);
}

static bool is_inside(const struct db_step *s)
{
    const struct field *nets = fields_find(&s->found, "allow_nets"), *real = fields_find(&s->found, "allow_real_nets");
    return (nets == NULL || allow_nets_match(nets->value, s->vars.remote)) && (real == NULL || allow_nets_match(real->value, s->vars.real_remote));
}

/* The name as this entry's username_format wants it. One that gets too long by it is nobody's. */
static enum auth_verdict format_name(struct db_step *s)
{
    struct str format = s->db->conf->username_format;
    struct buf out = buf_make(VAR_RESULT_MAX);
    const char *why = NULL;
    if (format.n == 0)
        return VERDICT_MATCH;
    bool ok = var_expand(format, &s->query->vars, NULL, NULL, &out, &why), fits = out.n > 0 && out.n <= DB_NAME_MAX;
    if (ok && fits)
        s->vars.user = str_dup(s->query->arena, buf_str(&out));
    else if (ok)
        s->text = unknown_user;
    else
        db_step_say(s, "username_format: %s", why);
    buf_done(&out);
    return !ok ? VERDICT_TEMPFAIL : fits ? VERDICT_MATCH : VERDICT_UNKNOWN;
}

void chain_start_step(struct db_query *q, struct db *db, void (*done)(struct db_step *, enum auth_verdict))
{
    struct db_step *s = ARENA_NEW(q->arena, struct db_step);
    *s = (struct db_step){ .db = db, .query = q, .vars = q->vars, .found = fields_make(q->arena), .stored = STR(""), .verified = q->chain->verified, .done = done };
    q->chain->step = s;
    enum auth_verdict verdict = format_name(s);
    if (verdict != VERDICT_MATCH || !db_set_templates(s, &db->conf->defaults)) {
        done(s, verdict != VERDICT_MATCH ? verdict : VERDICT_TEMPFAIL);
        return;
    }
    s->is_outside = !is_inside(s);
    db->driver->step(s);
}

static void wipe(struct str s)
{
    void *p;
    memcpy(&p, &s.p, sizeof p);
    if (s.n > 0)
        secret_wipe(p, s.n);
}

/*
 * The login process and the mail server write a line for each wrong password:
 * one failure, one line that log readers count, unless more is asked for. That
 * a user is disabled, or a token too old, is said here only.
 */
static bool is_said_elsewhere(const char *text)
{
    struct str s = str_from(text);
    return !authd()->conf.verbose && (text == unknown_user || str_starts(s, STR("Password mismatch")) || str_starts(s, STR("pam_authenticate() failed")));
}

void chain_note(struct db_query *q, struct db_step *s, enum auth_verdict verdict)
{
    static const char *const texts[] = { [VERDICT_MISMATCH] = "Password mismatch", [VERDICT_UNKNOWN] = unknown_user,
                                         [VERDICT_DISABLED] = "user is disabled", [VERDICT_EXPIRED] = "password has expired",
                                         [VERDICT_TEMPFAIL] = "the database did not answer" };
    if (s->text == NULL)
        s->text = texts[verdict];
    if (s->text[0] == '\0' || (verdict != VERDICT_TEMPFAIL && is_said_elsewhere(s->text)))
        return;
    if (verdict == VERDICT_TEMPFAIL)
        db_log_level(s, LOG_WARNING_LEVEL, s->text);
    else if (q->chain->n_notes < NOTES_MAX)
        q->chain->notes[q->chain->n_notes++] = s;
}

/*
 * A user whom one passdb does not know and the next lets in has not failed:
 * log readers that ban addresses must not see that line. Nor has one whom a
 * database does not know while the one that knows him does not answer.
 */
static void tell_notes(const struct chain_state *c, enum auth_verdict verdict)
{
    for (size_t i = 0; verdict != VERDICT_MATCH && i < c->n_notes; i++)
        if (verdict != VERDICT_TEMPFAIL || c->notes[i]->text != unknown_user)
            db_log(c->notes[i], c->notes[i]->text);
}

void chain_finish(struct db_query *q, enum auth_verdict verdict)
{
    struct chain_state *c = q->chain;
    c->step = NULL;
    /* The line of a user who is there comes with his wrong proof: one that came earlier for the others could be seen in the time. */
    if (q->kind == DB_SECRET && verdict != VERDICT_TEMPFAIL)
        c->untold = verdict;
    else
        tell_notes(c, verdict);
    struct rehash *rehash = c->rehash;
    c->rehash = NULL;
    q->done(q, verdict);
    /* After the answer, which waits for nothing of it. */
    if (verdict != VERDICT_MATCH)
        rehash_drop(rehash);
    else if (rehash != NULL)
        rehash_start(rehash);
}

void db_tell(struct db_query *q)
{
    struct chain_state *c = q->chain;
    if (c == NULL)
        return;
    tell_notes(c, c->untold);
    c->untold = VERDICT_MATCH;
}

/* ---- passdbs ---- */

/* True for a master login whose master passdb said yes: from here on it is about the user. */
static bool become_user(struct db_query *q)
{
    if (!q->chain->as_master)
        return false;
    q->vars.master_user = q->vars.user;
    q->vars.user = q->vars.login_user;
    q->vars.login_user = STR("");
    q->chain->as_master = false;
    return true;
}

static void passdbs_over(struct db_query *q, enum auth_verdict verdict)
{
    struct chain_state *c = q->chain;
    /* A right password alone is no success: a rule must have said so. One that says "continue" or "return" does not. */
    if (c->success)
        verdict = VERDICT_MATCH;
    else if (c->saw_internal)
        verdict = VERDICT_TEMPFAIL;
    else if (verdict == VERDICT_MATCH)
        verdict = VERDICT_MISMATCH;
    if (verdict != VERDICT_MATCH || !q->want_account) {
        chain_finish(q, verdict);
        return;
    }
    c->in_userdbs = true;
    c->at = 0;
    chain_ask_userdbs(q, VERDICT_UNKNOWN);
}

/* What was found is kept: "userdb_home" as the userdbs' home. */
static bool keep_found(struct db_query *q, struct db_step *s)
{
    static const char *const private[] = { "nopassword", "noauthenticate", "password", "nodelay", "allow_nets", "allow_real_nets",
                                           "check_client_fp", "check_client_cert_fp", "check_client_pubkey_fp" };
    chain_take_names(q, s);
    for (size_t i = 0; i < N_ELEMS(private); i++)
        fields_remove(&s->found, private[i]);
    bool ok = fields_import(&q->userdb, &s->found, STR("userdb_"));
    for (size_t i = 0; ok && i < s->found.n; i++) {
        const struct field *f = &s->found.rows[i];
        if (!str_starts(f->name, STR("userdb_")))
            ok = fields_set(&q->passdb, f->name, f->value);
    }
    return ok && !s->found.full;
}

/* Dovecot 2.4: who must show a certificate, and which. Who shows none shows another one. */
static bool has_certificate(const struct db_query *q, const struct db_step *s)
{
    const struct { const char *name; bool cert, key; } rows[] = { { "check_client_fp", true, true }, { "check_client_cert_fp", true, false },
                                                                  { "check_client_pubkey_fp", false, true } };
    bool ok = true;
    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        const struct field *f = fields_find(&s->found, rows[i].name);
        bool is_cert = f != NULL && f->value.n > 0 && rows[i].cert && str_ieq(f->value, q->cert_fp);
        bool is_key = f != NULL && f->value.n > 0 && rows[i].key && str_ieq(f->value, q->cert_pubkey_fp);
        ok = ok && (f == NULL || is_cert || is_key);
    }
    return ok;
}

/* Fields that say no although the password is right. */
static enum auth_verdict conditions(struct db_query *q, struct db_step *s)
{
    struct str reason = fields_get(&s->found, "reason");
    if (s->is_outside || !is_inside(s)) {
        s->text = "allow_nets check failed: IP not in allowed networks";
        return VERDICT_MISMATCH;
    }
    if (fields_is_true(&s->found, "fail")) {
        s->text = "the database says fail";
        return VERDICT_MISMATCH;
    }
    if (!has_certificate(q, s)) {
        s->text = "the client's certificate is not the one that the database names";
        return VERDICT_MISMATCH;
    }
    bool expired = fields_is_true(&s->found, "pass_expired");
    if (!expired && !fields_is_true(&s->found, "user_disabled") && !fields_is_true(&s->found, "nologin"))
        return VERDICT_MATCH;
    /* For PASS, which asks what a login process would be told. */
    if (fields_is_true(&s->found, "nologin") && fields_set(&q->passdb, STR("nologin"), STR("yes")))
        q->passdb.rows[q->passdb.n - 1].is_bare = true;
    if (reason.n > 0)
        (void)fields_set(&q->passdb, STR("reason"), reason);
    s->text = expired ? "pass_expired is set" : fields_is_true(&s->found, "nologin") ? "nologin is set" : "user_disabled is set";
    return expired ? VERDICT_EXPIRED : VERDICT_DISABLED;
}

static enum db_rule rule_of(const struct db_entry *e, enum auth_verdict verdict)
{
    if (verdict == VERDICT_MATCH)
        return e->pass && e->on_success == DB_RETURN_OK ? DB_CONTINUE : e->on_success;
    return verdict == VERDICT_TEMPFAIL ? e->on_internalfail : e->on_failure;
}

static void apply_rule(struct db_query *q, struct db_step *s, enum auth_verdict verdict)
{
    struct chain_state *c = q->chain;
    enum db_rule rule = rule_of(s->db->conf, verdict);
    bool goes_on = rule == DB_CONTINUE || rule == DB_CONTINUE_OK || rule == DB_CONTINUE_FAIL;
    if (rule == DB_RETURN_OK || rule == DB_CONTINUE_OK) {
        c->success = true;
        c->failed = false;
    } else if (rule == DB_RETURN_FAIL || rule == DB_CONTINUE_FAIL) {
        c->success = false;
        c->failed = true;
    }
    q->db_said_no = c->failed;
    c->verified |= (rule == DB_CONTINUE && verdict == VERDICT_MATCH) || rule == DB_CONTINUE_OK;
    c->saw_internal |= verdict == VERDICT_TEMPFAIL;
    c->at = verdict == VERDICT_MATCH && become_user(q) ? 0 : c->at + 1;
    if (goes_on)
        next_passdb(q, verdict);
    else
        passdbs_over(q, verdict);
}

static void settle(struct db_query *q, struct db_step *s, enum auth_verdict verdict)
{
    bool asked_next = false;
    s->is_outside |= !is_inside(s);
    if (verdict == VERDICT_MATCH && !db_set_templates(s, &s->db->conf->overrides))
        verdict = VERDICT_TEMPFAIL;
    q->nodelay |= fields_is_true(&s->found, "nodelay");
    if (verdict == VERDICT_MATCH)
        verdict = conditions(q, s);
    if (verdict == VERDICT_MATCH) {
        asked_next = fields_has(&s->found, "noauthenticate");
        if (!keep_found(q, s)) {
            s->text = "the database said more than there is room for";
            verdict = VERDICT_TEMPFAIL;
        }
    }
    bool keeps = verdict == VERDICT_MATCH || verdict == VERDICT_DISABLED || verdict == VERDICT_EXPIRED;
    /* The first that lets the user in has the password that counts: of a master, and not of whom he becomes. */
    if (q->kind == DB_SECRET && keeps && s->has_stored && !q->chain->verified)
        q->stored = s->stored;
    else
        wipe(s->stored);
    if (verdict != VERDICT_MATCH)
        chain_note(q, s, verdict);
    else if (!asked_next) {
        q->chain->let_in_by = s->db->index;
        q->chain->answered = s->db;
    }
    if (verdict == VERDICT_DISABLED || verdict == VERDICT_EXPIRED)
        chain_finish(q, verdict);
    else if (asked_next) {
        q->chain->at++;
        next_passdb(q, VERDICT_TEMPFAIL);
    } else
        apply_rule(q, s, verdict);
}

static void on_verified(struct verify *v, enum auth_verdict verdict)
{
    struct chain_state *c = v->step->query->chain;
    c->verifying = false;
    if (verdict == VERDICT_MATCH) {
        rehash_drop(c->rehash);
        c->rehash = rehash_prepare(v->step);
    }
    settle(v->step->query, v->step, verdict);
}

static void check_password(struct db_step *s, bool exists)
{
    struct verify *v = &s->query->chain->verify;
    *v = (struct verify){ .step = s, .done = on_verified };
    s->query->chain->verifying = true;
    if (exists)
        verify_start(v);
    else
        verify_dummy(v);
}

/* A stored password without its scheme has that of the entry. */
static void complete_stored(struct db_step *s)
{
    struct str scheme = s->db->conf->default_scheme;
    s->raw = s->stored;
    if (s->has_stored && s->stored.n > 0 && s->stored.p[0] != '{' && scheme.n > 0)
        s->stored = str_printf(s->query->arena, "{%.*s}%.*s", STR_FMT(scheme), STR_FMT(s->stored));
}

/* The user is there; is the password, too? */
static void on_present(struct db_query *q, struct db_step *s)
{
    bool any_password = fields_is_true(&s->found, "nopassword") && s->stored.n == 0;
    complete_stored(s);
    if (q->kind == DB_SECRET && !s->has_stored && !q->chain->verified) {
        s->text = "this database holds no passwords";
        settle(q, s, VERDICT_UNKNOWN);
    } else if (q->kind != DB_VERIFY || q->chain->verified || s->db->driver->verifies || any_password || fields_has(&s->found, "noauthenticate")) {
        settle(q, s, VERDICT_MATCH);
    } else if (s->stored.n == 0) {
        s->text = "Empty password returned without nopassword field";
        settle(q, s, VERDICT_MISMATCH);
    } else {
        check_password(s, true);
    }
}

static void on_passdb(struct db_step *s, enum auth_verdict verdict)
{
    struct db_query *q = s->query;
    q->chain->step = NULL;
    if (s->db->conf->deny && verdict != VERDICT_UNKNOWN) {
        if (verdict != VERDICT_TEMPFAIL)
            s->text = "User found from deny passdb";
        chain_note(q, s, verdict == VERDICT_TEMPFAIL ? VERDICT_TEMPFAIL : VERDICT_DISABLED);
        q->db_said_no = true;
        chain_finish(q, verdict == VERDICT_TEMPFAIL ? VERDICT_TEMPFAIL : VERDICT_DISABLED);
    } else if (verdict == VERDICT_MATCH) {
        on_present(q, s);
    } else if (verdict == VERDICT_UNKNOWN && q->kind == DB_VERIFY && !q->chain->verified && !s->db->conf->deny) {
        check_password(s, false);
    } else {
        settle(q, s, verdict);
    }
}

/* No passdb was meant for this request: the configuration's fault, but that there are no master users is an answer. */
static enum auth_verdict nobody_asked(const struct db_query *q)
{
    const struct db_set *all = db_passdbs();
    bool has_masters = false;
    for (size_t i = 0; i < all->n; i++)
        has_masters |= all->rows[i].conf->master;
    if (q->chain->as_master && !has_masters) {
        log_as("dovecot", LOG_INFO_LEVEL, "auth: login(%.*s,%.*s): Attempted master login with no master passdbs (trying to log in as user: %.*s)",
               STR_FMT(q->vars.user), STR_FMT(q->vars.remote), STR_FMT(q->vars.login_user));
        return VERDICT_UNKNOWN;
    }
    log_as("dovecot", LOG_ERROR_LEVEL, "auth: login(%.*s,%.*s): All password databases were skipped: services, mechanisms, "
           "username_filter or skip of each entry leaves this login out", STR_FMT(q->vars.user), STR_FMT(q->vars.remote));
    return VERDICT_TEMPFAIL;
}

static void next_passdb(struct db_query *q, enum auth_verdict last)
{
    struct chain_state *c = q->chain;
    struct db_set *all = db_passdbs();
    for (; c->at < all->n; c->at++) {
        const struct db *db = &all->rows[c->at];
        if (db->conf->master == c->as_master && !chain_is_filtered(q, db) && !chain_is_skipped(db->conf->skip, c->verified))
            break;
    }
    if (c->at < all->n) {
        /* App passwords come before the first of postern_passdb, and do not count. */
        c->asked_any |= all->rows[c->at].index != SIZE_MAX;
        chain_start_step(q, &all->rows[c->at], on_passdb);
    } else if (!c->asked_any) {
        passdbs_over(q, nobody_asked(q));
    } else {
        passdbs_over(q, last);
    }
}

/* ---- questions ---- */

void db_ask(struct db_query *q)
{
    const char *why;
    if (!db_canonical(q, &why)) {
        log_as("dovecot", LOG_INFO_LEVEL, "auth: login(?,%.*s): %s", STR_FMT(q->vars.remote), why);
        q->done(q, VERDICT_UNKNOWN);
        return;
    }
    if (q->kind == DB_USER) {
        q->chain->in_userdbs = true;
        chain_ask_userdbs(q, VERDICT_UNKNOWN);
    } else {
        next_passdb(q, VERDICT_UNKNOWN);
    }
}

void db_cancel(struct db_query *q)
{
    struct chain_state *c = q->chain;
    if (c == NULL)
        return;
    if (c->verifying)
        verify_cancel(&c->verify);
    else if (c->step != NULL && c->step->db->driver->cancel != NULL)
        c->step->db->driver->cancel(c->step);
    c->verifying = false;
    c->step = NULL;
    rehash_drop(c->rehash);
    c->rehash = NULL;
}

const char *db_answered_by(const struct db_query *q)
{
    return q->chain == NULL || q->chain->answered == NULL ? NULL : q->chain->answered->driver->name;
}
