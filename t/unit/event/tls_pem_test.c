/* SPDX-License-Identifier: ISC
 * tls_pem_test.c - certificates without their keys; ticket keys of two generations. */
#include "event/tls_pem.h"
#include "event/tls_ticket.h"
#include "tap.h"
#include <openssl/ssl.h>

static const struct { const char *name, *in, *want; } cases[] = {
    { "certificates pass", "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n" },
    { "a key before them does not", "-----BEGIN PRIVATE KEY-----\nS0VZ\nS0VZ\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n",
      "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n" },
    { "nor one behind them", "A\n-----BEGIN EC PRIVATE KEY-----\r\nS0VZ\r\n-----END EC PRIVATE KEY-----\r\nB\n", "A\nB\n" },
    { "nor an encrypted one", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nS0VZ\n-----END ENCRYPTED PRIVATE KEY-----\nB", "B" },
    { "a key without end hides the rest", "A\n-----BEGIN RSA PRIVATE KEY-----\nS0VZ\n-----BEGIN CERTIFICATE-----\n", "A\n" },
    { "an end without beginning is nothing", "-----END PRIVATE KEY-----\nB\n", "B\n" },
    { "parameters pass", "-----BEGIN EC PARAMETERS-----\nQQ==\n-----END EC PARAMETERS-----\n", "-----BEGIN EC PARAMETERS-----\nQQ==\n-----END EC PARAMETERS-----\n" },
    { "nothing", "", "" },
};

static void test_strip(void)
{
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct buf out = { 0 };
        tls_pem_strip(str_from(cases[i].in), &out);
        OK(str_eqz(buf_str(&out), cases[i].want), cases[i].name);
        bool leaks = false;
        for (size_t n = 0; n <= strlen(cases[i].in); n++) {
            buf_reset(&out);
            tls_pem_strip(str_make(cases[i].in, n), &out);
            leaks |= str_find(buf_str(&out), STR("S0VZ")) >= 0;
        }
        OK(!leaks, "cut anywhere, no line of a key passes");
        buf_done(&out);
    }
    struct buf out = { 0 };
    struct err err;
    OK(tls_pem_read("/nonexistent/x.pem", &out, &err) == -1 && strstr(err.text, "/nonexistent/x.pem") != NULL, "a missing file is named");
    OK(tls_pem_read("/dev/zero", &out, &err) == -1 && strstr(err.text, "larger") != NULL, "a file without end is refused");
    buf_done(&out);
}

static SSL_SESSION *kept;

/* A handshake in memory. Was a session resumed? */
static bool shake(SSL_CTX *server, SSL_CTX *client)
{
    SSL *s = SSL_new(server), *c = SSL_new(client);
    BIO *a, *b;
    char byte;
    (void)BIO_new_bio_pair(&a, 100000, &b, 100000);
    SSL_set_bio(s, a, a);
    SSL_set_bio(c, b, b);
    SSL_set_accept_state(s);
    SSL_set_connect_state(c);
    if (kept != NULL)
        (void)SSL_set_session(c, kept);
    for (int i = 0; i < 10; i++) {
        (void)SSL_do_handshake(c);
        (void)SSL_do_handshake(s);
    }
    (void)SSL_read(c, &byte, 1);    /* the ticket */
    bool reused = SSL_is_init_finished(s) && SSL_session_reused(s);
    SSL_SESSION_free(kept);
    kept = SSL_get1_session(c);
    (void)SSL_shutdown(s);
    (void)SSL_shutdown(c);
    SSL_free(s);
    SSL_free(c);
    return reused;
}

static SSL_CTX *server_ctx(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_set_version(x, 2);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    X509_sign(x, key, EVP_sha256());
    SSL_CTX_use_certificate(ctx, x);
    SSL_CTX_use_PrivateKey(ctx, key);
    X509_free(x);
    EVP_PKEY_free(key);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (!tls_ticket_use(ctx))
        abort();
    return ctx;
}

static void test_tickets(int version, const char *name)
{
    char k[4][TLS_TICKET_KEY];
    for (int i = 0; i < 4; i++)
        memset(k[i], 'a' + i + version, sizeof k[i]);
    struct str key[4] = { str_make(k[0], 80), str_make(k[1], 80), str_make(k[2], 80), str_make(k[3], 80) };
    SSL_CTX *server = server_ctx(), *other = server_ctx(), *client = SSL_CTX_new(TLS_client_method());
    (void)SSL_CTX_set_min_proto_version(client, version);
    (void)SSL_CTX_set_max_proto_version(client, version);
    printf("# %s\n", name);
    SSL_SESSION_free(kept);
    kept = NULL;
    OK(!shake(server, client) && kept != NULL && shake(server, client), "without keys from outside, a process resumes its own sessions");
    OK(tls_ticket_set(key[0], STR("")) && shake(server, client), "keys arrive: what was issued before still resumes");
    OK(shake(other, client), "another context with the same keys resumes the session");
    OK(tls_ticket_set(key[1], key[0]) && shake(server, client), "a ticket under the previous key resumes");
    OK(tls_ticket_set(key[2], key[1]) && shake(server, client), "and was replaced by one under the current key");
    OK(tls_ticket_set(key[3], STR("")) && shake(server, client), "a successor that knows no previous key does not end sessions");
    OK(tls_ticket_set(key[0], key[1]) && !shake(server, client), "a ticket under a key that is gone makes a full handshake");
    OK(!tls_ticket_set(STR("short"), STR("")) && !tls_ticket_set(key[0], STR("short")) && shake(server, client), "keys of a wrong length change nothing");
    SSL_CTX_free(server);
    SSL_CTX_free(other);
    SSL_CTX_free(client);
}

int main(void)
{
    test_strip();
    test_tickets(TLS1_3_VERSION, "TLS 1.3");
    test_tickets(TLS1_2_VERSION, "TLS 1.2");
    SSL_SESSION_free(kept);
    return tap_done();
}
