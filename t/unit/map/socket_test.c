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

#define HELLO "VERSION\t1\t2\nSPID\t77\n"
#define USER HELLO "USER\t1\tbob@a.test\tuid=5000\tgid=5001\thome=/v/a\001tb\tmail=maildir:/v/bob/Maildir:LAYOUT=fs\n"
static const struct { const char *name, *in, *field; int complete; enum map_result result; const char *value; } users[] = {
    { "a user's uid", USER, "uid", 1, MAP_FOUND, "5000" },
    { "a user's mailbox", USER, "mailbox", 1, MAP_FOUND, "/v/bob/Maildir/" },
    { "a value is unescaped", USER, "home", 1, MAP_FOUND, "/v/a\tb" },
    { "a field that the user has not", USER, "quota", 1, MAP_TEMP, "the user has no quota" },
    { "an mbox with its INBOX", "USER\t1\tx\tmail=mbox:/v/x:INBOX=/var/mail/x\n", "mailbox", 1, MAP_FOUND, "/var/mail/x" },
    { "a Maildir with an INBOX elsewhere", "USER\t1\tx\tmail=maildir:/v/x:INBOX=/v/in/\n", "mailbox", 1, MAP_FOUND, "/v/in/" },
    { "a kind of mailbox that is not delivered to", "USER\t1\tx\tmail=mdbox:/v/x\n", "mailbox", 1, MAP_TEMP, "mail= is neither maildir:/PATH nor mbox:PATH:INBOX=/FILE" },
    { "a path that is none", "USER\t1\tx\tmail=maildir:~/x\n", "mailbox", 1, MAP_TEMP, "mail= is neither maildir:/PATH nor mbox:PATH:INBOX=/FILE" },
    { "no such user", HELLO "NOTFOUND\t1\n", "uid", 1, MAP_NONE, "" },
    { "a user database that fails", HELLO "FAIL\t1\treason=x\n", "uid", 1, MAP_TEMP, "the auth server cannot say" },
    { "the answer to another question", HELLO "USER\t2\tbob\tuid=1\n", "uid", 1, MAP_TEMP, "the auth server cannot say" },
    { "no words at all", "\n", "uid", 1, MAP_TEMP, "the auth server cannot say" },
    { "a greeting alone", HELLO, "uid", 0, MAP_TEMP, "" },
    { "two answers at once", HELLO "NOTFOUND\t1\nNOTFOUND\t1\n", "uid", -1, MAP_TEMP, "" },
};

static void test_users(void)
{
    for (size_t i = 0; i < N_ELEMS(users); i++) {
        struct buf value = buf_make(0);
        struct str in = str_from(users[i].in);
        int done = socket_userdb_complete(in);
        bool good = done == users[i].complete;
        if (good && done == 1)
            good = socket_userdb_answer(in, str_from(users[i].field), &value) == users[i].result && str_eqz(buf_str(&value), users[i].value);
        for (size_t cut = 0; good && done == 1 && cut < in.n; cut++)
            good = socket_userdb_complete(str_head(in, cut)) == 0;
        OK(good, users[i].name);
        buf_done(&value);
    }
    struct buf out = buf_make(0);
    socket_userdb_request(STR("a\tb\001\n"), &out);
    OK(str_eqz(buf_str(&out), "USER\t1\ta\001tb\0011\001n\tservice=lmtp\tpostern-mail\n"), "a user's name cannot end the line or a word");
    buf_done(&out);
}

int main(void)
{
    test_users();
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
