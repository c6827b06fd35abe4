/* SPDX-License-Identifier: ISC */
#include "smtpsrv/rule.h"
#include <stdarg.h>
#include "base/num.h"
#include "conf/lex.h"

static const char *const stage_params[STAGE_COUNT] = {
    [STAGE_CLIENT] = "smtpd_client_restrictions", [STAGE_HELO] = "smtpd_helo_restrictions",
    [STAGE_SENDER] = "smtpd_sender_restrictions", [STAGE_RELAY] = "smtpd_relay_restrictions",
    [STAGE_RCPT] = "smtpd_recipient_restrictions", [STAGE_DATA] = "smtpd_data_restrictions",
    [STAGE_EOD] = "smtpd_end_of_data_restrictions", [STAGE_REWRITE] = "local_header_rewrite_clients",
};

enum { RULES_MAX = 500, CLASSES_MAX = 100 };
struct parser { struct smtpsrv *srv; struct config *config; const char *param; enum stage stage; struct str rest; struct err *err; };

static const struct rule_class *find_class(const struct rule_set *set, struct str name)
{
    for (size_t i = 0; i < set->n_classes; i++)
        if (str_eq(set->classes[i].name, name))
            return &set->classes[i];
    return NULL;
}

static int fail(const struct parser *p, const char *why, struct str word)
{
    return err_set(p->err, ERR_CONFIG, "%s: %s: \"%.*s\"", p->param, why, STR_FMT(word));
}

static int take_arg(struct parser *p, struct rule *r)
{
    uint32_t seconds;
    if (r->word->arg == ARG_NONE)
        return 0;
    if (!lex_word(&p->rest, ", \t\r\n", &r->arg))
        return fail(p, "needs an argument", str_from(r->word->name));
    if (r->word->arg == ARG_SECONDS)
        return num_parse_u32(r->arg, 3600, &seconds) ? 0 : fail(p, "sleep needs a number of seconds, not", r->arg);
    if (r->word->arg == ARG_ZONE)
        return rbl_filter_is_valid(r->arg) ? 0 : fail(p, "bad pattern for the addresses of a list", r->arg);
    if (r->word->arg == ARG_ENDPOINT)
        return 0;
    const char *spec = str_to_cstr(p->srv->rules.arena, r->arg);
    if (spec == NULL || str_chr(r->arg, ':') < 0)
        return fail(p, "needs a table as type:name, not", r->arg);
    r->maps = map_list_open(spec, MAP_PARTIAL_OK, p->config, p->err);
    return r->maps == NULL ? err_prefix(p->err, "%s", p->param) : 0;
}

static int parse_word(struct parser *p, struct str word, struct rule *r)
{
    r->class = find_class(&p->srv->rules, word);
    if (r->class != NULL)
        return 0;
    r->word = rule_word_find(word);
    if (r->word == NULL && str_chr(word, ':') > 0 && (r->word = rule_word_for_table(p->stage)) != NULL) {
        r->arg = word;
        const char *spec = str_to_cstr(p->srv->rules.arena, word);
        r->maps = spec == NULL ? NULL : map_list_open(spec, MAP_PARTIAL_OK, p->config, p->err);
        return r->maps == NULL ? err_prefix(p->err, "%s", p->param) : 0;
    }
    if (r->word == NULL)
        return fail(p, "unknown restriction", word);
    return take_arg(p, r);
}

static int parse_list(struct parser *p, const char *text, struct rule_list *ret)
{
    struct str word;
    bool warn = false;
    size_t n = 0;
    struct rule *rules = ARENA_ARRAY(p->srv->rules.arena, struct rule, RULES_MAX);
    p->rest = str_from(text);
    while (lex_word(&p->rest, ", \t\r\n", &word)) {
        if (str_ieqz(word, "warn_if_reject")) {
            warn = true;
            continue;
        }
        if (n == RULES_MAX)
            return fail(p, "more than 500 restrictions, at", word);
        rules[n].warn = warn;
        warn = false;
        if (parse_word(p, word, &rules[n++]) < 0)
            return -1;
    }
    *ret = (struct rule_list){ .rules = arena_copy(p->srv->rules.arena, rules, n * sizeof *rules), .n = n };
    return 0;
}

