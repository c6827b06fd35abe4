/* SPDX-License-Identifier: ISC */
#include "auth/jwt.h"
#include "base/enc.h"
#include "tap.h"
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define ALL ((1u << JWT_ALGS) - 1)
#define OCT "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}"
#define EC_KEY "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define OKP "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define BODY "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define HS_TOKEN "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." BODY ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define ES_TOKEN "eyJhbGciOiJFUzI1NiJ9." BODY ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define ED_TOKEN "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
/* {"alg":"none"} */
#define NONE_TOKEN "eyJhbGciOiJub25lIn0." BODY "."

#define HOLDS ""
static const struct { const char *name, *key, *token; uint32_t algs; const char *why; } vectors[] = {
    { "HS256 as in RFC 7515 A.1", OCT, HS_TOKEN, ALL, HOLDS },
    { "ES256 as in RFC 7515 A.3", EC_KEY, ES_TOKEN, ALL, HOLDS },
    { "Ed25519 as in RFC 8037 A.4 holds, but its text is no claims", OKP, ED_TOKEN, ALL, "claims of the token are malformed" },
    { "an algorithm that is not allowed is refused", OCT, HS_TOKEN, ALL & ~(1u << JWT_HS256), "algorithm of the token is not allowed" },
    { "alg none is refused", EC_KEY, NONE_TOKEN, ALL, "algorithm of the token is not allowed" },
    { "a key of another kind is no key", EC_KEY, HS_TOKEN, ALL, "no key for the token" },
    { "a signature with one character changed is refused", EC_KEY, "eyJhbGciOiJFUzI1NiJ9." BODY ".EtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", ALL, "signature of the token does not hold" },
    { "a signature cut short is refused", EC_KEY, "eyJhbGciOiJFUzI1NiJ9." BODY ".DtEhU3ljbEg8L38VWAfUAqOyKAM6", ALL, "signature of the token does not hold" },
    { "a signature that is not base64url is refused", EC_KEY, "eyJhbGciOiJFUzI1NiJ9." BODY ".D+Eh", ALL, "signature of the token is malformed" },
    { "another body under the signature is refused", EC_KEY, "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UifQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", ALL, "signature of the token does not hold" },
    { "a text without dots is refused", EC_KEY, "abc", ALL, "not a signed token" },
    { "an empty text is refused", EC_KEY, "", ALL, "not a signed token" },
    /* {"alg":"ES256","crit":["x"]} */
    { "a critical extension is refused", EC_KEY, "eyJhbGciOiJFUzI1NiIsImNyaXQiOlsieCJdfQ." BODY ".abcd", ALL, "header of the token has a critical extension" },
    /* {"alg":"ES256","kid":"other"} against a key with an id */
    { "a key with another id is no key", "{\"kid\":\"one\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
      "eyJhbGciOiJFUzI1NiIsImtpZCI6Im90aGVyIn0." BODY ".abcd", ALL, "no key for the token" },
};

static void test_vectors(void)
{
    for (size_t i = 0; i < N_ELEMS(vectors); i++) {
        struct arena a = arena_make(1 << 20);
        struct jwt_keys *keys = jwt_keys_new();
        struct err err = { 0 };
        struct json claims;
        const char *why = "";
        bool ok = jwt_keys_add(keys, "key.json", str_from(vectors[i].key), &err) == 0;
        bool holds = jwt_verify(str_from(vectors[i].token), keys, vectors[i].algs, &a, &claims, &why);
        OK(ok && holds == (vectors[i].why[0] == '\0') && (holds || strcmp(why, vectors[i].why) == 0), vectors[i].name);
        jwt_keys_free(keys);
        arena_done(&a);
    }
}

static void test_cuts(void)
{
    struct arena a = arena_make(4 << 20);
    struct jwt_keys *keys = jwt_keys_new();
    struct err err = { 0 };
    struct json claims;
    const char *why;
    bool ok = jwt_keys_add(keys, "k", STR(EC_KEY), &err) == 0;
    for (size_t n = 0; n < strlen(ES_TOKEN); n++)
        ok = ok && !jwt_verify(str_head(STR(ES_TOKEN), n), keys, ALL, &a, &claims, &why);
    OK(ok, "a token cut at every length is refused");
    jwt_keys_free(keys);
    arena_done(&a);
}

static void put_url(struct buf *out, struct str raw)
{
    struct buf b = buf_make(0);
    enc_base64(&b, raw);
    for (size_t i = 0; i < b.n && b.p[i] != '='; i++)
        buf_putc(out, b.p[i] == '+' ? '-' : b.p[i] == '/' ? '_' : b.p[i]);
    buf_done(&b);
}

