/* SPDX-License-Identifier: ISC */
#include "proto/auth_proto.h"
#include "tap.h"

#define S(lit) STR_INIT(lit)
static const struct { const char *name; struct str in; bool ok; enum auth_verb verb; uint32_t id; } cmds[] = {
    { "Postfix's version", S("VERSION\t1\t0"), true, AUTH_VERB_VERSION, 1 },
    { "a process id", S("CPID\t4711"), true, AUTH_VERB_CPID, 4711 },
    { "Postfix's request", S("AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=192.0.2.7\tsecured\tresp=AHUAcA=="), true, AUTH_VERB_AUTH, 1 },
    { "protocol= stands for service=", S("AUTH\t2\tLOGIN\tprotocol=imap"), true, AUTH_VERB_AUTH, 2 },
    { "an unknown parameter is ignored", S("AUTH\t2\tLOGIN\tservice=imap\tfrobnicate=1\tssl_ja3_hash=x"), true, AUTH_VERB_AUTH, 2 },
    { "the largest id", S("CONT\t4294967295\tcA=="), true, AUTH_VERB_CONT, 4294967295u },
    { "a cancel", S("CANCEL\t7"), true, AUTH_VERB_CANCEL, 7 },
    { "an empty continuation", S("CONT\t7\t"), true, AUTH_VERB_CONT, 7 },
    { "id 0 is refused", S("AUTH\t0\tPLAIN\tservice=smtp"), false, 0, 0 },
    { "an id over 32 bits is refused", S("AUTH\t4294967296\tPLAIN\tservice=smtp"), false, 0, 0 },
    { "an id with a sign is refused", S("CONT\t-1\tcA=="), false, 0, 0 },
    { "a request without service is refused", S("AUTH\t1\tPLAIN\tresp=AA=="), false, 0, 0 },
    { "a request without mechanism is refused", S("AUTH\t1"), false, 0, 0 },
    { "parameters after resp= are refused", S("AUTH\t1\tPLAIN\tservice=smtp\tresp=AA==\tsecured"), false, 0, 0 },
    { "a continuation without data is refused", S("CONT\t1"), false, 0, 0 },
    { "an unknown command is refused", S("REQUEST\t1\t2"), false, 0, 0 },
    { "a command in lower case is refused", S("auth\t1\tPLAIN\tservice=smtp"), false, 0, 0 },
    { "an empty line is refused", S(""), false, 0, 0 },
    { "a version that is no number is refused", S("VERSION\tx\t0"), false, 0, 0 },
};

static bool parse(struct str in, struct arena *a, struct auth_cmd *ret)
{
    const char *why = NULL;
    bool ok = auth_cmd_parse(in, a, ret, &why);
    return ok || (why == NULL);
}

static void test_commands(void)
{
    for (size_t i = 0; i < N_ELEMS(cmds); i++) {
        struct arena a = arena_make(1 << 20);
        struct auth_cmd c = { 0 }, again;
        bool ok = parse(cmds[i].in, &a, &c);
        OK(ok == cmds[i].ok && (!ok || (c.verb == cmds[i].verb && c.id == cmds[i].id)), cmds[i].name);
        struct buf out = buf_make(0);
        if (ok) {
            auth_cmd_put(&out, &c);
            OK(parse(str_head(buf_str(&out), out.n - 1), &a, &again) && again.id == c.id && str_eq(again.resp, c.resp) &&
               str_eq(again.service, c.service) && again.secured == c.secured && again.has_resp == c.has_resp, "... and it comes back from its own line");
        }
        for (size_t cut = 0; cut < cmds[i].in.n; cut++)
            (void)parse(str_head(cmds[i].in, cut), &a, &again);
        buf_done(&out);
        arena_done(&a);
    }
}