/* Names first, so that lists may name any class; then what they hold. */
static int parse_classes(struct parser *p)
{
    struct rule_set *set = &p->srv->rules;
    struct str rest = str_from(p->srv->conf->classes), name;
    set->classes = ARENA_ARRAY(set->arena, struct rule_class, CLASSES_MAX);
    while (set->n_classes < CLASSES_MAX && str_token(&rest, ", \t\r\n", &name))
        set->classes[set->n_classes++].name = str_dup(set->arena, name);
    for (size_t i = 0; i < set->n_classes; i++) {
        const char *param = str_to_cstr(set->arena, set->classes[i].name);
        const char *text = param == NULL || config_raw(p->config, param) == NULL ? "" : config_get(p->config, param, p->err);
        p->param = param;
        if (text == NULL || parse_list(p, text, &set->classes[i].list) < 0)
            return -1;
    }
    return 0;
}

int rules_parse(struct smtpsrv *srv, struct config *config, struct err *err)
{
    const struct smtpsrv_conf *c = srv->conf;
    const char *const texts[STAGE_COUNT] = {
        [STAGE_CLIENT] = c->client_restrictions, [STAGE_HELO] = c->helo_restrictions, [STAGE_SENDER] = c->sender_restrictions,
        [STAGE_RELAY] = c->relay_restrictions, [STAGE_RCPT] = c->recipient_restrictions, [STAGE_DATA] = c->data_restrictions,
        [STAGE_EOD] = c->eod_restrictions, [STAGE_REWRITE] = c->local_rewrite_clients,
    };
    static const struct arena fresh = { .limit = 16 << 20, .block_size = 65536 };
    struct parser p = { .srv = srv, .config = config, .err = err, .stage = STAGE_RCPT };
    srv->rules.arena = xcalloc(1, sizeof fresh);
    *srv->rules.arena = fresh;
    if (c->classes[0] != '\0' && parse_classes(&p) < 0)
        return -1;
    for (p.stage = 0; p.stage < STAGE_COUNT; p.stage++) {
        p.param = stage_params[p.stage];
        if (parse_list(&p, texts[p.stage], &srv->rules.stages[p.stage]) < 0)
            return -1;
    }
    return 0;
}

static void free_list(struct rule_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->rules[i].maps != NULL)
            map_list_free(list->rules[i].maps);
}

void rules_free(struct rule_set *set)
{
    if (set->arena == NULL)
        return;
    for (size_t i = 0; i < STAGE_COUNT; i++)
        free_list(&set->stages[i]);
    for (size_t i = 0; i < set->n_classes; i++)
        free_list(&set->classes[i].list);
    arena_done(set->arena);
    free(set->arena);
    *set = (struct rule_set){ 0 };
}

/* ---- evaluation ---- */

enum ruling reject_with(struct session *s, unsigned code, const char *dsn, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct reject r = { .code = code, .text = str_dup(&s->txn, str_from(text)) };
    (void)str_to_fixed(str_from(dsn), r.dsn, sizeof r.dsn);
    /* The class of the enhanced code follows the reply code (RFC 2034 §4). */
    if (r.dsn[0] == '4' || r.dsn[0] == '5')
        r.dsn[0] = (char)('0' + code / 100);
    s->reject = r;      /* only now: dsn may have been the old one's */
    return V_REJECT;
}

static enum ruling run_list(struct session *s, const struct rule_list *list, int depth);

static enum ruling run_rule(struct session *s, const struct rule *r, int depth)
{
    enum ruling v = r->class == NULL ? r->word->run(s, r) : depth < 10 ? run_list(s, &r->class->list, depth + 1) : V_DUNNO;
    if (v == V_REJECT && r->warn) {
        log_reject(s, "reject_warning", s->rule_state.stage_name, &s->reject);
        return V_DUNNO;
    }
    return v;
}

/* Depth is that of nested classes, bounded by run_rule. */
static enum ruling run_list(struct session *s, const struct rule_list *list, int depth)
{
    for (size_t i = 0; i < list->n; i++) {
        enum ruling v = run_rule(s, &list->rules[i], depth);
        if (v != V_DUNNO)
            return v;
    }
    return V_DUNNO;
}

enum ruling rule_run(struct session *s, const struct rule *r)
{
    return run_rule(s, r, 5);
}

