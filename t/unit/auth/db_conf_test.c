/* SPDX-License-Identifier: ISC */
#include "auth/db_conf.h"
#include "tap.h"

static struct arena arena;

static void test_fields(void)
{
    struct fields f = fields_make(&arena), g = fields_make(&arena), h = fields_make(&arena);
    OK(fields_parse_words(&f, STR("userdb_home=/h  nologin allow_nets=10.0.0.0/8,::1 x= nodelay=no")) && f.n == 5, "words");
    OK(str_eqz(fields_get(&f, "nologin"), "yes") && fields_find(&f, "nologin")->is_bare && fields_is_true(&f, "nologin"), "a bare word is yes");
    OK(!fields_is_true(&f, "nodelay") && fields_has(&f, "nodelay") && !fields_is_true(&f, "none"), "no is no, absent is no");
    OK(fields_is_true(&f, "x") && fields_get(&f, "x").n == 0, "an empty value is true");
    OK(fields_set(&f, STR("nologin"), STR("later")) && f.n == 5 && str_eqz(f.rows[1].value, "later"), "a name set again keeps its place");
    fields_remove(&f, "x");
    OK(f.n == 4 && !fields_has(&f, "x") && str_eqz(f.rows[3].name, "nodelay"), "a name is removed");
    OK(fields_import(&g, &f, STR("userdb_")) && g.n == 1 && str_eqz(fields_get(&g, "home"), "/h"), "those with a prefix, without it");
    struct buf line = buf_make(0);
    (void)fields_set(&f, STR("text"), STR("a\tb\n\001"));
    fields_put_line(&f, &line);
    OK(line.n > 0 && line.p[0] == '\t' && fields_parse_line(&h, buf_str(&line)) && h.n == 5 && str_eqz(fields_get(&h, "text"), "a\tb\n\001"),
       "a line of the protocol and back");
    buf_done(&line);
    struct fields full = fields_make(&arena);
    for (unsigned i = 0; i < FIELDS_MAX; i++)
        (void)fields_set(&full, str_printf(&arena, "n%u", i), STR("v"));
    OK(!full.full && !fields_set(&full, STR("one more"), STR("v")) && full.full && full.n == FIELDS_MAX, "more names than there is room for");
    OK(!fields_set(&full, STR("n1"), STR("v")) && !fields_import(&g, &full, STR("")) && g.full, "what is full stays full, and makes full");
    struct fields big = fields_make(&arena);
    OK(!fields_set(&big, STR("a"), str_make(arena_alloc(&arena, FIELDS_BYTES_MAX), FIELDS_BYTES_MAX)) && big.full, "more text than there is room for");
}

