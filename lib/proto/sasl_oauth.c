/* SPDX-License-Identifier: ISC */
#include "proto/sasl_oauth.h"
#include "base/utf8.h"
#include "proto/json.h"
#include "proto/sasl.h"

#define CTRL_A '\001'

/* b64token of RFC 6750 §2.1. */
static bool token_is_fit(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alnum(s.p[i]) && memchr("-._~+/=", s.p[i], 7) == NULL)
            return false;
    return s.n > 0;
}

static bool name_is_fit(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return utf8_is_valid(s);
}

static bool set_once(struct str *to, struct str value)
{
    bool fresh = to->n == 0;
    *to = value;
    return fresh && value.n > 0;
}

static bool take_bearer(struct oauth_message *m, struct str value)
{
    struct str scheme, token;
    if (!str_cut(value, ' ', &scheme, &token) || !str_ieqz(scheme, "Bearer"))
        return false;
    token = str_trim(token);
    return token_is_fit(token) && set_once(&m->token, token);
}

/* key=value^A ...; the end is an empty part. */
static bool parse_pairs(struct str rest, struct oauth_message *m, bool *ret_ended)
{
    *ret_ended = false;
    while (rest.n > 0) {
        struct str pair, key, value;
        if (!str_cut(rest, CTRL_A, &pair, &rest))
            return false;
        if (pair.n == 0) {
            *ret_ended = true;
            return rest.n == 0;
        }
        if (!str_cut(pair, '=', &key, &value))
            return false;
        bool ok = true;
        if (str_ieqz(key, "auth"))
            ok = take_bearer(m, value);
        else if (str_ieqz(key, "user"))
            ok = set_once(&m->user, value);
        else if (str_ieqz(key, "host"))
            m->host = value;
        else if (str_ieqz(key, "port"))
            m->port = value;
        if (!ok)
            return false;
    }
    return true;
}

static const struct oauth_message empty = { { "", 0 }, { "", 0 }, { "", 0 }, { "", 0 } };

bool oauth_bearer_parse(struct str message, struct arena *arena, struct oauth_message *ret)
{
    struct oauth_message m = empty;
    struct str flag, authzid, rest, user = STR("");
    bool ended;
    if (message.n > OAUTH_MESSAGE_MAX || !str_cut(message, ',', &flag, &rest) || !str_cut(rest, ',', &authzid, &rest))
        return false;
    /* Neither 'n' nor 'y' promises anything here: there is no variant with channel binding to fall back from. */
    if ((!str_eqz(flag, "n") && !str_eqz(flag, "y")) || rest.n == 0 || rest.p[0] != CTRL_A)
        return false;
    if (authzid.n > 0 && !str_eqz(authzid, "a=") && (!str_starts(authzid, STR("a=")) || !sasl_name_unescape(str_skip(authzid, 2), arena, &user)))
        return false;
    if (!parse_pairs(str_skip(rest, 1), &m, &ended) || !ended || m.token.n == 0)
        return false;
    /* user= is XOAUTH2's; RFC 7628 §3.1 has a server ignore keys it does not know. */
    m.user = user;
    if (!name_is_fit(m.user))
        return false;
    *ret = m;
    return true;
}

bool oauth_xoauth2_parse(struct str message, struct arena *arena, struct oauth_message *ret)
{
    struct oauth_message m = empty;
    bool ended;
    (void)arena;
    if (message.n > OAUTH_MESSAGE_MAX || !parse_pairs(message, &m, &ended) || m.token.n == 0 || m.user.n == 0 || !name_is_fit(m.user))
        return false;
    *ret = m;
    return true;
}

void oauth_put_error(struct buf *out, const char *status, struct str scope, struct str discovery)
{
    buf_puts(out, "{\"status\":");
    json_put_string(out, str_from(status));
    buf_puts(out, ",\"schemes\":\"bearer\"");
    if (scope.n > 0) {
        buf_puts(out, ",\"scope\":");
        json_put_string(out, scope);
    }
    if (discovery.n > 0) {
        buf_puts(out, ",\"openid-configuration\":");
        json_put_string(out, discovery);
    }
    buf_putc(out, '}');
}
