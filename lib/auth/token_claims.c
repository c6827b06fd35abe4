/* SPDX-License-Identifier: ISC */
#include "auth/jwt.h"

/* Is one of the words this value, or in this array? */
static bool any_word(struct str words, struct json v)
{
    struct str word;
    while (str_token(&words, ", \t", &word))
        if (json_has(v, word))
            return true;
    return false;
}

/* What the introspection end does not mention, it has looked at itself. */
static bool may_miss(const struct token_policy *p, struct json claims, const char *name)
{
    return p->is_answer && json_get(claims, name).type == JSON_NONE;
}

static bool time_holds(const struct token_policy *p, struct json claims, int64_t now, const char **why)
{
    int64_t t;
    struct json exp = json_get(claims, "exp"), nbf = json_get(claims, "nbf"), iat = json_get(claims, "iat");
    *why = "token has no usable exp";
    if (exp.type != JSON_NONE || !p->is_answer) {
        if (!json_i64(exp, &t))
            return false;
        *why = "token has expired";
        if (t < now - p->skew)
            return false;
    }
    *why = "token is not valid yet";
    if (nbf.type != JSON_NONE && (!json_i64(nbf, &t) || t > now + p->skew))
        return false;
    *why = "token was issued in the future";
    return iat.type == JSON_NONE || (json_i64(iat, &t) && t <= now + p->skew);
}

static bool client_holds(const struct token_policy *p, struct json claims)
{
    static const char *const names[] = { "azp", "client_id", "aud" };
    bool has_one = false;
    if (p->client_id.n == 0)
        return true;
    for (size_t i = 0; i < N_ELEMS(names); i++) {
        struct json v = json_get(claims, names[i]);
        if (json_has(v, p->client_id))
            return true;
        has_one |= v.type != JSON_NONE;
    }
    return !has_one;
}

/* scope is a text of words (RFC 8693 §4.2), or an array of them with some providers. */
static bool scope_holds(const struct token_policy *p, struct json claims, struct arena *arena)
{
    struct json v = json_get(claims, "scope");
    struct str text = STR(""), wanted, have, rest = p->scope;
    (void)json_string(v, arena, &text);
    while (str_token(&rest, ", \t", &wanted)) {
        struct str words = text;
        bool found = v.type == JSON_ARRAY && json_has(v, wanted);
        while (!found && str_token(&words, " ", &have))
            found = str_eq(have, wanted);
        if (!found)
            return false;
    }
    return true;
}

static bool is_active(const struct token_policy *p, struct json claims)
{
    struct json v = p->active_attribute.n == 0 ? (struct json){ JSON_TRUE, STR("true") } : (struct json){ JSON_NONE, STR("") };
    char name[128];
    if (p->active_attribute.n > 0 && str_to_fixed(p->active_attribute, name, sizeof name))
        v = json_get(claims, name);
    if (p->active_attribute.n > 0 && p->active_value.n > 0) {
        struct str rest = p->active_value, word;
        while (str_token(&rest, ", \t", &word))
            if (json_has(v, word) || ((v.type == JSON_TRUE || v.type == JSON_NUMBER) && str_eq(v.text, word)))
                return true;
        return false;
    }
    return v.type != JSON_NONE && v.type != JSON_NULL && v.type != JSON_FALSE;
}

bool token_claims_check(const struct token_policy *p, struct json claims, int64_t now, struct arena *arena, struct str *ret_user, const char **ret_why)
{
    char name[128];
    struct str user;
    *ret_why = "claims are malformed";
    if (claims.type != JSON_OBJECT)
        return false;
    /* RFC 7662 §2.2: an answer that says active: false says nothing else; a token that says it is as bad. */
    *ret_why = "token is not active";
    if (json_get(claims, "active").type == JSON_FALSE || !is_active(p, claims))
        return false;
    if (!time_holds(p, claims, now, ret_why))
        return false;
    *ret_why = "issuer of the token is not allowed";
    if (p->issuers.n > 0 && !may_miss(p, claims, "iss") && !any_word(p->issuers, json_get(claims, "iss")))
        return false;
    *ret_why = "token is meant for another audience";
    if (p->audiences.n > 0 && !may_miss(p, claims, "aud") && !any_word(p->audiences, json_get(claims, "aud")))
        return false;
    *ret_why = "token was issued to another client";
    if (!client_holds(p, claims))
        return false;
    *ret_why = "token lacks a scope";
    if (!scope_holds(p, claims, arena))
        return false;
    *ret_why = "token does not name a user";
    if (!str_to_fixed(p->username_attribute, name, sizeof name) || !json_string(json_get(claims, name), arena, &user) || user.n == 0)
        return false;
    *ret_user = user;
    return true;
}
