/* SPDX-License-Identifier: ISC */
#include "proto/sasl.h"
#include "tap.h"

#define S(lit) STR_INIT(lit)
static const struct { const char *name; struct str in; enum sasl_step step; const char *user, *password; } plain[] = {
    { "PLAIN with no authorization identity", S("\0u\0p"), SASL_DONE, "u", "p" },
    { "PLAIN with the same authorization identity", S("u\0u\0p"), SASL_DONE, "u", "p" },
    { "PLAIN with another authorization identity is refused", S("root\0u\0p"), SASL_FAILED, NULL, NULL },
    { "PLAIN with a fourth part is refused", S("\0u\0p\0x"), SASL_FAILED, NULL, NULL },
    { "PLAIN with nothing but separators is refused", S("\0\0\0"), SASL_FAILED, NULL, NULL },
    { "PLAIN with an empty password is refused", S("\0u\0"), SASL_FAILED, NULL, NULL },
    { "PLAIN without separators is refused", S("up"), SASL_FAILED, NULL, NULL },
    { "PLAIN that is empty is refused", S(""), SASL_FAILED, NULL, NULL },
    { "PLAIN with a control character in the name is refused", S("\0u\nx\0p"), SASL_FAILED, NULL, NULL },
    { "PLAIN with a name that is not UTF-8 is refused", S("\0u\xff\0p"), SASL_FAILED, NULL, NULL },
    { "PLAIN with a password of any other bytes", S("\0u\0p\xff\t"), SASL_DONE, "u", "p\xff\t" },
};

static void test_plain(void)
{
    for (size_t i = 0; i < N_ELEMS(plain); i++) {
        struct arena a = arena_make(65536);
        struct sasl_server s = { .mech = SASL_PLAIN };
        struct str challenge;
        enum sasl_step got = sasl_server_step(&s, &plain[i].in, &a, &challenge);
        OK(got == plain[i].step && (got != SASL_DONE || (str_eqz(s.user, plain[i].user) && str_eqz(s.password, plain[i].password))), plain[i].name);
        s = (struct sasl_server){ .mech = SASL_PLAIN };
        OK(sasl_server_step(&s, NULL, &a, &challenge) == SASL_CONTINUE && challenge.n == 0 &&
           sasl_server_step(&s, &plain[i].in, &a, &challenge) == plain[i].step, "... and after an empty challenge");
        arena_done(&a);
    }
}

static void test_limits(void)
{
    struct arena a = arena_make(1 << 20);
    char *big = arena_alloc(&a, 20000);
    memset(big, 'x', 20000);
    struct str challenge, name = str_make(big, SASL_NAME_MAX + 1), pw = str_make(big, SASL_PASSWORD_MAX + 1), u = STR("u");
    struct sasl_server s = { .mech = SASL_LOGIN };
    OK(sasl_server_step(&s, &name, &a, &challenge) == SASL_FAILED, "a name over its limit is refused");
    s = (struct sasl_server){ .mech = SASL_LOGIN };
    (void)sasl_server_step(&s, &u, &a, &challenge);
    OK(sasl_server_step(&s, &pw, &a, &challenge) == SASL_FAILED, "a password over its limit is refused");
    big[0] = '\0';
    big[5] = '\0';
    struct str whole = str_make(big, 12289);
    s = (struct sasl_server){ .mech = SASL_PLAIN };
    OK(sasl_server_step(&s, &whole, &a, &challenge) == SASL_FAILED, "a message of 12,289 bytes is refused");
    arena_done(&a);
}

static void test_login(void)
{
    struct arena a = arena_make(65536);
    struct str c, u = STR("u"), p = STR("secret"), empty = STR("");
    struct sasl_server s = { .mech = SASL_LOGIN };
    OK(sasl_server_step(&s, NULL, &a, &c) == SASL_CONTINUE && str_eqz(c, "Username:"), "LOGIN asks for the name");
    OK(sasl_server_step(&s, &u, &a, &c) == SASL_CONTINUE && str_eqz(c, "Password:"), "LOGIN asks for the password");
    OK(sasl_server_step(&s, &p, &a, &c) == SASL_DONE && str_eqz(s.user, "u") && str_eqz(s.password, "secret"), "LOGIN is done");
    s = (struct sasl_server){ .mech = SASL_LOGIN };
    OK(sasl_server_step(&s, &u, &a, &c) == SASL_CONTINUE && str_eqz(c, "Password:"), "LOGIN takes the name as initial response");
    OK(sasl_server_step(&s, &empty, &a, &c) == SASL_FAILED, "LOGIN with an empty password is refused");
    arena_done(&a);
}

static void test_client(void)
{
    struct buf out = buf_make(0);
    struct sasl_client c = { .mech = SASL_PLAIN, .user = STR("u"), .password = STR("p") };
    OK(sasl_client_initial(&c, &out) && str_eq(buf_str(&out), STR("\0u\0p")), "the PLAIN client has an initial response");
    OK(!sasl_client_step(&c, &out), "the PLAIN client has nothing more");
    c = (struct sasl_client){ .mech = SASL_LOGIN, .user = STR("u"), .password = STR("p") };
    buf_reset(&out);
    OK(!sasl_client_initial(&c, &out) && out.n == 0, "the LOGIN client waits for a prompt");
    OK(sasl_client_step(&c, &out) && str_eqz(buf_str(&out), "u"), "the LOGIN client gives its name");
    buf_reset(&out);
    OK(sasl_client_step(&c, &out) && str_eqz(buf_str(&out), "p") && !sasl_client_step(&c, &out), "the LOGIN client gives its password, then nothing");
    buf_done(&out);
    OK(sasl_mech_by_name(STR("plain")) == SASL_PLAIN && sasl_mech_by_name(STR("CRAM-MD5")) == SASL_MECHS, "mechanisms by name");
}

int main(void)
{
    test_plain();
    test_limits();
    test_login();
    test_client();
    return tap_done();
}
