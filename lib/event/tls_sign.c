/* SPDX-License-Identifier: ISC */
#include "event/tls_sign.h"
#include <openssl/rsa.h>

static bool set_padding(EVP_PKEY_CTX *ctx, enum tls_sign_kind kind)
{
    switch (kind) {
    case TLS_SIGN_RSA_BLOCK: return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0;
    case TLS_SIGN_RSA_PKCS1: return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0;
    case TLS_SIGN_ECDSA: return true;
    }
    UNREACHABLE();
}

bool tls_sign(const struct tls_key *key, enum tls_sign_kind kind, struct str in, unsigned char *ret_sig, size_t cap, size_t *ret_n)
{
    size_t n = cap;
    if (in.n > TLS_SIGN_MAX || !EVP_PKEY_is_a(key->pkey, kind == TLS_SIGN_ECDSA ? "EC" : "RSA"))
        return false;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    bool ok = ctx != NULL && EVP_PKEY_sign_init(ctx) > 0 && set_padding(ctx, kind) &&
              EVP_PKEY_sign(ctx, ret_sig, &n, (const unsigned char *)in.p, in.n) > 0;
    EVP_PKEY_CTX_free(ctx);
    if (ok)
        *ret_n = n;
    return ok;
}