/* A token of these claims, signed with the private key. */
static struct str sign(EVP_PKEY *pkey, const char *alg, const EVP_MD *md, bool pss, size_t field, const char *claims, struct arena *a)
{
    struct buf t = buf_make(0);
    unsigned char sig[1024], raw[256];
    size_t n = sizeof sig;
    EVP_PKEY_CTX *pctx;
    put_url(&t, str_printf(a, "{\"alg\":\"%s\",\"kid\":\"made\"}", alg));
    buf_putc(&t, '.');
    put_url(&t, str_from(claims));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    (void)EVP_DigestSignInit(ctx, &pctx, md, NULL, pkey);
    if (pss) {
        (void)EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
        (void)EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST);
    }
    (void)EVP_DigestSign(ctx, sig, &n, (unsigned char *)t.p, t.n);
    EVP_MD_CTX_free(ctx);
    buf_putc(&t, '.');
    if (field > 0) {
        const unsigned char *p = sig;
        ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)n);
        (void)BN_bn2binpad(ECDSA_SIG_get0_r(s), raw, (int)field);
        (void)BN_bn2binpad(ECDSA_SIG_get0_s(s), raw + field, (int)field);
        ECDSA_SIG_free(s);
        put_url(&t, str_make(raw, 2 * field));
    } else {
        put_url(&t, str_make(sig, n));
    }
    struct str out = str_dup(a, buf_str(&t));
    buf_done(&t);
    return out;
}

static void test_made(void)
{
    const struct { const char *name, *alg, *type, *group; const EVP_MD *md; bool pss; size_t field; } rows[] = {
        { "RS256 with a PEM key", "RS256", "RSA", NULL, EVP_sha256(), false, 0 }, { "RS384", "RS384", "RSA", NULL, EVP_sha384(), false, 0 },
        { "RS512", "RS512", "RSA", NULL, EVP_sha512(), false, 0 },                { "PS256", "PS256", "RSA", NULL, EVP_sha256(), true, 0 },
        { "ES384", "ES384", "EC", "P-384", EVP_sha384(), false, 48 },             { "EdDSA", "EdDSA", "ED25519", NULL, NULL, false, 0 },
    };
    for (size_t i = 0; i < N_ELEMS(rows); i++) {
        struct arena a = arena_make(1 << 20);
        struct err err = { 0 };
        struct json claims;
        const char *why = "";
        char *pem;
        EVP_PKEY *pkey = strcmp(rows[i].type, "RSA") == 0 ? EVP_RSA_gen(2048) : strcmp(rows[i].type, "EC") == 0 ? EVP_EC_gen(rows[i].group) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        BIO *bio = BIO_new(BIO_s_mem());
        (void)PEM_write_bio_PUBKEY(bio, pkey);
        struct str text = { NULL, (size_t)BIO_get_mem_data(bio, &pem) };
        text.p = pem;
        struct jwt_keys *keys = jwt_keys_new();
        bool ok = jwt_keys_add(keys, "/dir/made.pem", text, &err) == 0;
        struct str token = sign(pkey, rows[i].alg, rows[i].md, rows[i].pss, rows[i].field, "{\"sub\":\"x\"}", &a);
        OK(ok && jwt_verify(token, keys, ALL, &a, &claims, &why) && json_has(json_get(claims, "sub"), STR("x")), rows[i].name);
        jwt_keys_free(keys);
        keys = jwt_keys_new();
        ok = jwt_keys_add(keys, "/dir/other.pem", text, &err) == 0 && !jwt_verify(token, keys, ALL, &a, &claims, &why);
        OK(ok && strcmp(why, "no key for the token") == 0, "... whose file is named otherwise is not asked");
        jwt_keys_free(keys);
        BIO_free(bio);
        EVP_PKEY_free(pkey);
        arena_done(&a);
    }
}

