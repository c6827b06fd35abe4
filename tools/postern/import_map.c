/* SPDX-License-Identifier: ISC
 *
 * Dovecot's settings as rows: what each becomes, or what its absence means for
 * users.
 */
#include "base/num.h"
#include "import.h"
#include <grp.h>
#include <pwd.h>

enum how {
    COPY,       /* the value as it is */
    BOOL,       /* yes or no */
    INVERSE,    /* no or yes */
    SECONDS,    /* a time; a bare number is seconds */
    MINUTES_BARE, /* a time; a bare number is minutes */
    NUMBER,
    CALL,       /* the row's function */
    LATER,      /* read by a function at the end */
    FREE,       /* no effect */
    DIFF,       /* differs */
    DECIDE,     /* must decide */
    IF_YES,     /* must decide when yes, else no effect */
};
/* scope: "" top (and protocols), or the section's name. name: the setting or section; "x*": all that begin with x. text: what the note says. */
struct rule { const char *scope, *name; enum how how; const char *target, *text; void (*call)(struct import *im, size_t at); };

/* ---- functions of rows, below ---- */

static void plugins(struct import *im, size_t at);
static void username_chars(struct import *im, size_t at);
static void owner(struct import *im, size_t at);
static void listen_on(struct import *im, size_t at);
static void connections(struct import *im, size_t at);
static void uidl(struct import *im, size_t at);
static void capability(struct import *im, size_t at);
static void log_path(struct import *im, size_t at);
static void failure_delay(struct import *im, size_t at);
static void first_uid(struct import *im, size_t at);
static void tls_mode(struct import *im, size_t at);
static void trusted_networks(struct import *im, size_t at);

#include "import_rows.h"

/* ---- params and notes ---- */

const char *import_grade_name(enum import_grade grade)
{
    static const char *const names[] = { [IMPORT_NO_EFFECT] = "no effect", [IMPORT_DIFFERS] = "differs", [IMPORT_DECIDE] = "must decide" };
    return names[grade];
}

static struct str escaped(struct import *im, struct str value)
{
    if (str_chr(value, '$') < 0 && str_chr(value, '\n') < 0)
        return str_dup(im->arena, value);
    struct buf b = buf_make(0);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '$')
            buf_putc(&b, '$');
        buf_putc(&b, value.p[i] == '\n' ? ' ' : value.p[i]);
    }
    struct str s = str_dup(im->arena, buf_str(&b));
    buf_done(&b);
    return s;
}

void import_set(struct import *im, const char *name, struct str value, const struct dovecot_node *node)
{
    struct import_param *p = NULL;
    for (size_t i = 0; i < im->params.n && p == NULL; i++)
        if (strcmp(im->params.p[i].name, name) == 0)
            p = &im->params.p[i];
    if (p == NULL)
        p = vec_add(&im->params);
    *p = (struct import_param){ .name = name, .value = escaped(im, value), .file = node == NULL ? "" : node->file, .line = node == NULL ? 0 : node->line };
}

void import_note_of(struct import *im, enum import_grade grade, const struct dovecot_node *node, struct str what, const char *text)
{
    struct import_note *n = vec_add(&im->notes);
    *n = (struct import_note){ .grade = grade, .file = node == NULL ? "" : node->file, .line = node == NULL ? 0 : node->line, .what = str_dup(im->arena, what), .text = text };
}

void import_note(struct import *im, enum import_grade grade, const struct dovecot_node *node, const char *text)
{
    struct str what;
    if (node->is_section)
        what = node->arg.n > 0 ? str_printf(im->arena, "%.*s %.*s { }", STR_FMT(node->name), STR_FMT(node->arg)) : str_printf(im->arena, "%.*s { }", STR_FMT(node->name));
    else if (node->is_hidden)
        what = node->name;
    else
        what = str_printf(im->arena, "%.*s = %.*s", STR_FMT(node->name), (int)MIN(node->value.n, (size_t)100), node->value.p);
    import_note_of(im, grade, node, what, text);
}

bool import_must_decide(const struct import *im)
{
    for (size_t i = 0; i < im->notes.n; i++)
        if (im->notes.p[i].grade == IMPORT_DECIDE)
            return true;
    return false;
}

