/* SPDX-License-Identifier: ISC */
#include "auth/mech.h"
#include "auth/scheme.h"
#include "base/enc.h"
#include "proto/sasl_oauth.h"
#include "tap.h"

#define S(lit) STR_INIT(lit)
#define KEYS_1 "{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE="
#define KEYS_256 "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define CNONCE_1 "fyko+d2lbbFgONRv9qkxdawL"
#define SNONCE_1 "3rfcNHYJY1ZVvWVs7j"
#define CNONCE_256 "rOprNGfwEbeRWgbNEkqO"
#define SNONCE_256 "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define BOTH_256 CNONCE_256 SNONCE_256
#define PROOF_256 "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static const uint8_t key[MECH_KEY_SIZE] = "a key of the test, 32 bytes long";

/* An exchange: messages of the client, what must come back, and how it ends. NULL in `in`: the client sends nothing. */
static const struct exchange {
    const char *name, *mech, *stored, *nonce;
    const char *in[3], *out[3];
    enum mech_step end;
    const char *binding;
    bool plus_offered;
} exchanges[] = {
    { "SCRAM-SHA-1 as in RFC 5802 §5", "SCRAM-SHA-1", KEYS_1, SNONCE_1,
      { "n,,n=user,r=" CNONCE_1, "c=biws,r=" CNONCE_1 SNONCE_1 ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=" },
      { "r=" CNONCE_1 SNONCE_1 ",s=QSXCR+Q6sek8bf92,i=4096", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" }, MECH_DONE, "", false },
    { "SCRAM-SHA-256 as in RFC 7677 §3", "SCRAM-SHA-256", KEYS_256, SNONCE_256,
      { "n,,n=user,r=" CNONCE_256, "c=biws,r=" BOTH_256 ",p=" PROOF_256 },
      { "r=" BOTH_256 ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" }, MECH_DONE, "", false },
    { "a proof that is one bit wrong is refused", "SCRAM-SHA-256", KEYS_256, SNONCE_256,
      { "n,,n=user,r=" CNONCE_256, "c=biws,r=" BOTH_256 ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" }, { NULL, "" }, MECH_FAILED, "", false },
    { "a proof that is too short is refused", "SCRAM-SHA-256", KEYS_256, SNONCE_256,
      { "n,,n=user,r=" CNONCE_256, "c=biws,r=" BOTH_256 ",p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=" }, { NULL, "" }, MECH_FAILED, "", false },
    { "a nonce that is not the server's is refused", "SCRAM-SHA-256", KEYS_256, SNONCE_256,
      { "n,,n=user,r=" CNONCE_256, "c=biws,r=" CNONCE_256 ",p=" PROOF_256 }, { NULL, "" }, MECH_FAILED, "", false },
    { "a GS2 header that differs between the messages is refused", "SCRAM-SHA-256", KEYS_256, SNONCE_256,
      { "y,,n=user,r=" CNONCE_256, "c=biws,r=" BOTH_256 ",p=" PROOF_256 }, { NULL, "" }, MECH_FAILED, "", false },
    { "a client that says there is no -PLUS where it was offered is refused", "SCRAM-SHA-256", KEYS_256, SNONCE_256,
      { "y,,n=user,r=" CNONCE_256 }, { "" }, MECH_FAILED, "0123456789abcdef0123456789abcdef", true },
    { "channel binding without -PLUS in the mechanism's name is refused", "SCRAM-SHA-256", KEYS_256, SNONCE_256,
      { "p=tls-exporter,,n=user,r=" CNONCE_256 }, { "" }, MECH_FAILED, "0123456789abcdef0123456789abcdef", true },
    { "-PLUS without channel binding is refused", "SCRAM-SHA-256-PLUS", KEYS_256, SNONCE_256,
      { "n,,n=user,r=" CNONCE_256 }, { "" }, MECH_FAILED, "0123456789abcdef0123456789abcdef", true },
    { "-PLUS with another type of channel binding is refused", "SCRAM-SHA-256-PLUS", KEYS_256, SNONCE_256,
      { "p=tls-unique,,n=user,r=" CNONCE_256 }, { "" }, MECH_FAILED, "0123456789abcdef0123456789abcdef", true },
    { "-PLUS bound to a certificate that is not known is refused", "SCRAM-SHA-256-PLUS", KEYS_256, SNONCE_256,
      { "p=tls-server-end-point,,n=user,r=" CNONCE_256 }, { "" }, MECH_FAILED, "0123456789abcdef0123456789abcdef", true },
    { "-PLUS on a connection that has no data for it is refused", "SCRAM-SHA-256-PLUS", KEYS_256, SNONCE_256,
      { "p=tls-exporter,,n=user,r=" CNONCE_256 }, { "" }, MECH_FAILED, "", false },
    { "a mandatory extension is refused", "SCRAM-SHA-256", KEYS_256, SNONCE_256, { "n,,m=x,n=user,r=" CNONCE_256 }, { "" }, MECH_FAILED, "", false },
    { "an empty name is refused", "SCRAM-SHA-256", KEYS_256, SNONCE_256, { "n,,n=,r=" CNONCE_256 }, { "" }, MECH_FAILED, "", false },
    { "a first message that is empty is refused", "SCRAM-SHA-256", KEYS_256, SNONCE_256, { "" }, { "" }, MECH_FAILED, "", false },
    { "CRAM-MD5 as in RFC 2195 §2", "CRAM-MD5", "{PLAIN}tanstaaftanstaaf", "1896.697170952",
      { NULL, "user b913a602c7eda7a495b4e6e7334d3890" }, { "<1896.697170952@postoffice.reston.mci.net>", "" }, MECH_DONE, "", false },
    { "CRAM-MD5 from stored states", "CRAM-MD5", "{CRAM-MD5}d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b", "1896.697170952",
      { NULL, "user B913A602C7EDA7A495B4E6E7334D3890" }, { NULL, "" }, MECH_DONE, "", false },
    { "CRAM-MD5 with a wrong digest is refused", "CRAM-MD5", "{PLAIN}tanstaaftanstaaf", "1896.697170952",
      { NULL, "user b913a602c7eda7a495b4e6e7334d3891" }, { NULL, "" }, MECH_FAILED, "", false },
    { "CRAM-MD5 from a hash that it cannot use is refused", "CRAM-MD5", "{SHA512-CRYPT}$6$x$y", "1896.697170952",
      { NULL, "user b913a602c7eda7a495b4e6e7334d3890" }, { NULL, "" }, MECH_FAILED, "", false },
    { "CRAM-MD5 with an initial response is refused", "CRAM-MD5", "{PLAIN}tanstaaftanstaaf", "1896.697170952",
      { "user b913a602c7eda7a495b4e6e7334d3890" }, { "" }, MECH_FAILED, "", false },
};

static struct mech_run make(const char *mech, struct arena *a)
{
    return (struct mech_run){ .row = mech_find(str_from(mech)), .arena = a, .nonce = STR("nonce"), .host = STR("postoffice.reston.mci.net"), .key = key,
                              .binding = STR(""), .end_point = STR(""), .cert_user = STR(""), .scope = STR(""), .discovery = STR("") };
}

static enum mech_step put(struct mech_run *m, const char *in, const char *stored, struct str *out)
{
    struct str text = str_from(in);
    enum mech_step r = mech_step(m, in == NULL ? NULL : &text, out);
    return r == MECH_ASK && m->row->need == NEED_SECRET ? mech_secret(m, m->user, str_from(stored), out) : r;
}

static void test_exchanges(void)
{
    for (size_t i = 0; i < N_ELEMS(exchanges); i++) {
        const struct exchange *x = &exchanges[i];
        struct arena a = arena_make(65536);
        struct mech_run m = make(x->mech, &a);
        struct str out;
        bool ok = true;
        enum mech_step r = MECH_CONTINUE;
        m.nonce = str_from(x->nonce);
        m.binding = str_from(x->binding);
        m.plus_offered = x->plus_offered;
        for (size_t k = 0; k < 3 && r == MECH_CONTINUE; k++) {
            r = put(&m, x->in[k], x->stored, &out);
            ok = ok && (x->out[k] == NULL || str_eqz(out, x->out[k]));
        }
        OK(ok && r == x->end && (r != MECH_DONE || str_eqz(m.user, "user")), x->name);
        mech_wipe(&m);
        arena_done(&a);
    }
}

/* Every message of a good exchange, cut at every length, ends in a failure, never in success. */
static void test_cuts(void)
{
    const struct exchange *x = &exchanges[1];
    bool ok = true;
    for (size_t cut = 0; cut < strlen(x->in[1]); cut++) {
        struct arena a = arena_make(65536);
        struct mech_run m = make(x->mech, &a);
        struct str out, in = str_head(str_from(x->in[1]), cut);
        m.nonce = str_from(x->nonce);
        (void)put(&m, x->in[0], x->stored, &out);
        ok = ok && mech_step(&m, &in, &out) == MECH_FAILED && mech_step(&m, &in, &out) == MECH_FAILED;
        m = make(x->mech, &a);
        in = str_head(str_from(x->in[0]), MIN(cut, strlen(x->in[0]) - strlen("r=" CNONCE_256)));
        ok = ok && mech_step(&m, &in, &out) == MECH_FAILED;
        arena_done(&a);
    }
    OK(ok, "SCRAM messages cut at every length are refused");
}

/* The client's side, from a password, for what the vectors do not show. */
static struct str server_first(const char *mech, const char *name, const char *stored, struct arena *a)
{
    struct mech_run m = make(mech, a);
    struct str out = STR(""), in = str_printf(a, "n,,n=%s,r=abc", name);
    (void)mech_step(&m, &in, &out);
    (void)mech_secret(&m, m.user, str_from(stored), &out);
    return out;
}

static void test_unknown_users(void)
{
    struct arena a = arena_make(1 << 20);
    struct str nobody = server_first("SCRAM-SHA-256", "nobody", "", &a);
    OK(str_eq(nobody, server_first("SCRAM-SHA-256", "nobody", "", &a)), "the salt of an unknown user stays the same");
    OK(!str_eq(nobody, server_first("SCRAM-SHA-256", "nobody2", "", &a)), "... and is another one for another name");
    OK(!str_eq(nobody, server_first("SCRAM-SHA-1", "nobody", "", &a)), "... and for another digest");
    OK(str_eq(nobody, server_first("SCRAM-SHA-256", "nobody", "{PLAIN}x", &a)), "... and looks as that of a user whose password is stored");
    OK(str_eq(nobody, server_first("SCRAM-SHA-256", "nobody", "{SHA512-CRYPT}$6$x$y", &a)), "... or of one whose hash is of no use");
    OK(nobody.n == server_first("SCRAM-SHA-256", "user", KEYS_256, &a).n, "... and is as long as one that was stored");
    OK(str_eq(nobody, server_first("SCRAM-SHA-256", "nobody", "{SCRAM-SHA-256}4096,!!,x,y", &a)), "keys that do not parse are as no keys");
    arena_done(&a);
}

/* Whose password cannot be used costs what others do, and is told the same numbers; no proof of what is pretended lets anyone in. */
static const struct { const char *name, *mech, *stored, *first; bool derives; } usuals[] = {
    { "after a user with keys, an unknown one has keys to read and their iterations", "SCRAM-SHA-256",
      "{SCRAM-SHA-256}8192,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", "i=8192", false },
    { "after a user with a clear password, an unknown one has keys to derive", "SCRAM-SHA-256", "{PLAIN}x", "i=4096", true },
    { "... with SHA-1, too", "SCRAM-SHA-1", "{PLAIN}x", "i=4096", true },
    { "after a user whose hash is of no use, an unknown one is as before", "SCRAM-SHA-1", "{SHA512-CRYPT}$6$x$y", "i=4096", false },
};

static void test_usual(void)
{
    for (size_t i = 0; i < N_ELEMS(usuals); i++) {
        struct arena a = arena_make(65536);
        struct mech_usual usual = { .is_known = false };
        struct str out, first = STR("n,,n=user,r=abc");
        for (int unknown = 0; unknown < 2; unknown++) {
            struct mech_run m = make(usuals[i].mech, &a);
            m.usual = &usual;
            (void)mech_step(&m, &first, &out);
            (void)mech_secret(&m, m.user, str_from(unknown ? "" : usuals[i].stored), &out);
            if (unknown)
                OK(m.is_fake && str_ends(out, str_from(usuals[i].first)) && (m.plaintext.n > 0) == usuals[i].derives, usuals[i].name);
            mech_wipe(&m);
        }
        arena_done(&a);
    }
}

/* The right answer to a challenge for a password that nobody has. */
static struct str cram_proof(struct arena *a, const char *stored, struct str challenge)
{
    struct scheme s = scheme_split(str_from(stored));
    uint8_t mac[CRAM_DIGEST_SIZE] = { 0 };
    struct buf text = buf_make(0);
    (void)scheme_cram_digest(&s, challenge, mac);
    buf_puts(&text, "user ");
    enc_hex(&text, str_make(mac, sizeof mac));
    struct str proof = str_dup(a, buf_str(&text));
    buf_done(&text);
    return proof;
}

static void test_pretended_cram(void)
{
    static const struct { const char *name, *stored, *guess; bool is_fake; } steps[] = {
        { "CRAM-MD5 of an unknown user: what stands in for a password is none", "", "{PLAIN}nobody", true },
        { "... and of one with stored states: they are", "{CRAM-MD5}d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b",
          "{CRAM-MD5}d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b", false },
        { "... after which states of zeros stand in, and are none", "", "{CRAM-MD5}0000000000000000000000000000000000000000000000000000000000000000", true },
    };
    struct mech_usual usual = { .is_known = false };
    for (size_t i = 0; i < N_ELEMS(steps); i++) {
        struct arena a = arena_make(65536);
        struct mech_run m = make("CRAM-MD5", &a);
        struct str out;
        m.usual = &usual;
        (void)put(&m, NULL, "", &out);
        enum mech_step r = put(&m, cram_proof(&a, steps[i].guess, out).p, steps[i].stored, &out);
        OK(r == (steps[i].is_fake ? MECH_FAILED : MECH_DONE) && m.is_fake == steps[i].is_fake, steps[i].name);
        arena_done(&a);
    }
    OK(usual.is_known && !usual.is_clear, "... as long as users have states stored");
}

static const struct { const char *name, *mech; struct str in; enum mech_step end; const char *user, *password, *authzid; } messages[] = {
    { "PLAIN with no authorization identity", "PLAIN", S("\0u\0p"), MECH_ASK, "u", "p", "" },
    { "PLAIN with the same authorization identity", "PLAIN", S("u\0u\0p"), MECH_ASK, "u", "p", "" },
    { "PLAIN for somebody else: the database decides", "PLAIN", S("bob\0u\0p"), MECH_ASK, "u", "p", "bob" },
    { "PLAIN with a fourth part is refused", "PLAIN", S("\0u\0p\0x"), MECH_FAILED, "", "", "" },
    { "PLAIN with nothing but separators is refused", "PLAIN", S("\0\0\0"), MECH_FAILED, "", "", "" },
    { "PLAIN with an empty password is refused", "PLAIN", S("\0u\0"), MECH_FAILED, "", "", "" },
    { "PLAIN without separators is refused", "PLAIN", S("up"), MECH_FAILED, "", "", "" },
    { "PLAIN that is empty is refused", "PLAIN", S(""), MECH_FAILED, "", "", "" },
    { "PLAIN with a control character in the name is refused", "PLAIN", S("\0u\nx\0p"), MECH_FAILED, "", "", "" },
    { "PLAIN with a name that is not UTF-8 is refused", "PLAIN", S("\0u\xff\0p"), MECH_FAILED, "", "", "" },
    { "PLAIN with a password of any other bytes", "PLAIN", S("\0u\0p\xff\t"), MECH_ASK, "u", "p\xff\t", "" },
    { "EXTERNAL as the certificate says", "EXTERNAL", S(""), MECH_ASK, "carol", "", "" },
    { "EXTERNAL with the same name", "EXTERNAL", S("carol"), MECH_ASK, "carol", "", "" },
    { "EXTERNAL for somebody else: the database decides", "EXTERNAL", S("bob"), MECH_ASK, "carol", "", "bob" },
    { "EXTERNAL with a control character is refused", "EXTERNAL", S("b\nb"), MECH_FAILED, "", "", "" },
    { "OAUTHBEARER as in RFC 7628 §4.1", "OAUTHBEARER",
      S("n,a=user@example.com,\001host=server.example.com\001port=143\001auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\001\001"), MECH_ASK,
      "user@example.com", "", "" },
    { "OAUTHBEARER without a name", "OAUTHBEARER", S("n,,\001auth=Bearer abc\001\001"), MECH_ASK, "", "", "" },
    { "OAUTHBEARER with the scheme in lower case", "OAUTHBEARER", S("n,,\001auth=bearer abc\001\001"), MECH_ASK, "", "", "" },
    { "OAUTHBEARER without a token is refused", "OAUTHBEARER", S("n,,\001auth=Bearer \001\001"), MECH_FAILED, "", "", "" },
    { "OAUTHBEARER with another authorization is refused", "OAUTHBEARER", S("n,,\001auth=Basic abc\001\001"), MECH_FAILED, "", "", "" },
    { "OAUTHBEARER with two tokens is refused", "OAUTHBEARER", S("n,,\001auth=Bearer a\001auth=Bearer b\001\001"), MECH_FAILED, "", "", "" },
    { "OAUTHBEARER without its end is refused", "OAUTHBEARER", S("n,,\001auth=Bearer a\001"), MECH_FAILED, "", "", "" },
    { "OAUTHBEARER with something behind its end is refused", "OAUTHBEARER", S("n,,\001auth=Bearer a\001\001x"), MECH_FAILED, "", "", "" },
    { "OAUTHBEARER with channel binding is refused", "OAUTHBEARER", S("p=tls-exporter,,\001auth=Bearer a\001\001"), MECH_FAILED, "", "", "" },
    { "OAUTHBEARER with a token of other bytes is refused", "OAUTHBEARER", S("n,,\001auth=Bearer a\"b\001\001"), MECH_FAILED, "", "", "" },
    { "XOAUTH2", "XOAUTH2", S("user=someuser@example.com\001auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\001\001"), MECH_ASK,
      "someuser@example.com", "", "" },
    { "XOAUTH2 without a name is refused", "XOAUTH2", S("auth=Bearer a\001\001"), MECH_FAILED, "", "", "" },
    { "XOAUTH2 with two names is refused", "XOAUTH2", S("user=a\001user=b\001auth=Bearer a\001\001"), MECH_FAILED, "", "", "" },
    { "XOAUTH2 that is empty is refused", "XOAUTH2", S(""), MECH_FAILED, "", "", "" },
};

static void test_messages(void)
{
    for (size_t i = 0; i < N_ELEMS(messages); i++) {
        for (int late = 0; late < 2; late++) {
            struct arena a = arena_make(65536);
            struct mech_run m = make(messages[i].mech, &a);
            struct str out;
            m.cert_user = STR("carol");
            bool ok = late == 0 || (mech_step(&m, NULL, &out) == MECH_CONTINUE && out.n == 0 && m.user.n == 0);
            enum mech_step r = mech_step(&m, &messages[i].in, &out);
            ok = ok && r == messages[i].end && (r != MECH_ASK || (str_eqz(m.user, messages[i].user) && str_eqz(m.password, messages[i].password) &&
                                                                  str_eqz(m.authzid, messages[i].authzid) && (m.row->need == NEED_TOKEN) == (m.token.n > 0)));
            OK(ok, late ? "... and after an empty challenge" : messages[i].name);
            if (r == MECH_ASK && m.row->need == NEED_TOKEN && late) {
                struct str any = STR("\001");
                ok = mech_token_refused(&m, "invalid_token", &out) == MECH_CONTINUE && str_eqz(out, "{\"status\":\"invalid_token\",\"schemes\":\"bearer\"}");
                OK(ok && mech_step(&m, &any, &out) == MECH_FAILED, "... whose token is refused: the client is told why, then it ends");
            }
            mech_wipe(&m);
            arena_done(&a);
        }
    }
}

static void test_login(void)
{
    struct arena a = arena_make(65536);
    struct str c, u = STR("u"), p = STR("secret"), empty = STR("");
    struct mech_run m = make("LOGIN", &a);
    OK(mech_step(&m, NULL, &c) == MECH_CONTINUE && str_eqz(c, "Username:"), "LOGIN asks for the name");
    OK(mech_step(&m, &u, &c) == MECH_CONTINUE && str_eqz(c, "Password:"), "LOGIN asks for the password");
    OK(mech_step(&m, &p, &c) == MECH_ASK && str_eqz(m.user, "u") && str_eqz(m.password, "secret"), "LOGIN has both");
    m = make("LOGIN", &a);
    OK(mech_step(&m, &u, &c) == MECH_CONTINUE && str_eqz(c, "Password:"), "LOGIN takes the name as initial response");
    OK(mech_step(&m, &empty, &c) == MECH_FAILED, "LOGIN with an empty password is refused");
    m = make("EXTERNAL", &a);
    OK(mech_step(&m, &empty, &c) == MECH_FAILED, "EXTERNAL without a certificate is refused");
    arena_done(&a);
}

static void test_limits(void)
{
    struct arena a = arena_make(1 << 20);
    char *big = arena_alloc(&a, 20000);
    memset(big, 'x', 20000);
    struct str c, name = str_make(big, SASL_NAME_MAX + 1), pw = str_make(big, SASL_PASSWORD_MAX + 1), u = STR("u");
    struct mech_run m = make("LOGIN", &a);
    OK(mech_step(&m, &name, &c) == MECH_FAILED, "a name over its limit is refused");
    m = make("LOGIN", &a);
    (void)mech_step(&m, &u, &c);
    OK(mech_step(&m, &pw, &c) == MECH_FAILED, "a password over its limit is refused");
    big[0] = big[5] = '\0';
    struct str whole = str_make(big, 12289);
    m = make("PLAIN", &a);
    OK(mech_step(&m, &whole, &c) == MECH_FAILED, "a PLAIN message over its limit is refused");
    memcpy(big, "n,,\001auth=Bearer ", 16);
    memcpy(big + 9000, "\001\001", 2);
    struct str token = str_make(big, 9002);
    m = make("OAUTHBEARER", &a);
    OK(mech_step(&m, &token, &c) == MECH_ASK && m.token.n > 8192, "a token of more than 8 KiB is taken");
    m = make("SCRAM-SHA-1", &a);
    memcpy(big, "n,,n=user,r=xxxx", 16);
    whole = str_make(big, 5000);
    OK(mech_step(&m, &whole, &c) == MECH_FAILED, "a SCRAM message over its limit is refused");
    arena_done(&a);
}

static void test_names(void)
{
    bool ok = true;
    size_t n = 0;
    for (const struct mech_row *r; (r = mech_at(n)) != NULL; n++)
        ok = ok && mech_find(str_from(r->name)) == r && strcmp(sasl_name(str_from(r->name)), r->name) == 0;
    OK(ok && n == 10 && mech_find(STR("scram-sha-256")) != NULL && mech_find(STR("DIGEST-MD5")) == NULL, "mechanisms by name");
    struct arena a = arena_make(65536);
    struct mech_run m = make("SCRAM-SHA-1", &a);
    struct str in = STR("n,a=b=2Cc,n=u=3Dv,r=abc"), out;
    OK(mech_step(&m, &in, &out) == MECH_ASK && str_eqz(m.user, "u=v") && str_eqz(m.authzid, "b,c"), "escapes in SCRAM names");
    OK(str_eqz(saslprep(STR("I\xC2\xADX"), &a), "IX") || str_eqz(saslprep(STR("I\xC2\xADX"), &a), "I\xC2\xADX"), "SASLprep with or without libidn");
    arena_done(&a);
}

int main(void)
{
    test_exchanges();
    test_cuts();
    test_unknown_users();
    test_usual();
    test_pretended_cram();
    test_messages();
    test_login();
    test_limits();
    test_names();
    return tap_done();
}
