/* SPDX-License-Identifier: ISC */
#include "conf/expand.h"
#include "conf/param.h"
#include "tap.h"

static struct config *parse(const char *text)
{
    struct err err = { 0 };
    struct config *c = config_parse("/nowhere", "main.cf", str_from(text), &err);
    if (c == NULL)
        printf("# %s\n", err.text);
    return c;
}

static const struct { const char *name, *conf, *param, *want; } cases[] = {
    { "a plain value", "a = x\n", "a", "x" },
    { "the last definition wins", "a = x\na = y\n", "a", "y" },
    { "an empty value is not the default", "mydestination =\n", "mydestination", "" },
    { "a default that is not set", "", "smtpd_recipient_limit", "1000" },
    { "a default with $name", "myhostname = mx.example\n", "mydestination", "mx.example, localhost.example, localhost" },
    { "$name", "a = x\nb = $a-$a.z\n", "b", "x-x.z" },
    { "${name} and $(name)", "a = x\nb = ${a}y$(a)z\n", "b", "xyxz" },
    { "an undefined name is empty", "b = [$nothing]\n", "b", "[]" },
    { "$$ is a dollar sign", "b = a$$c\n", "b", "a$c" },
    { "${name?text} of a set name", "a = x\nb = ${a?yes}\n", "b", "yes" },
    { "${name?text} of an empty name", "a =\nb = ${a?yes}\n", "b", "" },
    { "${name:text} of an empty name", "b = ${nothing:no}\n", "b", "no" },
    { "${name?{x}:{y}} true", "a = x\nb = ${a?{$a}:{y}}\n", "b", "x" },
    { "${name?{x}:{y}} false", "b = ${a?{x}:{y}}\n", "b", "y" },
    { "${name:{y}}", "b = ${a:{y}}\n", "b", "y" },
    { "a relation holds", "a = x\nb = ${{$a} == {x} ? {yes} : {no}}\n", "b", "yes" },
    { "a relation does not hold", "a = x\nb = ${{$a} != {x} ? {yes} : {no}}\n", "b", "no" },
    { "numbers compare as numbers", "b = ${{10} > {9} ? {yes} : {no}}\n", "b", "yes" },
    { "text compares as text", "b = ${{x10} > {x9} ? {yes} : {no}}\n", "b", "no" },
    { "levels compare by part", "b = ${{3.10} >level {3.9} ? {yes} : {no}}\n", "b", "yes" },
    { "level 0 has the old default", "", "append_dot_mydomain", "yes" },
    { "level 3.6 has the new default", "compatibility_level = 3.6\n", "append_dot_mydomain", "no" },
    { "stress is empty", "", "smtpd_timeout", "300s" },
    { "nested choice", "stress = yes\n", "smtpd_per_request_deadline", "yes" },
    { "a user's own name in a list", "mua = permit\nsmtpd_client_restrictions = $mua, reject\n", "smtpd_client_restrictions", "permit, reject" },
    { "mydomain comes from myhostname", "myhostname = a.b.c\n", "mydomain", "b.c" },
    { "a name that nobody knows", "", "no_such_name", NULL },
    { "a loop is refused", "a = $b\nb = $a\n", "a", NULL },
    { "a name that contains itself is refused", "a = x$a\n", "a", NULL },
    { "a brace that is not closed", "a = ${b\n", "a", NULL },
    { "a lone dollar", "a = 5$ only\n", "a", NULL },
    { "an unknown operator", "a = ${{x} ~ {y} ? {z}}\n", "a", NULL },
    { "myhostname and mydomain defined by each other end", "myhostname = x.$mydomain\n", "myhostname", "x.localdomain" },
};

static void test_get(void)
{
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct err err = { 0 };
        struct config *c = parse(cases[i].conf);
        const char *got = config_get(c, cases[i].param, &err);
        bool same = got == NULL ? cases[i].want == NULL : cases[i].want != NULL && strcmp(got, cases[i].want) == 0;
        OK(same, cases[i].name);
        if (!same)
            printf("# got %s (%s)\n", got == NULL ? "NULL" : got, err.text);
        config_free(c);
    }
}

#define DEMO_PARAMS(P)                                                         \
    P(BOOL, on, "demo_on", "yes", 0, 0, "Switch.")                             \
    P(UINT, count, "demo_count", "10", 1, 100, "Count.")                       \
    P(SIZE, size, "demo_size", "10240000", 0, UINT64_MAX, "Size.")             \
    P(SECS, idle, "demo_idle", "5m", 1, 86400, "Time.")                        \
    P(SECS, life, "demo_life", "5d", 0, 8640000, "Days.")                      \
    P(STR, text, "demo_text", "x$demo_count", 0, 0, "Text.")                   \
    P(RAW, raw, "demo_raw", "$recipient", 0, 0, "Raw.")
