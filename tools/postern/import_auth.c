/* SPDX-License-Identifier: ISC
 *
 * passdb and userdb sections become entries of postern_passdb and
 * postern_userdb (auth/db_conf.h). The first generation keeps a driver's
 * settings in args and in files of their own; the second keeps them in the
 * section, and queries are then written into a file in the first one's notation.
 */
#include "conf/lex.h"
#include "import.h"

/* One section on its way to an entry. */
struct entry {
    struct import *im;
    size_t at;
    const struct dovecot_node *node;
    bool is_passdb;
    struct str driver;
    struct buf arg, options;
    bool lost;                  /* cannot be imported: a note says so */
};

/* ---- reading ---- */

/* Name as it is used inside a section: without passdb_, userdb_. */
static struct str inner_name(const struct entry *e, struct str name)
{
    struct str prefix = e->is_passdb ? STR("passdb_") : STR("userdb_");
    return str_starts(name, prefix) ? str_skip(name, prefix.n) : name;
}

/* A setting of the section, by any of its names; of the second generation also from the top. NULL: not set. */
static const struct dovecot_node *setting(const struct entry *e, const char *name, const char *other)
{
    const struct dovecot_tree *t = &e->im->tree;
    const struct dovecot_node *found = NULL;
    for (size_t i = e->at + 1; i < e->node->end; i = t->nodes[i].end) {
        struct str inner = inner_name(e, t->nodes[i].name);
        if (str_eqz(inner, name) || (other != NULL && str_eqz(inner, other)))
            found = &t->nodes[i];
    }
    for (size_t i = 0; i < t->n && found == NULL && e->im->is_24; i = t->nodes[i].end) {
        struct str inner = inner_name(e, t->nodes[i].name);
        bool is_shared = other != NULL && str_eqz(t->nodes[i].name, other);
        if (is_shared || (inner.n < t->nodes[i].name.n && str_eqz(inner, name)))
            found = &t->nodes[i];
    }
    return found;
}

static struct str value_of(const struct entry *e, const char *name, const char *other)
{
    const struct dovecot_node *n = setting(e, name, other);
    return n == NULL ? STR("") : n->value;
}

/* ---- writing ---- */

static bool needs_braces(struct str value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] == ',' || ascii_is_space(value.p[i]))
            return true;
    return value.n == 0;
}

static bool braces_fit(struct str value)
{
    size_t depth = 0;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '}' && depth-- == 0)
            return false;
        depth += value.p[i] == '{';
    }
    return depth == 0;
}

static void option(struct entry *e, const char *name, struct str value)
{
    struct { const char *name; struct str *value; } shared[] = { { "uid", &e->im->uid }, { "gid", &e->im->gid } };
    for (size_t i = 0; i < N_ELEMS(shared); i++)
        if (!e->is_passdb && str_eqz(e->driver, "static") && strcmp(name, shared[i].name) == 0)
            *shared[i].value = value;
    if (!braces_fit(value)) {
        import_note_of(e->im, IMPORT_DECIDE, e->node, str_printf(e->im->arena, "%s=%.*s", name, STR_FMT(value)), "its braces do not fit: main.cf cannot hold it");
        return;
    }
    if (needs_braces(value))
        buf_printf(&e->options, ", { %s = %.*s }", name, STR_FMT(value));
    else
        buf_printf(&e->options, ", %s=%.*s", name, STR_FMT(value));
}

static void lose(struct entry *e, const char *text)
{
    struct str what = str_printf(e->im->arena, "%s, driver %.*s", e->is_passdb ? "passdb" : "userdb", STR_FMT(e->driver));
    import_note_of(e->im, IMPORT_DECIDE, e->node, what, text);
    e->lost = true;
}

