/* SPDX-License-Identifier: ISC */
#include "proto/auth_proto.h"
#include "base/num.h"

enum { ESCAPE = 1 };

static struct str unescape(struct arena *a, struct str s)
{
    if (str_chr(s, ESCAPE) < 0)
        return s;
    char *p = arena_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != ESCAPE || ++i == s.n) {
            if (i < s.n)
                p[n++] = s.p[i];
            continue;
        }
        switch (s.p[i]) {
        case '0': p[n++] = '\0'; break;
        case '1': p[n++] = ESCAPE; break;
        case 't': p[n++] = '\t'; break;
        case 'r': p[n++] = '\r'; break;
        case 'n': p[n++] = '\n'; break;
        default: p[n++] = s.p[i]; break;
        }
    }
    return str_make(p, n);
}

/* What stands for c; NULL: itself. */
static const char *escape_of(char c)
{
    switch (c) {
    case '\0': return "\0010";
    case ESCAPE: return "\0011";
    case '\t': return "\001t";
    case '\r': return "\001r";
    case '\n': return "\001n";
    default: return NULL;
    }
}

static void put_escaped(struct buf *out, struct str s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        const char *as = escape_of(s.p[i]);
        if (as == NULL)
            continue;
        buf_put(out, s.p + from, i - from);
        buf_put(out, as, 2);
        from = i + 1;
    }
    buf_put(out, s.p + from, s.n - from);
}

bool auth_line_parse(struct str line, struct arena *arena, struct auth_line *ret)
{
    if (line.n > AUTH_LINE_MAX)
        return false;
    ret->n = 0;
    for (bool more = true; more;) {
        struct str field, rest;
        more = str_cut(line, '\t', &field, &rest);
        if (ret->n == AUTH_FIELDS_MAX)
            return false;
        ret->fields[ret->n++] = unescape(arena, field);
        line = rest;
    }
    return true;
}

/* Does the field carry this name? Then *ret_value is what follows '='. */
static bool field_is(struct str field, const char *name, struct str *ret_value)
{
    struct str key, value;
    (void)str_cut(field, '=', &key, &value);
    if (!str_eqz(key, name))
        return false;
    *ret_value = value;
    return true;
}

bool auth_line_get(const struct auth_line *l, size_t from, const char *name, struct str *ret_value)
{
    for (size_t i = from; i < l->n; i++)
        if (field_is(l->fields[i], name, ret_value))
            return true;
    return false;
}

void auth_line_begin(struct buf *out, const char *command) { buf_puts(out, command); }

void auth_line_num(struct buf *out, uint64_t n)
{
    buf_putc(out, '\t');
    buf_u64(out, n);
}

void auth_line_word(struct buf *out, struct str word)
{
    buf_putc(out, '\t');
    put_escaped(out, word);
}

void auth_line_field(struct buf *out, const char *name, struct str value)
{
    buf_putc(out, '\t');
    buf_puts(out, name);
    buf_putc(out, '=');
    put_escaped(out, value);
}

void auth_line_end(struct buf *out) { buf_putc(out, '\n'); }

static const char *const verbs[] = { [AUTH_VERB_VERSION] = "VERSION", [AUTH_VERB_CPID] = "CPID", [AUTH_VERB_AUTH] = "AUTH",
                                     [AUTH_VERB_CONT] = "CONT", [AUTH_VERB_CANCEL] = "CANCEL" };

#define NOTHING_TEXT(member, name) .member = STR_INIT(""),
#define NOTHING_FLAG(member, name) .member = false,
static const struct auth_cmd nothing_said = { .mech = STR_INIT(""), .resp = STR_INIT(""), AUTH_ABOUT(NOTHING_TEXT, NOTHING_FLAG) };

#define ROW_TEXT(member, name) { STR_INIT(name), offsetof(struct auth_cmd, member), false },
#define ROW_FLAG(member, name) { STR_INIT(name), offsetof(struct auth_cmd, member), true },
static const struct about { struct str name; size_t offset; bool is_flag; } abouts[] = { AUTH_ABOUT(ROW_TEXT, ROW_FLAG) };

