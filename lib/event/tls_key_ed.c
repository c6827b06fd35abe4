/* SPDX-License-Identifier: ISC
 *
 * tls_key_ed.c - Ed25519 and Ed448 keys whose sign operation is tls_sign().
 *
 * These have no method table to replace, so they get a provider: key
 * management that holds a struct tls_key, and a signature that sends the
 * message there. It lives in a library context of its own: nothing else finds
 * it, and OpenSSL's choice of providers is left as it is. The key data of this
 * provider exports its public half and nothing else.
 */
#include "event/tls_sign.h"
#include "base/arena.h"
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>

struct held { struct tls_key *key; };

static CRYPTO_ONCE made = CRYPTO_ONCE_STATIC_INIT;
static OSSL_LIB_CTX *own;

#define HOLDER "postern-key"

/* ---- key management ---- */

static void *key_new(void *prov)
{
    (void)prov;
    return xcalloc(1, sizeof(struct held));
}

static void key_free(void *p)
{
    struct held *h = p;
    if (h != NULL)
        tls_key_release(h->key);
    free(h);
}

static int key_has(const void *p, int selection)
{
    const struct held *h = p;
    (void)selection;
    return h != NULL && h->key != NULL;
}

static int key_match(const void *a, const void *b, int selection)
{
    const struct held *x = a, *y = b;
    (void)selection;
    return x->key != NULL && y->key != NULL && EVP_PKEY_eq(x->key->pkey, y->key->pkey) == 1;
}

/* The one parameter is the address of a struct tls_key that becomes ours. */
static int key_import(void *p, int selection, const OSSL_PARAM params[])
{
    struct held *h = p;
    const OSSL_PARAM *in = OSSL_PARAM_locate_const(params, HOLDER);
    (void)selection;
    if (in == NULL || in->data_size != sizeof h->key || h->key != NULL)
        return 0;
    memcpy(&h->key, in->data, sizeof h->key);
    return 1;
}

static const OSSL_PARAM *key_import_types(int selection)
{
    static const OSSL_PARAM types[] = { OSSL_PARAM_octet_string(HOLDER, NULL, 0), OSSL_PARAM_END };
    (void)selection;
    return types;
}

static int key_export(void *p, int selection, OSSL_CALLBACK *cb, void *arg)
{
    struct held *h = p;
    unsigned char public[64];
    size_t n = sizeof public;
    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || h->key == NULL || EVP_PKEY_get_raw_public_key(h->key->pkey, public, &n) != 1)
        return 0;
    OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, public, n), OSSL_PARAM_construct_end() };
    return cb(params, arg);
}

static const OSSL_PARAM *key_export_types(int selection)
{
    static const OSSL_PARAM types[] = { OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0), OSSL_PARAM_END };
    return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) != 0 ? types : NULL;
}

static int key_get_params(void *p, OSSL_PARAM params[])
{
    const struct held *h = p;
    EVP_PKEY *k = h->key == NULL ? NULL : h->key->pkey;
    const struct { const char *name; int value; } numbers[] = {
        { OSSL_PKEY_PARAM_BITS, EVP_PKEY_get_bits(k) }, { OSSL_PKEY_PARAM_SECURITY_BITS, EVP_PKEY_get_security_bits(k) },
        { OSSL_PKEY_PARAM_MAX_SIZE, EVP_PKEY_get_size(k) },
    };
    for (size_t i = 0; i < N_ELEMS(numbers); i++) {
        OSSL_PARAM *out = OSSL_PARAM_locate(params, numbers[i].name);
        if (out != NULL && OSSL_PARAM_set_int(out, numbers[i].value) != 1)
            return 0;
    }
    OSSL_PARAM *digest = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_MANDATORY_DIGEST);
    return digest == NULL || OSSL_PARAM_set_utf8_string(digest, "") == 1;
}

static const OSSL_PARAM *key_gettable(void *prov)
{
    static const OSSL_PARAM types[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL), OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL), OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0), OSSL_PARAM_END,
    };
    (void)prov;
    return types;
}

/* ---- the signature ---- */

struct signing { const struct held *held; };

static void *sign_new(void *prov, const char *properties)
{
    (void)prov, (void)properties;
    return xcalloc(1, sizeof(struct signing));
}