struct demo { DEMO_PARAMS(PARAM_MEMBER) };
#define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct demo, k, m, name, def, lo, hi, doc)
static const struct param rows[] = { DEMO_PARAMS(ROW) };
static const struct param_table table = { rows, N_ELEMS(rows) };

static void test_fill(void)
{
    struct err err = { 0 };
    struct demo d = { 0 };
    struct config *c = parse("");
    OK(config_fill(c, &table, &d, &err) == 0 && d.on && d.count == 10 && d.size == 10240000 && d.idle == 300 && d.life == 432000
       && strcmp(d.text, "x10") == 0 && strcmp(d.raw, "$recipient") == 0, "defaults arrive in the struct");
    config_free(c);
    c = parse("demo_on = No\ndemo_idle = 2h\ndemo_life = 3\ndemo_count=7\n");
    OK(config_fill(c, &table, &d, &err) == 0 && !d.on && d.idle == 7200 && d.life == 3 * 86400 && strcmp(d.text, "x7") == 0,
       "values of main.cf arrive; a bare time has the default's unit");
    OK(config_override(c, STR("demo_count=8"), &err) == 0 && config_override(c, STR("{ demo_idle = 1m }"), &err) == 0
       && config_fill(c, &table, &d, &err) == 0 && d.count == 8 && d.idle == 60 && strcmp(d.text, "x8") == 0, "-o takes precedence");
    config_free(c);
}

static const struct { const char *name, *conf, *in_error; } bad[] = {
    { "not a boolean", "\ndemo_on = maybe\n", "main.cf, line 2: demo_on = maybe: yes or no" },
    { "below the minimum", "demo_count = 0\n", "1 to 100" },
    { "above the maximum", "demo_count = 101\n", "1 to 100" },
    { "not a number", "demo_count = ten\n", "main.cf, line 1: demo_count" },
    { "a negative number", "demo_count = -1\n", "1 to 100" },
    { "an overflowing number", "demo_size = 99999999999999999999\n", "demo_size" },
    { "an unknown unit", "demo_idle = 5y\n", "s m h d w" },
    { "two units", "demo_idle = 1h30m\n", "at most one unit" },
    { "too long a time", "demo_idle = 2d\n", "86400 seconds" },
    { "a bad expansion", "demo_text = ${x\n", "main.cf, line 1: demo_text" },
};

static void test_refused(void)
{
    for (size_t i = 0; i < N_ELEMS(bad); i++) {
        struct err err = { 0 };
        struct demo d;
        struct config *c = parse(bad[i].conf);
        OK(config_fill(c, &table, &d, &err) < 0 && strstr(err.text, bad[i].in_error) != NULL, bad[i].name);
        printf("# %s\n", err.text);
        config_free(c);
    }
    struct err err = { 0 };
    OK(config_parse("/", "main.cf", STR("a = 1\nb\n"), &err) == NULL && strstr(err.text, "main.cf, line 2: missing '='") != NULL,
       "a line without = is refused with its line");
    OK(config_parse("/", "main.cf", str_make("a = \0b", 6), &err) == NULL, "a NUL byte is refused");
    OK(config_load("/no/such/dir", &err) == NULL && strstr(err.text, "/no/such/dir/main.cf") != NULL, "a missing file is named");
    struct config *c = parse("  a = 1\nb = 2\n");
    OK(config_raw(c, "a") == NULL && config_warning(c, 0) != NULL && config_warning(c, 1) == NULL, "a first line with white space is a warning");
    OK(strcmp(config_where(c, "b"), "main.cf, line 2") == 0, "where a name was set");
    config_free(c);
}

static void test_all_defaults(void)
{
    struct err err = { 0 };
    struct config *c = parse("");
    struct param_table all = params_postfix();
    size_t bad_defaults = 0;
    for (size_t i = 0; i < all.n; i++) {
        if (all.rows[i].kind != PARAM_RAW && config_get(c, all.rows[i].name, &err) == NULL) {
            printf("# %s: %s\n", all.rows[i].name, err.text);
            bad_defaults++;
        }
        if (i > 0 && strcmp(all.rows[i - 1].name, all.rows[i].name) >= 0)
            bad_defaults++;
    }
    OK(all.n > 830 && bad_defaults == 0, "every default of Postfix's names expands, and the names are in order");
    const char *nets = config_get(c, "mynetworks", &err);
    OK(nets != NULL && strstr(nets, "127.0.0.") != NULL, "mynetworks has the loopback network");
    printf("# mynetworks %s\n", nets);
    config_free(c);
}

int main(void)
{
    test_get();
    test_fill();
    test_refused();
    test_all_defaults();
    return tap_done();
}
