/* SPDX-License-Identifier: ISC
 *
 * request.c - one AUTH, from its first line to its answer.
 *
 *   DIALOGUE  --a name is known-->  PENALTY  --timer-->  CHECKING  --verdict-->  answered
 *    | ^                                                   |   |
 *    | +------ SCRAM's proof (PAUSED before, DERIVING ----+   |
 *    |         after), the client's word to a refused token,   |
 *    |         to the server's last words                      |
 *    +--malformed--> HELD <-------------- refused -------------+     HELD --timer--> answered
 *
 * What is checked is the mechanism's to say (auth/mech.h): a password, a proof
 * against what is stored, a token (oauth.c), or a certificate's name.
 *
 * A failure is logged and counted when it is known, and answered when its time
 * has come: the same bytes at the same time, whatever was wrong.
 */
#include "authd.h"
#include "base/enc.h"
#include "mechs.h"
#include "request.h"
#include "socks.h"
#include <sys/random.h>

/* Postfix waits 10 s for an answer; 3.5 s of penalty and 2 s of delay leave room for the check itself. */
enum { DELAY_CAP_SMTP_MS = 2200, PATIENCE_SMTP_MS = 5500, GUESS_TIMEOUT_MS = 30000 };

/* Whether a user is there shows in some microseconds of work: an answer that depends on it waits for some milliseconds, how many is chance. */
enum { PAUSE_MS = 3 };

static struct request *find(const struct request_list *all, uint32_t id)
{
    LIST_EACH(it, &all->requests) {
        struct request *r = container_of(it, struct request, node);
        if (r->id == id)
            return r;
    }
    return NULL;
}

bool request_exists(const struct request_list *all, uint32_t id) { return find(all, id) != NULL; }

/* The slice points into our own arena: writing there is ours to do. */
static void wipe_str(struct str s)
{
    void *p;
    memcpy(&p, &s.p, sizeof p);
    if (s.n > 0)
        secret_wipe(p, s.n);
}

static bool is_smtp(const struct request *r) { return stream_kind(r->stream) != STREAM_LOGIN || str_eqz(r->cmd.service, "smtp"); }

/* Our own processes do not say who is counted. */
static struct abuse_who who_is(const struct request *r)
{
    return (struct abuse_who){ .user = r->query.vars.user, .password = r->run.password, .remote = r->cmd.remote, .service = r->cmd.service,
                               .is_smtp = is_smtp(r), .exempt = r->cmd.no_penalty && stream_kind(r->stream) == STREAM_PUBLIC };
}

static void cancel_work(struct request *r)
{
    token_cancel(&r->token);
    derive_cancel(&r->derive);
    if (r->state == CHECKING)
        db_cancel(&r->query);
}

static void request_free(struct request *r)
{
    timer_cancel(&r->timer);
    cancel_work(r);
    db_tell(&r->query);
    if (r->is_guess) {
        struct abuse_who who = who_is(r);
        abuse_abandoned(&r->abuse, &who);
    }
    list_remove(&r->node);
    r->all->n--;
    authd()->n_requests--;
    mech_wipe(&r->run);
    wipe_str(r->query.stored);
    arena_done(&r->arena);
    free(r);
}

static void answer(struct request *r, struct auth_answer a)
{
    a.id = r->id;
    stream_answer(r->stream, &a);
    request_free(r);
}

static void on_held(struct timer *t)
{
    struct request *r = container_of(t, struct request, timer);
    struct auth_answer a = { .verb = AUTH_ANSWER_FAIL, .code = r->code };
    answer_fill(&a, &r->query);
    if (str_eqz(r->code, "pass_expired"))
        a.reason = STR("Password expired");
    answer(r, a);
}

static int64_t chance_ms(void)
{
    uint16_t noise = 0;
    return getrandom(&noise, sizeof noise, 0) == (ssize_t)sizeof noise ? 1 + noise % PAUSE_MS : 1;
}

/* The delay of a failure: +-10 %, so that nothing can be read from its length. */
static int64_t failure_delay(const struct request *r)
{
    uint16_t noise = 0;
    int64_t ms = r->query.nodelay ? 0 : (int64_t)authd()->conf.failure_delay * 1000;
    if (getrandom(&noise, sizeof noise, 0) != (ssize_t)sizeof noise)
        noise = 100;
    ms += ms * (noise % 201 - 100) / 1000;
    return is_smtp(r) ? MIN(ms, DELAY_CAP_SMTP_MS) : ms;
}

