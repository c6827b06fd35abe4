/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in auth-worker, and what authd and
 * auth-worker both need to know of tokens.
 */
#ifndef AUTH_WORKER_PARAMS_H
#define AUTH_WORKER_PARAMS_H
#include "auth/jwt.h"
#include "conf/param.h"

#define AUTH_WORKER_PARAMS(P)                                                                     \
    P(STR, pam_service, "postern_pam_service", "dovecot", 0, 0,                                   \
      "Name of the PAM service, a file in /etc/pam.d; PAM's own default is used where it does not exist.")

struct auth_worker_conf { AUTH_WORKER_PARAMS(PARAM_MEMBER) };

#define OAUTH2_PARAMS(P)                                                                                                            \
    P(STR, keys, "postern_oauth2_local_keys", "", 0, 0,                                                                             \
      "File, or directory of files, with the keys that access tokens are signed with: JWK sets, or PEM public keys whose file name is their key id. Empty: no token is validated here.") \
    P(STR, algorithms, "postern_oauth2_algorithms", "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA", 0, 0,            \
      "Algorithms of signatures that are accepted; HS256, HS384 and HS512 only if named.")                                          \
    P(STR, issuers, "postern_oauth2_issuers", "", 0, 0,                                                                             \
      "Issuers (iss) whose tokens are accepted; empty: all that the keys vouch for.")                                               \
    P(STR, audience, "postern_oauth2_audience", "", 0, 0,                                                                           \
      "Audiences (aud), one of which a token must be meant for; empty: any.")                                                       \
    P(STR, client_id, "postern_oauth2_client_id", "", 0, 0,                                                                         \
      "Client that tokens must have been issued to (azp, client_id or aud, if they say so), and our name at the introspection end; empty: any.") \
    P(STR, client_secret_file, "postern_oauth2_client_secret_file", "", 0, 0,                                                       \
      "File with our password at the introspection end, read before privileges are dropped.")                                      \
    P(STR, scope, "postern_oauth2_scope", "", 0, 0,                                                                                 \
      "Scopes that a token must have, all of them.")                                                                                \
    P(STR, username_attribute, "postern_oauth2_username_attribute", "email", 0, 0,                                                  \
      "Claim that holds the user name.")                                                                                            \
    P(STR, active_attribute, "postern_oauth2_active_attribute", "", 0, 0,                                                           \
      "Claim that says whether the user is active; empty: none, but active: false of the introspection end always counts.")       \
    P(STR, active_value, "postern_oauth2_active_value", "", 0, 0,                                                                   \
      "Values of postern_oauth2_active_attribute that let a user in; empty: any but false.")                                        \
    P(SECS, skew, "postern_oauth2_clock_skew", "30s", 0, 600,                                                                       \
      "How far clocks may differ when exp, nbf and iat are looked at.")                                                             \
    P(STR, introspection_url, "postern_oauth2_introspection_url", "", 0, 0,                                                         \
      "Where tokens that are not validated here are asked about (RFC 7662), https:// or, on this machine, http://; empty: nowhere.") \
    P(STR, introspection_mode, "postern_oauth2_introspection_mode", "post", 0, 0,                                                   \
      "post: the token in the body, with client id and secret; get: appended to the URL; auth: as the Bearer of a GET.")            \
    P(SECS, timeout, "postern_oauth2_timeout", "4s", 1, 5,                                                                          \
      "How long the introspection end may take.")                                                                                   \
    P(STR, ca_file, "postern_oauth2_ca_file", "", 0, 0,                                                                             \
      "CA certificates (PEM) for the introspection end; empty: the system's.")                                                      \
    P(STR, discovery, "postern_oauth2_openid_configuration_url", "", 0, 0,                                                          \
      "Told to clients whose token is refused, so that they find where to get another.")

struct oauth_conf { OAUTH2_PARAMS(PARAM_MEMBER) };

static inline struct token_policy oauth_policy(const struct oauth_conf *c, bool is_answer)
{
    return (struct token_policy){ .issuers = str_from(c->issuers), .audiences = str_from(c->audience), .client_id = str_from(c->client_id),
                                  .scope = str_from(c->scope), .username_attribute = str_from(c->username_attribute),
                                  .active_attribute = str_from(c->active_attribute), .active_value = str_from(c->active_value),
                                  .skew = (int64_t)c->skew, .is_answer = is_answer };
}
#endif
