/* SPDX-License-Identifier: ISC
 *
 * tls_sign.h - the one function through which a private key signs.
 *
 * The key that OpenSSL's sessions hold is a public key whose sign operation
 * calls tls_sign(); only what is behind tls_sign() sees the private half. That
 * is the keys role, once tls_keys_apart() has been called: then no context
 * ever reads a private key, and tls_sign() WAITS, on the session's fiber and
 * below OpenSSL's frames. Without it (tests, tools) the key is in memory.
 *
 * Holds for RSA, RSA-PSS, EC, Ed25519 and Ed448 keys.
 * There is no decryption: cipher suites with RSA key exchange are never
 * offered, and a block that is not a PSS encoding is not signed.
 */
#ifndef EVENT_TLS_SIGN_H
#define EVENT_TLS_SIGN_H
#include "base/str.h"
#include <openssl/evp.h>

enum { TLS_SIGN_MAX = 2048, TLS_KEY_ID = 32 };  /* RSA of 16384 bits; SHA-256 */

/* The numbers go to the keys role. */
enum tls_sign_kind {
    TLS_SIGN_RSA_BLOCK = 0, /* input: a PSS encoding of the modulus' length */
    TLS_SIGN_RSA_PKCS1 = 1, /* input: a DigestInfo; it gets PKCS #1 v1.5 padding of block type 1 */
    TLS_SIGN_ECDSA = 2,     /* input: a digest; the answer is a DER ECDSA-Sig-Value */
    TLS_SIGN_EDDSA = 3,     /* input: the message itself */
};

/* pkey: the private key, or the public one when keys are apart. id: SHA-256 of the SubjectPublicKeyInfo. */
struct tls_key { EVP_PKEY *pkey; unsigned char id[TLS_KEY_ID]; };

/*
 * Sign in with key; WAITS when keys are apart. False when the key cannot (wrong
 * kind or length, or the answer does not fit in cap) or nobody answers: the
 * handshake then fails.
 */
bool tls_sign(const struct tls_key *key, enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n);

/* The same with a private key that is here; any thread, never waits. kind may come from another process. */
bool tls_sign_here(EVP_PKEY *key, uint32_t kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n);
/* False: no memory, or a key without a public half. */
bool tls_key_id(EVP_PKEY *key, unsigned char ret_id[TLS_KEY_ID]);

/* From now on, contexts of this process read certificates alone, and fn signs. Before the first context. */
typedef bool tls_sign_fn(const unsigned char id[TLS_KEY_ID], enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n);
void tls_keys_apart(tls_sign_fn *fn);
bool tls_keys_are_apart(void);

/*
 * A key for SSL_CTX_use_PrivateKey() that signs through tls_sign() with a
 * reference of its own to key, which may be a public key when keys are apart.
 * The caller frees the result. NULL: no memory, or a kind of key that this
 * cannot be done with.
 */
EVP_PKEY *tls_key_detour(EVP_PKEY *key);

/* ---- between tls_key.c and tls_key_ed.c ---- */

struct tls_key *tls_key_hold(EVP_PKEY *pkey);   /* NULL: no id */
void tls_key_release(struct tls_key *key);
EVP_PKEY *tls_key_detour_ed(EVP_PKEY *pkey);
#endif