static void finish(struct entry *e, struct buf *list)
{
    if (!e->lost) {
        if (list->n > 0)
            buf_puts(list, ", ");
        const char *colon = e->arg.n > 0 || str_eqz(e->driver, "static") ? ":" : "";
        bool bare = e->options.n == 0 && braces_fit(buf_str(&e->arg)) && !needs_braces(e->arg.n == 0 ? STR("x") : buf_str(&e->arg));
        buf_printf(list, bare ? "%.*s%s%.*s%.*s" : "{ %.*s%s%.*s%.*s }", STR_FMT(e->driver), colon, STR_FMT(buf_str(&e->arg)), STR_FMT(buf_str(&e->options)));
    }
    buf_done(&e->arg);
    buf_done(&e->options);
}

/* ---- drivers ---- */

/* "a=b c=d /path": the words of args; the last bare one is the path or service. */
static void args_words(struct entry *e, struct str *ret_last, bool as_options)
{
    struct str rest = value_of(e, "args", NULL), word, name, value;
    *ret_last = STR("");
    while (str_token(&rest, " \t", &word)) {
        if (!str_cut(word, '=', &name, &value) || word.p[0] == '/') {
            if (as_options)
                option(e, str_to_cstr(e->im->arena, word), STR("yes"));
            else
                *ret_last = word;
            continue;
        }
        if (as_options)
            option(e, str_to_cstr(e->im->arena, name), value);
        else if (str_eqz(name, "scheme"))
            option(e, "default_pass_scheme", value);
        else if (str_eqz(name, "username_format"))
            option(e, "username_format", value);
        else if (str_eqz(name, "nopassword") || str_eqz(name, "password") || str_starts(name, STR("userdb_")))
            option(e, str_to_cstr(e->im->arena, name), value);
        else
            import_note_of(e->im, IMPORT_NO_EFFECT, e->node, word, "an argument of the driver that this system does without");
    }
}

static void driver_pam(struct entry *e)
{
    struct str service;
    if (str_eqz(e->driver, "shadow"))
        import_note(e->im, IMPORT_DIFFERS, e->node, "/etc/shadow is read by PAM (/etc/pam.d/dovecot must exist)");
    e->driver = STR("pam");
    args_words(e, &service, false);
    if (e->im->is_24)
        service = value_of(e, "service_name", "pam_service_name");
    if (str_eqz(service, "%s") || str_eqz(service, "*") || str_starts(service, STR("%{")))
        import_note_of(e->im, IMPORT_DECIDE, e->node, str_printf(e->im->arena, "passdb pam, service %.*s", STR_FMT(service)),
                       "one PAM service for all protocols: postern_pam_service is dovecot");
    else if (service.n > 0 && !str_eqz(service, "dovecot"))
        import_set(e->im, "postern_pam_service", service, e->node);
}

static void driver_passwd(struct entry *e)
{
    struct str rest = value_of(e, "args", NULL);
    if (e->is_passdb) {
        import_note(e->im, IMPORT_DIFFERS, e->node, "passwords of the system's users are checked by PAM (/etc/pam.d/dovecot must exist)");
        e->driver = STR("pam");
    }
    if (rest.n > 0)
        import_note_of(e->im, IMPORT_NO_EFFECT, e->node, rest, "an argument of the driver that this system does without");
}

static void driver_passwd_file(struct entry *e)
{
    struct str path;
    args_words(e, &path, false);
    if (path.n == 0)
        path = value_of(e, "passwd_file_path", "passwd_file_path");
    struct str format = value_of(e, "auth_username_format", NULL);
    if (format.n == 0)
        format = value_of(e, "username_format", "passwd_file_username_format");
    if (format.n > 0)
        option(e, "username_format", format);
    if (path.n == 0)
        lose(e, "it names no file");
    else
        buf_add(&e->arg, path);
}

