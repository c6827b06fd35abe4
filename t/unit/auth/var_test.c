/* SPDX-License-Identifier: ISC */
#include "auth/var.h"
#include "tap.h"

#define S(lit) STR_INIT(lit)

/* What Dovecot 2.3.19 answers with such a field of its static userdb, for these three users. */
static const char *const users[] = { "Bob@Example.Org", "Bob@a.b@C.d", "bob" };
static const struct { const char *pattern; const char *out[3]; } second[] = {
    { "%u", { "Bob@Example.Org", "Bob@a.b@C.d", "bob" } },
    { "%n", { "Bob", "Bob", "bob" } },
    { "%d", { "Example.Org", "a.b@C.d", "" } },
    { "%Lu", { "bob@example.org", "bob@a.b@c.d", "bob" } },
    { "%Uu", { "BOB@EXAMPLE.ORG", "BOB@A.B@C.D", "BOB" } },
    { "%Un", { "BOB", "BOB", "BOB" } },
    { "%1n", { "B", "B", "b" } },
    { "%2.3u", { "b@E", "b@a", "b" } },
    { "%-3.2u", { "Or", "C.", "bo" } },
    { "%-3u", { "Bob", "Bob", "bob" } },
    { "%2.-3u", { "b@Example.", "b@a.b@", "b" } },
    { "%0.3u", { "Bob", "Bob", "bob" } },
    { "%05n", { "00Bob", "00Bob", "00bob" } },
    { "%Hu", { "16c9997", "40f1424", "6952" } },
    { "%256Hu", { "97", "24", "52" } },
    { "%2.256Hu", { "97", "24", "52" } },
    { "%0.256Hu", { "97", "24", "52" } },
    { "%Nu", { "81066eac", "a332d6c", "70ef21ca" } },
    { "%256Nu", { "ac", "6c", "ca" } },
    { "%2.256Nu", { "ac", "6c", "ca" } },
    { "%Mu", { "7041cf4a81066eac23d963b59a8a89d6", "96bf6eb50a332d6c76758512ef777b8a", "9f9d51bc70ef21ca5c14f307980a29d8" } },
    { "%8Mu", { "7041cf4a", "96bf6eb5", "9f9d51bc" } },
    { "%Ru", { "grO.elpmaxE@boB", "d.C@b.a@boB", "bob" } },
    { "%LRu", { "gro.elpmaxe@bob", "d.c@b.a@bob", "bob" } },
    { "%Dd", { "Example,dc=Org", "a,dc=b@C,dc=d", "" } },
    { "%Xa", { "0", "0", "0" } },
    { "%{user}", { "Bob@Example.Org", "Bob@a.b@C.d", "bob" } },
    { "%{username}", { "Bob", "Bob", "bob" } },
    { "%{domain}", { "Example.Org", "a.b@C.d", "" } },
    { "%{domain_first}", { "Example.Org", "a.b", "" } },
    { "%{domain_last}", { "Example.Org", "C.d", "" } },
    { "%{md5:user}", { "7041cf4a81066eac23d963b59a8a89d6", "96bf6eb50a332d6c76758512ef777b8a", "9f9d51bc70ef21ca5c14f307980a29d8" } },
    { "%{sha1:user}", { "941c92d250d1cc04b2b05d963674ea6d1a7e5ca7", "57ad0fb43269b3c28e86e3918d278c9cb8212543", "48181acd22b3edaebc8a447868a7df7ce629920a" } },
    { "%{sha256:user}", { "1f2af4231a0a76cad752d3fd60a289f1fba9c651b9fa644b68d83104392368a7", "083f790aed89a12f0c3fd5a9dba7090772f40943d1395296b83adc5b2aa3b0aa", "81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9" } },
    { "%{sha256;rounds=3:user}", { "97a8cb7ea68c8525a00862bc9be6a41369d5c2ffcdb831499160754520d32f3d", "d5c79de6a4f2c38f410458b666f2d51f2ee13f7eff42d4759df64785af8664f6", "d58b8252112b62500e552b1276373797fdad3b34099890602c4312b58176c86b" } },
    { "%{sha256;salt=abc:user}", { "cc10ec0f2c735bea252e322bf85f280d452f69986a3f76882438bcb0a7a4e714", "65ed8bcb100546908fd94eb065857938e92ad1616a45c35b5e40c2a849e2a6b7", "cc3b866b082911f880a7698edaa06e33472ba1c787c3e5e4b7e17c591ec1c01c" } },
    { "%{sha1;rounds=2,salt=x:user}", { "fcf74c1dfc06bd0a197af5b800f3da2a906ae864", "10d55df5ffe3efcf6ad6fb0d6c44ead6f2570243", "763d934056ea5b21b2261c1d7f77fb7ff1356ffa" } },
    { "%{sha256;format=base64:user}", { "Hyr0IxoKdsrXUtP9YKKJ8fupxlG5+mRLaNgxBDkjaKc=", "CD95Cu2JoS8MP9Wp26cJB3L0CUPROVKWuDrcWyqjsKo=", "gbY32PzSxtpjWeaWMROhFw3nleS3JbhNHgtM/Z7FjOk=" } },
    { "%{sha256;truncate=12:user}", { "01f2", "0083", "081b" } },
    { "%{sha1;truncate=7:user}", { "4a", "2b", "24" } },
    { "%{sha256;format=hexuc:user}", { "1f2af4231a0a76cad752d3fd60a289f1fba9c651b9fa644b68d83104392368a7", "083f790aed89a12f0c3fd5a9dba7090772f40943d1395296b83adc5b2aa3b0aa", "81b637d8fcd2c6da6359e6963113a1170de795e4b725b84d1e0b4cfd9ec58ce9" } },
    { "%{if;%u;eq;Bob@Example.Org;yes;no}", { "yes", "no", "no" } },
    { "%{if;%n;*;B*;yes;no}", { "yes", "yes", "no" } },
    { "%{if;12;>;5;yes;no}", { "yes", "yes", "yes" } },
    { "%{if;%{username};ne;Bob;yes;no}", { "no", "no", "yes" } },
    { "%%", { "%", "%", "%" } },
    { "a%%b", { "a%b", "a%b", "a%b" } },
    { "%04Hu", { "3", "0", "2" } },
    { "%3.4Hu", { "003", "000", "002" } },
    { "%1.1n", { "o", "o", "o" } },
    { "%s", { "imap", "imap", "imap" } },
    { "%{service}", { "imap", "imap", "imap" } },
    { "%{userdb:uid}", { "5000", "5000", "5000" } },
    { "%{userdb:nix:dflt}", { "dflt", "dflt", "dflt" } },
    { "%LHu", { "14cd997", "42f3424", "6952" } },
    { "%UMu", { "a8f7906258a6d4d3eb513780164a3bfc", "f86b69d78a96a7f88edfa398425b1769", "355938cfe3b73a624297591972d27c01" } },
    { "%{orig_user}", { "Bob@Example.Org", "Bob@a.b@C.d", "bob" } },
    { "%{auth_user}", { "Bob@Example.Org", "Bob@a.b@C.d", "bob" } },
    { "%{login_user}", { "", "", "" } },
    { "%{master_user}", { "", "", "" } },
    { "%2n%2.2n", { "Bob", "Bob", "bob" } },
    { "%Ed", { "Example.Org", "a.b@C.d", "" } },
    { "%Tn", { "Bob", "Bob", "bob" } },
    { "%40n", { "Bob", "Bob", "bob" } },
    { "%9.2n", { "", "", "" } },
    { "%-9.2n", { "Bo", "Bo", "bo" } },
    { "%0.0n", { "Bob", "Bob", "bob" } },
    { "%1Mn/%2.1Mn", { "2/c", "2/c", "9/9" } },
    { "%1Hn", { "0", "0", "0" } },
};

