/* SPDX-License-Identifier: ISC */
#include "db/db_file.h"
#include "db/ldap_conf.h"
#include "db/sql_conf.h"
#include "tap.h"

enum { ARENA = 8 << 20 };

/* ---- the file ---- */

static const struct { const char *name, *text, *key, *value; unsigned line; } files[] = {
    { "a key and a value", "driver = mysql\n", "driver", "mysql", 1 },
    { "no blanks are needed, CR LF is a line's end, and so is the file's", "driver=mysql\r\nconnect=x", "connect", "x", 2 },
    { "a comment line and a blank one", "# driver = pgsql\n\n  driver = mysql  \n", "driver", "mysql", 3 },
    { "a comment after a value", "driver = mysql # or pgsql\n", "driver", "mysql", 1 },
    { "a # within quotes is none", "q = SELECT '#', \"#\" # c\n", "q", "SELECT '#', \"#\"", 1 },
    { "a continued line, its white space dropped", "q = SELECT a \\\n   FROM b \\\n\tWHERE c\n", "q", "SELECT a FROM b WHERE c", 1 },
    { "a comment within a continued line is left out", "q = a \\\n# no\n b\nr = 1\n", "q", "a b", 1 },
    { "a value that is quoted as a whole", "q = \"a \\\"b\\\" c\"\n", "q", "a \"b\" c", 1 },
    { "... by apostrophes", "q = 'a # b'\n", "q", "a # b", 1 },
    { "an empty value", "q =\n", "q", "", 1 },
    { "a later line replaces an earlier one", "q = 1\nq = 2\n", "q", "2", 2 },
    { "a value may hold =", "connect = host=a dbname=b\n", "connect", "host=a dbname=b", 1 },
};
static const struct { const char *name, *text, *why; } bad_files[] = {
    { "a line without = is refused with its number", "driver = x\nnonsense\n", "line 2" },
    { "a section is refused", "passdb {\n}\n", "line 1" },
    { "!include is refused", "!include x\n", "line 1" },
    { "a value without a key is refused", " = x\n", "line 1" },
    { "a backslash at the end of the file is refused", "q = a \\\n", "ends with a backslash" },
};

static void test_files(void)
{
    for (size_t i = 0; i < N_ELEMS(files); i++) {
        struct arena a = arena_make(ARENA);
        struct db_file f;
        struct err err = { 0 };
        const struct db_file_line *l = db_file_parse(str_from(files[i].text), &a, &f, &err) == 0 ? db_file_find(&f, files[i].key) : NULL;
        OK(l != NULL && str_eqz(l->value, files[i].value) && l->line == files[i].line, files[i].name);
        arena_done(&a);
    }
    for (size_t i = 0; i < N_ELEMS(bad_files); i++) {
        struct arena a = arena_make(ARENA);
        struct db_file f;
        struct err err = { 0 };
        OK(db_file_parse(str_from(bad_files[i].text), &a, &f, &err) != 0 && strstr(err.text, bad_files[i].why) != NULL, bad_files[i].name);
        arena_done(&a);
    }
    struct arena a = arena_make(ARENA);
    struct db_file f;
    struct err err = { 0 };
    OK(db_file_parse(STR("a = \0b\n"), &a, &f, &err) != 0, "a NUL is refused");
    arena_done(&a);
}

/* ---- connect ---- */

