/* SPDX-License-Identifier: ISC
 *
 * tls_certs.h - certificates into an OpenSSL context: one of each kind of key,
 * each with its chain. Where keys are apart (tls_sign.h), private keys are not
 * read, whatever file they are in.
 *
 * chain_files, if not empty, stands for all others: PEM files with one or more keys, each
 * followed by its certificate and chain; a key may be in a file before that of its
 * certificate. Else cert_file and eccert_file, with keys in them or apart.
 */
#ifndef EVENT_TLS_CERTS_H
#define EVENT_TLS_CERTS_H
#include "base/err.h"
#include <openssl/ssl.h>

struct tls_certs {
    const char *chain_files;                /* apart by blanks or commas; NULL or "" = none, as the others */
    const char *cert_file, *key_file;       /* key: "" = in the certificate's file */
    const char *eccert_file, *eckey_file;
};

/* 0, or -1 and *err, which names the file. */
int tls_certs_load(SSL_CTX *ctx, const struct tls_certs *c, struct err *err);
/* What OpenSSL says is wrong, with what in front. Returns -1. */
int tls_openssl_err(struct err *err, enum err_kind kind, const char *what);
#endif
