/* SPDX-License-Identifier: ISC */
#include "proto/sasl.h"
#include "tap.h"

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
    OK(strcmp(sasl_name(STR("scram-sha-256-plus")), "SCRAM-SHA-256-PLUS") == 0 && sasl_name(STR("GSSAPI")) == NULL, "mechanisms by name");
}

static void test_names(void)
{
    static const struct { const char *name, *in, *out; } rows[] = {
        { "a name without escapes", "user", "user" },        { "a comma and an equals sign", "a=2Cb=3D", "a,b=" },
        { "a bare equals sign is refused", "a=b", NULL },    { "an escape cut short is refused", "a=2", NULL },
        { "an escape in lower case is refused", "a=2c", NULL }, { "nothing is refused", "", NULL },
    };
    struct arena a = arena_make(4096);
    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct str out;
        bool ok = sasl_name_unescape(str_from(rows[i].in), &a, &out);
        OK(ok == (rows[i].out != NULL) && (!ok || str_eqz(out, rows[i].out)), rows[i].name);
    }
    arena_done(&a);
}

int main(void)
{
    test_names();
    test_client();
    return tap_done();
}