static void driver_static(struct entry *e)
{
    struct str last;
    const struct dovecot_node *fields;
    args_words(e, &last, true);
    static const char *const own[] = { "password", "allow_all_users", "nopassword" };
    for (size_t i = 0; i < N_ELEMS(own); i++) {
        const struct dovecot_node *n = setting(e, own[i], str_printf(e->im->arena, "static_%s", own[i]).p);
        if (n != NULL)
            option(e, own[i], n->value);
    }
    fields = e->im->is_24 ? setting(e, "fields", NULL) : NULL;
    if (fields != NULL && fields->is_section)
        for (size_t i = (size_t)(fields - e->im->tree.nodes) + 1; i < fields->end; i++)
            option(e, str_to_cstr(e->im->arena, e->im->tree.nodes[i].name), e->im->tree.nodes[i].value);
}

/* ---- SQL and LDAP ---- */

static const char *const sql_keys[] = { "driver", "connect", "default_pass_scheme", "password_query", "user_query", "iterate_query", NULL };
static const char *const ldap_keys[] = { "hosts", "uris", "dn", "dnpass", "sasl_bind", "sasl_mech", "sasl_realm", "sasl_authz_id", "tls", "tls_ca_cert_file", "tls_ca_cert_dir", "tls_require_cert", "auth_bind", "auth_bind_userdn",
                                         "ldap_version", "base", "deref", "scope", "user_attrs", "user_filter", "pass_attrs", "pass_filter", "iterate_attrs",
                                         "iterate_filter", "default_pass_scheme", "debug_level", "blocking", "tls_cipher_suite", "tls_cert_file", "tls_key_file", NULL };

static bool is_one_of(struct str name, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++)
        if (str_eqz(name, names[i]))
            return true;
    return false;
}

/* What the file says that is not read, and what it leaves out. */
static void check_ext(struct entry *e, struct str path, bool sql)
{
    struct import *im = e->im;
    struct dovecot_tree ext;
    struct buf text = buf_make(0);
    struct err err = { 0 };
    const char *name = str_printf(im->arena, "%s%.*s", im->root, STR_FMT(path)).p;
    if (lex_read_file(name, DOVECOT_FILE_MAX, &text, &err) < 0 || dovecot_parse_ext(name, buf_str(&text), im->arena, &ext, &err) < 0) {
        buf_done(&text);
        import_note_of(im, IMPORT_DECIDE, e->node, path, str_printf(im->arena, "the file cannot be read here (%s): nobody of this database logs in before it is in place", err.text).p);
        return;
    }
    buf_done(&text);
    for (size_t i = 0; i < ext.n; i++)
        if (!is_one_of(ext.nodes[i].name, sql ? sql_keys : ldap_keys))
            import_note(im, IMPORT_DIFFERS, &ext.nodes[i], "this line of the file is not read");
    const struct dovecot_node *driver = dovecot_find(&ext, SIZE_MAX, "driver");
    static const char *const drivers[] = { "mysql", "pgsql", "sqlite", NULL };
    if (sql && (driver == NULL || !is_one_of(driver->value, drivers)))
        import_note_of(im, IMPORT_DECIDE, e->node, path, "its driver is not mysql, pgsql or sqlite");
    /* Dovecot 2.3's default for SQL; passwords with a {SCHEME} do not need it. */
    if (sql && e->is_passdb && !im->is_24 && dovecot_find(&ext, SIZE_MAX, "default_pass_scheme") == NULL)
        option(e, "default_pass_scheme", STR("MD5"));
}

static void put_line(struct buf *b, const char *name, struct str value)
{
    if (value.n > 0)
        buf_printf(b, "%s = %.*s\n", name, STR_FMT(value));
}