static struct str *text_at(struct auth_cmd *c, const struct about *row) { return (struct str *)(void *)((char *)c + row->offset); }
static bool *flag_at(struct auth_cmd *c, const struct about *row) { return (bool *)(void *)((char *)c + row->offset); }

static const struct about *find_about(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(abouts); i++)
        if (str_eq(name, abouts[i].name))
            return &abouts[i];
    return NULL;
}

/* What is unknown is ignored: later versions say more. */
static void take_about(struct auth_cmd *c, struct str field)
{
    struct str key, value;
    (void)str_cut(field, '=', &key, &value);
    const struct about *row = find_about(key);
    if (row == NULL) {
        if (str_eqz(key, "protocol"))
            c->service = value;
        return;
    }
    if (!row->is_flag)
        *text_at(c, row) = value;
    else
        *flag_at(c, row) = true;
    if (row->is_flag && str_eqz(key, "secured"))
        c->secured_tls = str_eqz(value, "tls");
}

struct auth_cmd auth_cmd_dup(struct arena *a, const struct auth_cmd *from)
{
    struct auth_cmd c = *from;
    c.mech = str_dup(a, c.mech);
    for (size_t i = 0; i < N_ELEMS(abouts); i++) {
        struct str *text = abouts[i].is_flag ? NULL : text_at(&c, &abouts[i]);
        if (text != NULL)
            *text = text->n == 0 ? STR("") : str_dup(a, *text);
    }
    return c;
}

static bool parse_auth(const struct auth_line *l, struct auth_cmd *c, const char **why)
{
    *why = "AUTH without mechanism";
    if (l->n < 3 || l->fields[2].n == 0 || l->fields[2].n > AUTH_MECH_MAX)
        return false;
    c->mech = l->fields[2];
    *why = "parameters after resp=";
    for (size_t i = 3; i < l->n; i++) {
        if (!field_is(l->fields[i], "resp", &c->resp)) {
            take_about(c, l->fields[i]);
            continue;
        }
        if (i + 1 != l->n)
            return false;
        /* "resp" without '=' is an absent response, as from a client that has none. */
        c->has_resp = str_chr(l->fields[i], '=') >= 0;
    }
    *why = "AUTH without service";
    return c->service.n > 0;
}

static bool parse_verb(const struct auth_line *l, struct auth_cmd *c, const char **why)
{
    switch (c->verb) {
    case AUTH_VERB_VERSION:
        *why = "bad VERSION";
        return l->n >= 3 && num_parse_u32(l->fields[1], UINT32_MAX, &c->id) && num_parse_u32(l->fields[2], UINT32_MAX, &c->minor);
    case AUTH_VERB_CPID:
        *why = "bad CPID";
        return l->n >= 2 && num_parse_u32(l->fields[1], UINT32_MAX, &c->id);
    case AUTH_VERB_AUTH:
    case AUTH_VERB_CONT:
    case AUTH_VERB_CANCEL:
        break;
    }
    *why = "bad request id";
    if (l->n < 2 || !num_parse_u32(l->fields[1], UINT32_MAX, &c->id) || c->id == 0)
        return false;
    if (c->verb == AUTH_VERB_AUTH)
        return parse_auth(l, c, why);
    *why = "CONT without data";
    if (c->verb == AUTH_VERB_CONT && l->n < 3)
        return false;
    c->resp = c->verb == AUTH_VERB_CONT ? l->fields[2] : STR("");
    return true;
}

bool auth_cmd_parse(struct str line, struct arena *arena, struct auth_cmd *ret, const char **ret_why)
{
    struct auth_line l;
    struct auth_cmd c = nothing_said;
    const char *why = "line too long";
    bool ok = auth_line_parse(line, arena, &l);
    if (ok) {
        size_t v = 0;
        while (v < N_ELEMS(verbs) && !str_eqz(l.fields[0], verbs[v]))
            v++;
        why = "unknown command";
        c.verb = (enum auth_verb)v;
        ok = v < N_ELEMS(verbs) && parse_verb(&l, &c, &why);
    }
    if (ok)
        *ret = c;
    else
        *ret_why = why;
    return ok;
}

