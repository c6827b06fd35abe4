/* SPDX-License-Identifier: ISC
 *
 * tls_sign.h - the one function through which a private key signs.
 *
 * The key that OpenSSL's sessions hold is a public key whose sign operation
 * calls tls_sign(); only what is behind tls_sign() sees the private half. Today
 * that is memory of the same process; a process of its own that keeps the keys
 * takes this place without a change elsewhere: a request and its answer are two
 * slices of at most TLS_SIGN_MAX bytes.
 *
 * Holds for RSA and EC keys. A key of another kind (Ed25519, RSA-PSS) has no
 * such operation to replace, and OpenSSL uses it itself.
 * There is no decryption: cipher suites with RSA key exchange are never offered.
 */
#ifndef EVENT_TLS_SIGN_H
#define EVENT_TLS_SIGN_H
#include "base/str.h"
#include <openssl/evp.h>

enum { TLS_SIGN_MAX = 2048 };   /* RSA of 16384 bits */

enum tls_sign_kind {
    TLS_SIGN_RSA_BLOCK,     /* input: a padded block of the modulus' length (PSS) */
    TLS_SIGN_RSA_PKCS1,     /* input: a DigestInfo; it gets PKCS #1 v1.5 padding of block type 1 */
    TLS_SIGN_ECDSA,         /* input: a digest; the answer is a DER ECDSA-Sig-Value */
};

/* A private key, and what it needs. */
struct tls_key { EVP_PKEY *pkey; };

/*
 * Sign in with key. False when the key cannot (wrong kind or length, or the
 * answer does not fit in cap): the handshake then fails. Safe in any thread;
 * never waits for the network and touches nothing of the session.
 */
bool tls_sign(const struct tls_key *key, enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n);

/*
 * A key for SSL_CTX_use_PrivateKey() that signs through tls_sign() with a
 * reference of its own to key; key itself if it is of another kind. The caller
 * frees the result. NULL when memory is short.
 */
EVP_PKEY *tls_key_detour(EVP_PKEY *key);
#endif
