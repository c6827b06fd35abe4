/* SPDX-License-Identifier: ISC */
#include "smtpsrv/rule.h"
#include "base/num.h"
#include "proto/smtp_path.h"

struct subject subject_client(struct session *s)
{
    return (struct subject){ str_printf(&s->txn, "%.*s[%.*s]", CLIENT(s)), "Client host", "5.7.1", "4.7.1" };
}
struct subject subject_helo(struct session *s) { return (struct subject){ s->helo, "Helo command", "5.7.1", "4.7.1" }; }
struct subject subject_sender(struct session *s) { return (struct subject){ s->mail.from.address, "Sender address", "5.7.1", "4.7.1" }; }
struct subject subject_rcpt(struct session *s) { return (struct subject){ s->rcpt, "Recipient address", "5.7.1", "4.7.1" }; }

enum ruling reject_lookup(struct session *s, struct str what, const struct err *err)
{
    say(s, "warning: %s", err->text);
    return reject_with(s, 451, "4.3.0", "<%.*s>: Temporary lookup failure", STR_FMT(what));
}

static enum ruling refuse(struct session *s, const struct subject *subject, unsigned code, const char *dsn, struct str text)
{
    struct str word, rest = text;
    char own[16];
    /* A text may begin with its own enhanced status code (RFC 3463). */
    if (str_token(&rest, " \t", &word) && word.n >= 5 && word.n < sizeof own && word.p[1] == '.' && ascii_is_digit(word.p[0]) && str_to_fixed(word, own, sizeof own)) {
        dsn = own;
        text = str_trim(rest);
    }
    return reject_with(s, code, dsn, "<%.*s>: %s rejected: %.*s", STR_FMT(subject->shown), subject->noun,
                       STR_FMT(text.n > 0 ? text : STR("Access denied")));
}

static enum ruling act_ok(struct session *s, const struct subject *su, struct str text) { (void)s; (void)su; (void)text; return V_PERMIT; }
static enum ruling act_dunno(struct session *s, const struct subject *su, struct str text) { (void)s; (void)su; (void)text; return V_DUNNO; }
static enum ruling act_reject(struct session *s, const struct subject *su, struct str text)
{
    return refuse(s, su, s->conf->access_code, su->dsn_reject, text);
}
static enum ruling act_defer(struct session *s, const struct subject *su, struct str text)
{
    return refuse(s, su, s->conf->access_defer_code, su->dsn_defer, text);
}
static enum ruling act_defer_if_permit(struct session *s, const struct subject *su, struct str text)
{
    if (!s->rule_state.defer_if_permit) {
        (void)act_defer(s, su, text);
        s->rule_state.defer_if_permit = true;
        s->rule_state.deferred = s->reject;
    }
    return V_DUNNO;
}

static enum ruling act_defer_if_reject(struct session *s, const struct subject *su, struct str text)
{
    if (!s->rule_state.defer_if_reject) {
        (void)act_defer(s, su, text);
        s->rule_state.defer_if_reject = true;
        s->rule_state.instead = s->reject;
    }
    return V_DUNNO;
}

static void tell(struct session *s, const char *what, const struct subject *su, struct str text)
{
    const struct reject r = { .code = 250, .dsn = "2.0.0",
        .text = str_printf(&s->txn, "<%.*s>: %s triggers %.*s", STR_FMT(su->shown), su->noun, STR_FMT(text)) };
    log_reject(s, what, s->rule_state.stage_name, &r);
}

static enum ruling act_hold(struct session *s, const struct subject *su, struct str text)
{
    s->hold = true;
    tell(s, "hold", su, text.n > 0 ? text : STR("HOLD action"));
    return V_DUNNO;
}
static enum ruling act_discard(struct session *s, const struct subject *su, struct str text)
{
    s->discard = true;
    tell(s, "discard", su, text.n > 0 ? text : STR("DISCARD action"));
    return V_DISCARD;
}
static enum ruling act_warn(struct session *s, const struct subject *su, struct str text) { tell(s, "warn", su, text); return V_DUNNO; }
static enum ruling act_info(struct session *s, const struct subject *su, struct str text) { tell(s, "info", su, text); return V_DUNNO; }
static enum ruling act_prepend(struct session *s, const struct subject *su, struct str text)
{
    tell(s, "prepend", su, text);
    s->prepend = str_printf(&s->txn, "%.*s%.*s\n", STR_FMT(s->prepend), STR_FMT(text));
    return V_DUNNO;
}

static const struct {
    struct str name;
    enum ruling (*run)(struct session *s, const struct subject *su, struct str text);
} actions[] = {
    { STR_INIT("OK"), act_ok }, { STR_INIT("RELAY"), act_ok }, { STR_INIT("DUNNO"), act_dunno }, { STR_INIT("REJECT"), act_reject },
    { STR_INIT("DEFER"), act_defer }, { STR_INIT("DEFER_IF_REJECT"), act_defer_if_reject }, { STR_INIT("DEFER_IF_PERMIT"), act_defer_if_permit },
    { STR_INIT("HOLD"), act_hold }, { STR_INIT("DISCARD"), act_discard }, { STR_INIT("WARN"), act_warn }, { STR_INIT("INFO"), act_info },
    { STR_INIT("PREPEND"), act_prepend },
};

