/* SPDX-License-Identifier: ISC
 *
 * jwt.h - signed tokens (RFC 7515, 7519) checked here, and what their claims,
 * or an introspection end's answer (RFC 7662), must say.
 *
 * Keys come from files: a JWK set (RFC 7517; RSA, EC, OKP, oct) or a PEM public
 * key or certificate, whose file name without its ending is its key id. A key
 * serves the algorithms of its kind only, and only its own "alg" if it names one.
 *
 * Refuses: "alg" none and whatever is not allowed by name; RSA keys under 2,048
 * bits; private keys; a header with "crit"; anything but three parts of canonical
 * base64url; claims that are no object; tokens without "exp". Time is the caller's.
 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "proto/json.h"

enum { JWT_KEYS_MAX = 64, JWT_FILE_MAX = 256 << 10 };

enum jwt_alg { JWT_RS256, JWT_RS384, JWT_RS512, JWT_PS256, JWT_PS384, JWT_PS512, JWT_ES256, JWT_ES384, JWT_ES512, JWT_EDDSA,
               JWT_HS256, JWT_HS384, JWT_HS512, JWT_ALGS };
/* JWT_ALGS: none of that name. */
enum jwt_alg jwt_alg_by_name(struct str name);

struct jwt_keys;
struct jwt_keys *jwt_keys_new(void);
void jwt_keys_free(struct jwt_keys *k);
/* A file's text; name: for the key id of PEM and for errors. -1 and *err: nothing of it is taken. Keys of a set that are of unknown kinds are passed over. */
int jwt_keys_add(struct jwt_keys *k, const char *name, struct str text, struct err *err);
size_t jwt_keys_count(const struct jwt_keys *k);

/* algs: 1u << enum jwt_alg. True: the signature holds; *ret_claims is an object in the arena. Else *ret_why, a literal for the log. */
bool jwt_verify(struct str token, const struct jwt_keys *keys, uint32_t algs, struct arena *arena, struct json *ret_claims, const char **ret_why);

struct token_policy {
    struct str issuers;             /* separated by blanks or commas; "" = any */
    struct str audiences;           /* one of them must be in aud; "" = any */
    struct str client_id;           /* must be azp, client_id or in aud where the token has one of these; "" = any */
    struct str scope;               /* all of these must be in scope; "" = none needed */
    struct str username_attribute;
    struct str active_attribute;    /* "" = not looked at */
    struct str active_value;        /* one of these, separated by blanks; "" = it must be there and not false */
    int64_t skew;                   /* seconds that clocks may differ */
    bool is_answer;                 /* of an introspection end: exp, iss and aud may be missing */
};
/* Do the claims let somebody in at time `now` (seconds)? *ret_user: the attribute's text. Else *ret_why, a literal for the log. */
bool token_claims_check(const struct token_policy *p, struct json claims, int64_t now, struct arena *arena, struct str *ret_user, const char **ret_why);
#endif
