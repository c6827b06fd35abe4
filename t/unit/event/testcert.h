/* SPDX-License-Identifier: ISC
 *
 * testcert.h - a self-signed certificate for localhost, key and chain in one
 * temporary PEM file, made anew for each run.
 */
#ifndef T_TESTCERT_H
#define T_TESTCERT_H
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

static inline X509 *testcert_make(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509V3_CTX v;
    X509V3_set_ctx(&v, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &v, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    X509_sign(x, key, EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448") ? NULL : EVP_sha256());
    return x;
}

/* path: a mkstemp() template. */
static inline void testcert_write_key(char *path, EVP_PKEY *key)
{
    X509 *x = testcert_make(key);
    FILE *f = fdopen(mkstemp(path), "w");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    PEM_write_X509(f, x);
    fclose(f);
    X509_free(x);
}
/* The certificate without its key. */
static inline void testcert_write_cert(char *path, EVP_PKEY *key)
{
    X509 *x = testcert_make(key);
    FILE *f = fdopen(mkstemp(path), "w");
    PEM_write_X509(f, x);
    fclose(f);
    X509_free(x);
}
static inline void testcert_write(char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    testcert_write_key(path, key);
    EVP_PKEY_free(key);
}
#endif
