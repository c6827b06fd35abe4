/* SPDX-License-Identifier: ISC */
#include "auth/jwt.h"
#include "base/enc.h"
#include "base/log.h"
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum { KID_MAX = 256, SECRET_MAX = 512, RSA_BITS_MIN = 2048, HEADER_MAX = 4096, FIELD_MAX = 132 };
enum kind { KIND_RSA, KIND_EC, KIND_OKP, KIND_SECRET };

static const struct alg_row { const char *name; enum kind kind; const char *digest; int field; bool pss; } algs[JWT_ALGS] = {
    [JWT_RS256] = { "RS256", KIND_RSA, "SHA256", 0, false },   [JWT_RS384] = { "RS384", KIND_RSA, "SHA384", 0, false },
    [JWT_RS512] = { "RS512", KIND_RSA, "SHA512", 0, false },   [JWT_PS256] = { "PS256", KIND_RSA, "SHA256", 0, true },
    [JWT_PS384] = { "PS384", KIND_RSA, "SHA384", 0, true },    [JWT_PS512] = { "PS512", KIND_RSA, "SHA512", 0, true },
    [JWT_ES256] = { "ES256", KIND_EC, "SHA256", 32, false },   [JWT_ES384] = { "ES384", KIND_EC, "SHA384", 48, false },
    [JWT_ES512] = { "ES512", KIND_EC, "SHA512", 66, false },   [JWT_EDDSA] = { "EdDSA", KIND_OKP, NULL, 0, false },
    [JWT_HS256] = { "HS256", KIND_SECRET, "SHA256", 0, false }, [JWT_HS384] = { "HS384", KIND_SECRET, "SHA384", 0, false },
    [JWT_HS512] = { "HS512", KIND_SECRET, "SHA512", 0, false },
};

enum jwt_alg jwt_alg_by_name(struct str name)
{
    unsigned i = 0;
    while (i < JWT_ALGS && !str_eqz(name, algs[i].name))
        i++;
    return (enum jwt_alg)i;
}

struct key { enum kind kind; enum jwt_alg only; int field; EVP_PKEY *pkey; char kid[KID_MAX]; uint8_t secret[SECRET_MAX]; size_t secret_n; };
struct jwt_keys { struct key rows[JWT_KEYS_MAX]; size_t n; };

struct jwt_keys *jwt_keys_new(void) { return xcalloc(1, sizeof(struct jwt_keys)); }
size_t jwt_keys_count(const struct jwt_keys *k) { return k->n; }

void jwt_keys_free(struct jwt_keys *k)
{
    for (size_t i = 0; k != NULL && i < k->n; i++)
        EVP_PKEY_free(k->rows[i].pkey);
    if (k != NULL)
        secret_wipe(k, sizeof *k);
    free(k);
}

/* Base64 with '-' and '_' and without padding (RFC 7515 §2). */
static bool unbase64url(struct str in, struct buf *out)
{
    struct buf text = buf_make(0);
    bool ok = in.n % 4 != 1;
    for (size_t i = 0; i < in.n; i++) {
        ok = ok && (ascii_is_alnum(in.p[i]) || in.p[i] == '-' || in.p[i] == '_');
        buf_putc(&text, in.p[i] == '-' ? '+' : in.p[i] == '_' ? '/' : in.p[i]);
    }
    while (text.n % 4 != 0)
        buf_putc(&text, '=');
    ok = ok && enc_unbase64(out, buf_str(&text)) && !out->full;
    buf_done(&text);
    return ok;
}

/* ---- keys ---- */

static int field_of(EVP_PKEY *pkey)
{
    char group[64] = "";
    size_t n;
    if (EVP_PKEY_get_group_name(pkey, group, sizeof group, &n) != 1)
        return 0;
    return strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0 ? 32
         : strcmp(group, "secp384r1") == 0 || strcmp(group, "P-384") == 0 ? 48
         : strcmp(group, "secp521r1") == 0 || strcmp(group, "P-521") == 0 ? 66 : 0;
}