static void test_entries(void)
{
    struct db_entry *e = ARENA_ARRAY(&arena, struct db_entry, DB_ENTRIES_MAX);
    struct err err;
    size_t n;
    OK(db_conf_parse("p", STR("{ passwd-file:/etc/masters, master=yes, result_success=continue pass=yes },\n"
                              "  { sql:/etc/x.conf, result_internalfail=return-fail, skip=authenticated }, pam"), &arena, e, &n, &err) == 0 && n == 3,
       "three entries");
    OK(str_eqz(e[0].driver, "passwd-file") && str_eqz(e[0].arg, "/etc/masters") && e[0].master && e[0].pass && e[0].on_success == DB_CONTINUE, "flags and a rule");
    OK(e[1].on_internalfail == DB_RETURN_FAIL && e[1].skip == DB_SKIP_AUTHENTICATED && e[1].on_success == DB_RETURN_OK && e[1].on_failure == DB_CONTINUE,
       "what is not said is as with Dovecot");
    OK(str_eqz(e[2].driver, "pam") && e[2].arg.n == 0 && e[2].options.n == 0, "a driver alone");
    OK(db_conf_parse("p", STR("{ static:, uid=vmail gid=5000, home=/var/vmail/%{user | domain}/%n, { quota_rule = *:storage=1G, x } }"), &arena, e, &n,
                     &err) == 0 && n == 1 && str_eqz(fields_get(&e[0].options, "home"), "/var/vmail/%{user | domain}/%n") && str_eqz(fields_get(&e[0].options, "gid"), "5000"),
       "blanks part options, but not within the braces of a variable");
    OK(db_conf_parse("p", STR("{ static:, { home = /var/vmail/%{user | domain}/%n }, { quota_rule = *:storage=1G, x } }"), &arena, e, &n, &err) == 0 &&
       str_eqz(fields_get(&e[0].options, "home"), "/var/vmail/%{user | domain}/%n") && str_eqz(fields_get(&e[0].options, "quota_rule"), "*:storage=1G, x"),
       "a value with blanks and commas");
    OK(db_conf_parse("p", STR("{ pam, services=imap !smtp, mechanisms={plain login}, default_fields={userdb_gid=8 userdb_uid=%n}, override_fields=a=b, nix }"),
                     &arena, e, &n, &err) == 0 && str_eqz(e[0].mechanisms, "plain login") && e[0].defaults.n == 2 && str_eqz(fields_get(&e[0].overrides, "a"), "b"),
       "fields as defaults and overrides");
    OK(db_conf_parse("p", STR("passwd-file:/etc/%d/passwd lmdb:/x"), &arena, e, &n, &err) == 0 && n == 2 && str_eqz(e[0].arg, "/etc/%d/passwd"), "blanks part entries");
    OK(db_conf_parse("p", STR(""), &arena, e, &n, &err) == 0 && n == 0, "nothing");
}

static const struct { const char *name, *text, *says; } refused[] = {
    { "a brace that is not closed", "{ pam, a=b", "close each" },
    { "a brace that was not opened", "pam }", "close each" },
    { "a rule that does not exist", "{ pam, result_success=maybe }", "result_success cannot be \"maybe\": use return" },
    { "a skip that does not exist", "{ pam, skip=often }", "skip cannot be \"often\": use never" },
    { "a flag that is neither yes nor no", "{ pam, deny=perhaps }", "use yes or no" },
    { "a bad template", "{ pam, username_format=%z }", "unknown variable" },
    { "a bad field template", "{ pam, default_fields={home=%{nix}} }", "unknown variable" },
    { "deny and master", "{ passwd-file:/x, deny=yes, master=yes }", "make two entries" },
    { "no driver", "{ , a=b }", "no database" },
    { "an option in the place of a driver", "{ uid=5 }", "no database" },
    { "braces in braces without an option", "{ pam, { x } }", "write option=value" },
    { "too many entries", "a a a a a a a a a a a a a a a a a", "more than 16" },
    { "braces too deep", "{ pam, {{{{{{{{{{ a = b }}}}}}}}}} }", "close each" },
};

static void test_refused(void)
{
    struct db_entry *e = ARENA_ARRAY(&arena, struct db_entry, DB_ENTRIES_MAX);
    size_t n;
    for (size_t i = 0; i < N_ELEMS(refused); i++) {
        struct err err = { 0 };
        bool ok = db_conf_parse("postern_passdb", str_from(refused[i].text), &arena, e, &n, &err) < 0 && strstr(err.text, refused[i].says) != NULL &&
                  strncmp(err.text, "postern_passdb: ", 16) == 0 && strchr(err.text, '\n') == NULL;
        OK(ok, refused[i].name);
        if (!ok)
            printf("# %s\n", err.text);
    }
}

