/* SPDX-License-Identifier: ISC
 * tls_sign_test.c - every signature of a handshake is one call of tls_sign(). */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "event/conn.h"
#include "event/tls.h"
#include "event/tls_sign.h"
#include "tap.h"
#include "testcert.h"
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <time.h>

/* The linker puts this in front of tls_sign(). */
bool __real_tls_sign(const struct tls_key *key, enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n);
bool __wrap_tls_sign(const struct tls_key *key, enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n);
static unsigned calls[4];
static bool refuse;
bool __wrap_tls_sign(const struct tls_key *key, enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n)
{
    calls[kind]++;
    return !refuse && __real_tls_sign(key, kind, in, ret_sig, cap, ret_n);
}

struct sign_case {
    const char *name, *key;
    int version;
    const char *sigalgs;        /* the client's */
    enum tls_sign_kind want;
};
static const struct sign_case cases[] = {
    { "RSA, TLS 1.3, PSS with SHA256", "RSA", TLS1_3_VERSION, "rsa_pss_rsae_sha256", TLS_SIGN_RSA_BLOCK },
    { "RSA, TLS 1.3, PSS with SHA512", "RSA", TLS1_3_VERSION, "rsa_pss_rsae_sha512:RSA+SHA256", TLS_SIGN_RSA_BLOCK },
    { "RSA, TLS 1.2, PSS with SHA384", "RSA", TLS1_2_VERSION, "rsa_pss_rsae_sha384:RSA+SHA256", TLS_SIGN_RSA_BLOCK },
    { "RSA, TLS 1.2, PKCS1 with SHA256", "RSA", TLS1_2_VERSION, "RSA+SHA256", TLS_SIGN_RSA_PKCS1 },
    { "RSA, TLS 1.2, PKCS1 with SHA512", "RSA", TLS1_2_VERSION, "RSA+SHA512:RSA+SHA256", TLS_SIGN_RSA_PKCS1 },
    { "P-256, TLS 1.3", "P-256", TLS1_3_VERSION, "ECDSA+SHA256", TLS_SIGN_ECDSA },
    { "P-256, TLS 1.2", "P-256", TLS1_2_VERSION, "ECDSA+SHA256", TLS_SIGN_ECDSA },
    { "P-384, TLS 1.3", "P-384", TLS1_3_VERSION, "ECDSA+SHA384:ECDSA+SHA256", TLS_SIGN_ECDSA },
    { "P-384, TLS 1.2", "P-384", TLS1_2_VERSION, "ECDSA+SHA384:ECDSA+SHA256", TLS_SIGN_ECDSA },
    { "RSA-PSS, TLS 1.3", "RSA-PSS", TLS1_3_VERSION, "rsa_pss_pss_sha256", TLS_SIGN_RSA_BLOCK },
    { "RSA-PSS, TLS 1.2", "RSA-PSS", TLS1_2_VERSION, "rsa_pss_pss_sha384:rsa_pss_pss_sha256", TLS_SIGN_RSA_BLOCK },
    { "RSA of 2047 bits, TLS 1.3", "RSA2047", TLS1_3_VERSION, "rsa_pss_rsae_sha256", TLS_SIGN_RSA_BLOCK },
    { "RSA of 2049 bits, TLS 1.3", "RSA2049", TLS1_3_VERSION, "rsa_pss_rsae_sha384:RSA+SHA256", TLS_SIGN_RSA_BLOCK },
    { "Ed25519, TLS 1.3", "ED25519", TLS1_3_VERSION, "ed25519", TLS_SIGN_EDDSA },
    { "Ed25519, TLS 1.2", "ED25519", TLS1_2_VERSION, "ed25519", TLS_SIGN_EDDSA },
    { "Ed448, TLS 1.3", "ED448", TLS1_3_VERSION, "ed448", TLS_SIGN_EDDSA },
};

struct side { int fd; struct tls_ctx *ctx; int rc; struct err err; };
static void server_side(void *arg)
{
    struct side *s = arg;
    struct conn *c = conn_new(s->fd, 1000);
    s->rc = conn_tls_accept(c, s->ctx, deadline_in(20000), &s->err);
    conn_puts(c, "hi\r\n");
    (void)conn_flush(c, deadline_in(1000));
    conn_free(c);
}

/* A bare OpenSSL client: it can be told which signatures to ask for. */
struct bare { int fd; const struct sign_case *t; bool ok; };
static void client_side(void *arg)
{
    struct bare *b = arg;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    (void)SSL_CTX_set_min_proto_version(ctx, b->t->version);
    (void)SSL_CTX_set_max_proto_version(ctx, b->t->version);
    b->ok = SSL_CTX_set1_sigalgs_list(ctx, b->t->sigalgs) == 1;
    SSL *ssl = SSL_new(ctx);
    (void)SSL_set_fd(ssl, b->fd);
    int rc = 0;
    for (int i = 0; i < 50 && b->ok && (rc = SSL_connect(ssl)) != 1; i++)
        if (SSL_get_error(ssl, rc) != SSL_ERROR_WANT_READ || fiber_wait_fd(b->fd, 1 /* EPOLLIN */, deadline_in(20000)) != WAIT_OK)
            break;
    b->ok = b->ok && rc == 1 && SSL_version(ssl) == b->t->version;
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    (void)close(b->fd);
}