/* Takes pkey. False: not a key that can be used. */
static bool key_set(struct key *k, EVP_PKEY *pkey)
{
    bool ok = pkey != NULL;
    k->pkey = pkey;
    if (ok && EVP_PKEY_is_a(pkey, "RSA")) {
        k->kind = KIND_RSA;
        ok = EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN;
    } else if (ok && EVP_PKEY_is_a(pkey, "EC")) {
        k->kind = KIND_EC;
        k->field = field_of(pkey);
        ok = k->field > 0;
    } else if (ok) {
        k->kind = KIND_OKP;
        ok = EVP_PKEY_is_a(pkey, "ED25519") || EVP_PKEY_is_a(pkey, "ED448");
    }
    if (!ok) {
        EVP_PKEY_free(pkey);
        k->pkey = NULL;
    }
    ERR_clear_error();
    return ok;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld)
{
    OSSL_PARAM *params = bld == NULL ? NULL : OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

/* A member of the key in base64url. */
static bool member(struct json o, const char *name, struct arena *arena, struct str *ret)
{
    struct str text;
    struct buf raw = buf_make(2048);
    bool ok = json_string(json_get(o, name), arena, &text) && unbase64url(text, &raw) && raw.n > 0;
    if (ok)
        *ret = str_dup(arena, buf_str(&raw));
    if (raw.n > 0)
        secret_wipe(raw.p, raw.n);
    buf_done(&raw);
    return ok;
}

static const uint8_t *bytes(struct str s) { return (const uint8_t *)s.p; }

static EVP_PKEY *rsa_from_jwk(struct json o, struct arena *arena)
{
    struct str n, e;
    if (!member(o, "n", arena, &n) || !member(o, "e", arena, &e))
        return NULL;
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    BIGNUM *bn = BN_bin2bn(bytes(n), (int)n.n, NULL), *be = BN_bin2bn(bytes(e), (int)e.n, NULL);
    EVP_PKEY *pkey = NULL;
    if (bld != NULL && bn != NULL && be != NULL && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) == 1)
        pkey = from_params("RSA", bld);
    BN_free(bn);
    BN_free(be);
    OSSL_PARAM_BLD_free(bld);
    return pkey;
}

static EVP_PKEY *ec_from_jwk(struct json o, struct arena *arena)
{
    static const struct { const char *curve; size_t field; } curves[] = { { "P-256", 32 }, { "P-384", 48 }, { "P-521", 66 } };
    struct str x, y, curve;
    uint8_t point[1 + FIELD_MAX] = { 4 };
    if (!json_string(json_get(o, "crv"), arena, &curve) || !member(o, "x", arena, &x) || !member(o, "y", arena, &y))
        return NULL;
    for (size_t i = 0; i < N_ELEMS(curves); i++) {
        size_t field = curves[i].field;
        if (!str_eqz(curve, curves[i].curve) || x.n != field || y.n != field)
            continue;
        memcpy(point + 1, x.p, field);
        memcpy(point + 1 + field, y.p, field);
        OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
        EVP_PKEY *pkey = NULL;
        if (bld != NULL && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curves[i].curve, 0) == 1 &&
            OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * field) == 1)
            pkey = from_params("EC", bld);
        OSSL_PARAM_BLD_free(bld);
        return pkey;
    }
    return NULL;
}

static EVP_PKEY *okp_from_jwk(struct json o, struct arena *arena)
{
    struct str x, curve;
    if (!json_string(json_get(o, "crv"), arena, &curve) || !member(o, "x", arena, &x))
        return NULL;
    int type = str_eqz(curve, "Ed25519") ? EVP_PKEY_ED25519 : str_eqz(curve, "Ed448") ? EVP_PKEY_ED448 : 0;
    return type == 0 ? NULL : EVP_PKEY_new_raw_public_key(type, NULL, bytes(x), x.n);
}

static bool secret_from_jwk(struct json o, struct arena *arena, struct key *k)
{
    struct str secret;
    if (!member(o, "k", arena, &secret) || secret.n < 32 || secret.n > SECRET_MAX)
        return false;
    k->kind = KIND_SECRET;
    memcpy(k->secret, secret.p, secret.n);
    k->secret_n = secret.n;
    return true;
}