static int sign_init(void *p, const char *digest, void *key, const OSSL_PARAM params[])
{
    struct signing *s = p;
    (void)params;
    if (key != NULL)
        s->held = key;
    return s->held != NULL && (digest == NULL || digest[0] == '\0');
}

static int sign_message(void *p, unsigned char *sig, size_t *n, size_t cap, const unsigned char *in, size_t in_n)
{
    struct signing *s = p;
    struct tls_key *key = s->held->key;
    if (sig != NULL)
        return tls_sign(key, TLS_SIGN_EDDSA, str_make(in, in_n), sig, cap, n);
    *n = (size_t)EVP_PKEY_get_size(key->pkey);
    return 1;
}

/* ---- the provider ---- */

#define FN(id, function) { OSSL_FUNC_##id, (void (*)(void))function }
static const OSSL_DISPATCH keys[] = {
    FN(KEYMGMT_NEW, key_new), FN(KEYMGMT_FREE, key_free), FN(KEYMGMT_HAS, key_has), FN(KEYMGMT_MATCH, key_match),
    FN(KEYMGMT_IMPORT, key_import), FN(KEYMGMT_IMPORT_TYPES, key_import_types), FN(KEYMGMT_EXPORT, key_export),
    FN(KEYMGMT_EXPORT_TYPES, key_export_types), FN(KEYMGMT_GET_PARAMS, key_get_params), FN(KEYMGMT_GETTABLE_PARAMS, key_gettable),
    { 0, NULL },
};
static const OSSL_DISPATCH signatures[] = {
    FN(SIGNATURE_NEWCTX, sign_new), FN(SIGNATURE_FREECTX, free), FN(SIGNATURE_DIGEST_SIGN_INIT, sign_init),
    FN(SIGNATURE_DIGEST_SIGN, sign_message), { 0, NULL },
};
static const OSSL_ALGORITHM key_algorithms[] = {
    { "ED25519:1.3.101.112", "provider=postern", keys, NULL }, { "ED448:1.3.101.113", "provider=postern", keys, NULL }, { NULL, NULL, NULL, NULL },
};
static const OSSL_ALGORITHM sign_algorithms[] = {
    { "ED25519:1.3.101.112", "provider=postern", signatures, NULL }, { "ED448:1.3.101.113", "provider=postern", signatures, NULL },
    { NULL, NULL, NULL, NULL },
};

static const OSSL_ALGORITHM *query(void *prov, int operation, int *no_cache)
{
    (void)prov;
    *no_cache = 0;
    return operation == OSSL_OP_KEYMGMT ? key_algorithms : operation == OSSL_OP_SIGNATURE ? sign_algorithms : NULL;
}

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out, void **ret_prov)
{
    static const OSSL_DISPATCH functions[] = { FN(PROVIDER_QUERY_OPERATION, query), { 0, NULL } };
    static char nothing;
    (void)handle, (void)in;
    *out = functions;
    *ret_prov = &nothing;
    return 1;
}

static void make_context(void)
{
    own = OSSL_LIB_CTX_new();
    if (own == NULL || OSSL_PROVIDER_add_builtin(own, "postern", provider_init) != 1 || OSSL_PROVIDER_load(own, "postern") == NULL) {
        OSSL_LIB_CTX_free(own);
        own = NULL;
    }
}

EVP_PKEY *tls_key_detour_ed(EVP_PKEY *pkey)
{
    const char *name = EVP_PKEY_is_a(pkey, "ED25519") == 1 ? "ED25519" : EVP_PKEY_is_a(pkey, "ED448") == 1 ? "ED448" : NULL;
    if (name == NULL || CRYPTO_THREAD_run_once(&made, make_context) != 1 || own == NULL)
        return NULL;
    struct tls_key *key = tls_key_hold(pkey);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(own, name, "provider=postern");
    EVP_PKEY *out = NULL;
    OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(HOLDER, &key, sizeof key), OSSL_PARAM_construct_end() };
    if (key == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &out, EVP_PKEY_KEYPAIR, params) != 1)
        tls_key_release(key);
    EVP_PKEY_CTX_free(ctx);
    return out;
}
