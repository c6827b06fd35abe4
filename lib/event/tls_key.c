/* SPDX-License-Identifier: ISC
 *
 * tls_key.c - public RSA and EC keys whose sign operation is tls_sign().
 *
 * RSA_METHOD and EC_KEY_METHOD are OpenSSL's way to say so without a provider;
 * OpenSSL 3 calls them deprecated, so no other file uses them. A key with a
 * method of its own is never copied into a provider, which keeps the detour.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "event/tls_sign.h"
#include "base/arena.h"
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static CRYPTO_ONCE made = CRYPTO_ONCE_STATIC_INIT;
static RSA_METHOD *rsa_method;
static EC_KEY_METHOD *ec_method;
static int rsa_slot = -1, ec_slot = -1;

static int rsa_private(int n, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    const struct tls_key *key = RSA_get_ex_data(rsa, rsa_slot);
    size_t got;
    if (key == NULL || n < 0 || (padding != RSA_NO_PADDING && padding != RSA_PKCS1_PADDING))
        return -1;
    enum tls_sign_kind kind = padding == RSA_NO_PADDING ? TLS_SIGN_RSA_BLOCK : TLS_SIGN_RSA_PKCS1;
    return tls_sign(key, kind, str_make(from, (size_t)n), to, (size_t)RSA_size(rsa), &got) ? (int)got : -1;
}

static int rsa_refuse(int n, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    (void)n, (void)from, (void)to, (void)rsa, (void)padding;
    return -1;
}

static int ec_sign(int type, const unsigned char *digest, int n, unsigned char *sig, unsigned *ret_n, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *ec)
{
    const struct tls_key *key = EC_KEY_get_ex_data(ec, ec_slot);
    size_t got;
    (void)type;
    if (key == NULL || n < 0 || kinv != NULL || r != NULL)
        return 0;
    if (!tls_sign(key, TLS_SIGN_ECDSA, str_make(digest, (size_t)n), sig, (size_t)ECDSA_size(ec), &got))
        return 0;
    *ret_n = (unsigned)got;
    return 1;
}

static void free_key(void *parent, void *p, CRYPTO_EX_DATA *ad, int slot, long argl, void *argp)
{
    struct tls_key *key = p;
    (void)parent, (void)ad, (void)slot, (void)argl, (void)argp;
    tls_key_release(key);
}

static void make_methods(void)
{
    rsa_method = RSA_meth_dup(RSA_get_default_method());
    ec_method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    rsa_slot = RSA_get_ex_new_index(0, NULL, NULL, NULL, free_key);
    ec_slot = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, free_key);
    if (rsa_method != NULL) {
        (void)RSA_meth_set_priv_enc(rsa_method, rsa_private);
        (void)RSA_meth_set_priv_dec(rsa_method, rsa_refuse);
    }
    if (ec_method != NULL)
        EC_KEY_METHOD_set_sign(ec_method, ec_sign, NULL, NULL);
}

struct tls_key *tls_key_hold(EVP_PKEY *pkey)
{
    struct tls_key *key = xcalloc(1, sizeof *key);
    if (!tls_key_id(pkey, key->id)) {
        free(key);
        return NULL;
    }
    (void)EVP_PKEY_up_ref(pkey);
    key->pkey = pkey;
    return key;
}

void tls_key_release(struct tls_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

/* The public half alone; of an RSA-PSS key with what it restricts itself to. */
static RSA *rsa_public(EVP_PKEY *pkey)
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(pkey, &der);
    const unsigned char *at = der;
    EVP_PKEY *public = n > 0 ? d2i_PUBKEY(NULL, &at, n) : NULL;
    RSA *rsa = public == NULL ? NULL : EVP_PKEY_get1_RSA(public);
    EVP_PKEY_free(public);
    OPENSSL_free(der);
    return rsa;
}

static EVP_PKEY *detour_rsa(EVP_PKEY *pkey)
{
    int type = EVP_PKEY_is_a(pkey, "RSA-PSS") == 1 ? EVP_PKEY_RSA_PSS : EVP_PKEY_RSA;
    struct tls_key *key = tls_key_hold(pkey);
    RSA *rsa = key == NULL ? NULL : rsa_public(pkey);
    EVP_PKEY *out = EVP_PKEY_new();
    if (rsa == NULL || RSA_set_method(rsa, rsa_method) != 1 || RSA_set_ex_data(rsa, rsa_slot, key) != 1) {
        tls_key_release(key);
    } else if (out != NULL && EVP_PKEY_assign(out, type, rsa) == 1) {
        return out;
    }
    RSA_free(rsa);
    EVP_PKEY_free(out);
    return NULL;
}

/* The public half alone. */
static EC_KEY *ec_public(const EC_KEY *have)
{
    EC_KEY *ec = EC_KEY_new();
    if (ec != NULL && EC_KEY_set_group(ec, EC_KEY_get0_group(have)) == 1 && EC_KEY_set_public_key(ec, EC_KEY_get0_public_key(have)) == 1)
        return ec;
    EC_KEY_free(ec);
    return NULL;
}

static EVP_PKEY *detour_ec(EVP_PKEY *pkey)
{
    const EC_KEY *have = EVP_PKEY_get0_EC_KEY(pkey);
    struct tls_key *key = have == NULL ? NULL : tls_key_hold(pkey);
    EC_KEY *ec = key == NULL ? NULL : ec_public(have);
    EVP_PKEY *out = EVP_PKEY_new();
    if (ec == NULL || EC_KEY_set_method(ec, ec_method) != 1 || EC_KEY_set_ex_data(ec, ec_slot, key) != 1) {
        tls_key_release(key);
    } else if (out != NULL && EVP_PKEY_assign_EC_KEY(out, ec) == 1) {
        return out;
    }
    EC_KEY_free(ec);
    EVP_PKEY_free(out);
    return NULL;
}

EVP_PKEY *tls_key_detour(EVP_PKEY *pkey)
{
    bool rsa = EVP_PKEY_is_a(pkey, "RSA") == 1 || EVP_PKEY_is_a(pkey, "RSA-PSS") == 1, ec = EVP_PKEY_is_a(pkey, "EC") == 1;
    if (!rsa && !ec)
        return tls_key_detour_ed(pkey);
    if (CRYPTO_THREAD_run_once(&made, make_methods) != 1 || rsa_method == NULL || ec_method == NULL || rsa_slot < 0 || ec_slot < 0)
        return NULL;
    return rsa ? detour_rsa(pkey) : detour_ec(pkey);
}