static bool key_from_jwk(struct json o, struct arena *arena, struct key *k)
{
    struct str kty = STR(""), kid = STR(""), alg = STR(""), use = STR("");
    (void)json_string(json_get(o, "kty"), arena, &kty);
    (void)json_string(json_get(o, "kid"), arena, &kid);
    (void)json_string(json_get(o, "use"), arena, &use);
    k->only = json_string(json_get(o, "alg"), arena, &alg) ? jwt_alg_by_name(alg) : JWT_ALGS;
    if ((alg.n > 0 && k->only == JWT_ALGS) || (use.n > 0 && !str_eqz(use, "sig")) || !str_to_fixed(kid, k->kid, sizeof k->kid))
        return false;
    if (str_eqz(kty, "oct"))
        return secret_from_jwk(o, arena, k);
    /* A private key has no business here: the set is of those who sign. */
    if (json_get(o, "d").type != JSON_NONE)
        return false;
    return key_set(k, str_eqz(kty, "RSA") ? rsa_from_jwk(o, arena) : str_eqz(kty, "EC") ? ec_from_jwk(o, arena)
                    : str_eqz(kty, "OKP") ? okp_from_jwk(o, arena) : NULL);
}

static int add_set(struct jwt_keys *k, const char *name, struct str text, struct err *err)
{
    struct arena arena = arena_make(2 * JWT_FILE_MAX);
    struct json doc, key;
    size_t pos = 0, had = k->n;
    int rc = 0;
    if (!json_parse(text, &doc) || doc.type != JSON_OBJECT) {
        rc = err_set(err, ERR_CONFIG, "%s: neither PEM nor a JSON key set", name);
    } else if (json_get(doc, "keys").type != JSON_ARRAY) {
        k->n += k->n < JWT_KEYS_MAX && key_from_jwk(doc, &arena, &k->rows[k->n]);
    } else {
        while (k->n < JWT_KEYS_MAX && json_each(json_get(doc, "keys"), &pos, NULL, &key))
            if (key_from_jwk(key, &arena, &k->rows[k->n]))
                k->n++;
            else
                memset(&k->rows[k->n], 0, sizeof k->rows[0]);
    }
    if (rc == 0 && k->n == had)
        rc = err_set(err, ERR_CONFIG, "%s: holds no key that can verify (or there are more than %d keys)", name, JWT_KEYS_MAX);
    arena_done(&arena);
    return rc;
}

static EVP_PKEY *pkey_from_pem(struct str text)
{
    BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
    if (bio == NULL)
        return NULL;
    EVP_PKEY *pkey = NULL;
    if (str_find(text, STR("BEGIN CERTIFICATE")) >= 0) {
        X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        pkey = cert == NULL ? NULL : X509_get_pubkey(cert);
        X509_free(cert);
    } else {
        pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    }
    BIO_free(bio);
    return pkey;
}

int jwt_keys_add(struct jwt_keys *k, const char *name, struct str text, struct err *err)
{
    if (k->n == JWT_KEYS_MAX || text.n > JWT_FILE_MAX)
        return err_set(err, ERR_CONFIG, "%s: more than %d keys, or a file of more than %d bytes", name, JWT_KEYS_MAX, JWT_FILE_MAX);
    if (str_find(text, STR("-----BEGIN ")) < 0)
        return add_set(k, name, text, err);
    struct key *key = &k->rows[k->n];
    struct str id = str_from(name);
    ptrdiff_t slash = str_rchr(id, '/'), dot;
    id = str_skip(id, (size_t)(slash + 1));
    if ((dot = str_rchr(id, '.')) > 0)
        id = str_head(id, (size_t)dot);
    key->only = JWT_ALGS;
    if (!str_to_fixed(id, key->kid, sizeof key->kid) || !key_set(key, pkey_from_pem(text)))
        return err_set(err, ERR_CONFIG, "%s: not a public key or certificate of RSA (%d bits or more), EC or Ed25519", name, RSA_BITS_MIN);
    k->n++;
    return 0;
}

/* ---- signatures ---- */

