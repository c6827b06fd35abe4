/* SPDX-License-Identifier: ISC */
#include "base/str.h"
#include "postern.h"
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

enum { VALID_DAYS = 3650 };

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e != NULL && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

static bool set_serial(X509 *x)
{
    uint64_t serial;
    return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1
        && ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1) == 1;
}

static bool fill(X509 *x, EVP_PKEY *key, const char *host)
{
    char names[400];
    X509_NAME *subject = X509_get_subject_name(x);
    (void)snprintf(names, sizeof names, "DNS:%s,DNS:localhost,IP:127.0.0.1", host);
    return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x)
        && X509_gmtime_adj(X509_getm_notBefore(x), -3600) != NULL
        && X509_gmtime_adj(X509_getm_notAfter(x), VALID_DAYS * 86400L) != NULL
        && X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0) == 1
        && X509_set_issuer_name(x, subject) == 1 && X509_set_pubkey(x, key) == 1
        && add_extension(x, NID_subject_alt_name, names)
        && add_extension(x, NID_basic_constraints, "critical,CA:TRUE")
        && add_extension(x, NID_ext_key_usage, "serverAuth")
        && X509_sign(x, key, EVP_sha256()) != 0;
}

static FILE *create(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

static bool write_key(const char *path, EVP_PKEY *key)
{
    FILE *f = create(path, 0600);
    bool ok = f != NULL && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1;
    return (f == NULL || fclose(f) == 0) && ok;
}

static bool write_cert(const char *path, X509 *x)
{
    FILE *f = create(path, 0644);
    bool ok = f != NULL && PEM_write_X509(f, x) == 1;
    return (f == NULL || fclose(f) == 0) && ok;
}

int cert_make(const char *host, const char *cert_path, const char *key_path, struct err *err)
{
    if (access(cert_path, F_OK) == 0 && access(key_path, F_OK) == 0)
        return 0;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    int rc = 0;
    if (key == NULL || x == NULL || !fill(x, key, host))
        rc = err_set(err, ERR_PERM, "OpenSSL cannot make a certificate");
    else if (!write_key(key_path, key) || !write_cert(cert_path, x))
        rc = err_sys(err, ERR_PERM, "write %s and %s", cert_path, key_path);
    X509_free(x);
    EVP_PKEY_free(key);
    return rc;
}