static bool shake(struct tls_ctx *server, const struct sign_case *t)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        abort();
    struct side s = { .fd = pair[0], .ctx = server };
    struct bare b = { .fd = pair[1], .t = t };
    memset(calls, 0, sizeof calls);
    (void)fiber_start("server", server_side, &s);
    (void)fiber_start("client", client_side, &b);
    loop_run();
    return s.rc == 0 && b.ok;
}

static bool shake_many(struct tls_ctx *server, const struct sign_case *t)
{
    enum { MANY = 8 };
    struct side s[MANY];
    struct bare b[MANY];
    bool ok = true;
    for (int i = 0; i < MANY; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
            abort();
        s[i] = (struct side){ .fd = pair[0], .ctx = server };
        b[i] = (struct bare){ .fd = pair[1], .t = t };
        (void)fiber_start("server", server_side, &s[i]);
        (void)fiber_start("client", client_side, &b[i]);
    }
    loop_run();
    for (int i = 0; i < MANY; i++)
        ok &= s[i].rc == 0 && b[i].ok;
    return ok;
}

static EVP_PKEY *make_pss(void)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
    if (EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048) != 1 || EVP_PKEY_generate(ctx, &key) != 1)
        abort();
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *make_key(const char *kind)
{
    if (strncmp(kind, "RSA2", 4) == 0)
        return EVP_RSA_gen(kind[6] == '7' ? 2047 : 2049);
    if (strcmp(kind, "RSA") == 0)
        return EVP_RSA_gen(2048);
    if (strcmp(kind, "RSA-PSS") == 0)
        return make_pss();
    return kind[0] == 'E' ? EVP_PKEY_Q_keygen(NULL, NULL, kind) : EVP_EC_gen(kind);
}

/* Keys apart: the private key is with somebody else, who takes his time. */
static struct { EVP_PKEY *key; unsigned char id[TLS_KEY_ID]; bool dead; } elsewhere;
static bool sign_elsewhere(const unsigned char *id, enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n)
{
    if (fiber_sleep(deadline_in(2)) != WAIT_OK || elsewhere.dead)
        return false;
    return memcmp(id, elsewhere.id, sizeof elsewhere.id) == 0 && tls_sign_here(elsewhere.key, kind, in, ret_sig, cap, ret_n);
}

/* Contexts made from the certificate alone; several handshakes at once share one. */
static void test_apart(const struct sign_case *t)
{
    char cert[] = "/tmp/tls_sign_test.XXXXXX";
    struct err err = { .text = "" };
    elsewhere.key = make_key(t->key);
    elsewhere.dead = !tls_key_id(elsewhere.key, elsewhere.id);
    testcert_write_cert(cert, elsewhere.key);
    tls_keys_apart(sign_elsewhere);
    struct tls_server_conf conf = { .cert_file = cert, .key_file = "/nonexistent/key.pem", .service = "test" };
    struct tls_ctx *server = tls_server_ctx(&conf, &err);
    OK(server != NULL && shake(server, t) && calls[t->want] == 1, t->name);
    if (server == NULL)
        printf("# %s\n", err.text);
    OK(server != NULL && shake_many(server, t), "several at once, all waiting for signatures");
    elsewhere.dead = true;
    OK(server != NULL && !shake(server, t), "nobody signs: no connection");
    tls_keys_apart(NULL);
    tls_ctx_free(server);
    EVP_PKEY_free(elsewhere.key);
    (void)unlink(cert);
}

static void test_case(const struct sign_case *t)
{
    char cert[] = "/tmp/tls_sign_test.XXXXXX";
    struct err err = { .text = "" };
    EVP_PKEY *key = make_key(t->key);
    testcert_write_key(cert, key);
    struct tls_server_conf conf = { .cert_file = cert, .service = "test" };
    struct tls_ctx *server = tls_server_ctx(&conf, &err);
    OK(server != NULL && calls[0] + calls[1] + calls[2] + calls[3] == 0, t->name);
    if (server == NULL)
        printf("# %s\n", err.text);
    for (int i = 0; server != NULL && i < 2; i++) {
        bool ok = shake(server, t);
        OK(ok && calls[t->want] == 1 && calls[0] + calls[1] + calls[2] + calls[3] == 1, "signs by one call of tls_sign");
    }
    refuse = true;
    OK(server != NULL && !shake(server, t) && calls[t->want] >= 1, "a key that does not sign makes no connection");
    refuse = false;
    memset(calls, 0, sizeof calls);
    tls_ctx_free(server);
    EVP_PKEY_free(key);
    (void)unlink(cert);
}