/* "mysql localhost { user = ... }", "pgsql localhost { parameters { ... } }" */
static void put_connect(struct entry *e, struct str driver, struct buf *b)
{
    const struct dovecot_tree *t = &e->im->tree;
    bool first = true, has_host = false;
    if (str_eqz(driver, "sqlite")) {
        put_line(b, "connect", value_of(e, "sqlite_path", "sqlite_path"));
        return;
    }
    buf_puts(b, "connect =");
    for (size_t i = 0; i < t->n; i = t->nodes[i].end) {
        if (!t->nodes[i].is_section || !str_eq(t->nodes[i].name, driver) || !first)
            continue;
        first = false;
        for (size_t k = i + 1; k < t->nodes[i].end; k++) {
            if (t->nodes[k].is_section)
                continue;
            struct str name = t->nodes[k].name;
            if (str_starts(name, driver) && name.n > driver.n && name.p[driver.n] == '_')
                name = str_skip(name, driver.n + 1);
            has_host |= str_eqz(name, "host");
            buf_printf(b, " %.*s=%.*s", STR_FMT(name), STR_FMT(t->nodes[k].value));
        }
        if (!has_host && t->nodes[i].arg.n > 0)
            buf_printf(b, " host=%.*s", STR_FMT(t->nodes[i].arg));
    }
    buf_putc(b, '\n');
}

/* Fields of the section `fields { user = %{ldap:mail} }` as LDAP attributes of the first generation. */
static void put_attrs(struct entry *e, struct buf *b, const char *name)
{
    const struct dovecot_node *fields = setting(e, "fields", NULL);
    const char *sep = "";
    if (fields == NULL || !fields->is_section)
        return;
    buf_printf(b, "%s = ", name);
    for (size_t i = (size_t)(fields - e->im->tree.nodes) + 1; i < fields->end; i++) {
        const struct dovecot_node *n = &e->im->tree.nodes[i];
        buf_printf(b, "%s=%.*s=%.*s", sep, STR_FMT(n->name), STR_FMT(n->value));
        sep = ", ";
    }
    buf_putc(b, '\n');
}

static void write_sql(struct entry *e, struct buf *b)
{
    struct str driver = value_of(e, "sql_driver", "sql_driver");
    put_line(b, "driver", driver);
    put_connect(e, driver, b);
    put_line(b, "default_pass_scheme", value_of(e, "default_password_scheme", "passdb_default_password_scheme"));
    put_line(b, e->is_passdb ? "password_query" : "user_query", value_of(e, "query", e->is_passdb ? "passdb_sql_query" : "userdb_sql_query"));
    if (!e->is_passdb)
        put_line(b, "iterate_query", value_of(e, "iterate_query", "userdb_sql_iterate_query"));
    if (driver.n == 0)
        lose(e, "sql_driver is not set");
}

static void write_ldap(struct entry *e, struct buf *b)
{
    static const struct { const char *now, *then; } common[] = {
        { "ldap_uris", "uris" }, { "ldap_auth_dn", "dn" }, { "ldap_auth_dn_password", "dnpass" }, { "ldap_base", "base" }, { "ldap_scope", "scope" },
        { "ldap_deref", "deref" }, { "ldap_version", "ldap_version" }, { "ldap_starttls", "tls" }, { "ssl_client_ca_file", "tls_ca_cert_file" },
    };
    for (size_t i = 0; i < N_ELEMS(common); i++)
        put_line(b, common[i].then, value_of(e, common[i].now, common[i].now));
    put_line(b, "default_pass_scheme", value_of(e, "default_password_scheme", "passdb_default_password_scheme"));
    if (e->is_passdb) {
        put_line(b, "auth_bind", value_of(e, "ldap_bind", "bind"));
        put_line(b, "auth_bind_userdn", value_of(e, "ldap_bind_userdn", "bind_userdn"));
        put_line(b, "pass_filter", value_of(e, "ldap_filter", "filter"));
        put_attrs(e, b, "pass_attrs");
    } else {
        put_line(b, "user_filter", value_of(e, "ldap_filter", "filter"));
        put_line(b, "iterate_filter", value_of(e, "ldap_iterate_filter", "iterate_filter"));
        put_attrs(e, b, "user_attrs");
    }
}