static bool all_digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_digit(s.p[i]))
            return false;
    return s.n > 0;
}

/* Words of restriction lists may stand on the right-hand side too. */
static enum ruling run_words(struct session *s, struct str value)
{
    struct str word;
    while (str_token(&value, ", \t", &word)) {
        struct rule r = { .word = rule_word_find(word) };
        for (size_t i = 0; r.word == NULL && i < s->srv->rules.n_classes; i++)
            if (str_eq(s->srv->rules.classes[i].name, word))
                r.class = &s->srv->rules.classes[i];
        if (r.class == NULL && (r.word == NULL || r.word->arg != ARG_NONE)) {
            say(s, "warning: unknown action in access table: \"%.*s\"", STR_FMT(word));
            return reject_with(s, 451, "4.3.5", "Server configuration error");
        }
        enum ruling v = rule_run(s, &r);
        if (v != V_DUNNO)
            return v;
    }
    return V_DUNNO;
}

enum ruling access_act(struct session *s, const struct subject *subject, struct str value)
{
    struct str rest = value, word;
    uint32_t code;
    if (!str_token(&rest, " \t", &word))
        return V_DUNNO;
    rest = str_trim(rest);
    if (word.n == 3 && (word.p[0] == '4' || word.p[0] == '5') && num_parse_u32(word, 599, &code))
        return refuse(s, subject, code, code < 500 ? subject->dsn_defer : subject->dsn_reject, rest);
    if (all_digits(word))
        return V_PERMIT;
    for (size_t i = 0; i < N_ELEMS(actions); i++)
        if (str_ieq(word, actions[i].name))
            return actions[i].run(s, subject, rest);
    return run_words(s, value);
}

enum ruling access_check(struct session *s, struct map_list *maps, const struct str *keys, size_t n_keys, const struct subject *subject, bool *ret_found)
{
    for (size_t i = 0; i < n_keys; i++) {
        struct err err = { 0 };
        struct str value;
        enum map_result m = i == 0 ? map_list_get(maps, keys[i], &s->txn, &value, &err) : map_list_get_part(maps, keys[i], &s->txn, &value, &err);
        *ret_found = m != MAP_NONE;
        switch (m) {
        case MAP_FOUND: return access_act(s, subject, value);
        case MAP_TEMP:  return reject_lookup(s, subject->shown, &err);
        case MAP_NONE:  break;
        }
    }
    return V_DUNNO;
}

static void add(struct str *keys, size_t cap, size_t *n, struct str key)
{
    if (*n < cap && key.n > 0)
        keys[(*n)++] = key;
}

size_t access_host_keys(struct session *s, struct str name, struct str *keys, size_t cap)
{
    size_t n = 0;
    bool bare = strstr(s->conf->parent_matches, "smtpd_access_maps") != NULL;
    add(keys, cap, &n, name);
    if (str_chr(name, ':') >= 0 || str_eqz(name, "unknown"))
        return n;
    for (ptrdiff_t dot = str_chr(name, '.'); dot >= 0 && n < 20; dot = str_chr(name, '.')) {
        name = str_skip(name, (size_t)dot + 1);
        if (name.n > 0)
            add(keys, cap, &n, bare ? name : str_printf(&s->txn, ".%.*s", STR_FMT(name)));
    }
    return n;
}

size_t access_addr_keys(struct session *s, struct str addr, struct str *keys, size_t cap)
{
    size_t n = 0;
    char sep = str_chr(addr, ':') >= 0 ? ':' : '.';
    (void)s;
    add(keys, cap, &n, addr);
    for (ptrdiff_t at = str_rchr(addr, sep); at > 0; at = str_rchr(addr, sep)) {
        addr = str_head(addr, (size_t)at);
        if (addr.p[addr.n - 1] != sep)
            add(keys, cap, &n, addr);
    }
    return n;
}

size_t access_mail_keys(struct session *s, struct str address, struct str *keys, size_t cap)
{
    struct str local, domain;
    size_t n = 0;
    if (address.n == 0) {
        add(keys, cap, &n, str_from(s->conf->null_key));
        return n;
    }
    smtp_address_split(address, &local, &domain);
    ptrdiff_t ext = resolve_extension(s->srv->intake.resolve, local);
    add(keys, cap, &n, address);
    if (ext > 0)
        add(keys, cap, &n, str_printf(&s->txn, "%.*s@%.*s", (int)ext, local.p, STR_FMT(domain)));
    n += access_host_keys(s, domain, keys + n, cap - n);
    add(keys, cap, &n, str_printf(&s->txn, "%.*s@", STR_FMT(local)));
    if (ext > 0)
        add(keys, cap, &n, str_printf(&s->txn, "%.*s@", (int)ext, local.p));
    return n;
}