static struct arena arena;

static struct fields make_fields(const char *text)
{
    struct fields f = fields_make(&arena);
    (void)fields_parse_words(&f, str_from(text));
    return f;
}

static bool expands_to(const char *pattern, const struct auth_vars *vars, const char *want)
{
    struct buf out = buf_make(0);
    const char *why = NULL;
    bool ok = var_expand(str_from(pattern), vars, NULL, NULL, &out, &why);
    bool fits = want == NULL ? !ok && out.n == 0 && why != NULL && why[0] != '\0' : ok && str_eqz(buf_str(&out), want);
    if (!fits)
        printf("# %s -> \"%.*s\" (%s)\n", pattern, STR_FMT(buf_str(&out)), ok ? "" : why);
    buf_done(&out);
    return fits;
}

static void test_second_generation(void)
{
    struct fields userdb = make_fields("uid=5000 gid=5000 home=/h");
    for (size_t u = 0; u < N_ELEMS(users); u++) {
        struct str user = str_from(users[u]);
        struct auth_vars vars = { .user = user, .original_user = user, .service = S("imap"), .userdb = &userdb };
        for (size_t i = 0; i < N_ELEMS(second); i++)
            OK(expands_to(second[i].pattern, &vars, second[i].out[u]), second[i].pattern);
    }
}