/* Targets one after another with '|' between, settings as name=value; */
static const struct { const char *name, *driver, *text, *targets; } connects[] = {
    { "MariaDB over TCP", "mysql", "host=127.0.0.1 dbname=mail user=u password=p", "dbname=mail;user=u;password=p;host=127.0.0.1;" },
    { "MariaDB over its socket", "mysql", "host=/run/mysqld/mysqld.sock user=u", "user=u;socket=/run/mysqld/mysqld.sock;" },
    { "two hosts are two targets", "mysql", "host=a user=u host=b", "user=u;host=a;|user=u;host=b;" },
    { "a password with = in it", "mysql", "host=a password=x=y", "password=x=y;host=a;" },
    { "an apostrophe is part of a MariaDB password", "mysql", "host=a password='x", "password='x;host=a;" },
    { "no host is the library's own", "mysql", "user=u", "user=u;" },
    { "PostgreSQL's words are the library's", "pgsql", "host=a dbname=m user=u sslmode=verify-full", "conninfo=host=a dbname=m user=u sslmode=verify-full;" },
    { "two hosts of PostgreSQL", "pgsql", "host=a dbname=m host=b", "conninfo=host=a dbname=m;|conninfo=host=b dbname=m;" },
    { "a quoted password with a blank", "pgsql", "host=a password='x \\'y' user=u", "conninfo=host=a password='x \\'y' user=u;" },
    { "maxconns is Dovecot's own", "pgsql", "maxconns=5 dbname=m", "conninfo=dbname=m;" },
    { "SQLite's file", "sqlite", "/etc/dovecot/users.sqlite", "file=/etc/dovecot/users.sqlite;" },
    { "SQLite with options", "sqlite", "/a.sqlite journal_mode=wal readonly=yes", "file=/a.sqlite;" },
};
static const struct { const char *name, *driver, *text, *why; } bad_connects[] = {
    { "a word without a value is refused", "mysql", "host=a nonsense", "nonsense" },
    { "an unknown word of MariaDB is refused", "mysql", "host=a colour=red", "colour" },
    { "a port that is no number is refused", "mysql", "port=3306x", "port" },
    { "a port over 65535 is refused", "mysql", "port=65536", "port" },
    { "SQLite with a relative path is refused", "sqlite", "users.sqlite", "absolute" },
    { "SQLite with two files is refused", "sqlite", "/a /b", "more than one" },
    { "SQLite without a file is refused", "sqlite", "readonly=yes", "absolute" },
    { "a driver that there is not", "oracle", "host=a", "oracle" },
    { "nine hosts are refused", "pgsql", "host=1 host=2 host=3 host=4 host=5 host=6 host=7 host=8 host=9", "hosts" },
};

static void print_targets(const struct db_targets *t, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        buf_puts(out, i == 0 ? "" : "|");
        for (const struct db_setting *s = t->rows[i].settings; s->name != NULL; s++)
            buf_printf(out, "%s=%s;", s->name, s->value);
    }
}

static void test_connects(void)
{
    for (size_t i = 0; i < N_ELEMS(connects); i++) {
        struct arena a = arena_make(ARENA);
        struct db_targets *t = ARENA_NEW(&a, struct db_targets);
        struct buf b = buf_make(0);
        struct err err = { 0 };
        if (sql_connect_parse(connects[i].driver, str_from(connects[i].text), &a, t, &err) == 0)
            print_targets(t, &b);
        OK(strcmp(buf_cstr(&b), connects[i].targets) == 0, connects[i].name);
        buf_done(&b);
        arena_done(&a);
    }
    for (size_t i = 0; i < N_ELEMS(bad_connects); i++) {
        struct arena a = arena_make(ARENA);
        struct db_targets *t = ARENA_NEW(&a, struct db_targets);
        struct err err = { 0 };
        OK(sql_connect_parse(bad_connects[i].driver, str_from(bad_connects[i].text), &a, t, &err) != 0 && strstr(err.text, bad_connects[i].why) != NULL, bad_connects[i].name);
        arena_done(&a);
    }
}

/* ---- dovecot-sql.conf.ext ---- */

#define HEAD "driver = sqlite\nconnect = /a\n"
static const struct { const char *name, *text, *why; } sqls[] = {
    { "driver and connect are enough", HEAD, NULL },
    { "a query with quoted variables", HEAD "password_query = SELECT password FROM u WHERE a='%n' AND b='%d'\n", NULL },
    { "a variable within a larger text", HEAD "user_query = SELECT '/var/mail/%d/%n' AS home\n", NULL },
    { "update_query is known", HEAD "update_query = x\n", NULL },
    { "no driver is refused", "connect = /a\n", "driver is not set" },
    { "no connect is refused", "driver = sqlite\n", "connect is not set" },
    { "an unknown setting is refused with its line", HEAD "pasword_query = x\n", "line 3: unknown setting \"pasword_query\"" },
    { "a variable outside quotes is refused with its line", HEAD "password_query = SELECT 1 WHERE a=%u\n", "line 3: password_query: " },
    { "... in the other queries, too", HEAD "iterate_query = SELECT '%u'\nuser_query = SELECT %d\n", "line 4: user_query: " },
    { "an unknown variable is refused", HEAD "user_query = SELECT '%{nonsense}'\n", "line 3: user_query: " },
};

