/* SPDX-License-Identifier: ISC */
#include "event/tls_certs.h"
#include "base/str.h"
#include "event/tls_pem.h"
#include "event/tls_sign.h"
#include <openssl/err.h>
#include <openssl/pem.h>

enum { PATH_TEXT_MAX = 4096 };

int tls_openssl_err(struct err *err, enum err_kind kind, const char *what)
{
    char text[200] = "unknown TLS error";
    unsigned long code = ERR_peek_error();
    if (code != 0)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return err_set(err, kind, "%s: %s", what, text);
}

static bool is_empty(const char *text) { return text == NULL || *text == '\0'; }

/* A key that signs through tls_sign(), for the certificate of its kind. */
static bool use_key(SSL_CTX *ctx, EVP_PKEY *key)
{
    EVP_PKEY *detour = key == NULL ? NULL : tls_key_detour(key);
    bool ok = detour != NULL && SSL_CTX_use_PrivateKey(ctx, detour) == 1;
    EVP_PKEY_free(detour);
    return ok;
}

static bool use_own(SSL_CTX *ctx, X509 *cert)
{
    return SSL_CTX_use_certificate(ctx, cert) == 1 && SSL_CTX_clear_chain_certs(ctx) == 1 &&
           (!tls_keys_are_apart() || use_key(ctx, X509_get0_pubkey(cert)));
}

/* The first certificate is an own one, the others are its chain. Their number, or -1. */
static int use_chain(SSL_CTX *ctx, struct str text)
{
    BIO *in = text.n > TLS_PEM_MAX ? NULL : BIO_new_mem_buf(text.n == 0 ? "" : text.p, (int)text.n);
    X509 *cert;
    int n = 0;
    bool ok = in != NULL;
    while (ok && (cert = PEM_read_bio_X509_AUX(in, NULL, NULL, NULL)) != NULL) {
        ok = n++ == 0 ? use_own(ctx, cert) : SSL_CTX_add1_chain_cert(ctx, cert) == 1;
        X509_free(cert);
    }
    BIO_free(in);
    /* The end of the text is an error of its own, and no failure. */
    if (ok && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        ERR_clear_error();
    return ok && ERR_peek_error() == 0 ? n : -1;
}

/* Between its keys, and before the first, there is a chain each. */
static int use_chains(SSL_CTX *ctx, struct str text)
{
    struct str mark = STR(TLS_PEM_KEY_MARK);
    int total = 0, n = 0;
    for (bool more = true; more && n >= 0; total += n) {
        ptrdiff_t at = str_find(text, mark);
        more = at >= 0;
        n = use_chain(ctx, more ? str_head(text, (size_t)at) : text);
        text = more ? str_skip(text, (size_t)at + mark.n) : STR("");
    }
    return n < 0 ? -1 : total;
}

static int load_certs(SSL_CTX *ctx, const char *file, bool many, struct err *err)
{
    struct buf text = { 0 };
    int rc = many ? tls_pem_read_marked(file, &text, err) : tls_pem_read(file, &text, err);
    ERR_clear_error();
    int n = rc != 0 ? -1 : many ? use_chains(ctx, buf_str(&text)) : use_chain(ctx, buf_str(&text));
    if (rc == 0 && n < 0)
        (void)tls_openssl_err(err, ERR_CONFIG, file);
    buf_done(&text);
    return n >= 0 ? n : err_prefix(err, "cannot load the certificate chain");
}

/* Where keys are not apart: all of a file. Their number, or -1. */
static int load_keys(SSL_CTX *ctx, const char *file, struct err *err)
{
    BIO *in = BIO_new_file(file, "r");
    EVP_PKEY *key;
    int n = 0;
    bool ok = in != NULL;
    while (ok && (key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL)) != NULL) {
        ok = use_key(ctx, key);
        n += ok;
        EVP_PKEY_free(key);
    }
    BIO_free(in);
    /* The end of the file is an error, too. */
    if (ok && n > 0) {
        ERR_clear_error();
        return n;
    }
    (void)tls_openssl_err(err, ERR_CONFIG, file);
    return err_prefix(err, "cannot load the private key");
}

static int load_pair(SSL_CTX *ctx, const char *cert, const char *key, struct err *err)
{
    int n = load_certs(ctx, cert, false, err);
    if (n == 0)
        return err_set(err, ERR_CONFIG, "%s: holds no certificate", cert);
    return n < 0 || (!tls_keys_are_apart() && load_keys(ctx, is_empty(key) ? cert : key, err) < 0) ? -1 : 0;
}

/* Certificates first: a key must find its own. */
static int load_list(SSL_CTX *ctx, const char *files, struct err *err)
{
    char path[PATH_TEXT_MAX];
    int total = 0, keys = 0;
    for (int pass = 0; pass < 2; pass++) {
        struct str rest = str_from(files), word;
        while (str_token(&rest, ", \t\r\n", &word)) {
            if (!str_to_fixed(word, path, sizeof path))
                return err_set(err, ERR_CONFIG, "%.*s: the name is too long", STR_FMT(word));
            int n = pass == 0 ? load_certs(ctx, path, true, err) : tls_keys_are_apart() ? 0 : load_keys(ctx, path, err);
            if (n < 0 && pass == 0)
                return -1;
            total += pass == 0 ? n : 0;
            keys += pass == 1 && n > 0 ? n : 0;
        }
    }
    if (total == 0)
        return err_set(err, ERR_CONFIG, "%s: no certificate in these files", files);
    return tls_keys_are_apart() || keys > 0 ? 0 : err_set(err, ERR_CONFIG, "%s: no private key in these files", files);
}

int tls_certs_load(SSL_CTX *ctx, const struct tls_certs *c, struct err *err)
{
    if (!is_empty(c->chain_files))
        return load_list(ctx, c->chain_files, err);
    if (!is_empty(c->cert_file) && load_pair(ctx, c->cert_file, c->key_file, err) != 0)
        return -1;
    return is_empty(c->eccert_file) ? 0 : load_pair(ctx, c->eccert_file, c->eckey_file, err);
}
