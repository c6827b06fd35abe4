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

static void put_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *as = NULL;
        switch (s.p[i]) {
        case '\0': as = "\0010"; break;
        case ESCAPE: as = "\0011"; break;
        case '\t': as = "\001t"; break;
        case '\r': as = "\001r"; break;
        case '\n': as = "\001n"; break;
        default: break;
        }
        if (as == NULL)
            buf_putc(out, s.p[i]);
        else
            buf_put(out, as, 2);
    }
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

static bool parse_auth(const struct auth_line *l, struct auth_cmd *c, const char **why)
{
    *why = "AUTH without mechanism";
    if (l->n < 3 || l->fields[2].n == 0 || l->fields[2].n > AUTH_MECH_MAX)
        return false;
    c->mech = l->fields[2];
    *why = "parameters after resp=";
    for (size_t i = 3; i < l->n; i++)
        if (field_is(l->fields[i], "resp", &c->resp)) {
            if (i + 1 != l->n)
                return false;
            /* "resp" without '=' is an absent response, as from a client that has none. */
            c->has_resp = str_chr(l->fields[i], '=') >= 0;
        }
    struct str unused;
    *why = "AUTH without service";
    if (!auth_line_get(l, 3, "service", &c->service) && !auth_line_get(l, 3, "protocol", &c->service))
        return false;
    (void)auth_line_get(l, 3, "rip", &c->remote);
    (void)auth_line_get(l, 3, "lip", &c->local);
    (void)auth_line_get(l, 3, "rport", &c->remote_port);
    (void)auth_line_get(l, 3, "lport", &c->local_port);
    (void)auth_line_get(l, 3, "session", &c->session);
    c->secured = auth_line_get(l, 3, "secured", &unused);
    c->no_penalty = auth_line_get(l, 3, "no-penalty", &unused);
    c->final_resp_ok = auth_line_get(l, 3, "final-resp-ok", &unused);
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
    struct auth_cmd c = { .mech = STR(""), .service = STR(""), .remote = STR(""), .local = STR(""), .remote_port = STR(""),
                          .local_port = STR(""), .session = STR(""), .resp = STR("") };
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

static void put_auth(struct buf *out, const struct auth_cmd *c)
{
    auth_line_word(out, c->mech);
    auth_line_field(out, "service", c->service);
    if (c->secured)
        buf_puts(out, "\tsecured");
    if (c->no_penalty)
        buf_puts(out, "\tno-penalty");
    if (c->final_resp_ok)
        buf_puts(out, "\tfinal-resp-ok");
    put_unless_empty(out, "session", c->session);
    put_unless_empty(out, "lip", c->local);
    put_unless_empty(out, "rip", c->remote);
    put_unless_empty(out, "lport", c->local_port);
    put_unless_empty(out, "rport", c->remote_port);
    if (c->has_resp)
        auth_line_field(out, "resp", c->resp);
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
    if (a->verb == AUTH_ANSWER_OK) {
        (void)auth_line_get(l, 2, "token", &a->token);
        (void)auth_line_get(l, 2, "cookie", &a->cookie);
    }
    /* Dovecot up to 2.2 says `temp` where later ones say code=temp_fail. */
    struct str unused;
    if (a->verb == AUTH_ANSWER_FAIL && a->code.n == 0 && auth_line_get(l, 2, "temp", &unused))
        a->code = STR("temp_fail");
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
    struct auth_answer a = { .mech = STR(""), .data = STR(""), .user = STR(""), .code = STR(""), .reason = STR(""), .token = STR(""), .cookie = STR("") };
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
        put_unless_empty(out, "token", a->token);
        put_unless_empty(out, "cookie", a->cookie);
        break;
    }
    auth_line_end(out);
}

void auth_handshake_put(struct buf *out, const char *const mechs[][2], size_t n_mechs, uint64_t spid, uint64_t cuid, struct str cookie_hex)
{
    buf_printf(out, "VERSION\t%d\t%d\n", AUTH_MAJOR, AUTH_MINOR);
    for (size_t i = 0; i < n_mechs; i++)
        buf_printf(out, "MECH\t%s\t%s\n", mechs[i][0], mechs[i][1]);
    buf_printf(out, "SPID\t%llu\nCUID\t%llu\nCOOKIE\t%.*s\nDONE\n", (unsigned long long)spid, (unsigned long long)cuid, STR_FMT(cookie_hex));
}
