/* SPDX-License-Identifier: ISC */
#include "base/buf.h"
#include "conf/dovecot.h"
#include "tap.h"

/* The tree as one line: name=value, name(arg){...}; <file marked by '<', hidden by '?'. */
static void flat(const struct dovecot_tree *t, struct buf *out)
{
    unsigned depth = 0;
    for (size_t i = 0; i < t->n; i++) {
        const struct dovecot_node *n = &t->nodes[i];
        for (; depth > n->depth; depth--)
            buf_puts(out, "}");
        if (n->is_section)
            buf_printf(out, "%.*s(%.*s){", STR_FMT(n->name), STR_FMT(n->arg));
        else
            buf_printf(out, "%.*s=%s%.*s;", STR_FMT(n->name), n->is_file ? "<" : n->is_hidden ? "?" : "", STR_FMT(n->value));
        depth = n->depth + (n->is_section ? 1 : 0);
    }
    for (; depth > 0; depth--)
        buf_puts(out, "}");
}

static const struct { const char *name, *text, *want; } trees[] = {
    { "settings", "a = 1\nb=2\n", "a=1;b=2;" },
    { "no newline at the end", "a = 1", "a=1;" },
    { "an empty value", "prefix = \n", "prefix=;" },
    { "sections nest", "service auth {\n  unix_listener /x/y {\n    mode = 0666\n  }\n  user = root\n}\nz = 1\n",
      "service(auth){unix_listener(/x/y){mode=0666;}user=root;}z=1;" },
    { "a section without a second word", "passdb {\n  driver = pam\n}\n", "passdb(){driver=pam;}" },
    { "an empty section", "plugin {\n}\n", "plugin(){}" },
    { "a second word in quotes", "mailbox \"Sent Messages\" {\n  special_use = \\Sent\n}\n", "mailbox(Sent Messages){special_use=\\Sent;}" },
    { "a value in quotes, with quotes inside", "x = \"a # \\\"b\\\" \\\\\"\n", "x=a # \"b\" \\;" },
    { "a comment behind a value", "x = a # b\n", "x=a;" },
    { "a # inside a word is text", "x = a#b\n", "x=a#b;" },
    { "comments and empty lines", "# a\n\n  # b\nx = 1\n", "x=1;" },
    { "a file", "ssl_cert = </etc/cert.pem\nssl_ca = < /etc/ca\n", "ssl_cert=</etc/cert.pem;ssl_ca=</etc/ca;" },
    { "what doveconf hides", "ssl_key = # hidden, use -P to show it\n", "ssl_key=?;" },
    { "a line that goes on", "query = SELECT a \\\n  FROM b\nx = 1\n", "query=SELECT a FROM b;x=1;" },
    { "a value with = and braces", "q = %{user | lower} = {x}\n", "q=%{user | lower} = {x};" },
    { "a value that ends in a brace", "mail_home = /var/vmail/%{user | domain}\n", "mail_home=/var/vmail/%{user | domain};" },
    { "CRLF", "a = 1\r\nb {\r\n}\r\n", "a=1;b(){}" },
    { "an include in text is left alone", "!include conf.d/*.conf\na = 1\n", "a=1;" },
    { "nothing", "", "" },
};

static const struct { const char *name, *text, *want; } refused[] = {
    { "a } too much names its line", "a = 1\n}\n", "line 2: a } without its {" },
    { "a section that is not closed", "a {\n", "a section is not closed" },
    { "a line that is neither", "a = 1\nhello\n", "line 2: neither a setting nor a section" },
    { "a value without a name", "= 1\n", "neither a setting nor a section" },
    { "a quote that is not closed", "mailbox \"a {\n}\n", "a quote is not closed" },
};

static void test_trees(void)
{
    for (size_t i = 0; i < N_ELEMS(trees); i++) {
        struct arena a = arena_make(1 << 20);
        struct dovecot_tree t;
        struct err err = { 0 };
        struct buf b = buf_make(0);
        bool ok = dovecot_parse("f", str_from(trees[i].text), &a, &t, &err) == 0;
        if (ok)
            flat(&t, &b);
        OK(ok && str_eqz(buf_str(&b), trees[i].want), trees[i].name);
        if (!ok || !str_eqz(buf_str(&b), trees[i].want))
            printf("# %s%s\n", buf_cstr(&b), err.text);
        buf_done(&b);
        arena_done(&a);
    }
    for (size_t i = 0; i < N_ELEMS(refused); i++) {
        struct arena a = arena_make(1 << 20);
        struct dovecot_tree t;
        struct err err = { 0 };
        OK(dovecot_parse("f", str_from(refused[i].text), &a, &t, &err) < 0 && strstr(err.text, refused[i].want) != NULL, refused[i].name);
        arena_done(&a);
    }
}