static void driver_query(struct entry *e)
{
    struct import *im = e->im;
    bool sql = str_eqz(e->driver, "sql");
    struct str path;
    args_words(e, &path, false);
    if (path.n > 0) {
        buf_add(&e->arg, path);
        check_ext(e, path, sql);
        return;
    }
    if (!im->is_24) {
        lose(e, "it names no file");
        return;
    }
    struct buf text = buf_make(0);
    struct import_file *f = vec_add(&im->files);
    f->name = str_printf(im->arena, "dovecot-%s-%s-%zu.conf.ext", sql ? "sql" : "ldap", e->is_passdb ? "passdb" : "userdb", im->files.n).p;
    buf_printf(&text, "# From %s, line %u: read by authd's database processes.\n", e->node->file, e->node->line);
    if (sql)
        write_sql(e, &text);
    else
        write_ldap(e, &text);
    f->text = str_dup(im->arena, buf_str(&text));
    buf_printf(&e->arg, "%s/%s", im->config_dir, f->name);
    buf_done(&text);
}

static void driver_none(struct entry *e) { (void)e; }

static void driver_oauth2(struct entry *e)
{
    lose(e, "token validation is set by parameters of its own (postconf(5), postern_oauth2): carry the key or the introspection address over by hand; until then tokens let nobody in");
}

static void driver_lua(struct entry *e) { lose(e, "Lua scripts are not run: its users cannot log in before another database knows them"); }
static void driver_gone(struct entry *e) { lose(e, "there is no such driver here: its users cannot log in before another database knows them"); }

static const struct { const char *name; bool passdb, userdb; void (*read)(struct entry *e); } drivers[] = {
    { "pam", true, false, driver_pam }, { "shadow", true, false, driver_pam }, { "passwd", true, true, driver_passwd },
    { "passwd-file", true, true, driver_passwd_file }, { "static", true, true, driver_static },
    { "sql", true, true, driver_query }, { "ldap", true, true, driver_query }, { "prefetch", false, true, driver_none },
    { "oauth2", true, false, driver_oauth2 }, { "lua", true, true, driver_lua },
};

/* ---- what all drivers have ---- */

static void put_fields(struct entry *e, const char *now, const char *then)
{
    const struct dovecot_node *n = setting(e, now, NULL);
    if (n == NULL || (!n->is_section && n->value.n == 0))
        return;
    if (!n->is_section) {
        option(e, then, n->value);
        return;
    }
    struct buf b = buf_make(0);
    for (size_t i = (size_t)(n - e->im->tree.nodes) + 1; i < n->end; i++)
        buf_printf(&b, "%s%.*s=%.*s", b.n > 0 ? " " : "", STR_FMT(e->im->tree.nodes[i].name), STR_FMT(e->im->tree.nodes[i].value));
    option(e, then, buf_str(&b));
    buf_done(&b);
}

/* Names that each section may have, beside those of its driver. */
static const char *const known[] = { "driver", "args", "default_fields", "override_fields", "mechanisms", "mechanisms_filter", "username_filter", "auth_verbose", "result_success",
                                     "result_failure", "result_internalfail", "skip", "deny", "master", "pass", "name", "fields", "default_password_scheme", "query", "iterate_query",
                                     "filter", "bind", "bind_userdn", "iterate_filter", "iterate_fields", "password", "allow_all_users", "nopassword", "service_name", "session",
                                     "setcred", "failure_show_msg", "max_requests", "cache_key", "use_worker", "use_cache", "username_format", "auth_username_format", NULL };

