/* SPDX-License-Identifier: ISC */
#include "proto/smtp_cmd.h"
#include "base/enc.h"
#include "base/num.h"

#define VERB_NAME(upper, name) STR_INIT(name),
static const struct str verbs[] = { SMTP_VERBS(VERB_NAME) };

const char *smtp_verb_name(enum smtp_verb verb)
{
    return verb < SMTP_UNKNOWN ? verbs[verb].p : "unknown";
}

void smtp_cmd_parse(struct str line, struct smtp_cmd *ret)
{
    size_t n = 0;
    line = str_trim(line);
    while (n < line.n && line.p[n] != ' ' && line.p[n] != '\t')
        n++;
    *ret = (struct smtp_cmd){ .verb = SMTP_UNKNOWN, .word = str_head(line, n), .args = str_trim(str_skip(line, n)) };
    for (size_t i = 0; i < N_ELEMS(verbs); i++)
        if (str_ieq(ret->word, verbs[i])) {
            ret->verb = (enum smtp_verb)i;
            return;
        }
}

static bool fault(struct smtp_fault *ret, const char *reply, struct str detail)
{
    *ret = (struct smtp_fault){ .reply = reply, .detail = detail };
    return false;
}

/* Index after the ">" that closes the path at text[0] == '<'; quoted strings may hold one. 0 = never closed. */
static size_t path_end(struct str text)
{
    bool quoted = false;
    for (size_t i = 1; i < text.n; i++) {
        if (text.p[i] == '\\')
            i++;
        else if (text.p[i] == '"')
            quoted = !quoted;
        else if (text.p[i] == '>' && !quoted)
            return i + 1;
    }
    return 0;
}

/* "FROM:<path> params". Lenient: white space after the colon, no angle brackets. */
static bool cut_path(struct str args, struct str keyword, unsigned flags, struct str *ret_path, struct str *ret_params)
{
    if (!str_istarts(args, keyword))
        return false;
    args = str_skip(args, keyword.n);
    if ((flags & SMTP_PATH_STRICT) == 0)
        args = str_trim(args);
    if (args.n > 0 && args.p[0] == '<') {
        size_t end = path_end(args);
        if (end == 0 || (end < args.n && args.p[end] != ' ' && args.p[end] != '\t'))
            return false;
        *ret_path = str_make(args.p + 1, end - 2);
        *ret_params = str_skip(args, end);
        return true;
    }
    if ((flags & SMTP_PATH_STRICT) != 0 || args.n == 0)
        return false;
    (void)str_cut(args, ' ', ret_path, ret_params);
    return true;
}

struct option { struct str name, value; bool has_value; };

static bool next_option(struct str *params, struct option *ret)
{
    struct str token;
    if (!str_token(params, " \t", &token))
        return false;
    ret->has_value = str_cut(token, '=', &ret->name, &ret->value);
    return true;
}

/* A set of names already seen is a bit each. */
static bool once(unsigned *seen, unsigned bit)
{
    bool first = (*seen & bit) == 0;
    *seen |= bit;
    return first;
}

static bool decode_xtext(struct str in, size_t max, struct arena *a, struct str *ret)
{
    struct buf out = buf_make(max + 1);
    bool ok = enc_unxtext(&out, in) && !out.full && out.n <= max;
    for (size_t i = 0; ok && i < out.n; i++)
        ok = out.p[i] >= 0x20 && out.p[i] < 0x7f;
    if (ok)
        *ret = str_dup(a, buf_str(&out));
    buf_done(&out);
    return ok;
}

static bool opt_size(struct smtp_mail *m, const struct option *o, struct arena *a)
{
    (void)a;
    return m->has_size = num_parse_u64(o->value, INT64_MAX, &m->size);
}

static bool opt_body(struct smtp_mail *m, const struct option *o, struct arena *a)
{
    (void)a;
    m->has_body = true;
    m->body_8bit = str_ieqz(o->value, "8BITMIME");
    return m->body_8bit || str_ieqz(o->value, "7BIT");
}

static bool opt_smtputf8(struct smtp_mail *m, const struct option *o, struct arena *a)
{
    (void)a;
    m->smtputf8 = true;
    return !o->has_value;
}