static const struct { const char *name, *text; } bad_keys[] = {
    { "a file that is no key is refused", "hello" },
    { "an empty key set is refused", "{\"keys\":[]}" },
    { "a private key is refused", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}" },
    { "a key to encrypt with is refused", "{\"use\":\"enc\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}" },
    { "a short secret is refused", "{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}" },
    { "a small RSA key is refused", "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp\"}" },
    { "a point that is not on its curve is refused", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAOJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}" },
    { "PEM of nothing is refused", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n" },
};

static void test_bad_keys(void)
{
    for (size_t i = 0; i < N_ELEMS(bad_keys); i++) {
        struct jwt_keys *keys = jwt_keys_new();
        struct err err = { 0 };
        OK(jwt_keys_add(keys, "file", str_from(bad_keys[i].text), &err) < 0 && jwt_keys_count(keys) == 0 && err.text[0] != '\0', bad_keys[i].name);
        jwt_keys_free(keys);
    }
    struct jwt_keys *keys = jwt_keys_new();
    struct err err = { 0 };
    OK(jwt_keys_add(keys, "set", STR("{\"keys\":[" OKP ",{\"kty\":\"new\"}," EC_KEY "]}"), &err) == 0 && jwt_keys_count(keys) == 2,
       "keys of unknown kinds in a set are passed over");
    jwt_keys_free(keys);
}

static const struct { const char *name, *claims, *why; } claims_rows[] = {
    { "claims as they should be", "{\"exp\":2000,\"nbf\":900,\"iat\":900,\"iss\":\"https://a\",\"aud\":[\"x\",\"mail\"],\"azp\":\"client\",\"scope\":\"openid mail imap\",\"email\":\"u@x\"}", HOLDS },
    { "an expired token", "{\"exp\":1,\"iss\":\"https://a\",\"aud\":\"mail\",\"scope\":\"mail imap\",\"email\":\"u@x\"}", "token has expired" },
    { "a token that has expired within the skew", "{\"exp\":950,\"iss\":\"https://a\",\"aud\":\"mail\",\"azp\":\"client\",\"scope\":\"mail imap\",\"email\":\"u@x\"}", HOLDS },
    { "a token without exp", "{\"iss\":\"https://a\",\"aud\":\"mail\",\"scope\":\"mail imap\",\"email\":\"u@x\"}", "token has no usable exp" },
    { "a token whose exp is text", "{\"exp\":\"2000\",\"iss\":\"https://a\",\"email\":\"u@x\"}", "token has no usable exp" },
    { "a token that says exp twice", "{\"exp\":2000,\"exp\":3000,\"iss\":\"https://a\",\"email\":\"u@x\"}", "token has no usable exp" },
    { "a token of tomorrow", "{\"exp\":9000,\"nbf\":5000,\"iss\":\"https://a\",\"email\":\"u@x\"}", "token is not valid yet" },
    { "a token issued tomorrow", "{\"exp\":9000,\"iat\":5000,\"iss\":\"https://a\",\"email\":\"u@x\"}", "token was issued in the future" },
    { "another issuer", "{\"exp\":2000,\"iss\":\"https://a/\",\"email\":\"u@x\"}", "issuer of the token is not allowed" },
    { "no issuer", "{\"exp\":2000,\"email\":\"u@x\"}", "issuer of the token is not allowed" },
    { "another audience", "{\"exp\":2000,\"iss\":\"https://b\",\"aud\":\"web\",\"email\":\"u@x\"}", "token is meant for another audience" },
    { "another client", "{\"exp\":2000,\"iss\":\"https://b\",\"aud\":\"mail\",\"azp\":\"web\",\"email\":\"u@x\"}", "token was issued to another client" },
    { "a scope that is missing", "{\"exp\":2000,\"iss\":\"https://b\",\"aud\":\"mail\",\"azp\":\"client\",\"scope\":\"mailbox imap\",\"email\":\"u@x\"}", "token lacks a scope" },
    { "scopes as an array", "{\"exp\":2000,\"iss\":\"https://b\",\"aud\":\"mail\",\"azp\":\"client\",\"scope\":[\"mail\",\"imap\"],\"email\":\"u@x\"}", HOLDS },
    { "no user", "{\"exp\":2000,\"iss\":\"https://b\",\"aud\":\"mail\",\"azp\":\"client\",\"scope\":\"mail imap\",\"email\":7}", "token does not name a user" },
    { "an answer that says it is not active", "{\"active\":false}", "token is not active" },
    { "an array", "[]", "claims are malformed" },
};

static void test_claims(void)
{
    struct token_policy p = { .issuers = STR("https://a https://b"), .audiences = STR("mail"), .client_id = STR("client"), .scope = STR("mail imap"),
                              .username_attribute = STR("email"), .active_attribute = STR(""), .active_value = STR(""), .skew = 60 };
    for (size_t i = 0; i < N_ELEMS(claims_rows); i++) {
        struct arena a = arena_make(65536);
        struct json claims = { 0 };
        struct str user;
        const char *why = "";
        bool parsed = json_parse(str_from(claims_rows[i].claims), &claims);
        bool ok = parsed && token_claims_check(&p, claims, 1000, &a, &user, &why);
        OK(parsed && ok == (claims_rows[i].why[0] == '\0') && (ok ? str_eqz(user, "u@x") : strcmp(why, claims_rows[i].why) == 0), claims_rows[i].name);
        arena_done(&a);
    }
    struct arena a = arena_make(65536);
    struct token_policy open = { .is_answer = true, .issuers = STR("https://a"), .username_attribute = STR("sub"), .active_attribute = STR("state"), .active_value = STR("on enabled") };
    struct json on, off;
    struct str user;
    const char *why;
    OK(json_parse(STR("{\"sub\":\"u\",\"state\":\"enabled\"}"), &on) && token_claims_check(&open, on, 0, &a, &user, &why), "an answer that names no issuer, active attribute with its value");
    OK(json_parse(STR("{\"sub\":\"u\",\"state\":\"on\",\"iss\":\"https://b\"}"), &off) && !token_claims_check(&open, off, 0, &a, &user, &why), "an answer of another issuer");
    OK(json_parse(STR("{\"sub\":\"u\",\"state\":\"locked\"}"), &off) && !token_claims_check(&open, off, 0, &a, &user, &why), "... and with another one");
    open.active_value = STR("");
    OK(json_parse(STR("{\"sub\":\"u\"}"), &off) && !token_claims_check(&open, off, 0, &a, &user, &why), "... and without the attribute");
    arena_done(&a);
}

int main(void)
{
    test_vectors();
    test_cuts();
    test_made();
    test_bad_keys();
    test_claims();
    return tap_done();
}