struct str import_list(struct import *im, size_t at)
{
    const struct dovecot_node *nodes = im->tree.nodes, *n = &nodes[at];
    struct buf b = buf_make(0);
    for (size_t i = at + 1; n->is_section && i < n->end; i = nodes[i].end)
        if (!nodes[i].is_section && dovecot_is_yes(nodes[i].value))
            buf_printf(&b, "%s%.*s", b.n > 0 ? " " : "", STR_FMT(nodes[i].name));
    struct str s = n->is_section ? str_dup(im->arena, buf_str(&b)) : n->value;
    buf_done(&b);
    return s;
}

bool import_uid(struct str text, bool group, uint32_t *ret)
{
    char name[64];
    if (num_parse_u32(text, UINT32_MAX - 1, ret))
        return true;
    if (!str_to_fixed(text, name, sizeof name))
        return false;
    const struct group *gr = group ? getgrnam(name) : NULL;
    const struct passwd *pw = group ? NULL : getpwnam(name);
    if (gr == NULL && pw == NULL)
        return false;
    *ret = group ? gr->gr_gid : pw->pw_uid;
    return true;
}

/* ---- functions of rows ---- */

static bool name_fits(const char *pattern, struct str name)
{
    size_t n = strlen(pattern);
    if (n > 0 && pattern[n - 1] == '*')
        return str_istarts(name, str_make(pattern, n - 1));
    if (n > 0 && pattern[0] == '*')
        return str_iends(name, str_make(pattern + 1, n - 1));
    return str_ieqz(name, pattern);
}

static const struct rule *find_rule(const char *scope, struct str name)
{
    for (size_t i = 0; i < N_ELEMS(rules); i++)
        if (strcmp(rules[i].scope, scope) == 0 && name_fits(rules[i].name, name))
            return &rules[i];
    return NULL;
}

static void plugins(struct import *im, size_t at)
{
    struct str rest = import_list(im, at), word;
    while (str_token(&rest, " \t,", &word)) {
        const struct rule *r = find_rule("mail_plugins", word);
        bool seen = word.p[0] == '$' || str_chr(word, '"') >= 0;
        for (size_t i = 0; i < im->notes.n && !seen; i++)
            seen = im->notes.p[i].text == r->text && str_ends(im->notes.p[i].what, word) && str_starts(im->notes.p[i].what, STR("mail_plugins:"));
        if (!seen)
            import_note_of(im, r->how == DECIDE ? IMPORT_DECIDE : r->how == DIFF ? IMPORT_DIFFERS : IMPORT_NO_EFFECT, &im->tree.nodes[at],
                           str_printf(im->arena, "mail_plugins: %.*s", STR_FMT(word)), r->text);
    }
}

static void username_chars(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    if (n->value.n == 0)
        import_note(im, IMPORT_DIFFERS, n, "user names keep to postern_auth_username_chars: add what yours have beyond it");
    else
        import_set(im, "postern_auth_username_chars", n->value, n);
}

/* Webmail: its wrong passwords are its users'. */
static void trusted_networks(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    if (n->value.n == 0)
        return;
    import_set(im, "postern_auth_trusted_networks", n->value, n);
    import_note(im, IMPORT_DIFFERS, n, "wrong passwords from there are not counted; no host speaks for its clients, logins are logged with its own address, and need TLS as others do");
}

static void owner(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    bool group = str_eqz(n->name, "mail_gid");
    uint32_t id;
    if (import_uid(n->value, group, &id))
        import_set(im, group ? "postern_mail_gid" : "postern_mail_uid", str_printf(im->arena, "%u", id), n);
    else
        import_note(im, IMPORT_DECIDE, n, "this account is not known here: make it, then set postern_mail_uid and postern_mail_gid to its numbers");
}

static void listen_on(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    struct buf b = buf_make(0);
    struct str rest = n->value, word;
    bool all = false;
    while (str_token(&rest, " \t,", &word)) {
        all |= str_eqz(word, "*") || str_eqz(word, "::") || str_eqz(word, "[::]") || str_eqz(word, "0.0.0.0");
        bool six = str_chr(word, ':') >= 0 && word.p[0] != '[';
        buf_printf(&b, six ? "%s[%.*s]" : "%s%.*s", b.n > 0 ? ", " : "", STR_FMT(word));
    }
    import_set(im, "inet_interfaces", all ? STR("all") : buf_str(&b), n);
    if (str_eqz(n->value, "*") || str_eqz(n->value, "0.0.0.0"))
        import_set(im, "inet_protocols", STR("ipv4"), n);
    buf_done(&b);
}

