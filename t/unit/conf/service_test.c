/* SPDX-License-Identifier: ISC */
#include "conf/service.h"
#include "tap.h"

static const char good[] =
    "# comment\n"
    "smtp      inet  n       -       y       -       -       smtpd\n"
    "submission inet n       -       y       -       -       smtpd\n"
    "  -o syslog_name=postfix/submission\n"
    "# in between\n"
    "  -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }\n"
    "  -osmtpd_tls_wrappermode=yes -o content_filter= -v -vv\n"
    "[::1]:10025 inet n - n - 3 smtpd\n"
    "pickup    unix  n       -       y       60      1       pickup\n"
    "qmgr      fifo  n       -       n       300?    1       qmgr\n"
    "maildrop  unix  -       n       n       -       -       pipe\n"
    "  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d { two words } -o x\n"
    "postlog   unix-dgram n  -       n       -       1       postlogd\n"
    "pickup    unix  n       -       y       61      1       pickup\n";

static struct config *conf(void)
{
    struct err err;
    return config_parse("/nowhere", "main.cf", STR("default_process_limit = 42\n"), &err);
}

static void test_good(void)
{
    struct err err = { 0 };
    struct config *c = conf();
    struct service_list l = { 0 };
    OK(service_parse(c, "master.cf", str_from(good), &l, &err) == 0 && l.n == 7, "a file of all forms is read");
    printf("# %zu %s\n", l.n, err.text);
    const struct service *s = l.rows;
    OK(s[0].type == SERVICE_INET && !s[0].is_private && s[0].chroot && s[0].max_proc == 42 && s[0].line == 2, "defaults of fields");
    OK(s[1].n_overrides == 4 && strcmp(s[1].overrides[0], "syslog_name=postfix/submission") == 0
       && strcmp(s[1].overrides[1], "smtpd_client_restrictions=permit_sasl_authenticated, reject") == 0
       && strcmp(s[1].overrides[2], "smtpd_tls_wrappermode=yes") == 0 && strcmp(s[1].overrides[3], "content_filter=") == 0
       && s[1].verbose == 3, "-o in all its forms, and -v");
    struct arena a = arena_make(4096);
    const char *host, *port;
    OK(service_split_inet(s[2].name, &a, &host, &port) && strcmp(host, "::1") == 0 && strcmp(port, "10025") == 0 && s[2].max_proc == 3, "an address and a port");
    OK(service_split_inet("smtp", &a, &host, &port) && *host == '\0' && strcmp(port, "smtp") == 0, "a port only");
    OK(!service_split_inet("[::1:25", &a, &host, &port) && !service_split_inet("a:", &a, &host, &port), "malformed inet names");
    arena_done(&a);
    OK(s[3].wakeup == 61 && !s[3].wakeup_if_used && s[3].line == 14, "the last of two rows with one name wins");
    OK(s[4].wakeup == 300 && s[4].wakeup_if_used && s[4].type == SERVICE_FIFO, "wakeup with a question mark");
    OK(s[5].is_private && s[5].n_args == 7 && s[5].n_overrides == 0 && strcmp(s[5].args[4], "two words") == 0 && strcmp(s[5].args[5], "-o") == 0,
       "arguments of pipe are kept in order, braces quote");
    OK(s[6].type == SERVICE_UNIX_DGRAM, "unix-dgram");
    config_free(c);
}

static const struct { const char *name, *text, *in_error; } bad[] = {
    { "a missing field", "smtp inet n - n -\n", "master.cf: line 1: missing \"process limit\"" },
    { "a missing command", "a unix n - n - 1\n", "missing \"command\"" },
    { "an unknown type", "\na tcp n - n - 1 smtpd\n", "line 2: bad transport type: \"tcp\"" },
    { "not a flag", "a unix x - n - 1 smtpd\n", "bad private flag" },
    { "a bad wakeup time", "a unix n - n 1m 1 smtpd\n", "bad wakeup time" },
    { "a bad process limit", "a unix n - n - many smtpd\n", "bad process limit" },
    { "an -o without =", "a unix n - n - 1 smtpd -o x\n", "missing '='" },
    { "an -o at the end", "a unix n - n - 1 smtpd -o\n", "nothing follows -o" },
    { "an open brace", "a unix n - n - 1 pipe {x y\n", "not closed" },
    { "a path as command", "a unix n - n - 1 ../x\n", "without directories" },
    { "a path as socket name", "../a unix n - n - 1 smtpd\n", "no slash" },
    { "a first line with white space", "  a unix n - n - 1 smtpd\n", "white space" },
};

int main(void)
{
    test_good();
    for (size_t i = 0; i < N_ELEMS(bad); i++) {
        struct err err = { 0 };
        struct config *c = conf();
        struct service_list l;
        OK(service_parse(c, "master.cf", str_from(bad[i].text), &l, &err) < 0 && strstr(err.text, bad[i].in_error) != NULL, bad[i].name);
        printf("# %s\n", err.text);
        config_free(c);
    }
    return tap_done();
}
