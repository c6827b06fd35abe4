/* SPDX-License-Identifier: ISC */
#include "daemon/endpoint.h"
#include "tap.h"

static const struct { const char *name, *word, *endpoint; } words[] = {
    { "a TCP milter", "inet:localhost:8891", "inet:localhost:8891" },
    { "a UNIX milter, relative", "unix:opendkim/opendkim.sock", "unix:opendkim/opendkim.sock" },
    { "sendmail's word for a UNIX milter", "local:/run/x.sock", "local:/run/x.sock" },
    { "an LMTP server behind a UNIX socket", "lmtp:unix:private/dovecot-lmtp", "unix:private/dovecot-lmtp" },
    { "an LMTP server over TCP", "lmtp:inet:127.0.0.1:24", "inet:127.0.0.1:24" },
    { "a socketmap: without the table's name", "socketmap:inet:127.0.0.1:8461:QUERYwithTLSRPT", "inet:127.0.0.1:8461" },
    { "a socketmap behind a UNIX socket", "socketmap:unix:/run/sts:postfix", "unix:/run/sts" },
    { "a tcp table", "tcp:127.0.0.1:10001", "tcp:127.0.0.1:10001" },
    { "a password table is none", "unix:passwd.byname", "" },
    { "behind proxy neither", "proxy:unix:passwd.byname", "" },
    { "a file table is none", "hash:/etc/aliases", "" },
    { "a port alone is none", "inet:8891", "" },
    { "a restriction is none", "check_policy_service", "" },
    { "nothing is none", "", "" },
    { "the word alone is none", "unix:", "" },
};

static void test_words(void)
{
    for (size_t i = 0; i < N_ELEMS(words); i++)
        OK(str_eqz(endpoint_of_word(str_from(words[i].word)), words[i].endpoint), words[i].name);
}

static void test_list(void)
{
    struct err err = { 0 };
    struct endpoint_list list = { 0 };
    struct config *c = config_parse("/nonexistent", "main.cf", STR(
        "smtpd_milters = { inet:127.0.0.1:8891, connect_timeout=3s }, unix:rspamd/milter.sock\n"
        "policy = check_policy_service unix:private/policy\n"
        "smtpd_recipient_restrictions = permit_mynetworks, $policy, reject\n"
        "virtual_transport = lmtp:unix:private/dovecot-lmtp\n"), &err);
    OK(c != NULL && endpoint_list_fill(&list, c, &err) == 0, "a configuration's endpoints are listed");
    OK(endpoint_find(&list, STR("inet:127.0.0.1:8891")) >= 0 && endpoint_find(&list, STR("unix:rspamd/milter.sock")) >= 0 &&
       endpoint_find(&list, STR("unix:private/policy")) >= 0 && endpoint_find(&list, STR("unix:private/dovecot-lmtp")) >= 0,
       "in braces, behind $names, behind a transport");
    OK(endpoint_find(&list, STR("unix:private/other")) < 0, "what is not named is not there");
    struct endpoint_list again = { 0 };
    bool same = endpoint_list_fill(&again, c, &err) == 0 && again.v.n == list.v.n;
    for (size_t i = 0; same && i < list.v.n; i++)
        same = strcmp(list.v.p[i], again.v.p[i]) == 0;
    OK(same, "the order is always the same");
    OK(config_override(c, STR("smtpd_milters="), &err) == 0 && endpoint_list_fill(&again, c, &err) == 0 &&
       endpoint_find(&again, STR("inet:127.0.0.1:8891")) < 0, "a service's -o counts");
    endpoint_list_done(&list);
    endpoint_list_done(&again);
    config_free(c);
}

static const struct { const char *name; struct str main_cf; const char *sasl; } servers[] = {
    { "nothing said: authd", STR_INIT(""), "" },
    { "Debian's usual line: authd", STR_INIT("smtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n"), "" },
    { "the same path in full: authd", STR_INIT("queue_directory = /var/spool/postfix\nsmtpd_sasl_path = /var/spool/postfix/private/auth\n"), "" },
    { "another path: somebody else's", STR_INIT("smtpd_sasl_path = /run/dovecot/auth-client\n"), "unix:/run/dovecot/auth-client" },
    { "another path with its kind: somebody else's", STR_INIT("smtpd_sasl_path = unix:private/dovecot\n"), "unix:private/dovecot" },
    { "an address: somebody else's", STR_INIT("smtpd_sasl_path = inet:127.0.0.1:12345\n"), "inet:127.0.0.1:12345" },
    { "an address that authd listens on: authd", STR_INIT("postern_auth_listeners = unix:private/auth, { inet:127.0.0.1:12345, type=auth }\n"
      "smtpd_sasl_path = inet:127.0.0.1:12345\n"), "" },
    { "private/auth where authd has another socket: somebody else's", STR_INIT("postern_auth_listeners = unix:private/other\nsmtpd_sasl_path = private/auth\n"),
      "unix:private/auth" },
    { "another SASL type: authd", STR_INIT("smtpd_sasl_type = cyrus\nsmtpd_sasl_path = smtpd\n"), "" },
};

static void test_servers(void)
{
    for (size_t i = 0; i < N_ELEMS(servers); i++) {
        struct err err = { 0 };
        struct arena a = arena_make(1 << 20);
        struct endpoint_list list = { 0 };
        struct config *c = config_parse("/nonexistent", "main.cf", servers[i].main_cf, &err);
        OK(c != NULL && str_eqz(endpoint_of_sasl(c, &a), servers[i].sasl), servers[i].name);
        bool listed = endpoint_list_fill(&list, c, &err) == 0;
        OK(listed && list.v.n == (servers[i].sasl[0] == '\0' ? 0 : 1), "... and an endpoint only then");
        endpoint_list_done(&list);
        config_free(c);
        arena_done(&a);
    }
}

int main(void)
{
    test_servers();
    test_words();
    test_list();
    return tap_done();
}