static void hold(struct request *r, struct str code)
{
    r->state = HELD;
    r->code = code;
    timer_set(&r->timer, MAX(r->started + failure_delay(r), loop_now() + chance_ms()), on_held);
}

static void refused(struct request *r, struct str code)
{
    struct abuse_who who = who_is(r);
    db_tell(&r->query);
    r->is_guess = false;
    abuse_failed(&r->abuse, &who);
    hold(r, code);
}

static void temp_fail(struct request *r)
{
    struct abuse_who who = who_is(r);
    r->is_guess = false;
    abuse_undecided(&r->abuse, &who);
    answer(r, (struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .user = r->query.vars.user, .code = STR("temp_fail") });
}

/* A proxy would send him on to another host; a session here is none of his. */
static bool belongs_elsewhere(const struct request *r)
{
    if (stream_kind(r->stream) != STREAM_LOGIN || !fields_is_true(&r->query.passdb, "proxy"))
        return false;
    log_as("dovecot", LOG_ERROR_LEVEL, "auth: %.*s: a database says proxy, to host %.*s: IMAP and POP3 are served here only; let that host serve this user, "
           "or take the field away", STR_FMT(r->query.vars.user), STR_FMT(fields_get(&r->query.passdb, "host")));
    return true;
}

/* last_words: of the mechanism, for a client that can take them together with the success. */
static void granted(struct request *r, struct str last_words)
{
    struct buf token = buf_make(0), cookie = buf_make(0), words = buf_make(0);
    const struct account *who = &r->query.account;
    struct auth_answer ok = { .verb = AUTH_ANSWER_OK };
    struct abuse_who asker = who_is(r);
    if (belongs_elsewhere(r)) {
        temp_fail(r);
        return;
    }
    answer_fill(&ok, &r->query);
    r->is_guess = false;
    abuse_passed(&r->abuse, &asker);
    enc_base64(&words, last_words);
    ok.has_resp = last_words.n > 0;
    ok.resp = buf_str(&words);
    if (stream_kind(r->stream) == STREAM_SMTP) {
        struct token_claim claim = { .user = ok.user, .service = r->cmd.service, .channel = stream_peer(r->stream), .remote = r->cmd.remote };
        token_make(&authd()->keys.keys[0], &claim, clock_wall_ms() / 1000 + TOKEN_LIFETIME_SECONDS, &token);
        ok.token = buf_str(&token);
    }
    if (stream_kind(r->stream) == STREAM_LOGIN) {
        if (!handover_put(authd()->handover, stream_peer(r->stream), r->id, who, loop_now(), &cookie))
            ok = (struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .code = STR("temp_fail") };
        else
            ok.cookie = buf_str(&cookie);
    }
    stream_keep(r->stream, r->id, &r->query);
    answer(r, ok);
    secret_wipe(cookie.p, cookie.n);
    buf_done(&token);
    buf_done(&cookie);
    buf_done(&words);
}

static void on_timeout(struct timer *t)
{
    struct request *r = container_of(t, struct request, timer);
    answer(r, (struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .reason = STR("Authentication request timed out") });
}

static void challenge(struct request *r, struct str text)
{
    struct buf base64 = buf_make(0);
    enc_base64(&base64, text);
    r->state = DIALOGUE;
    r->challenged = true;
    stream_answer(r->stream, &(struct auth_answer){ .verb = AUTH_ANSWER_CONT, .id = r->id, .data = buf_str(&base64) });
    /* A guess that was begun holds up others of its address: it is not kept waiting for long. */
    timer_set(&r->timer, loop_now() + (r->is_guess ? GUESS_TIMEOUT_MS : REQUEST_TIMEOUT_MS), on_timeout);
    buf_done(&base64);
}