static bool opt_auth(struct smtp_mail *m, const struct option *o, struct arena *a)
{
    m->has_auth = true;
    if (str_eqz(o->value, "<>"))
        return true;
    return o->value.n > 0 && decode_xtext(o->value, SMTP_ADDRESS_MAX, a, &m->auth);
}

static bool opt_ret(struct smtp_mail *m, const struct option *o, struct arena *a)
{
    (void)a;
    m->ret = str_ieqz(o->value, "FULL") ? SMTP_RET_FULL : str_ieqz(o->value, "HDRS") ? SMTP_RET_HDRS : SMTP_RET_NONE;
    return m->ret != SMTP_RET_NONE;
}

/* RFC 3461 §4.4: at most 100 characters of xtext. */
static bool opt_envid(struct smtp_mail *m, const struct option *o, struct arena *a)
{
    return o->value.n > 0 && o->value.n <= 100 && decode_xtext(o->value, 100, a, &m->envid);
}

static const struct mail_option {
    struct str name;
    bool (*parse)(struct smtp_mail *m, const struct option *o, struct arena *a);
    const char *reply;
} mail_options[] = {
    { STR_INIT("SIZE"), opt_size, "501 5.5.4 Bad message size syntax" },
    { STR_INIT("BODY"), opt_body, "501 5.5.4 Unknown BODY type" },
    { STR_INIT("SMTPUTF8"), opt_smtputf8, "501 5.5.4 Bad SMTPUTF8 parameter syntax" },
    { STR_INIT("AUTH"), opt_auth, "501 5.5.4 Bad AUTH parameter syntax" },
    { STR_INIT("RET"), opt_ret, "501 5.5.4 Bad RET parameter syntax" },
    { STR_INIT("ENVID"), opt_envid, "501 5.5.4 Bad ENVID parameter syntax" },
};

static bool parse_mail_option(struct smtp_mail *m, const struct option *o, unsigned *seen, struct arena *a, struct smtp_fault *ret_fault)
{
    for (size_t i = 0; i < N_ELEMS(mail_options); i++) {
        if (!str_ieq(o->name, mail_options[i].name))
            continue;
        if (!once(seen, 1u << i) || !mail_options[i].parse(m, o, a))
            return fault(ret_fault, mail_options[i].reply, o->value);
        return true;
    }
    return fault(ret_fault, "555 5.5.4 Unsupported option: ", o->name);
}

static bool parse_path(struct str path, unsigned flags, const char *syntax_reply, struct arena *a, struct smtp_path *ret, struct smtp_fault *ret_fault)
{
    switch (smtp_path_parse(path, flags, a, ret)) {
    case SMTP_PATH_OK:          return true;
    case SMTP_PATH_SYNTAX:      return fault(ret_fault, syntax_reply, path);
    case SMTP_PATH_TOO_LONG:    return fault(ret_fault, "501 5.1.3 Path too long", STR(""));
    case SMTP_PATH_NEEDS_UTF8:  return fault(ret_fault, "553 5.6.7 Must declare SMTPUTF8 to send unicode address", STR(""));
    }
    UNREACHABLE();
}

bool smtp_mail_parse(struct str args, unsigned flags, struct arena *a, struct smtp_mail *ret, struct smtp_fault *ret_fault)
{
    struct smtp_mail m = { 0 };
    struct str path, params;
    struct option o;
    unsigned seen = 0;

    if (!cut_path(args, STR("FROM:"), flags, &path, &params))
        return fault(ret_fault, "501 5.5.4 Syntax: MAIL FROM:<address>", STR(""));
    while (next_option(&params, &o))
        if (!parse_mail_option(&m, &o, &seen, a, ret_fault))
            return false;
    if (m.smtputf8)
        flags |= SMTP_PATH_UTF8;
    if (!parse_path(path, flags, "501 5.1.7 Bad sender address syntax", a, &m.from, ret_fault))
        return false;
    *ret = m;
    return true;
}

static const struct { struct str name; unsigned bit; } notify_words[] = {
    { STR_INIT("NEVER"), SMTP_NOTIFY_NEVER }, { STR_INIT("SUCCESS"), SMTP_NOTIFY_SUCCESS },
    { STR_INIT("FAILURE"), SMTP_NOTIFY_FAILURE }, { STR_INIT("DELAY"), SMTP_NOTIFY_DELAY },
};