static void test_limits(void)
{
    struct arena a = arena_make(64 << 20);
    struct dovecot_tree t;
    struct err err = { 0 };
    struct buf b = buf_make(0);
    for (int i = 0; i < DOVECOT_DEPTH_MAX + 1; i++)
        buf_puts(&b, "a {\n");
    OK(dovecot_parse("f", buf_str(&b), &a, &t, &err) < 0 && strstr(err.text, "too deeply") != NULL, "sections may not nest without end");
    buf_reset(&b);
    for (int i = 0; i < DOVECOT_NODES_MAX + 1; i++)
        buf_puts(&b, "a=1\n");
    OK(dovecot_parse("f", buf_str(&b), &a, &t, &err) < 0 && strstr(err.text, "too many settings") != NULL, "settings are counted");
    OK(dovecot_parse("f", STR("a\0b"), &a, &t, &err) < 0, "a NUL is refused");
    buf_done(&b);
    arena_done(&a);
}

static void test_facts(void)
{
    struct arena a = arena_make(1 << 20);
    struct dovecot_tree t;
    struct err err = { 0 };
    OK(dovecot_parse("f", STR("# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf\n# OS: x\na = 1\n  b {\n c = 2\n}\na = 3\n"), &a, &t, &err) == 0 &&
       str_eqz(t.version, "2.3.19.1") && str_eqz(t.path, "/etc/dovecot/dovecot.conf"), "doveconf's first line has version and file");
    const struct dovecot_node *n = dovecot_find(&t, SIZE_MAX, "a");
    OK(n != NULL && str_eqz(n->value, "3") && n->line == 7, "the last setting of a name counts, and knows its line");
    OK(dovecot_find(&t, 1, "c") != NULL && dovecot_find(&t, SIZE_MAX, "c") == NULL, "a setting is looked for in its own section");
    OK(dovecot_parse("f", STR("dovecot_config_version = 2.4.1\n"), &a, &t, &err) == 0 && str_eqz(t.version, "2.4.1"), "the second generation's version is a setting");
    OK(dovecot_parse_ext("f", STR("connect = host=x # y\npassword_query = \\\n  SELECT 'a#b' \\\n  FROM t\n"), &a, &t, &err) == 0 && t.n == 2 &&
       str_eqz(t.nodes[0].value, "host=x # y") && str_eqz(t.nodes[1].value, "SELECT 'a#b' FROM t"), "a query file has comments at the start of lines only");
    arena_done(&a);
}

static void test_times(void)
{
    static const struct { const char *text; uint64_t unit, ms; bool good; } times[] = {
        { "2 secs", 1000, 2000, true }, { "2s", 1000, 2000, true }, { "30 mins", 1000, 1800000, true }, { "1 hour", 1000, 3600000, true }, { "1h", 1, 3600000, true },
        { "15", 1000, 15000, true }, { "500 msecs", 1000, 500, true }, { "500ms", 1000, 500, true }, { "1 week", 1, 604800000, true }, { "5m", 1, 300000, true },
        { "", 1000, 0, false }, { "x", 1000, 0, false }, { "5 parsecs", 1000, 0, false }, { "99999999999999999999", 1000, 0, false },
    };
    bool good = true;
    for (size_t i = 0; i < N_ELEMS(times); i++) {
        uint64_t ms = 0;
        bool ok = dovecot_time(str_from(times[i].text), times[i].unit, &ms);
        if (ok != times[i].good || ms != times[i].ms) {
            printf("# %s: %d %llu\n", times[i].text, ok, (unsigned long long)ms);
            good = false;
        }
    }
    OK(good, "times have all of Dovecot's units");
    OK(dovecot_is_yes(STR("yes")) && dovecot_is_yes(STR("Y")) && !dovecot_is_yes(STR("no")) && !dovecot_is_yes(STR("")), "yes and no");
}

/* Every cut of a text parses or is refused. */
static void test_cuts(void)
{
    struct str text = STR("# 2.3.19.1 (9): /etc/d.conf\nservice auth {\n unix_listener \"a b\" {\n mode = 0666 # x\n }\n}\nssl_key = </x\nq = \"a\\\"b\" \\\n c\n");
    for (size_t n = 0; n <= text.n; n++) {
        struct arena a = arena_make(1 << 20);
        struct dovecot_tree t;
        struct err err = { 0 };
        char *copy = xmalloc(n + 1);
        memcpy(copy, text.p, n);
        if (dovecot_parse("f", str_make(copy, n), &a, &t, &err) < 0 && err.kind == ERR_NONE)
            OK(false, "a refusal has a reason");
        free(copy);
        arena_done(&a);
    }
    OK(true, "cut at every length");
}

int main(void)
{
    test_trees();
    test_limits();
    test_facts();
    test_times();
    test_cuts();
    return tap_done();
}