static void put_unless_empty(struct buf *out, const char *name, struct str value)
{
    if (value.n > 0)
        auth_line_field(out, name, value);
}

static void put_auth(struct buf *out, const struct auth_cmd *from)
{
    struct auth_cmd c = *from;
    auth_line_word(out, c.mech);
    for (size_t i = 0; i < N_ELEMS(abouts); i++) {
        bool bare = abouts[i].is_flag && *flag_at(&c, &abouts[i]);
        if (bare)
            auth_line_word(out, abouts[i].name);
        if (bare && c.secured_tls && str_eqz(abouts[i].name, "secured"))
            buf_puts(out, "=tls");
        if (!abouts[i].is_flag)
            put_unless_empty(out, abouts[i].name.p, *text_at(&c, &abouts[i]));
    }
    if (c.has_resp)
        auth_line_field(out, "resp", c.resp);
}

void auth_cmd_put(struct buf *out, const struct auth_cmd *cmd)
{
    auth_line_begin(out, verbs[cmd->verb]);
    auth_line_num(out, cmd->id);
    switch (cmd->verb) {
    case AUTH_VERB_VERSION: auth_line_num(out, cmd->minor); break;
    case AUTH_VERB_AUTH: put_auth(out, cmd); break;
    case AUTH_VERB_CONT: auth_line_word(out, cmd->resp); break;
    case AUTH_VERB_CPID:
    case AUTH_VERB_CANCEL: break;
    }
    auth_line_end(out);
}

static const char *const answers[] = {
    [AUTH_ANSWER_VERSION] = "VERSION", [AUTH_ANSWER_MECH] = "MECH", [AUTH_ANSWER_SPID] = "SPID", [AUTH_ANSWER_CUID] = "CUID",
    [AUTH_ANSWER_COOKIE] = "COOKIE",   [AUTH_ANSWER_DONE] = "DONE", [AUTH_ANSWER_OK] = "OK",     [AUTH_ANSWER_CONT] = "CONT",
    [AUTH_ANSWER_FAIL] = "FAIL",
};

/* Servers up to Dovecot 2.2 say `temp` where later ones say code=temp_fail. */
static struct str code_of_words(const struct auth_line *l)
{
    static const struct { const char *word; struct str code; } words[] = {
        { "temp", STR_INIT("temp_fail") }, { "authz", STR_INIT("authz_fail") },
        { "user_disabled", STR_INIT("user_disabled") }, { "pass_expired", STR_INIT("pass_expired") },
    };
    for (size_t i = 2; i < l->n; i++)
        for (size_t k = 0; k < N_ELEMS(words); k++)
            if (str_eqz(l->fields[i], words[k].word))
                return words[k].code;
    return STR("");
}

static bool parse_result(const struct auth_line *l, struct auth_answer *a, const char **why)
{
    *why = "bad request id";
    if (l->n < 2 || !num_parse_u64(l->fields[1], UINT32_MAX, &a->id) || a->id == 0)
        return false;
    if (a->verb == AUTH_ANSWER_CONT) {
        a->data = l->n > 2 ? l->fields[2] : STR("");
        return true;
    }
    (void)auth_line_get(l, 2, "user", &a->user);
    (void)auth_line_get(l, 2, "code", &a->code);
    (void)auth_line_get(l, 2, "reason", &a->reason);
    (void)auth_line_get(l, 2, "original_user", &a->original_user);
    (void)auth_line_get(l, 2, "auth_user", &a->auth_user);
    if (a->verb == AUTH_ANSWER_OK) {
        (void)auth_line_get(l, 2, "token", &a->token);
        (void)auth_line_get(l, 2, "cookie", &a->cookie);
    }
    if (a->verb == AUTH_ANSWER_OK)
        a->has_resp = auth_line_get(l, 2, "resp", &a->resp);
    if (a->verb == AUTH_ANSWER_FAIL && a->code.n == 0)
        a->code = code_of_words(l);
    return true;
}