static const struct { const char *name, *text, *says; bool is_userdb; } rehashes[] = {
    { "a passwd-file", "{ passwd-file:/etc/passwd, rehash=BLF-CRYPT }", NULL, false },
    { "with rounds", "{ passwd-file:/etc/passwd, rehash=sha512-crypt, rehash_rounds=100000 }", NULL, false },
    { "SQL with a statement", "{ sql:/x, rehash=BLF-CRYPT, { rehash_query = UPDATE u SET p='%{rehash}' WHERE n='%u' } }", NULL, false },
    { "SQL with a statement that takes no scheme", "{ sql:/x, rehash=BLF-CRYPT, { rehash_query = UPDATE u SET p='%{rehash_noscheme}' WHERE n='%n' } }", NULL, false },
    { "SQL without a statement", "{ sql:/x, rehash=BLF-CRYPT }", "rehash_query is missing", false },
    { "a statement without the new password", "{ sql:/x, rehash=BLF-CRYPT, { rehash_query = UPDATE u SET p='x' } }", "no '%{rehash}'", false },
    { "a variable outside quotes", "{ sql:/x, rehash=BLF-CRYPT, { rehash_query = UPDATE u SET p='%{rehash}' WHERE n=%u } }", "outside quotes", false },
    { "a statement for a file", "{ passwd-file:/etc/passwd, rehash=BLF-CRYPT, { rehash_query = x '%{rehash}' } }", "the file is written", false },
    { "a database that stores none", "{ lmdb:/etc/passwd, rehash=BLF-CRYPT }", "", false },
    { "a directory", "{ ldap:/etc/passwd, rehash=BLF-CRYPT }", "no new password can be stored", false },
    { "PAM", "{ pam, rehash=BLF-CRYPT }", "no new password can be stored", false },
    { "an unknown scheme", "{ passwd-file:/etc/passwd, rehash=BEST }", "no such scheme", false },
    { "a weak scheme", "{ passwd-file:/etc/passwd, rehash=MD5-CRYPT }", "weak", false },
    { "the password itself", "{ passwd-file:/etc/passwd, rehash=PLAIN }", "keeps the password itself", false },
    { "a digest without salt", "{ passwd-file:/etc/passwd, rehash=SHA256 }", "no salt", false },
    { "too many rounds", "{ passwd-file:/etc/passwd, rehash=BLF-CRYPT, rehash_rounds=31 }", "too long", false },
    { "too few rounds", "{ passwd-file:/etc/passwd, rehash=SHA512-CRYPT, rehash_rounds=5 }", "more rounds", false },
    { "rounds of a scheme without any", "{ passwd-file:/etc/passwd, rehash=SSHA512, rehash_rounds=5 }", "has no rounds", false },
    { "rounds without a scheme", "{ passwd-file:/etc/passwd, rehash_rounds=5 }", "rehash is missing", false },
    { "a user database", "{ passwd-file:/etc/passwd, rehash=BLF-CRYPT }", "for passwords", true },
    { "who is refused", "{ passwd-file:/etc/passwd, deny=yes, rehash=BLF-CRYPT }", "for passwords", false },
};

static void test_rehash(void)
{
    struct db_entry *e = ARENA_ARRAY(&arena, struct db_entry, DB_ENTRIES_MAX);
    size_t n;
    for (size_t i = 0; i < N_ELEMS(rehashes); i++) {
        struct err err = { 0 };
        bool ok = db_conf_parse("p", str_from(rehashes[i].text), &arena, e, &n, &err) == 0 && n == 1 && db_conf_check("p", e, rehashes[i].is_userdb, &err) == 0;
        bool good = rehashes[i].says == NULL ? ok : !ok && strstr(err.text, rehashes[i].says) != NULL;
        OK(good, str_printf(&arena, "rehash: %s", rehashes[i].name).p);
        if (!good)
            printf("# %s\n", err.text);
    }
    struct err err;
    OK(db_conf_parse("p", STR("{ passwd-file:/x, rehash=X, rehash_rounds=many }"), &arena, e, &n, &err) < 0 && strstr(err.text, "write a number") != NULL, "rounds that are no number");
}

int main(void)
{
    arena = arena_make(8 << 20);
    test_fields();
    test_entries();
    test_refused();
    test_rehash();
    arena_done(&arena);
    return tap_done();
}