static double sign_us(EVP_PKEY *key, int times)
{
    struct timespec a, b;
    unsigned char sig[TLS_SIGN_MAX];
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < times; i++) {
        size_t n = sizeof sig;
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 || EVP_DigestSign(ctx, sig, &n, (const unsigned char *)"abc", 3) != 1)
            abort();
        EVP_MD_CTX_free(ctx);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    return ((double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3) / times;
}

/* Told, not judged: the machine may be busy. */
static void tell_cost(const char *kind)
{
    EVP_PKEY *key = make_key(kind), *detour = tls_key_detour(key);
    (void)sign_us(key, 20);
    (void)sign_us(detour, 20);
    double plain = sign_us(key, 200), through = sign_us(detour, 200);
    printf("# %s: %.1f us a signature, %.1f us through tls_sign\n", kind, plain, through);
    EVP_PKEY_free(detour);
    EVP_PKEY_free(key);
}

static void test_limits(void)
{
    EVP_PKEY *rsa = make_key("RSA"), *ec = make_key("P-256"), *ed = make_key("ED25519"), *x = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    EVP_PKEY *rsa_out = tls_key_detour(rsa), *ed_out = tls_key_detour(ed);
    unsigned char sig[TLS_SIGN_MAX], block[256] = { 0 }, digest[32] = "digest", clear[256];
    struct str in = str_make(block, 256);
    RSA *plain = EVP_PKEY_get1_RSA(rsa);
    size_t n = 7;
    OK(EVP_PKEY_eq(rsa_out, rsa) == 1 && rsa_out != rsa, "the detour is another object with the same public key");
    OK(ed_out != NULL && ed_out != ed && EVP_PKEY_eq(ed_out, ed) == 1, "so is that of an Ed25519 key");
    OK(EVP_PKEY_get_raw_private_key(ed_out, sig, &n) != 1, "which gives no private key out");
    OK(tls_key_detour(x) == NULL, "a key that cannot sign has no detour");
    OK(RSA_padding_add_PKCS1_PSS(plain, block, digest, EVP_sha256(), RSA_PSS_SALTLEN_DIGEST) == 1 && tls_sign_here(rsa, TLS_SIGN_RSA_BLOCK, in, sig, sizeof sig, &n) && n == 256,
       "a PSS encoding is signed");
    n = 7;
    OK(!tls_sign_here(rsa, TLS_SIGN_RSA_BLOCK, str_make(block, 255), sig, sizeof sig, &n) && n == 7, "a shorter block is refused");
    OK(!tls_sign_here(rsa, TLS_SIGN_RSA_BLOCK, in, sig, 255, &n) && n == 7, "an answer that does not fit is refused");
    block[100] ^= 1;
    OK(!tls_sign_here(rsa, TLS_SIGN_RSA_BLOCK, in, sig, sizeof sig, &n), "one changed bit makes it no PSS encoding");
    OK(RSA_public_encrypt(10, digest, clear, plain, RSA_PKCS1_PADDING) == 256 && !tls_sign_here(rsa, TLS_SIGN_RSA_BLOCK, str_make(clear, 256), sig, sizeof sig, &n),
       "a ciphertext is not decrypted");
    OK(RSA_padding_add_PKCS1_PSS(plain, block, digest, EVP_sha256(), 20) == 1 && !tls_sign_here(rsa, TLS_SIGN_RSA_BLOCK, in, sig, sizeof sig, &n),
       "a salt of another length than TLS has is refused");
    OK(!tls_sign_here(rsa, TLS_SIGN_RSA_PKCS1, str_make(block, 250), sig, sizeof sig, &n), "what leaves no room for padding is refused");
    OK(!tls_sign_here(rsa, TLS_SIGN_ECDSA, str_make(block, 32), sig, sizeof sig, &n), "an RSA key makes no ECDSA signature");
    OK(!tls_sign_here(ec, TLS_SIGN_RSA_PKCS1, str_make(block, 32), sig, sizeof sig, &n), "an EC key makes no RSA signature");
    OK(!tls_sign_here(ec, TLS_SIGN_EDDSA, str_make(block, 32), sig, sizeof sig, &n), "nor an EdDSA signature");
    OK(!tls_sign_here(ec, TLS_SIGN_ECDSA, str_make(block, 32), sig, 8, &n), "an answer that does not fit is refused");
    OK(!tls_sign_here(ec, TLS_SIGN_ECDSA, str_make(block, 65), sig, sizeof sig, &n), "what is longer than a digest is refused");
    OK(!tls_sign_here(ec, 99, str_make(block, 32), sig, sizeof sig, &n), "an unknown kind is refused");
    RSA_free(plain);
    EVP_PKEY *all[] = { rsa_out, ed_out, rsa, ec, ed, x };
    for (size_t i = 0; i < N_ELEMS(all); i++)
        EVP_PKEY_free(all[i]);
}

int main(void)
{
    loop_init();
    for (size_t i = 0; i < N_ELEMS(cases); i++)
        test_case(&cases[i]);
    for (size_t i = 0; i < N_ELEMS(cases); i++)
        test_apart(&cases[i]);
    test_limits();
    tell_cost("RSA");
    tell_cost("P-256");
    return tap_done();
}