/* In the words of the databases' lines; log readers know backends by names like these. */
static void log_refused(const struct request *r, const char *why)
{
    static const char *const names[] = { [NEED_PASSWORD] = "login", [NEED_SECRET] = "scram", [NEED_TOKEN] = "oauth", [NEED_CERT] = "external" };
    const char *name = r->run.row->digest == NULL && r->run.row->need == NEED_SECRET ? "cram-md" : names[r->run.row->need];
    const char *open = r->cmd.session.n > 0 ? ",<" : "", *close = r->cmd.session.n > 0 ? ">" : "";
    struct str user = r->query.vars.user.n > 0 ? r->query.vars.user : STR("?");
    log_as("dovecot", LOG_INFO_LEVEL, "auth: %s(%.*s,%.*s%s%.*s%s): %s", name, STR_FMT(user), STR_FMT(r->cmd.remote), open,
           STR_FMT(r->cmd.session), close, why);
}

/* ---- what the databases say ---- */

static void conclude(struct request *r, enum auth_verdict verdict)
{
    /* The master was right, the user is not to be had. */
    bool is_master = r->query.vars.master_user.n > 0;
    switch (verdict) {
    case VERDICT_MATCH: granted(r, STR("")); return;
    case VERDICT_MISMATCH:
    case VERDICT_UNKNOWN: refused(r, is_master ? STR("authz_fail") : STR("")); return;
    case VERDICT_DISABLED: refused(r, is_master ? STR("authz_fail") : STR("user_disabled")); return;
    case VERDICT_EXPIRED: refused(r, STR("pass_expired")); return;
    case VERDICT_TEMPFAIL: break;
    }
    temp_fail(r);
}

/* An answer that a mail server does not wait for is none. */
static void on_too_late(struct timer *t)
{
    struct request *r = container_of(t, struct request, timer);
    cancel_work(r);
    r->state = DIALOGUE;
    log_warning("auth: %.*s: no database answered within %d ms", STR_FMT(r->query.vars.user), PATIENCE_SMTP_MS);
    temp_fail(r);
}

static void start_patience(struct request *r)
{
    if (is_smtp(r))
        timer_set(&r->timer, r->arrived + PATIENCE_SMTP_MS, on_too_late);
}

static void ask_databases(struct request *r)
{
    r->state = CHECKING;
    start_patience(r);
    db_ask(&r->query);
}

static void proven(struct request *r, struct str last_words)
{
    /* As with a password: that an account is closed is for those who know its password. */
    if (r->barred != 0) {
        r->started = loop_now();
        conclude(r, r->barred);
        return;
    }
    if (last_words.n == 0 || r->cmd.final_resp_ok) {
        granted(r, last_words);
        return;
    }
    r->has_proof = true;
    challenge(r, last_words);
}

static void proceed(struct request *r, enum mech_step got, struct str out);

static void on_pause_over(struct timer *t)
{
    struct request *r = container_of(t, struct request, timer);
    challenge(r, r->said);
}

static void pause_before(struct request *r, struct str text)
{
    r->state = PAUSED;
    r->said = text;
    timer_set(&r->timer, loop_now() + chance_ms(), on_pause_over);
}

/* A user who does not exist, or must not log in, goes on as one whose proof fails. */
static void take_secret(struct request *r, enum auth_verdict verdict)
{
    bool barred = verdict == VERDICT_DISABLED || verdict == VERDICT_EXPIRED;
    struct str out, stored = verdict == VERDICT_MATCH || barred ? r->query.stored : STR("");
    r->has_secret = verdict == VERDICT_MATCH || stored.n > 0;
    if (barred)
        r->barred = verdict;
    enum mech_step got = mech_secret(&r->run, r->query.vars.user, stored, &out);
    wipe_str(r->query.stored);
    r->query.stored = STR("");
    if (got == MECH_CONTINUE)
        pause_before(r, out);
    else
        proceed(r, got, out);
}

static void on_checked(struct db_query *q, enum auth_verdict verdict)
{
    struct request *r = container_of(q, struct request, query);
    enum mech_need need = r->run.row->need;
    timer_cancel(&r->timer);
    r->state = DIALOGUE;        /* nothing to cancel any more */
    if (need == NEED_SECRET && verdict != VERDICT_TEMPFAIL) {
        take_secret(r, verdict);
        return;
    }
    /* A token or certificate is the proof: such users need not be in a passdb. */
    if ((need == NEED_TOKEN || need == NEED_CERT) && verdict == VERDICT_UNKNOWN && q->kind == DB_LOOKUP && q->vars.login_user.n == 0) {
        struct auth_vars vars = q->vars;
        *q = (struct db_query){ .arena = &r->arena, .kind = DB_USER, .want_account = true, .done = on_checked, .vars = vars };
        ask_databases(r);
        return;
    }
    conclude(r, verdict);
}