static void test_fields(void)
{
    struct arena a = arena_make(1 << 20);
    struct auth_cmd c;
    OK(parse(cmds[2].in, &a, &c) && str_eqz(c.mech, "PLAIN") && str_eqz(c.service, "smtp") && str_eqz(c.remote, "192.0.2.7") &&
       str_eqz(c.local, "127.0.0.1") && c.secured && c.has_resp && str_eqz(c.resp, "AHUAcA=="), "every field of Postfix's request is found");
    OK(parse(STR("AUTH\t1\tPLAIN\tservice=smtp\tresp="), &a, &c) && c.has_resp && c.resp.n == 0, "an empty resp= is there");
    OK(parse(STR("AUTH\t1\tPLAIN\tservice=a\001tb\001\001c\0010"), &a, &c) && str_eq(c.service, STR("a\tb\001c\0")), "escapes are taken back");
    OK(parse(STR("AUTH\t1\tPLAIN\tservice=a\001"), &a, &c) && str_eqz(c.service, "a"), "an escape at the end is dropped");
    struct buf out = buf_make(0);
    struct auth_answer ok = { .verb = AUTH_ANSWER_OK, .id = 5, .user = STR("x\ty\nz\r\001\0!"), .cookie = STR("ab") }, back;
    auth_answer_put(&out, &ok);
    OK(str_chr(buf_str(&out), '\n') == (ptrdiff_t)out.n - 1, "a line feed in a value does not end the line");
    const char *why;
    OK(auth_answer_parse(str_head(buf_str(&out), out.n - 1), &a, &back, &why) && str_eq(back.user, ok.user) && str_eqz(back.cookie, "ab"),
       "a value of control characters comes back");
    buf_done(&out);
    arena_done(&a);
}

static const struct { const char *name; struct str in; } whole[] = {
    { "every parameter comes back", S("AUTH\t1\tEXTERNAL\tservice=imap\trip=192.0.2.7\tlip=192.0.2.1\trport=4711\tlport=993\treal_rip=2001:db8::1\t"
      "real_lip=2001:db8::2\treal_rport=1\treal_lport=2\tsession=s+/1\tlocal_name=mail.example.org\tclient_id=(\"name\" \"x\")\t"
      "forward_fields=a=b\0011tc=d\tcert_username=alice\tssl_client_cert_fp=ab\tssl_client_cert_pubkey_fp=cd\tsecured=tls\tno-penalty\t"
      "valid-client-cert\tfinal-resp-ok\tnologin\tdebug\tresp=") },
    { "secured without a word comes back", S("AUTH\t9\tPLAIN\tservice=smtp\tsecured\tresp==") },
};

static void test_whole(void)
{
    struct arena a = arena_make(1 << 20);
    struct auth_cmd c;
    for (size_t i = 0; i < N_ELEMS(whole); i++) {
        struct buf out = buf_make(0);
        bool ok = parse(whole[i].in, &a, &c);
        c = auth_cmd_dup(&a, &c);
        auth_cmd_put(&out, &c);
        OK(ok && str_eq(str_head(buf_str(&out), out.n - 1), whole[i].in), whole[i].name);
        buf_done(&out);
    }
    OK(parse(STR("AUTH\t1\tPLAIN\tservice=smtp\trip=192.0.2.1\trip=192.0.2.2\tsecured=tls\tsecured"), &a, &c) && str_eqz(c.remote, "192.0.2.2") &&
       c.secured && !c.secured_tls, "of a parameter that is said twice the last one counts");
    OK(parse(STR("AUTH\t1\tPLAIN\tservice=smtp\tno-penalties\tvalid-client-cer"), &a, &c) && !c.no_penalty && !c.valid_client_cert,
       "a name that only looks like a parameter is none");
    arena_done(&a);
}