/* One limit for both protocols: the larger. */
static void connections(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    uint32_t value, old = 0;
    if (!num_parse_u32(n->value, 100000, &value)) {
        import_note(im, IMPORT_DECIDE, n, "no number of connections from 0 to 100000");
        return;
    }
    for (size_t i = 0; i < im->params.n; i++)
        if (strcmp(im->params.p[i].name, "mail_max_userip_connections") == 0 && n->depth > 0)
            (void)num_parse_u32(im->params.p[i].value, 100000, &old);
    if (value > old || value == 0)
        import_set(im, "mail_max_userip_connections", str_printf(im->arena, "%u", value), n);
}

static void uidl(struct import *im, size_t at)
{
    static const char *const same[] = { "%08Xu%08Xv", "%{uid | hex(8)}%{uidvalidity | hex(8)}", "%{uid|hex(8)}%{uidvalidity|hex(8)}" };
    const struct dovecot_node *n = &im->tree.nodes[at];
    for (size_t i = 0; i < N_ELEMS(same); i++)
        if (str_eqz(n->value, same[i]))
            return;
    import_note(im, IMPORT_DECIDE, n, "UIDLs are written %08Xu%08Xv: POP3 clients that leave mail on the server download it again, unless dovecot-uidlist has them (pop3_save_uidl)");
}

/* Words that are added, or a whole list, of which only what is not there anyway can be added. */
static void capability(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    struct str value = n->value;
    if (value.n > 0 && value.p[0] == '+')
        import_set(im, "imapd_capability", str_trim(str_skip(value, 1)), n);
    else
        import_note(im, IMPORT_DIFFERS, n, "the list of capabilities is imapd's own; words can be added by imapd_capability");
}

static void log_path(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    if (n->value.n > 0 && n->value.p[0] == '/' && !str_starts(n->value, STR("/dev/")))
        import_set(im, "maillog_file", n->value, n);
    else if (!str_eqz(n->value, "syslog"))
        import_note(im, IMPORT_DIFFERS, n, "log lines go to the system's log");
}

static void failure_delay(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    uint64_t ms;
    if (!dovecot_time(n->value, 1000, &ms))
        import_note(im, IMPORT_DECIDE, n, "no time");
    else if (ms > 5000)
        import_note(im, IMPORT_DIFFERS, n, "5 s at most, because SMTP servers wait only 10 s; addresses that fail again wait longer");
    import_set(im, "postern_auth_failure_delay", str_printf(im->arena, "%us", ms > 5000 ? 5u : (unsigned)((ms + 999) / 1000)), n);
}

static void first_uid(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    import_set(im, "postern_first_valid_uid", str_eqz(n->value, "0") ? STR("1") : n->value, n);
}

static void tls_mode(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    if (str_ieqz(n->value, "required"))
        import_set(im, "postern_disable_plaintext_auth", STR("yes"), n);
    else if (str_ieqz(n->value, "no"))
        import_note(im, IMPORT_DIFFERS, n, "TLS is offered where postern_tls_cert_file or smtpd_tls_cert_file names a certificate");
}

static void put_time(struct import *im, const struct rule *r, const struct dovecot_node *n, uint64_t unit)
{
    uint64_t ms;
    if (dovecot_time(n->value, unit, &ms))
        import_set(im, r->target, str_printf(im->arena, "%llus", (unsigned long long)((ms + 999) / 1000)), n);
    else
        import_note(im, IMPORT_DECIDE, n, "no time that can be read");
}

static void put_bool(struct import *im, const struct rule *r, const struct dovecot_node *n, bool inverse)
{
    import_set(im, r->target, dovecot_is_yes(n->value) != inverse ? STR("yes") : STR("no"), n);
}

/* ---- the walk ---- */

/* Passwords of databases, which doveconf prints only when it is told to. */
static void hidden(struct import *im)
{
    for (size_t i = 0; i < im->tree.n; i++) {
        const struct dovecot_node *n = &im->tree.nodes[i];
        if (n->is_hidden && !str_starts(n->name, STR("ssl_")) && !str_starts(n->name, STR("doveadm_")))
            import_note(im, IMPORT_DECIDE, n, "doveconf did not print it: import what \"doveconf -nP\" prints, or put it into the file by hand");
    }
}

