/* SPDX-License-Identifier: ISC */
#include "map/socket_proto.h"
#include "tap.h"

static const struct { const char *name; bool tcp; const char *in; int complete; enum map_result result; const char *value; } cases[] = {
    { "a tcp value", true, "200 a%20b%25\n", 1, MAP_FOUND, "a b%" },
    { "a tcp miss", true, "500 none\n", 1, MAP_NONE, "none" },
    { "a tcp failure", true, "400 later\n", 1, MAP_TEMP, "later" },
    { "another code", true, "300 x\n", 1, MAP_TEMP, "x" },
    { "no code", true, "hello\n", 1, MAP_TEMP, "" },
    { "a bad escape", true, "200 %zz\n", 1, MAP_TEMP, "" },
    { "half a line", true, "200 a", 0, MAP_TEMP, "" },
    { "two lines at once", true, "200 a\n200 b\n", -1, MAP_TEMP, "" },
    { "a socketmap value", false, "6:OK a b,", 1, MAP_FOUND, "a b" },
    { "an empty value", false, "3:OK ,", 1, MAP_FOUND, "" },
    { "a socketmap miss", false, "9:NOTFOUND ,", 1, MAP_NONE, "" },
    { "a socketmap failure", false, "8:TEMP why,", 1, MAP_TEMP, "why" },
    { "a permanent failure is a failure", false, "6:PERM x,", 1, MAP_TEMP, "x" },
    { "a word that is none", false, "2:NO,", 1, MAP_TEMP, "" },
    { "a length over the limit", false, "999999:", -1, MAP_TEMP, "" },
    { "no length", false, "OK a,", -1, MAP_TEMP, "" },
    { "no comma at the end", false, "4:OK ax", -1, MAP_TEMP, "" },
    { "something behind it", false, "4:OK a,x", -1, MAP_TEMP, "" },
    { "half a netstring", false, "10:OK a", 0, MAP_TEMP, "" },
};

static void test_requests(void)
{
    struct buf out = buf_make(0);
    socket_tcp_request(STR("a b%\n"), &out);
    OK(str_eqz(buf_str(&out), "get a%20b%25%0A\n"), "a tcp request has no bare spaces, percent signs or newlines");
    buf_reset(&out);
    socket_map_request(STR("virt"), STR("k y"), &out);
    OK(str_eqz(buf_str(&out), "8:virt k y,"), "a socketmap request is a netstring");
    buf_done(&out);
}

int main(void)
{
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct buf value = buf_make(0);
        struct str in = str_from(cases[i].in);
        int done = cases[i].tcp ? socket_tcp_complete(in) : socket_map_complete(in);
        bool good = done == cases[i].complete;
        if (good && done == 1) {
            enum map_result r = cases[i].tcp ? socket_tcp_answer(in, &value) : socket_map_answer(in, &value);
            good = r == cases[i].result && (cases[i].value[0] == '\0' || str_eqz(buf_str(&value), cases[i].value));
        }
        for (size_t cut = 0; good && done == 1 && cut < in.n; cut++)
            good = (cases[i].tcp ? socket_tcp_complete(str_head(in, cut)) : socket_map_complete(str_head(in, cut))) == 0;
        OK(good, cases[i].name);
        buf_done(&value);
    }
    test_requests();
    return tap_done();
}