static const struct { const char *name; struct str in; bool ok; enum auth_ask_verb verb; } questions[] = {
    { "a user", S("USER\t1\talice\tservice=lmtp\trip=192.0.2.1"), true, AUTH_ASK_USER },
    { "passdb fields", S("PASS\t2\talice\tservice=imap"), true, AUTH_ASK_PASS },
    { "a list", S("LIST\t3\tservice=doveadm"), true, AUTH_ASK_LIST },
    { "a list of some", S("LIST\t3\tuser=a*\tservice=doveadm"), true, AUTH_ASK_LIST },
    { "a list without anything", S("LIST\t3"), true, AUTH_ASK_LIST },
    { "a login's user", S("REQUEST\t4\t4711\t1\t0123456789abcdef0123456789ABCDEF\tsession_pid=77\trequest_auth_token"), true, AUTH_ASK_REQUEST },
    { "an empty cache", S("CACHE-FLUSH\t5"), true, AUTH_ASK_CACHE_FLUSH },
    { "a cache without two users", S("CACHE-FLUSH\t5\talice\tbob"), true, AUTH_ASK_CACHE_FLUSH },
    { "a command of later versions is refused", S("CACHE-STATUS\t6\treset"), false, 0 },
    { "a version", S("VERSION\t1\t1"), true, AUTH_ASK_VERSION },
    { "a process id", S("CPID\t0"), true, AUTH_ASK_CPID },
    { "a question without user is refused", S("USER\t1"), false, 0 },
    { "a question with an empty user is refused", S("USER\t1\t\tservice=x"), false, 0 },
    { "a question without service is refused", S("USER\t1\talice"), false, 0 },
    { "question 0", S("USER\t0\talice\tservice=x"), true, AUTH_ASK_USER },
    { "a question without a number is refused", S("USER\tx\talice\tservice=x"), false, 0 },
    { "a request without cookie is refused", S("REQUEST\t4\t4711\t1"), false, 0 },
    { "a short cookie, which opens nothing", S("REQUEST\t4\t4711\t1\t0123"), true, AUTH_ASK_REQUEST },
    { "a cookie of other letters is refused", S("REQUEST\t4\t4711\t1\t0123456789abcdef0123456789abcdeg"), false, 0 },
    { "a session that is no number is refused", S("REQUEST\t4\t4711\t1\t0123456789abcdef0123456789abcdef\tsession_pid=-1"), false, 0 },
    { "AUTH is no question", S("AUTH\t1\tPLAIN\tservice=smtp"), false, 0 },
    { "an empty line is no question", S(""), false, 0 },
};

static void test_questions(void)
{
    struct arena a = arena_make(1 << 20);
    struct auth_ask q;
    const char *why = NULL;
    for (size_t i = 0; i < N_ELEMS(questions); i++) {
        bool ok = auth_ask_parse(questions[i].in, &a, &q, &why);
        OK(ok == questions[i].ok && (!ok || q.verb == questions[i].verb), questions[i].name);
        for (size_t cut = 0; cut < questions[i].in.n; cut++)
            (void)auth_ask_parse(str_head(questions[i].in, cut), &a, &q, &why);
    }
    OK(auth_ask_parse(questions[5].in, &a, &q, &why) && q.id == 4 && q.client_pid == 4711 && q.client_id == 1 && q.has_session_pid && q.session_pid == 77,
       "every field of a request is found");
    OK(auth_ask_parse(questions[3].in, &a, &q, &why) && str_eqz(q.user, "a*") && str_eqz(q.about.service, "doveadm"), "the mask of a list is found");
    struct buf out = buf_make(0);
    auth_master_handshake_put(&out, 5);
    OK(str_eqz(buf_str(&out), "VERSION\t1\t1\nSPID\t5\n"), "a master socket names no mechanism");
    buf_done(&out);
    arena_done(&a);
}

static void test_too_many(void)
{
    struct arena a = arena_make(1 << 20);
    struct auth_cmd c;
    struct buf b = buf_make(0);
    buf_puts(&b, "AUTH\t1\tPLAIN\tservice=smtp");
    for (int i = 0; i < 100; i++)
        buf_puts(&b, "\tx");
    OK(!parse(buf_str(&b), &a, &c), "more fields than the limit are refused");
    buf_reset(&b);
    buf_puts(&b, "AUTH\t1\tPLAIN\tservice=smtp\tresp=");
    for (int i = 0; i < AUTH_LINE_MAX; i++)
        buf_putc(&b, 'A');
    OK(!parse(buf_str(&b), &a, &c), "a line over the limit is refused");
    buf_done(&b);
    arena_done(&a);
}