static void apply(struct import *im, const struct rule *r, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    uint32_t number;
    switch (r->how) {
    case COPY: import_set(im, r->target, n->value, n); return;
    case BOOL: put_bool(im, r, n, false); return;
    case INVERSE: put_bool(im, r, n, true); return;
    case SECONDS: put_time(im, r, n, 1000); return;
    case MINUTES_BARE: put_time(im, r, n, 60000); return;
    case NUMBER:
        if (num_parse_u32(n->value, UINT32_MAX, &number))
            import_set(im, r->target, n->value, n);
        else
            import_note(im, IMPORT_DIFFERS, n, "no number");
        return;
    case CALL: r->call(im, at); return;
    case LATER: return;
    case FREE: import_note(im, IMPORT_NO_EFFECT, n, r->text); return;
    case DIFF: import_note(im, IMPORT_DIFFERS, n, r->text); return;
    case DECIDE: import_note(im, IMPORT_DECIDE, n, r->text); return;
    case IF_YES:
        import_note(im, str_ieqz(n->value, "no") || n->value.n == 0 ? IMPORT_NO_EFFECT : IMPORT_DECIDE, n, r->text);
        return;
    }
}

static void walk(struct import *im, const char *scope, size_t from, size_t end)
{
    for (size_t i = from; i < end; i = im->tree.nodes[i].end) {
        const struct rule *r = find_rule(scope, im->tree.nodes[i].name);
        if (r != NULL)
            apply(im, r, i);
        else
            import_note(im, IMPORT_DECIDE, &im->tree.nodes[i], "not known here: look up what it does for you");
    }
}

/* protocol imap { } and plugin { } come last in doveconf's text, and in effect. */
static void walk_later(struct import *im)
{
    static const char *const sections[] = { "protocol", "plugin" };
    for (size_t i = 0; i < im->tree.n; i = im->tree.nodes[i].end) {
        const struct dovecot_node *n = &im->tree.nodes[i];
        for (size_t k = 0; k < N_ELEMS(sections); k++)
            if (n->is_section && str_eqz(n->name, sections[k]))
                walk(im, k == 0 ? "" : sections[k], i + 1, n->end);
    }
}

static bool is_set(const struct import *im, const char *name)
{
    for (size_t i = 0; i < im->params.n; i++)
        if (strcmp(im->params.p[i].name, name) == 0)
            return true;
    return false;
}

/* What Dovecot does when nothing is said, and this system does not. */
static void defaults(struct import *im)
{
    static const struct { const char *name, *value; } rows[] = {
        { "postern_plaintext_auth_loopback", "yes" },       /* a client on the same machine counts as safe */
        { "postern_auth_mechanisms", "plain" },
    };
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        if (!is_set(im, rows[i].name))
            import_set(im, rows[i].name, str_from(rows[i].value), NULL);
    if (!im->is_24 && !is_set(im, "postern_auth_allow_weak_schemes"))
        import_set(im, "postern_auth_allow_weak_schemes", STR("yes"), NULL);
}

void import_map(struct import *im)
{
    im->is_24 = im->tree.version.n > 0 && !str_starts(im->tree.version, STR("2.3")) && !str_starts(im->tree.version, STR("2.2"));
    im->passdb = im->userdb = im->services = im->listeners = im->sni = buf_make(0);
    im->protocols = STR("imap pop3 lmtp");
    walk(im, "", 0, im->tree.n);
    walk_later(im);
    hidden(im);
    if (im->passdb.n > 0)
        import_set(im, "postern_passdb", buf_str(&im->passdb), NULL);
    if (im->userdb.n > 0)
        import_set(im, "postern_userdb", buf_str(&im->userdb), NULL);
    import_mail_end(im);
    import_tls_end(im);
    import_services_end(im);
    import_lmtp_end(im);
    defaults(im);
}

void import_done(struct import *im)
{
    vec_done(&im->params);
    vec_done(&im->notes);
    vec_done(&im->files);
    buf_done(&im->passdb);
    buf_done(&im->userdb);
    buf_done(&im->services);
    buf_done(&im->listeners);
    buf_done(&im->sni);
}
