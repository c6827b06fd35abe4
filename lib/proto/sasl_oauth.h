/* SPDX-License-Identifier: ISC
 *
 * sasl_oauth.h - messages that carry a bearer token: OAUTHBEARER (RFC 7628
 * §3.1) and XOAUTH2 (its ancestor, as Google and Microsoft document it).
 *
 *   OAUTHBEARER   n,a=user,^Ahost=...^Aport=...^Aauth=Bearer TOKEN^A^A
 *   XOAUTH2       user=NAME^Aauth=Bearer TOKEN^A^A
 *
 * ^A is byte 1. The token is passed on as it is: what it says is the caller's
 * to check (auth/jwt.h).
 *
 * Refuses: channel binding (the plain OAUTHBEARER has none), a second auth or
 * user, an authorization other than Bearer, an empty token or one with bytes
 * outside RFC 6750 §2.1, a message that does not end in ^A^A (one ^A is taken
 * from XOAUTH2 clients), over OAUTH_MESSAGE_MAX.
 */
#ifndef PROTO_SASL_OAUTH_H
#define PROTO_SASL_OAUTH_H
#include "base/arena.h"
#include "base/buf.h"

enum { OAUTH_MESSAGE_MAX = 12288 };

struct oauth_message {
    struct str user;            /* authorization identity; "" where the client gave none (OAUTHBEARER only) */
    struct str token;
    struct str host, port;      /* "" when absent */
};
/* Parts point into the message, or are in the arena. */
bool oauth_bearer_parse(struct str message, struct arena *arena, struct oauth_message *ret);
bool oauth_xoauth2_parse(struct str message, struct arena *arena, struct oauth_message *ret);

/* The server's word on a token that was refused (RFC 7628 §3.2.2), as JSON. scope and discovery: "" = left out. */
void oauth_put_error(struct buf *out, const char *status, struct str scope, struct str discovery);
#endif