static const struct { const char *name; struct str in; bool ok; } answers[] = {
    { "an OK", S("OK\t1\tuser=alice"), true },
    { "a CONT with data", S("CONT\t1\tVXNlcm5hbWU6"), true },
    { "a CONT without", S("CONT\t1\t"), true },
    { "a FAIL with code", S("FAIL\t1\tuser=x\tcode=temp_fail"), true },
    { "a mechanism with flags", S("MECH\tCRAM-MD5\tdictionary\tactive"), true },
    { "SPID", S("SPID\t123"), true },
    { "an answer to id 0 is refused", S("OK\t0\tuser=x"), false },
    { "an answer without id is refused", S("OK"), false },
    { "garbage is refused", S("\001\002\003"), false },
    { "a mechanism without a name is refused", S("MECH"), false },
};

static void test_answers(void)
{
    for (size_t i = 0; i < N_ELEMS(answers); i++) {
        struct arena a = arena_make(1 << 20);
        struct auth_answer r;
        const char *why;
        OK(auth_answer_parse(answers[i].in, &a, &r, &why) == answers[i].ok, answers[i].name);
        for (size_t cut = 0; cut < answers[i].in.n; cut++)
            (void)auth_answer_parse(str_head(answers[i].in, cut), &a, &r, &why);
        arena_done(&a);
    }
    struct arena a = arena_make(1 << 16);
    struct auth_answer r;
    const char *why;
    static const struct { const char *name; struct str line; const char *code; } words[] = {
        { "the bare word temp of old servers is a code", S("FAIL\t1\tuser=x\ttemp"), "temp_fail" },
        { "... and authz", S("FAIL\t1\tuser=x\tauthz\tuser_disabled"), "authz_fail" },
        { "... and user_disabled", S("FAIL\t1\tuser_disabled\tuser=x"), "user_disabled" },
        { "... and pass_expired", S("FAIL\t1\tpass_expired"), "pass_expired" },
        { "a code of new servers counts more", S("FAIL\t1\ttemp\tcode=user_disabled"), "user_disabled" },
        { "a field that only begins with such a word is none", S("FAIL\t1\ttemp=1"), "" },
    };
    for (size_t i = 0; i < N_ELEMS(words); i++)
        OK(auth_answer_parse(words[i].line, &a, &r, &why) && str_eqz(r.code, words[i].code), words[i].name);
    OK(auth_answer_parse(STR("OK\t1\tuser=x\toriginal_user=X\tnologin\tresp=dj0="), &a, &r, &why) && str_eqz(r.original_user, "X") && r.has_resp &&
       str_eqz(r.resp, "dj0="), "the last words of a server are found");
    struct buf out = buf_make(0);
    r.extra = STR("\tnologin\thost=192.0.2.1");
    auth_answer_put(&out, &r);
    OK(str_eqz(buf_str(&out), "OK\t1\tuser=x\tnologin\thost=192.0.2.1\toriginal_user=X\tresp=dj0=\n"), "more fields stand before resp=");
    buf_done(&out);
    arena_done(&a);
}

static void test_handshake(void)
{
    static const char *const mechs[][2] = { { "PLAIN", "plaintext" }, { "LOGIN", "plaintext" } };
    struct buf b = buf_make(0);
    auth_handshake_put(&b, mechs, 2, 77, 5, STR("0123456789abcdef0123456789abcdef"));
    OK(str_eqz(buf_str(&b), "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t77\nCUID\t5\n"
                            "COOKIE\t0123456789abcdef0123456789abcdef\nDONE\n"), "the handshake has MECH before SPID and ends with DONE");
    buf_done(&b);
}

int main(void)
{
    test_commands();
    test_fields();
    test_whole();
    test_questions();
    test_too_many();
    test_answers();
    test_handshake();
    return tap_done();
}