enum ruling rules_apply(struct session *s, enum stage stage, const char *stage_name)
{
    s->rule_state.stage_name = stage_name;
    enum ruling v = run_list(s, &s->srv->rules.stages[stage], 0);
    if (s->discard)
        return V_DISCARD;
    if (v == V_REJECT && s->rule_state.defer_if_reject)
        s->reject = s->rule_state.instead;
    if (v != V_REJECT && s->rule_state.defer_if_permit && (stage == STAGE_RCPT || stage == STAGE_DATA || stage == STAGE_EOD)) {
        s->reject = s->rule_state.deferred;
        return V_REJECT;
    }
    return v;
}

bool rules_is_local_client(struct session *s)
{
    struct rule_state before = s->rule_state;
    enum ruling v = run_list(s, &s->srv->rules.stages[STAGE_REWRITE], 0);
    s->rule_state = before;
    return v == V_PERMIT;
}

bool is_our_destination(const struct session *s)
{
    return s->dest.class != CLASS_DEFAULT && (!s->dest.routed || s->conf->untrusted_routing);
}

/* The one check that stays when every list is empty. */
static enum ruling relay_check(struct session *s)
{
    bool may = s->trusted || s->sasl_user.n > 0 || s->rule_state.relay_ok;
    if (s->srv->env.kind == SMTPSRV_LMTP)
        may = false;
    if (may || is_our_destination(s))
        return V_DUNNO;
    return reject_with(s, s->conf->relay_code, "5.7.1", "<%.*s>: Relay access denied", STR_FMT(s->rcpt));
}

unsigned unknown_user_code(const struct session *s, enum address_class class)
{
    switch (class) {
    case CLASS_LOCAL:           return s->conf->unknown_local_code;
    case CLASS_VIRTUAL_ALIAS:   return s->conf->unknown_alias_code;
    case CLASS_VIRTUAL_MAILBOX: return s->conf->unknown_mailbox_code;
    case CLASS_RELAY:
    case CLASS_DEFAULT:         return s->conf->unknown_relay_code;
    }
    UNREACHABLE();
}

static enum ruling existence_check(struct session *s)
{
    const char *table = NULL;
    struct err err = { 0 };
    if (!s->conf->unlisted_recipient || str_ieqz(s->only_rcpt, "postmaster"))
        return V_DUNNO;
    switch (expand_is_known(s->srv->intake.expand, s->rcpt, &s->dest, &s->txn, &table, &s->rcpt_is_plain, &err)) {
    case KNOWN:      return V_DUNNO;
    case KNOWN_TEMP: return reject_lookup(s, s->rcpt, &err);
    case KNOWN_NOT:  break;
    }
    return reject_with(s, unknown_user_code(s, s->dest.class), "5.1.1", "<%.*s>: Recipient address rejected: User unknown%s%s", STR_FMT(s->rcpt),
                       table != NULL ? " in " : "", table != NULL ? table : "");
}

static enum ruling run_stages(struct session *s)
{
    static const enum stage early[] = { STAGE_CLIENT, STAGE_HELO, STAGE_SENDER };
    static const enum stage relay_first[] = { STAGE_RELAY, STAGE_RCPT }, rcpt_first[] = { STAGE_RCPT, STAGE_RELAY };
    for (size_t i = 0; s->conf->delay_reject && i < N_ELEMS(early); i++) {
        enum ruling v = rules_apply(s, early[i], "RCPT");
        if (v == V_REJECT || v == V_DISCARD)
            return v;
    }
    if (s->conf->unlisted_sender && rule_unlisted_sender(s, NULL) == V_REJECT)
        return V_REJECT;
    s->rule_state.relay_ok = false;     /* who is let in may not send on for that */
    const enum stage *late = s->conf->relay_before_rcpt ? relay_first : rcpt_first;
    for (size_t i = 0; i < 2; i++) {
        enum ruling v = rules_apply(s, late[i], "RCPT");
        if (v == V_REJECT || v == V_DISCARD)
            return v;
    }
    return V_DUNNO;
}

enum ruling rules_for_rcpt(struct session *s)
{
    struct err err = { 0 };
    s->rule_state = (struct rule_state){ .stage_name = "RCPT" };
    s->rcpt_is_plain = false;
    if (resolve_address(s->srv->intake.resolve, s->sender, s->rcpt, &s->txn, &s->dest, &err) == RESOLVE_TEMP)
        return reject_lookup(s, s->rcpt, &err);
    enum ruling v = run_stages(s);
    if (v == V_REJECT)
        return v;
    enum ruling must = relay_check(s);
    if (must == V_DUNNO && v != V_DISCARD)
        must = existence_check(s);
    return must == V_REJECT ? must : v;
}