static void test_sql(void)
{
    for (size_t i = 0; i < N_ELEMS(sqls); i++) {
        struct arena a = arena_make(ARENA);
        struct sql_conf *c = ARENA_NEW(&a, struct sql_conf);
        struct err err = { 0 };
        int rc = sql_conf_parse(str_from(sqls[i].text), &a, c, &err);
        OK(sqls[i].why == NULL ? rc == 0 : rc != 0 && strstr(err.text, sqls[i].why) != NULL, sqls[i].name);
        arena_done(&a);
    }
    struct arena a = arena_make(ARENA);
    struct sql_conf *c = ARENA_NEW(&a, struct sql_conf);
    struct err err = { 0 };
    OK(sql_conf_parse(STR(HEAD "password_query = SELECT NULL AS password, 'Y' AS nopassword WHERE p = crypt('%w', p)\n"), &a, c, &err) == 0 && c->wants_password,
       "a query that compares the password wants it");
    OK(sql_conf_parse(STR(HEAD), &a, c, &err) == 0 && !c->wants_password && str_eqz(c->default_scheme, "MD5") &&
       str_eqz(c->iterate_query, "SELECT username, domain FROM users"), "missing keys are Dovecot's");
    arena_done(&a);
}

/* ---- dovecot-ldap.conf.ext ---- */

#define LDAP "hosts = a b:390\nbase = dc=x\n"
static const struct { const char *name, *text, *why; } ldaps[] = {
    { "hosts and a base are enough", LDAP, NULL },
    { "a bind by template", LDAP "auth_bind = yes\nauth_bind_userdn = uid=%n,dc=x\n", NULL },
    { "no base is refused", "hosts = a\n", "base: is not set" },
    { "no host is refused", "base = dc=x\n", "neither hosts nor uris" },
    { "a SASL bind", LDAP "sasl_bind = yes\nsasl_mech = DIGEST-MD5\nsasl_realm = r\nsasl_authz_id = dn:cn=x\n", NULL },
    { "a SASL bind that is neither yes nor no", LDAP "sasl_bind = some\n", "line 3: sasl_bind" },
    { "an unknown setting is refused", LDAP "host = c\n", "line 3: unknown setting" },
    { "a scope that there is not", LDAP "scope = all\n", "line 3: scope" },
    { "what is neither yes nor no", LDAP "tls = perhaps\n", "line 3: tls" },
    { "protocol 2 is refused", LDAP "ldap_version = 2\n", "line 3: ldap_version" },
    { "a value followed as a DN is refused", LDAP "user_attrs = @group=home\n", "line 3: user_attrs" },
    { "an unknown variable in a filter", LDAP "user_filter = (a=%{nonsense})\n", "line 3: user_filter" },
};

static void test_ldap(void)
{
    for (size_t i = 0; i < N_ELEMS(ldaps); i++) {
        struct arena a = arena_make(ARENA);
        struct ldap_conf *c = ARENA_NEW(&a, struct ldap_conf);
        struct err err = { 0 };
        int rc = ldap_conf_parse(str_from(ldaps[i].text), &a, c, &err);
        OK(ldaps[i].why == NULL ? rc == 0 : rc != 0 && strstr(err.text, ldaps[i].why) != NULL, ldaps[i].name);
        arena_done(&a);
    }
    struct arena a = arena_make(ARENA);
    struct ldap_conf *c = ARENA_NEW(&a, struct ldap_conf);
    struct err err = { 0 };
    OK(ldap_conf_parse(STR(LDAP "dn = reader\ndnpass = x\nsasl_bind = yes\nsasl_mech = PLAIN\nsasl_authz_id = u:a\n"), &a, c, &err) == 0 && c->sasl_bind &&
       strcmp(c->sasl.authcid, "reader") == 0 && strcmp(c->sasl.mech, "PLAIN") == 0 && strcmp(c->sasl.authzid, "u:a") == 0 && c->sasl.realm[0] == '\0' &&
       str_eqz(c->sasl.password, "x"), "who binds by SASL is the dn");
    OK(ldap_conf_parse(STR(LDAP "auth_bind = yes\ntls = yes\n"), &a, c, &err) == 0 && c->targets.n == 2 && strcmp(c->targets.rows[1].label, "ldap://b:390") == 0 &&
       strcmp(db_setting_find(c->targets.rows[0].settings, "tls"), "yes") == 0, "each host is a target with TLS");
    OK(strcmp(c->pass.wanted[0], "uid") == 0 && c->pass.wanted[1] == NULL, "who binds does not ask for passwords");
    OK(strcmp(c->user.wanted[2], "gidNumber") == 0 && str_eqz(c->user.rows[0].field, "home"), "the user's attributes are Dovecot's");
    arena_done(&a);
}

/* ---- attributes and escaping ---- */

