/* SPDX-License-Identifier: ISC */
#include "auth/app_password.h"
#include "tap.h"

#define S(lit) STR_INIT(lit)
#define HASH "{SSHA256}7UVfHNGBl8vjP4m0kqh2aD9Xqk3W8KHFc8lKWpD2bqIxMjM0NTY3OA=="

static const struct { const char *name; struct str line; bool ok; } lines[] = {
    { "a line with everything", S("joe:" HASH ":::phone:::created=5 services=imap,smtp allow_nets=192.0.2.0/24 expires=100"), true },
    { "without extra fields it is for everything", S("joe:" HASH ":::phone:::"), true },
    { "trailing fields missing", S("joe:" HASH ":::phone"), true },
    { "a blank inside the name", S("joe:" HASH ":::old phone:::"), true },
    { "no name", S("joe:" HASH "::::::"), false },
    { "a name with a slash", S("joe:" HASH ":::a/b:::"), false },
    { "a name that ends in a blank", S("joe:" HASH ":::phone :::"), false },
    { "no user", S(":" HASH ":::phone:::"), false },
    { "a hash without scheme", S("joe:abc:::phone:::"), false },
    { "a restriction that is not known", S("joe:" HASH ":::phone:::only_on=monday"), false },
    { "a time that is no number", S("joe:" HASH ":::phone:::expires=soon"), false },
    { "a time before all times", S("joe:" HASH ":::phone:::expires=-1"), false },
    { "a comment", S("#joe:" HASH ":::phone:::"), false },
    { "a NUL", S("joe:" HASH ":::ph\0ne:::"), false },
    { "nothing", S(""), false },
};

static void test_lines(void)
{
    struct app_password a = { 0 }, again;
    for (size_t i = 0; i < N_ELEMS(lines); i++) {
        OK(app_password_parse(lines[i].line, &a) == lines[i].ok, lines[i].name);
        struct buf out = buf_make(0);
        if (lines[i].ok) {
            app_password_put(&a, &out);
            OK(app_password_parse(buf_str(&out), &again) && str_eq(a.user, again.user) && str_eq(a.name, again.name) && str_eq(a.services, again.services) &&
               str_eq(a.networks, again.networks) && a.expires == again.expires && a.created == again.created, "what is written is read as the same");
        }
        buf_done(&out);
    }
    struct str whole = lines[0].line;
    size_t good = 0;
    for (size_t n = 0; n < whole.n; n++)
        good += app_password_parse(str_head(whole, n), &a) && a.services.n == 0 && n > whole.n - 10;
    OK(good == 0, "a line that is cut in its restrictions is none");
}

static const struct { const char *name; struct str services, networks; int64_t expires; const char *service, *remote; bool refused; } rules[] = {
    { "no limits", S(""), S(""), 0, "imap", "192.0.2.1", false },
    { "its service", S("imap,smtp"), S(""), 0, "smtp", "192.0.2.1", false },
    { "submission is smtp", S("imap,smtp"), S(""), 0, "submission", "192.0.2.1", false },
    { "another service", S("imap,smtp"), S(""), 0, "pop3", "192.0.2.1", true },
    { "a part of its service's name", S("imap"), S(""), 0, "map", "192.0.2.1", true },
    { "its network", S(""), S("198.51.100.7,192.0.2.0/24"), 0, "imap", "192.0.2.1", false },
    { "another network", S(""), S("198.51.100.7,192.0.2.0/24"), 0, "imap", "192.0.3.1", true },
    { "no address, with a network", S(""), S("192.0.2.0/24"), 0, "imap", "", true },
    { "a second before its end", S(""), S(""), 1001, "imap", "", false },
    { "at its end", S(""), S(""), 1000, "imap", "", true },
};

static void test_rules(void)
{
    for (size_t i = 0; i < N_ELEMS(rules); i++) {
        struct app_password a = { .services = rules[i].services, .networks = rules[i].networks, .expires = rules[i].expires };
        OK((app_password_refusal(&a, str_from(rules[i].service), str_from(rules[i].remote), 1000) != NULL) == rules[i].refused, rules[i].name);
    }
}

static const struct { const char *name; struct str typed; bool ok; } typed[] = {
    { "as it is shown", S("abcde-fghij-kmnpq-rstuv-wxyz2-3"), true },
    { "without hyphens, in capitals, with blanks", S("ABCDE fghijkmnpq rstuv wxyz2 3"), true },
    { "one letter too few", S("abcde-fghij-kmnpq-rstuv-wxyz2"), false },
    { "one letter too many", S("abcde-fghij-kmnpq-rstuv-wxyz2-34"), false },
    { "a letter that no app password has", S("abcde-fghij-kmnpq-rstuv-wxyz2-l"), false },
    { "a NUL", S("abcde-fghij-kmnpq-rstuv-wxyz2-\0"), false },
    { "somebody's own password", S("correct horse"), false },
    { "nothing", S(""), false },
};

static void test_typed(void)
{
    char normal[APP_PASSWORD_LETTERS], again[APP_PASSWORD_LETTERS];
    for (size_t i = 0; i < N_ELEMS(typed); i++)
        OK(app_password_normal(typed[i].typed, normal) == typed[i].ok, typed[i].name);
    OK(app_password_normal(typed[0].typed, normal) && app_password_normal(typed[1].typed, again) && memcmp(normal, again, sizeof normal) == 0,
       "however it is typed, it is the same");
    struct buf one = buf_make(0), two = buf_make(0);
    app_password_make(&one);
    app_password_make(&two);
    OK(app_password_normal(buf_str(&one), normal) && one.n == 31 && !str_eq(buf_str(&one), buf_str(&two)), "each new one is another one");
    buf_done(&one);
    buf_done(&two);
    OK(app_password_services_good(STR("imap,sieve")) && !app_password_services_good(STR("imap,ftp")) && !app_password_services_good(STR("")) &&
       !app_password_services_good(STR("imap smtp")), "services are those that there are");
}

int main(void)
{
    test_lines();
    test_rules();
    test_typed();
    return tap_done();
}