/* Names and filters of 2.4, for user First@Example.Org logging in from 192.0.2.7 by imap. out NULL: refused. */
static const struct { const char *name, *pattern, *out; } fourth[] = {
    { "a name", "%{user}", "First@Example.Org" },
    { "a filter", "%{user | lower}", "first@example.org" },
    { "filters one after the other", "<%{user|username|upper}>", "<FIRST>" },
    { "the domain as a filter", "%{user | domain}", "Example.Org" },
    { "address and protocol", "%{remote_ip} %{local_ip} %{protocol} %{remote_port}", "192.0.2.7 127.0.0.1 imap 4711" },
    { "a field of the passdb", "%{passdb:quota}", "5G" },
    { "a field that is not there", "%{passdb:none}", "" },
    { "... with a default", "%{passdb:none | default('x y')}", "x y" },
    { "a default that is not needed", "%{user | default('x')}", "First@Example.Org" },
    { "a default without text", "%{home | default}", "" },
    { "a default that is a variable", "%{home | default(protocol)}", "imap" },
    { "a literal", "%{literal('a\\'b')}", "a'b" },
    { "a look-up by name", "%{lookup('protocol')}", "imap" },
    { "parts put together", "%{protocol | concat('-', user)}", "imap-First@Example.Org" },
    { "parts put together without a first", "%{concat('a', protocol)}", "aimap" },
    { "substr from", "%{protocol | substr(1)}", "map" },
    { "substr from and length", "%{protocol | substr(1, 2)}", "ma" },
    { "substr from the end", "%{protocol | substr(-2, 2)}", "ap" },
    { "substr but the end", "%{protocol | substr(0, -1)}", "ima" },
    { "substr of nothing", "%{protocol | substr(4, 0)}", "" },
    { "substr out of bounds", "%{protocol | substr(5)}", NULL },
    { "substr too long", "%{protocol | substr(1, 4)}", NULL },
    { "truncate", "%{protocol | truncate(2)}", "im" },
    { "truncate to more than there is", "%{protocol | truncate(20)}", "imap" },
    { "truncate to bits", "%{literal('hello') | truncate(bits=7)}", "4" },
    { "reverse", "%{protocol | reverse}", "pami" },
    { "index", "%{literal('a@b@c') | index('@', 1)}", "b" },
    { "index from the end", "%{literal('a@b@c') | index('@', -1)}", "c" },
    { "index beyond", "%{literal('a@b@c') | index('@', 3) | default('none')}", "none" },
    { "list", "%{literal('a\tb') | list(',')}", "a,b" },
    { "fill on the left", "%{literal('7') | lfill(3)}", "007" },
    { "fill on the right", "%{literal('7') | rfill(3, '.')}", "7.." },
    { "replace", "%{user | replace('@', '/')}", "First/Example.Org" },
    { "md5", "%{literal('abc') | md5}", "900150983cd24fb0d6963f7d28e17f72" },
    { "sha1", "%{literal('abc') | sha1}", "a9993e364706816aba3e25717850c26c9cd0d89d" },
    { "sha256 by hash()", "%{literal('abc') | hash('sha256')}", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "sha256 in base64", "%{literal('abc') | sha256 | base64}", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=" },
    { "sha256 in base64 for URLs", "%{literal('abc') | sha256 | base64(pad=0, url=1)}", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0" },
    { "a salt", "%{literal('bc') | md5(salt='a')}", "900150983cd24fb0d6963f7d28e17f72" },
    { "rounds", "%{literal('abc') | md5(rounds=2)}", "af5da9f45af7a300e3aded972f8ff687" },
    { "hexlify with a width", "%{literal('abc') | md5 | hexlify(4)}", "9001" },
    { "hexlify of text", "%{literal('abc') | hexlify}", "616263" },
    { "unhexlify", "%{literal('616263') | unhexlify | text}", "abc" },
    { "unbase64", "%{literal('YWJj') | unbase64 | text}", "abc" },
    { "bytes are written in hexadecimal", "%{literal('YWJj') | unbase64}", "616263" },
    { "hex", "%{literal('255') | hex(4)}", "00ff" },
    { "hex cut", "%{literal('4660') | hex(2)}", "34" },
    { "hex cut at the end", "%{literal('4660') | hex(-2)}", "12" },
    { "unhex", "%{literal('ff') | unhex}", "255" },
    { "a bucket by hash", "%{literal('abc') | md5 % 16 | hex(2)}", "02" },
    { "arithmetic", "%{remote_port + 1} %{remote_port - 11} %{literal('6') * 7} %{remote_port / 10} %{remote_port % 10}", "4712 4700 42 471 1" },
    { "division by zero", "%{remote_port / 0}", NULL },
    { "arithmetic of no number", "%{user + 1}", NULL },
    { "if", "%{protocol | if('eq', 'imap', 'yes', 'no')}", "yes" },
    { "if with everything given", "%{if(remote_port, '>', 1024, user, 'low')}", "First@Example.Org" },
    { "if with wildcards", "%{user | if('*', '*@Example.*', 'yes', 'no')}", "yes" },
    { "if of no number", "%{if(user, '<', 5, 'a', 'b')}", NULL },
    { "if with another comparison", "%{if('a', '~', 'a', 'y', 'n')}", NULL },
    { "a distinguished name", "dc=%{user | domain | ldap_dn}", "dc=Example,dc=Org" },
    { "the variable of a row", "%{sql:mail}/%{ldap:mail}", "m/m" },
    { "an unknown variable", "%{usr}", NULL },
    { "an unknown filter", "%{user | lowre}", NULL },
    { "an unknown letter", "%z", NULL },
    { "an unknown argument", "%{user | md5(speed=1)}", NULL },
    { "too many arguments", "%{user | lower(1)}", NULL },
    { "a filter that cannot begin", "%{lower}", NULL },
    { "a name that is missing", "%{}", NULL },
    { "a name of a field that is missing", "%{passdb:}", NULL },
    { "a brace that is not closed", "%{user", NULL },
    { "a quote that is not closed", "%{user | default('x)}", NULL },
    { "a parenthesis that is not closed", "%{user | substr(1}", NULL },
    { "no pipe", "%{user | lower upper}", NULL },
    { "nothing after the percent", "a%", NULL },
    { "a number that is too large", "%999999999u", NULL },
    { "too many filters", "%{user|lower|lower|lower|lower|lower|lower|lower|lower|lower|lower|lower|lower|lower|lower|lower|lower|lower}", NULL },
    { "a result that is too long", "%{literal('x') | lfill(9000)}%{literal('x') | lfill(9000)}", NULL },
    { "old if with too little", "%{if;a;eq;b;yes}", NULL },
};

static void test_fourth_generation(void)
{
    struct fields passdb = make_fields("quota=5G"), row = make_fields("mail=m");
    struct auth_vars vars = { .user = S("First@Example.Org"), .service = S("imap"), .remote = S("192.0.2.7"), .local = S("127.0.0.1"),
                              .remote_port = S("4711"), .passdb = &passdb, .row = &row };
    for (size_t i = 0; i < N_ELEMS(fourth); i++)
        OK(expands_to(fourth[i].pattern, &vars, fourth[i].out), fourth[i].name);
    struct auth_vars master = { .user = S("bob"), .master_user = S("admin"), .original_user = S("bob*admin") };
    OK(expands_to("%{auth_user} %{master_user} %{original_user}", &master, "admin admin bob*admin"), "names of a master login");
}

static const struct { const char *name, *pattern; bool known, password; } checks[] = {
    { "plain text", "/var/vmail", true, false },
    { "letters and names", "%Lu %{user | lower} %{passdb:x} %1.2Mn", true, false },
    { "filters with values that are not known yet", "%{user | substr(3)}%{remote_port % 16 | hex(2)}%{home | unhex}", true, false },
    { "an unknown letter", "%u/%z", false, false },
    { "an unknown name", "%{nobody}", false, false },
    { "an unknown filter", "%{user | rot13}", false, false },
    { "the password by letter", "x%w", true, true },
    { "the password by name", "%{password | sha1}", true, true },
    { "the password in an if", "%{if;%w;eq;a;b;c}", true, true },
    { "a percent and a w", "%%w", true, false },
};

static void test_checks(void)
{
    for (size_t i = 0; i < N_ELEMS(checks); i++) {
        const char *why;
        OK(var_check(str_from(checks[i].pattern), &why) == checks[i].known && var_uses_password(str_from(checks[i].pattern)) == checks[i].password, checks[i].name);
    }
}

static bool double_quotes(struct buf *out, struct str value, void *arg)
{
    (void)arg;
    buf_putc(out, '"');
    buf_add(out, value);
    buf_putc(out, '"');
    return str_chr(value, '"') < 0;
}

static void test_escape(void)
{
    struct auth_vars good = { .user = S("a") }, bad = { .user = S("a\"b") };
    struct buf out = buf_make(0);
    const char *why;
    OK(var_expand(STR("u=%u \"x\""), &good, double_quotes, NULL, &out, &why) && str_eqz(buf_str(&out), "u=\"a\" \"x\""), "values are escaped, the pattern is not");
    OK(!var_expand(STR("u=%u"), &bad, double_quotes, NULL, &out, &why) && out.n == 9, "a value that cannot be escaped is refused");
    buf_done(&out);
}

static void dollar(struct buf *out, unsigned n) { buf_printf(out, "$%u", n); }

static const struct { const char *name, *pattern, *query, *params; } queries[] = {
    { "a string is a parameter", "SELECT p FROM u WHERE name = '%n' AND dom = '%d'", "SELECT p FROM u WHERE name = $1 AND dom = $2", "o'neil|e.test|" },
    { "text around a variable", "SELECT '/var/%d/%n' AS home", "SELECT $1 AS home", "/var/e.test/o'neil|" },
    { "a string without variables stays", "SELECT 'a''b', '100%%' FROM t", "SELECT 'a''b', '100%' FROM t", "" },
    { "a doubled quote beside a variable", "SELECT 'it''s %n'", "SELECT $1", "it's o'neil|" },
    { "double quotes", "SELECT \"%u\"", "SELECT $1", "o'neil@e.test|" },
    { "the same twice", "'%n' '%n'", "$1 $2", "o'neil|o'neil|" },
    { "filters in a string", "'%{user | domain}'", "$1", "e.test|" },
    { "a variable outside quotes is refused", "SELECT %u", NULL, NULL },
    { "a quote that is not closed is refused", "SELECT '%u", NULL, NULL },
    { "a backslash beside a variable is refused", "SELECT 'a\\'%u'", NULL, NULL },
    { "a backslash elsewhere stays", "SELECT 'a\\'b'", "SELECT 'a\\'b'", "" },
    { "an unknown variable is refused", "SELECT '%z'", NULL, NULL },
};

static void test_queries(void)
{
    struct auth_vars vars = { .user = S("o'neil@e.test") };
    for (size_t i = 0; i < N_ELEMS(queries); i++) {
        struct buf query = buf_make(0), joined = buf_make(0);
        struct str params[VAR_PARAMS_MAX];
        size_t n = 0;
        const char *why;
        bool ok = var_query(str_from(queries[i].pattern), &vars, &arena, dollar, &query, params, &n, &why);
        for (size_t k = 0; k < n; k++)
            buf_printf(&joined, "%.*s|", STR_FMT(params[k]));
        OK(queries[i].query == NULL ? !ok : ok && str_eqz(buf_str(&query), queries[i].query) && str_eqz(buf_str(&joined), queries[i].params), queries[i].name);
        buf_done(&query);
        buf_done(&joined);
    }
}

/* Every pattern cut at every length ends well. */
static void test_cuts(void)
{
    struct auth_vars vars = { .user = S("a@b") };
    size_t ended = 0;
    for (size_t i = 0; i < N_ELEMS(fourth); i++)
        for (size_t cut = 0; cut < strlen(fourth[i].pattern); cut++) {
            struct buf out = buf_make(0);
            const char *why = "";
            (void)var_expand(str_make(fourth[i].pattern, cut), &vars, NULL, NULL, &out, &why);
            buf_done(&out);
            ended++;
        }
    OK(ended > 1000, "patterns cut anywhere are expanded or refused");
}

int main(void)
{
    arena = arena_make(1 << 20);
    test_second_generation();
    test_fourth_generation();
    test_checks();
    test_escape();
    test_queries();
    test_cuts();
    arena_done(&arena);
    return tap_done();
}