static void put_common(struct entry *e)
{
    static const struct { const char *name, *usual; } rules[] = {
        { "result_success", "return-ok" }, { "result_failure", "continue" }, { "result_internalfail", "continue" }, { "skip", "never" },
        { "deny", "no" }, { "master", "no" }, { "pass", "no" }, { "username_filter", "" },
    };
    const struct dovecot_tree *t = &e->im->tree;
    for (size_t i = 0; i < N_ELEMS(rules); i++) {
        struct str value = value_of(e, rules[i].name, NULL);
        if (value.n > 0 && !str_eqz(value, rules[i].usual))
            option(e, rules[i].name, value);
    }
    const struct dovecot_node *mechanisms = setting(e, "mechanisms", "mechanisms_filter");
    struct str list = mechanisms == NULL ? STR("") : import_list(e->im, (size_t)(mechanisms - t->nodes));
    if (list.n > 0)
        option(e, "mechanisms", list);
    if (str_eqz(e->driver, "passwd-file") && e->is_passdb && value_of(e, "default_password_scheme", NULL).n > 0)
        option(e, "default_pass_scheme", value_of(e, "default_password_scheme", NULL));
    put_fields(e, "default_fields", "default_fields");
    put_fields(e, "override_fields", "override_fields");
    bool own_fields = str_eqz(e->driver, "static") || str_eqz(e->driver, "ldap");
    if (e->im->is_24 && !own_fields)
        put_fields(e, "fields", "override_fields");     /* the second generation's fields win over what the database says */
    for (size_t i = e->at + 1; i < e->node->end; i = t->nodes[i].end) {
        struct str name = inner_name(e, t->nodes[i].name);
        bool of_driver = str_starts(name, STR("sql")) || str_starts(name, STR("ldap")) || str_starts(name, STR("passwd_file")) || str_starts(name, STR("pam_")) ||
                         str_starts(name, STR("static_"));
        if (!of_driver && !is_one_of(name, known))
            import_note(e->im, IMPORT_DECIDE, &t->nodes[i], "not known in this section: look up what it does for you");
    }
}

/* Files of passwords that only Dovecot's auth process could read stay readable: authd takes its account. */
static void same_account(struct import *im)
{
    const struct dovecot_node *user = dovecot_find(&im->tree, SIZE_MAX, "default_internal_user");
    struct str name = user == NULL ? STR("dovecot") : user->value;
    uint32_t uid;
    if (import_uid(name, false, &uid) && uid != 0)
        import_set(im, "postern_auth_user", name, user);
}

static void section(struct import *im, size_t at, bool is_passdb, struct buf *list)
{
    struct entry e = { .im = im, .at = at, .node = &im->tree.nodes[at], .is_passdb = is_passdb };
    e.driver = value_of(&e, "driver", NULL);
    if (e.driver.n == 0)
        e.driver = e.node->arg;
    if (e.driver.n == 0)
        e.driver = is_passdb ? STR("pam") : STR("passwd");
    size_t i = 0;
    while (i < N_ELEMS(drivers) && !(str_eqz(e.driver, drivers[i].name) && (is_passdb ? drivers[i].passdb : drivers[i].userdb)))
        i++;
    if (i == N_ELEMS(drivers))
        driver_gone(&e);
    else
        drivers[i].read(&e);
    put_common(&e);
    if (str_eqz(e.driver, "passwd-file") && !e.lost)
        same_account(im);
    finish(&e, list);
}

void import_passdb(struct import *im, size_t at) { section(im, at, true, &im->passdb); }
void import_userdb(struct import *im, size_t at) { section(im, at, false, &im->userdb); }

/* ---- mechanisms ---- */

void import_mechanisms(struct import *im, size_t at)
{
    static const char *const known_mechanisms[] = { "plain", "login", "scram-sha-1", "scram-sha-1-plus", "scram-sha-256", "scram-sha-256-plus", "xoauth2", "oauthbearer", "external",
                                                    "cram-md5", NULL };
    struct str list = import_list(im, at), rest = list, word;
    struct buf b = buf_make(0);
    while (str_token(&rest, " \t,", &word)) {
        struct str name = str_lower(im->arena, word);
        if (is_one_of(name, known_mechanisms))
            buf_printf(&b, "%s%.*s", b.n > 0 ? " " : "", STR_FMT(name));
        else
            import_note_of(im, IMPORT_DECIDE, &im->tree.nodes[at], str_printf(im->arena, "auth_mechanisms: %.*s", STR_FMT(name)),
                           "the mechanism is not offered: clients that use it must be set to another one");
    }
    import_set(im, "postern_auth_mechanisms", b.n > 0 ? buf_str(&b) : STR("plain"), &im->tree.nodes[at]);
    buf_done(&b);
}