/* ---- tokens ---- */

static bool same_user(struct request *r, struct str said)
{
    const char *why;
    struct db_query q = { .arena = &r->arena, .kind = DB_LOOKUP, .vars = { .user = said } };
    return said.n == 0 || (db_canonical(&q, &why) && str_eq(q.vars.user, r->query.vars.user));
}

static void on_token(struct token_ask *t, enum token_verdict verdict, struct str user, const char *why)
{
    struct request *r = container_of(t, struct request, token);
    struct str out, said = r->run.user;
    timer_cancel(&r->timer);
    r->state = DIALOGUE;
    if (verdict == TOKEN_UNKNOWN) {
        log_warning("auth: oauth: %s", why);
        conclude(r, VERDICT_TEMPFAIL);
        return;
    }
    if (verdict == TOKEN_HOLDS) {
        const char *bad = "";
        r->query.vars.user = user;
        r->query.vars.original_user = said.n > 0 ? said : user;
        if (db_canonical(&r->query, &bad) && same_user(r, said)) {
            ask_databases(r);
            return;
        }
        why = bad[0] != '\0' ? bad : "token is of another user";
    }
    log_refused(r, why);
    enum mech_step got = mech_token_refused(&r->run, "invalid_token", &out);
    proceed(r, got, out);
}

/* ---- from the first question on ---- */

static void check(struct request *r)
{
    if (r->run.row->need == NEED_TOKEN) {
        r->state = VOUCHING;
        r->token = (struct token_ask){ .arena = &r->arena, .token = r->run.token, .remote = r->cmd.remote, .done = on_token };
        start_patience(r);
        token_ask(&r->token);
    } else {
        ask_databases(r);
    }
}

static void on_penalty_over(struct timer *t)
{
    struct request *r = container_of(t, struct request, timer);
    struct abuse_who who = who_is(r);
    r->started = loop_now();
    switch (abuse_take(&r->abuse, &who)) {
    case ABUSE_CHECK:
        r->is_guess = true;
        check(r);
        return;
    case ABUSE_REFUSE: hold(r, STR("")); return;
    case ABUSE_LATER: timer_set(&r->timer, loop_now() + ABUSE_AGAIN_MS, on_penalty_over); return;
    case ABUSE_BUSY: temp_fail(r); return;
    }
    UNREACHABLE();
}

static bool make_query(struct request *r, const char **why)
{
    static const enum db_kind kinds[] = { [NEED_PASSWORD] = DB_VERIFY, [NEED_SECRET] = DB_SECRET, [NEED_TOKEN] = DB_LOOKUP, [NEED_CERT] = DB_LOOKUP };
    r->query = (struct db_query){ .arena = &r->arena, .kind = kinds[r->run.row->need], .want_account = stream_wants_account(r->stream), .done = on_checked,
                                  .stored = STR("") };
    r->query.vars = (struct auth_vars){ .user = r->run.user, .login_user = r->run.authzid, .password = r->run.password, .service = r->cmd.service,
                                        .remote = r->cmd.remote, .local = r->cmd.local, .session = r->cmd.session, .secured = r->cmd.secured,
                                        .remote_port = r->cmd.remote_port, .local_port = r->cmd.local_port, .real_remote = r->cmd.real_remote,
                                        .real_local = r->cmd.real_local, .local_name = r->cmd.local_name, .client_id = r->cmd.client_id,
                                        .cert = r->cmd.cert_username, .mech = str_from(r->run.row->name) };
    r->query.cert_fp = r->cmd.cert_fp;
    r->query.cert_pubkey_fp = r->cmd.cert_pubkey_fp;
    /* Whose a token is, it says itself. */
    return r->run.row->need == NEED_TOKEN || db_canonical(&r->query, why);
}