static const struct { const char *name, *attrs, *result; } attrs[] = {
    { "an attribute under another name", "uid=user", "user=carol;" },
    { "an attribute under its own", "uid", "uid=carol;" },
    { "blanks around items", " uid = user , mail = x ", "" },
    { "names of attributes fold case", "UID=user", "user=carol;" },
    { "a text around the value", "uid=home=/var/mail/%$/x", "home=/var/mail/carol/x;" },
    { "a fixed text", "=mail=maildir:~/Maildir", "mail=maildir:~/Maildir;" },
    { "a text with a value", "=home=/m/%{ldap:uid}/%n", "home=/m/carol/u;" },
    { "a comma within braces", "=home=%{ldap:none:a,b},uid=user", "home=a,b;user=carol;" },
    { "a value with a percent sign is not read as text", "odd=home=/m/%$", "home=/m/%u%$;" },
    { "an attribute that is not there is no field", "none=home,uid=user", "user=carol;" },
    { "the first of several values", "multi=user", "user=one;" },
    { "an attribute that is only asked for", "!odd,uid=user", "user=carol;" },
    { "the password is left out when the directory checks it", "uid=user,userPassword=password", "user=carol;" },
};

static void print_attrs(const struct ldap_attrs *list, struct buf *out)
{
    static const struct db_cell cells[] = { { "dn", STR_INIT("uid=carol"), false }, { "uid", STR_INIT("carol"), false }, { "odd", STR_INIT("%u%$"), false },
                                            { "multi", STR_INIT("one"), false }, { "multi", STR_INIT("two"), false } };
    const struct auth_vars vars = { .user = STR("u@d") };
    const char *why;
    for (size_t i = 0; i < list->n; i++) {
        const struct ldap_attr *a = &list->rows[i];
        const struct db_cell *c = a->attr[0] == '\0' ? NULL : ldap_cell_find(cells, N_ELEMS(cells), str_from(a->attr));
        if (a->no_field || (a->attr[0] != '\0' && c == NULL))
            continue;
        buf_printf(out, "%.*s=", STR_FMT(a->field));
        if (!a->has_text)
            buf_add(out, c->value);
        else if (!ldap_attr_expand(a->text, c == NULL ? STR("") : c->value, cells, N_ELEMS(cells), &vars, out, &why))
            buf_puts(out, "?");
        buf_puts(out, ";");
    }
}

static const struct { const char *name; struct str in; const char *filter, *dn; } escapes[] = {
    { "a plain name is left alone", STR_INIT("carol-1.x@example.test"), "carol-1.x@example.test", "carol-1.x@example.test" },
    { "what means something in a filter", STR_INIT("*()\\"), "\\2a\\28\\29\\5c", "*()\\5c" },
    { "what means something in a DN", STR_INIT("a,b+c=d\"<>;#"), "a,b+c=d\"<>;#", "a\\2cb\\2bc\\3dd\\22\\3c\\3e\\3b\\23" },
    { "blanks at both ends", STR_INIT(" a "), " a ", "\\20a\\20" },
    { "UTF-8", STR_INIT("\xc3\xa9"), "\\c3\\a9", "\\c3\\a9" },
    { "a NUL has no place in a DN", STR_INIT("a\0b"), "a\\00b", NULL },
    { "broken UTF-8 has no place in a DN", STR_INIT("\xff"), "\\ff", NULL },
};

static void test_attrs(void)
{
    for (size_t i = 0; i < N_ELEMS(attrs); i++) {
        struct arena a = arena_make(ARENA);
        struct ldap_attrs *list = ARENA_NEW(&a, struct ldap_attrs);
        struct buf b = buf_make(0);
        struct err err = { 0 };
        if (ldap_attrs_parse(str_from(attrs[i].attrs), "password", &a, list, &err) == 0)
            print_attrs(list, &b);
        OK(strcmp(buf_cstr(&b), attrs[i].result) == 0, attrs[i].name);
        buf_done(&b);
        arena_done(&a);
    }
    for (size_t i = 0; i < N_ELEMS(escapes); i++) {
        struct buf f = buf_make(0), d = buf_make(0);
        bool dn = ldap_escape_dn(&d, escapes[i].in, NULL);
        OK(ldap_escape_filter(&f, escapes[i].in, NULL) && strcmp(buf_cstr(&f), escapes[i].filter) == 0 && dn == (escapes[i].dn != NULL) &&
           (!dn || strcmp(buf_cstr(&d), escapes[i].dn) == 0), escapes[i].name);
        buf_done(&f);
        buf_done(&d);
    }
}

int main(void)
{
    test_files();
    test_connects();
    test_sql();
    test_ldap();
    test_attrs();
    return tap_done();
}
