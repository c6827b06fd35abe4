/* SPDX-License-Identifier: ISC
 *
 * request.c - one AUTH, from its first line to its answer.
 *
 *   DIALOGUE  --message complete-->  PENALTY  --timer-->  CHECKING  --verdict-->  answered
 *      |                                                      |
 *      +--malformed--> HELD <-------------- refused ----------+     HELD --timer--> answered
 *
 * A failure is logged and counted when it is known, and answered when its time
 * has come: the same bytes at the same time, whatever was wrong.
 */
#include "authd.h"
#include "abuse.h"
#include "base/enc.h"
#include "db.h"
#include "socks.h"
#include <sys/random.h>

/* Postfix waits 10 s for an answer; 3.5 s of penalty and 2 s of delay leave room for the check itself. */
enum { REQUEST_ARENA_MAX = 128 << 10, DELAY_CAP_SMTP_MS = 2200, PATIENCE_SMTP_MS = 5500 };

enum state { DIALOGUE, PENALTY, CHECKING, HELD };

struct request {
    struct list node;
    struct stream *stream;
    struct request_list *all;
    uint32_t id;
    enum state state;
    bool challenged;            /* a CONT was sent */
    struct arena arena;
    struct timer timer;
    int64_t arrived;            /* when the message was complete */
    int64_t started;            /* when its penalty was over */
    struct sasl_server sasl;
    struct auth_cmd cmd;        /* strings in the arena */
    struct db_query query;
    struct abuse abuse;
    struct str code;            /* HELD: what FAIL will say */
};

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
    return (struct abuse_who){ .user = r->query.vars.user, .password = r->sasl.password, .remote = r->cmd.remote, .service = r->cmd.service,
                               .is_smtp = is_smtp(r), .exempt = r->cmd.no_penalty && stream_kind(r->stream) == STREAM_PUBLIC };
}