/* Who it is, or claims to be, is here. */
static void complete(struct request *r)
{
    const char *why;
    r->arrived = r->started = loop_now();
    if (!make_query(r, &why)) {
        log_as("dovecot", LOG_INFO_LEVEL, "auth: login(?,%.*s): %s", STR_FMT(r->cmd.remote), why);
        r->query.vars.user = r->query.vars.original_user = r->run.user;
        /* SCRAM's first answer comes at once, whatever the name. */
        if (r->run.row->need == NEED_SECRET)
            take_secret(r, VERDICT_UNKNOWN);
        else
            refused(r, STR(""));
        return;
    }
    struct abuse_who who = who_is(r);
    int64_t wait = abuse_wait(&r->abuse, &who);
    r->state = PENALTY;
    if (wait == 0)
        on_penalty_over(&r->timer);
    else
        timer_set(&r->timer, loop_now() + wait, on_penalty_over);
}

static void failed(struct request *r)
{
    r->started = loop_now();
    /* A wrong password is said by whom the client spoke to. */
    if (r->has_secret && (r->run.is_fake || authd()->conf.verbose))
        log_refused(r, r->run.is_fake ? "the stored password's scheme is of no use for this mechanism" : "Password mismatch");
    /* Who stands in a deny database is told so whatever the password, as with PLAIN. */
    if (r->barred != 0 && !r->has_secret)
        conclude(r, r->barred);
    else
        refused(r, STR(""));
}

static void proceed(struct request *r, enum mech_step got, struct str out)
{
    switch (got) {
    case MECH_CONTINUE: challenge(r, out); return;
    case MECH_ASK: complete(r); return;
    case MECH_DONE: proven(r, out); return;
    case MECH_FAILED: failed(r); return;
    }
    UNREACHABLE();
}

static void on_derived(struct derive *d, bool answered)
{
    struct request *r = container_of(d, struct request, derive);
    struct str out;
    timer_cancel(&r->timer);
    r->state = DIALOGUE;
    if (answered) {
        proceed(r, mech_step(&r->run, &r->proof, &out), out);
        return;
    }
    log_warning("auth: %.*s: too many hashes are waiting", STR_FMT(r->query.vars.user));
    temp_fail(r);
}

void request_step(struct request *r, const struct str *message)
{
    struct str out;
    timer_cancel(&r->timer);
    if (derive_needed(&r->run) && message != NULL) {
        r->state = DERIVING;
        r->proof = str_dup(&r->arena, *message);
        r->arrived = loop_now();
        start_patience(r);
        derive_start(&r->derive, &r->run, r->cmd.remote, on_derived);
        return;
    }
    if (r->has_proof && message != NULL && message->n == 0)
        granted(r, STR(""));
    else if (r->has_proof)
        failed(r);
    else
        proceed(r, mech_step(&r->run, message, &out), out);
}

/* A single "=" is an empty message. One bad text ends this exchange, not the connection. */
void request_step_base64(struct request *r, struct str text)
{
    struct buf raw = buf_make(AUTH_LINE_MAX);
    if (text.n > 0 && !str_eqz(text, "=") && !enc_unbase64(&raw, text)) {
        answer(r, (struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .code = STR("invalid_base64"),
                                        .reason = r->challenged ? STR("Invalid base64 data in continued response") : STR("Invalid base64 data in initial response") });
    } else {
        struct str message = buf_str(&raw);
        request_step(r, &message);
    }
    secret_wipe(raw.p, raw.n);
    buf_done(&raw);
}

bool request_continue(struct request_list *all, uint32_t id, struct str data)
{
    struct request *r = find(all, id);
    /* What is decided is over for the client; its answer comes when its time has come. */
    if (r == NULL || r->state == HELD)
        return false;
    if (r->state == DIALOGUE)
        request_step_base64(r, data);
    else
        answer(r, (struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .reason = STR("Unexpected continuation") });
    return true;
}

void request_cancel(struct request_list *all, uint32_t id)
{
    struct request *r = find(all, id);
    if (r != NULL)
        request_free(r);
}

void request_abandon_all(struct request_list *all)
{
    LIST_EACH(it, &all->requests)
        request_free(container_of(it, struct request, node));
}
