/* SPDX-License-Identifier: ISC */
#define OPENSSL_SUPPRESS_DEPRECATED     /* PKCS1_MGF1() */
#include "event/tls_sign.h"
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static tls_sign_fn *apart;

void tls_keys_apart(tls_sign_fn *fn) { apart = fn; }
bool tls_keys_are_apart(void) { return apart != NULL; }

bool tls_key_id(EVP_PKEY *key, unsigned char ret_id[TLS_KEY_ID])
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    bool ok = n > 0 && EVP_Digest(der, (size_t)n, ret_id, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return ok;
}

/* ---- what may be signed ---- */

/* DB = zeros, 01, salt of the hash's length (RFC 8446 section 4.2.3), under MGF1 of the hash H behind it. */
static bool is_pss_with(const unsigned char *em, size_t n, unsigned top_bits, const EVP_MD *md)
{
    unsigned char db[TLS_SIGN_MAX];
    size_t h = (size_t)EVP_MD_get_size(md), db_n = n - h - 1, pad_n = db_n - h - 1;
    if (n < 2 * h + 2 || db_n > sizeof db || PKCS1_MGF1(db, (long)db_n, em + db_n, (long)h, md) != 0)
        return false;
    for (size_t i = 0; i <= pad_n; i++)
        db[i] ^= em[i];
    if (top_bits > 0)
        db[0] &= (unsigned char)(0xff >> (8 - top_bits));
    for (size_t i = 0; i < pad_n; i++)
        if (db[i] != 0)
            return false;
    return db[pad_n] == 1;
}

/*
 * RFC 8017 section 9.1.2 as far as it goes without the message. Nobody finds a
 * ciphertext, or anything else of use, that looks like this.
 */
static bool is_pss(EVP_PKEY *key, struct str in)
{
    const unsigned char *em = (const unsigned char *)in.p;
    size_t n = in.n;
    unsigned top_bits = ((unsigned)EVP_PKEY_get_bits(key) - 1) % 8;
    if (n != (size_t)EVP_PKEY_get_size(key) || n < 2 || em[n - 1] != 0xbc || (em[0] & (0xffu << top_bits) & 0xffu) != 0)
        return false;
    if (top_bits == 0) {
        em++;
        n--;
    }
    return is_pss_with(em, n, top_bits, EVP_sha256()) || is_pss_with(em, n, top_bits, EVP_sha384()) || is_pss_with(em, n, top_bits, EVP_sha512());
}

static bool fits(EVP_PKEY *key, uint32_t kind, struct str in)
{
    bool rsa = EVP_PKEY_is_a(key, "RSA") == 1, pss = EVP_PKEY_is_a(key, "RSA-PSS") == 1;
    if (in.n == 0 || in.n > TLS_SIGN_MAX)
        return false;
    switch (kind) {
    case TLS_SIGN_RSA_BLOCK: return (rsa || pss) && is_pss(key, in);
    case TLS_SIGN_RSA_PKCS1: return rsa;
    case TLS_SIGN_ECDSA: return in.n >= 20 && in.n <= EVP_MAX_MD_SIZE && EVP_PKEY_is_a(key, "EC") == 1;
    case TLS_SIGN_EDDSA: return EVP_PKEY_is_a(key, "ED25519") == 1 || EVP_PKEY_is_a(key, "ED448") == 1;
    default: return false;
    }
}

/* ---- signing ---- */

static bool sign_message(EVP_PKEY *key, struct str in, unsigned char *sig, size_t *n)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestSign(ctx, sig, n, (const unsigned char *)in.p, in.n) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

/* An RSA-PSS key refuses raw blocks through EVP; its RSA object does not. */
static bool sign_pss_key(EVP_PKEY *key, struct str in, unsigned char *sig, size_t *n)
{
    RSA *rsa = EVP_PKEY_get1_RSA(key);
    int got = rsa == NULL || *n < (size_t)RSA_size(rsa) ? -1
            : RSA_private_encrypt((int)in.n, (const unsigned char *)in.p, sig, rsa, RSA_NO_PADDING);
    RSA_free(rsa);
    *n = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static bool set_padding(EVP_PKEY_CTX *ctx, uint32_t kind)
{
    if (kind == TLS_SIGN_ECDSA)
        return true;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, kind == TLS_SIGN_RSA_BLOCK ? RSA_NO_PADDING : RSA_PKCS1_PADDING) > 0;
}

static bool sign_digest(EVP_PKEY *key, uint32_t kind, struct str in, unsigned char *sig, size_t *n)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool ok = ctx != NULL && EVP_PKEY_sign_init(ctx) > 0 && set_padding(ctx, kind) &&
              EVP_PKEY_sign(ctx, sig, n, (const unsigned char *)in.p, in.n) > 0;
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

bool tls_sign_here(EVP_PKEY *key, uint32_t kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n)
{
    size_t n = cap;
    bool ok = fits(key, kind, in);
    if (ok && kind == TLS_SIGN_EDDSA)
        ok = sign_message(key, in, ret_sig, &n);
    else if (ok && EVP_PKEY_is_a(key, "RSA-PSS") == 1)
        ok = sign_pss_key(key, in, ret_sig, &n);
    else if (ok)
        ok = sign_digest(key, kind, in, ret_sig, &n);
    if (ok)
        *ret_n = n;
    return ok;
}

bool tls_sign(const struct tls_key *key, enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n)
{
    if (apart == NULL)
        return tls_sign_here(key->pkey, kind, in, ret_sig, cap, ret_n);
    bool ok = in.n <= TLS_SIGN_MAX && apart(key->id, kind, in, ret_sig, cap, ret_n);
    /* The error queue is the thread's: what other fibers left in it meanwhile is not this session's. */
    ERR_clear_error();
    return ok;
}
