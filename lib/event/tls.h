/* SPDX-License-Identifier: ISC
 *
 * tls.h - TLS contexts; the only place that knows OpenSSL sessions.
 *
 * Servers: TLS 1.2 or later, AEAD with ECDHE, ALPN strict when offered, no
 * renegotiation, tickets bound to the service, RELEASE_BUFFERS. Contexts are
 * made before the privilege drop and shared read-only by all sessions.
 */
#ifndef EVENT_TLS_H
#define EVENT_TLS_H
#include "base/err.h"
#include "base/str.h"

struct tls_ctx;

struct tls_server_conf {
    const char *cert_file;      /* PEM chain, the server's own first; may hold the key too */
    const char *key_file;       /* NULL = cert_file */
    const char *eccert_file, *eckey_file;   /* a second one, for the other kind of key; NULL = none */
    const char *chain_files;    /* instead of all these: tls_certs.h; NULL = none */
    /* Certificates for those who ask for a name: the i-th name (".domain": those below it) and its chain files; NULL ends. */
    const char *(*name_at)(const void *names, size_t i, const char **ret_chain_files);
    const void *names;
    const char *alpn;           /* "smtp", "imap", "pop3"; NULL = none */
    const char *service;        /* what tickets are bound to */
    const char *min_protocol;   /* "TLSv1.2" or "TLSv1.3"; NULL = TLSv1.2; "TLSv1" for receivers who must */
    const char *ca_file;        /* for client certificates; NULL = do not ask */
    bool ask_client_cert;
};
struct tls_client_conf {
    const char *ca_file, *ca_path;
    bool verify;                /* chain and name must hold */
    const char *min_protocol;
    const char *cert_file, *key_file, *eccert_file, *eckey_file, *chain_files;
    const char *alpn;
};

/* NULL and *err (names the file) when something cannot be read or does not fit. */
struct tls_ctx *tls_server_ctx(const struct tls_server_conf *conf, struct err *err);
struct tls_ctx *tls_client_ctx(const struct tls_client_conf *conf, struct err *err);
void tls_ctx_free(struct tls_ctx *ctx);

enum { TLS_EXPORTER_SIZE = 32 };
struct tls_info {
    char protocol[16];          /* "TLSv1.3" */
    char cipher[64];            /* "TLS_AES_256_GCM_SHA384" */
    int bits, alg_bits;
    char key_exchange[40];      /* "X25519", "" before TLS 1.3 or unknown */
    char signature[40];         /* server-signature of Postfix's log line, e.g. "RSA-PSS (2048 bits)" */
    char digest[20];            /* server-digest, "SHA256" */
    char sni[256];
    bool resumed, peer_has_cert, peer_verified;
    bool has_binding;
    /* tls-exporter (RFC 9266, 32 bytes): TLS 1.3 only, where it is unique by itself. Then tls-server-end-point (RFC 5929), where the certificate has one. */
    unsigned char binding[TLS_EXPORTER_SIZE + 64];
    size_t binding_size;
    char peer_name[256];        /* common name of a certificate that was verified, "" else */
};
#endif