/* RFC 3461 §4.1: NEVER stands alone. */
static bool parse_notify(struct str value, unsigned *ret)
{
    unsigned all = 0;
    struct str word;
    while (str_token(&value, ",", &word)) {
        unsigned bit = 0;
        for (size_t i = 0; i < N_ELEMS(notify_words); i++)
            if (str_ieq(word, notify_words[i].name))
                bit = notify_words[i].bit;
        if (bit == 0 || (all & bit) != 0)
            return false;
        all |= bit;
    }
    *ret = all;
    return all != 0 && ((all & SMTP_NOTIFY_NEVER) == 0 || all == SMTP_NOTIFY_NEVER);
}

/* RFC 3461 §4.2: addr-type ";" xtext, together at most 500 characters. */
static bool parse_orcpt(struct str value, struct arena *a, struct str *ret)
{
    struct str type, rest, address;
    if (value.n > 500 || !str_cut(value, ';', &type, &rest) || type.n == 0 || rest.n == 0)
        return false;
    for (size_t i = 0; i < type.n; i++)
        if (!ascii_is_alnum(type.p[i]) && type.p[i] != '-')
            return false;
    if (!decode_xtext(rest, 500, a, &address))
        return false;
    *ret = str_printf(a, "%.*s;%.*s", STR_FMT(type), STR_FMT(address));
    return true;
}

static bool parse_rcpt_option(struct smtp_rcpt *r, const struct option *o, unsigned *seen, struct arena *a, struct smtp_fault *ret_fault)
{
    if (str_ieqz(o->name, "NOTIFY"))
        return (once(seen, 1) && parse_notify(o->value, &r->notify)) ||
               fault(ret_fault, "501 5.5.4 Bad NOTIFY parameter syntax", o->value);
    if (str_ieqz(o->name, "ORCPT"))
        return (once(seen, 2) && parse_orcpt(o->value, a, &r->orcpt)) ||
               fault(ret_fault, "501 5.5.4 Bad ORCPT parameter syntax", o->value);
    return fault(ret_fault, "555 5.5.4 Unsupported option: ", o->name);
}

bool smtp_rcpt_parse(struct str args, unsigned flags, struct arena *a, struct smtp_rcpt *ret, struct smtp_fault *ret_fault)
{
    struct smtp_rcpt r = { 0 };
    struct str path, params;
    struct option o;
    unsigned seen = 0;

    if (!cut_path(args, STR("TO:"), flags, &path, &params))
        return fault(ret_fault, "501 5.5.4 Syntax: RCPT TO:<address>", STR(""));
    if (!parse_path(path, flags, "501 5.1.3 Bad recipient address syntax", a, &r.to, ret_fault))
        return false;
    if (r.to.address.n == 0)
        return fault(ret_fault, "501 5.1.3 Bad recipient address syntax", path);
    while (next_option(&params, &o))
        if (!parse_rcpt_option(&r, &o, &seen, a, ret_fault))
            return false;
    *ret = r;
    return true;
}

bool smtp_bdat_parse(struct str args, uint64_t *ret_size, bool *ret_last)
{
    struct str size, last;
    if (!str_token(&args, " \t", &size) || !num_parse_u64(size, INT64_MAX, ret_size))
        return false;
    *ret_last = str_token(&args, " \t", &last);
    return !*ret_last || (str_ieqz(last, "LAST") && str_trim(args).n == 0);
}

bool smtp_auth_parse(struct str args, struct str *ret_mechanism, bool *ret_has_initial, struct str *ret_initial)
{
    struct str initial;
    if (!str_token(&args, " \t", ret_mechanism) || ret_mechanism->n > 20)
        return false;
    for (size_t i = 0; i < ret_mechanism->n; i++)       /* RFC 4422 §3.1 */
        if (!ascii_is_alnum(ret_mechanism->p[i]) && ret_mechanism->p[i] != '-' && ret_mechanism->p[i] != '_')
            return false;
    *ret_has_initial = str_token(&args, " \t", &initial);
    *ret_initial = *ret_has_initial && !str_eqz(initial, "=") ? initial : STR("");
    return str_trim(args).n == 0;
}