static void request_free(struct request *r)
{
    timer_cancel(&r->timer);
    if (r->state == CHECKING) {
        struct abuse_who who = who_is(r);
        db_cancel(&r->query);
        abuse_abandoned(&r->abuse, &who);
    }
    list_remove(&r->node);
    r->all->n--;
    authd()->n_requests--;
    wipe_str(r->sasl.password);
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

/* The delay of a failure: +-10 %, so that nothing can be read from its length. */
static int64_t failure_delay(const struct request *r)
{
    uint16_t noise = 0;
    int64_t ms = (int64_t)authd()->conf.failure_delay * 1000;
    if (getrandom(&noise, sizeof noise, 0) != (ssize_t)sizeof noise)
        noise = 100;
    ms += ms * (noise % 201 - 100) / 1000;
    return is_smtp(r) ? MIN(ms, DELAY_CAP_SMTP_MS) : ms;
}

static void hold(struct request *r, struct str code)
{
    r->state = HELD;
    r->code = code;
    timer_set(&r->timer, MAX(r->started + failure_delay(r), loop_now()), on_held);
}

static void refused(struct request *r, struct str code)
{
    struct abuse_who who = who_is(r);
    abuse_failed(&r->abuse, &who);
    hold(r, code);
}

static void granted(struct request *r)
{
    struct buf token = buf_make(0), cookie = buf_make(0);
    const struct account *who = &r->query.account;
    struct auth_answer ok = { .verb = AUTH_ANSWER_OK };
    struct abuse_who asker = who_is(r);
    answer_fill(&ok, &r->query);
    abuse_passed(&r->abuse, &asker);
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
}

static void temp_fail(struct request *r)
{
    struct abuse_who who = who_is(r);
    abuse_undecided(&r->abuse, &who);
    answer(r, (struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .user = r->query.vars.user, .code = STR("temp_fail") });
}

static void on_checked(struct db_query *q, enum auth_verdict verdict)
{
    struct request *r = container_of(q, struct request, query);
    timer_cancel(&r->timer);
    r->state = DIALOGUE;        /* nothing to cancel any more */
    switch (verdict) {
    case VERDICT_MATCH: granted(r); return;
    case VERDICT_MISMATCH:
    case VERDICT_UNKNOWN: refused(r, STR("")); return;
    case VERDICT_DISABLED: refused(r, STR("user_disabled")); return;
    case VERDICT_EXPIRED: refused(r, STR("pass_expired")); return;
    case VERDICT_TEMPFAIL: break;
    }
    temp_fail(r);
}

/* An answer that a mail server does not wait for is none. */
static void on_too_late(struct timer *t)
{
    struct request *r = container_of(t, struct request, timer);
    db_cancel(&r->query);
    r->state = DIALOGUE;
    log_warning("auth: %.*s: no database answered within %d ms", STR_FMT(r->query.vars.user), PATIENCE_SMTP_MS);
    temp_fail(r);
}

static void on_penalty_over(struct timer *t)
{
    struct request *r = container_of(t, struct request, timer);
    struct abuse_who who = who_is(r);
    r->started = loop_now();
    switch (abuse_take(&r->abuse, &who)) {
    case ABUSE_CHECK:
        r->state = CHECKING;
        if (is_smtp(r))
            timer_set(&r->timer, r->arrived + PATIENCE_SMTP_MS, on_too_late);
        db_ask(&r->query);
        return;
    case ABUSE_REFUSE: hold(r, STR("")); return;
    case ABUSE_LATER: timer_set(&r->timer, loop_now() + ABUSE_AGAIN_MS, on_penalty_over); return;
    case ABUSE_BUSY: temp_fail(r); return;
    }
    UNREACHABLE();
}

/* Name and password are here. */
static void complete(struct request *r)
{
    r->arrived = r->started = loop_now();
    const char *why;
    r->query = (struct db_query){ .arena = &r->arena, .kind = DB_VERIFY, .want_account = stream_wants_account(r->stream), .done = on_checked };
    r->query.vars = (struct auth_vars){ .user = r->sasl.user, .password = r->sasl.password, .service = r->cmd.service, .remote = r->cmd.remote,
                                        .local = r->cmd.local, .session = r->cmd.session, .secured = r->cmd.secured,
                                        .mech = str_from(sasl_mech_name(r->sasl.mech)) };
    if (!db_canonical(&r->query, &why)) {
        log_as("dovecot", LOG_INFO_LEVEL, "auth: login(?,%.*s): %s", STR_FMT(r->cmd.remote), why);
        r->query.vars.user = r->query.vars.original_user = r->sasl.user;
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

static void on_timeout(struct timer *t)
{
    struct request *r = container_of(t, struct request, timer);
    answer(r, (struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .reason = STR("Authentication request timed out") });
}

static void step(struct request *r, const struct str *message)
{
    struct str challenge = STR("");
    struct buf text = buf_make(0);
    switch (sasl_server_step(&r->sasl, message, &r->arena, &challenge)) {
    case SASL_CONTINUE:
        enc_base64(&text, challenge);
        stream_answer(r->stream, &(struct auth_answer){ .verb = AUTH_ANSWER_CONT, .id = r->id, .data = buf_str(&text) });
        r->challenged = true;
        timer_set(&r->timer, loop_now() + REQUEST_TIMEOUT_MS, on_timeout);
        break;
    case SASL_DONE:
        timer_cancel(&r->timer);
        complete(r);
        break;
    case SASL_FAILED:
        timer_cancel(&r->timer);
        r->started = loop_now();
        r->query.vars.user = STR("");
        refused(r, STR(""));
        break;
    }
    buf_done(&text);
}

/* A single "=" is an empty message. One bad text ends this exchange, not the connection. */
static void step_base64(struct request *r, struct str text)
{
    struct buf raw = buf_make(AUTH_LINE_MAX);
    if (text.n > 0 && !str_eqz(text, "=") && !enc_unbase64(&raw, text)) {
        answer(r, (struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .code = STR("invalid_base64"), .reason = r->challenged ? STR("Invalid base64 data in continued response") : STR("Invalid base64 data in initial response") });
    } else {
        struct str message = buf_str(&raw);
        step(r, &message);
    }
    secret_wipe(raw.p, raw.n);
    buf_done(&raw);
}

static void copy_cmd(struct request *r, const struct auth_cmd *cmd)
{
    r->cmd = auth_cmd_dup(&r->arena, cmd);
    r->cmd.resp = r->cmd.mech = STR("");
}

static bool is_offered(enum sasl_mech mech)
{
    for (size_t i = 0; i < authd()->n_mechs; i++)
        if (mech != SASL_MECHS && strcmp(authd()->mechs[i][0], sasl_mech_name(mech)) == 0)
            return true;
    return false;
}

static void refuse_at_once(struct stream *s, uint32_t id, struct str code)
{
    stream_answer(s, &(struct auth_answer){ .verb = AUTH_ANSWER_FAIL, .id = id, .code = code });
}

void request_start(struct stream *s, struct request_list *all, const struct auth_cmd *cmd)
{
    enum sasl_mech mech = sasl_mech_by_name(cmd->mech);
    if (!is_offered(mech)) {
        refuse_at_once(s, cmd->id, STR("auth_mech_invalid"));
        return;
    }
    if (all->n >= REQUESTS_PER_STREAM_MAX) {
        refuse_at_once(s, cmd->id, STR("temp_fail"));
        return;
    }
    struct request *r = xcalloc(1, sizeof *r);
    r->stream = s;
    r->all = all;
    r->id = cmd->id;
    r->arena = arena_make(REQUEST_ARENA_MAX);
    r->arena.block_size = 1024;
    r->sasl.mech = mech;
    r->sasl.user = r->sasl.password = STR("");
    copy_cmd(r, cmd);
    list_append(&all->requests, &r->node);
    all->n++;
    authd()->n_requests++;
    /* Before 1.2 an empty resp= means that there is none: Exim always sends one. */
    if (cmd->has_resp && (cmd->resp.n > 0 || stream_minor(s) >= 2))
        step_base64(r, cmd->resp);
    else
        step(r, NULL);
}

bool request_continue(struct request_list *all, uint32_t id, struct str data)
{
    struct request *r = find(all, id);
    /* What is decided is over for the client; its answer comes when its time has come. */
    if (r == NULL || r->state == HELD)
        return false;
    if (r->state == DIALOGUE)
        step_base64(r, data);
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