static bool parse_answer(const struct auth_line *l, struct auth_answer *a, const char **why)
{
    *why = "malformed line";
    switch (a->verb) {
    case AUTH_ANSWER_VERSION:
        return l->n >= 3 && num_parse_u64(l->fields[1], UINT32_MAX, &a->id) && num_parse_u32(l->fields[2], UINT32_MAX, &a->minor);
    case AUTH_ANSWER_MECH:
        a->mech = l->n > 1 ? l->fields[1] : STR("");
        return a->mech.n > 0 && a->mech.n <= AUTH_MECH_MAX;
    case AUTH_ANSWER_SPID:
    case AUTH_ANSWER_CUID:
        return l->n >= 2 && num_parse_u64(l->fields[1], UINT64_MAX, &a->id);
    case AUTH_ANSWER_COOKIE:
        a->data = l->n > 1 ? l->fields[1] : STR("");
        return true;
    case AUTH_ANSWER_DONE:
        return true;
    case AUTH_ANSWER_OK:
    case AUTH_ANSWER_CONT:
    case AUTH_ANSWER_FAIL:
        return parse_result(l, a, why);
    }
    UNREACHABLE();
}

bool auth_answer_parse(struct str line, struct arena *arena, struct auth_answer *ret, const char **ret_why)
{
    struct auth_line l;
    struct auth_answer a = { .mech = STR(""), .data = STR(""), .user = STR(""), .code = STR(""), .reason = STR(""), .token = STR(""), .cookie = STR(""), .original_user = STR(""), .auth_user = STR(""), .extra = STR(""), .resp = STR("") };
    const char *why = "line too long";
    bool ok = auth_line_parse(line, arena, &l);
    if (ok) {
        size_t v = 0;
        while (v < N_ELEMS(answers) && !str_eqz(l.fields[0], answers[v]))
            v++;
        why = "unknown command";
        a.verb = (enum auth_answer_verb)v;
        ok = v < N_ELEMS(answers) && parse_answer(&l, &a, &why);
    }
    if (ok)
        *ret = a;
    else
        *ret_why = why;
    return ok;
}

void auth_answer_put(struct buf *out, const struct auth_answer *a)
{
    auth_line_begin(out, answers[a->verb]);
    switch (a->verb) {
    case AUTH_ANSWER_VERSION: auth_line_num(out, a->id); auth_line_num(out, a->minor); break;
    case AUTH_ANSWER_MECH: auth_line_word(out, a->mech); break;
    case AUTH_ANSWER_SPID:
    case AUTH_ANSWER_CUID: auth_line_num(out, a->id); break;
    case AUTH_ANSWER_COOKIE: auth_line_word(out, a->data); break;
    case AUTH_ANSWER_DONE: break;
    case AUTH_ANSWER_CONT: auth_line_num(out, a->id); auth_line_word(out, a->data); break;
    case AUTH_ANSWER_OK:
    case AUTH_ANSWER_FAIL:
        auth_line_num(out, a->id);
        put_unless_empty(out, "user", a->user);
        put_unless_empty(out, "code", a->code);
        put_unless_empty(out, "reason", a->reason);
        buf_add(out, a->extra);
        put_unless_empty(out, "original_user", a->original_user);
        put_unless_empty(out, "auth_user", a->auth_user);
        put_unless_empty(out, "token", a->token);
        put_unless_empty(out, "cookie", a->cookie);
        if (a->has_resp)
            auth_line_field(out, "resp", a->resp);
        break;
    }
    auth_line_end(out);
}