/* r and s, each of the field's size, as OpenSSL wants them. */
static bool ecdsa_der(struct str raw, size_t field, struct arena *arena, struct str *ret)
{
    unsigned char *der = NULL;
    ECDSA_SIG *sig = raw.n == 2 * field ? ECDSA_SIG_new() : NULL;
    if (sig == NULL)
        return false;
    BIGNUM *r = BN_bin2bn(bytes(raw), (int)field, NULL), *s = BN_bin2bn(bytes(raw) + field, (int)field, NULL);
    bool ok = r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1;
    if (!ok) {
        BN_free(r);
        BN_free(s);
    }
    int n = ok ? i2d_ECDSA_SIG(sig, &der) : 0;
    if (n > 0)
        *ret = str_dup(arena, str_make(der, (size_t)n));
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    return n > 0;
}

static bool verify_pkey(const struct alg_row *alg, EVP_PKEY *pkey, struct str signature, struct str text)
{
    EVP_PKEY_CTX *pctx = NULL;
    const EVP_MD *md = alg->digest == NULL ? NULL : EVP_get_digestbyname(alg->digest);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestVerifyInit(ctx, &pctx, md, NULL, pkey) == 1;
    if (ok && alg->pss)     /* RFC 7518 §3.5: salt as long as the digest */
        ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 && EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1;
    ok = ok && EVP_DigestVerify(ctx, bytes(signature), signature.n, bytes(text), text.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

static bool verify_with(const struct key *k, const struct alg_row *alg, struct str signature, struct str text, struct arena *arena)
{
    if (k->kind == KIND_SECRET) {
        uint8_t mac[EVP_MAX_MD_SIZE];
        unsigned n = 0;
        return HMAC(EVP_get_digestbyname(alg->digest), k->secret, (int)k->secret_n, bytes(text), text.n, mac, &n) != NULL &&
               secret_eq(str_make(mac, n), signature);
    }
    if (k->kind == KIND_EC && !ecdsa_der(signature, (size_t)k->field, arena, &signature))
        return false;
    return verify_pkey(alg, k->pkey, signature, text);
}

static bool key_fits(const struct key *k, enum jwt_alg alg, struct str kid)
{
    return k->kind == algs[alg].kind && (k->only == JWT_ALGS || k->only == alg) && (k->kind != KIND_EC || k->field == algs[alg].field) &&
           (kid.n == 0 || k->kid[0] == '\0' || str_eqz(kid, k->kid));
}

static bool decode_part(struct str part, size_t max, struct arena *arena, struct json *ret)
{
    struct buf raw = buf_make(max);
    bool ok = unbase64url(part, &raw) && json_parse(str_dup(arena, buf_str(&raw)), ret) && ret->type == JSON_OBJECT;
    buf_done(&raw);
    return ok;
}

bool jwt_verify(struct str token, const struct jwt_keys *keys, uint32_t allowed, struct arena *arena, struct json *ret_claims, const char **ret_why)
{
    struct str head, body, sig, rest, name = STR(""), kid = STR("");
    struct json header, claims;
    *ret_why = "not a signed token";
    if (!str_cut(token, '.', &head, &rest) || !str_cut(rest, '.', &body, &sig) || !decode_part(head, HEADER_MAX, arena, &header))
        return false;
    (void)json_string(json_get(header, "alg"), arena, &name);
    (void)json_string(json_get(header, "kid"), arena, &kid);
    enum jwt_alg alg = jwt_alg_by_name(name);
    *ret_why = "algorithm of the token is not allowed";
    if (alg == JWT_ALGS || (allowed & 1u << alg) == 0)
        return false;
    *ret_why = "header of the token has a critical extension";
    if (json_get(header, "crit").type != JSON_NONE)
        return false;
    struct buf raw = buf_make(1024);
    *ret_why = "signature of the token is malformed";
    bool found = false, ok = unbase64url(sig, &raw) && raw.n > 0;
    struct str signed_text = str_head(token, head.n + 1 + body.n);
    if (ok)
        *ret_why = "no key for the token";
    for (size_t i = 0; ok && !found && i < keys->n; i++)
        if (key_fits(&keys->rows[i], alg, kid)) {
            *ret_why = "signature of the token does not hold";
            found = verify_with(&keys->rows[i], &algs[alg], buf_str(&raw), signed_text, arena);
        }
    buf_done(&raw);
    if (!found)
        return false;
    *ret_why = "claims of the token are malformed";
    if (!decode_part(body, JWT_FILE_MAX, arena, &claims))
        return false;
    *ret_claims = claims;
    return true;
}