void auth_handshake_put(struct buf *out, const char *const mechs[][2], size_t n_mechs, uint64_t spid, uint64_t cuid, struct str cookie_hex)
{
    buf_printf(out, "VERSION\t%d\t%d\n", AUTH_MAJOR, AUTH_MINOR);
    for (size_t i = 0; i < n_mechs; i++)
        buf_printf(out, "MECH\t%s%s%s\n", mechs[i][0], mechs[i][1][0] == '\0' ? "" : "\t", mechs[i][1]);
    buf_printf(out, "SPID\t%llu\nCUID\t%llu\nCOOKIE\t%.*s\nDONE\n", (unsigned long long)spid, (unsigned long long)cuid, STR_FMT(cookie_hex));
}

/* ---- master and userdb sockets ---- */

static const char *const asks[] = { [AUTH_ASK_VERSION] = "VERSION", [AUTH_ASK_CPID] = "CPID", [AUTH_ASK_USER] = "USER", [AUTH_ASK_PASS] = "PASS",
                                    [AUTH_ASK_LIST] = "LIST", [AUTH_ASK_REQUEST] = "REQUEST", [AUTH_ASK_CACHE_FLUSH] = "CACHE-FLUSH" };

static bool parse_who(const struct auth_line *l, struct auth_ask *q, const char **why)
{
    *why = "no user name";
    if (l->n < 3 || l->fields[2].n == 0)
        return false;
    q->user = l->fields[2];
    for (size_t i = 3; i < l->n; i++)
        take_about(&q->about, l->fields[i]);
    *why = "no service";
    return q->about.service.n > 0;
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_digit(s.p[i]) && (ascii_lower(s.p[i]) < 'a' || ascii_lower(s.p[i]) > 'f'))
            return false;
    return true;
}

static bool parse_request(const struct auth_line *l, struct auth_ask *q, const char **why)
{
    struct str pid;
    *why = "malformed REQUEST";
    if (l->n < 5 || !num_parse_u32(l->fields[2], UINT32_MAX, &q->client_pid) || !num_parse_u32(l->fields[3], UINT32_MAX, &q->client_id) ||
        !is_hex(l->fields[4]))
        return false;
    q->cookie = l->fields[4];
    q->has_session_pid = auth_line_get(l, 5, "session_pid", &pid);
    return !q->has_session_pid || num_parse_u32(pid, UINT32_MAX, &q->session_pid);
}

static bool parse_ask(const struct auth_line *l, struct auth_ask *q, const char **why)
{
    struct str value;
    *why = "bad number";
    if (l->n < 2 || !num_parse_u32(l->fields[1], UINT32_MAX, &q->id))
        return false;
    switch (q->verb) {
    case AUTH_ASK_VERSION: return l->n >= 3 && num_parse_u32(l->fields[2], UINT32_MAX, &q->minor);
    case AUTH_ASK_CPID: return true;
    case AUTH_ASK_USER:
    case AUTH_ASK_PASS: return parse_who(l, q, why);
    case AUTH_ASK_REQUEST: return parse_request(l, q, why);
    case AUTH_ASK_LIST:
        for (size_t i = 2; i < l->n; i++)
            take_about(&q->about, l->fields[i]);
        q->user = auth_line_get(l, 2, "user", &value) ? value : STR("");
        return true;
    case AUTH_ASK_CACHE_FLUSH: return true;
    }
    UNREACHABLE();
}

bool auth_ask_parse(struct str line, struct arena *arena, struct auth_ask *ret, const char **ret_why)
{
    struct auth_ask q = { .user = STR(""), .cookie = STR(""), .about = nothing_said };
    const char *why = "line too long";
    bool ok = auth_line_parse(line, arena, &q.line);
    if (ok) {
        size_t v = 0;
        while (v < N_ELEMS(asks) && !str_eqz(q.line.fields[0], asks[v]))
            v++;
        why = "unknown command";
        q.verb = (enum auth_ask_verb)v;
        ok = v < N_ELEMS(asks) && parse_ask(&q.line, &q, &why);
    }
    if (ok)
        *ret = q;
    else
        *ret_why = why;
    return ok;
}

void auth_master_handshake_put(struct buf *out, uint64_t spid)
{
    buf_printf(out, "VERSION\t1\t1\nSPID\t%llu\n", (unsigned long long)spid);
}
