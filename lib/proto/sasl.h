/* SPDX-License-Identifier: ISC
 *
 * sasl.h - what both sides of SASL share: names of mechanisms and limits; and
 * the client's side of PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login).
 * The server's side is auth/mech.h, its messages sasl_scram.h and sasl_oauth.h.
 * Messages here are decoded; base64 and line limits are the caller's.
 */
#ifndef PROTO_SASL_H
#define PROTO_SASL_H
#include "base/arena.h"
#include "base/buf.h"

enum { SASL_NAME_MAX = 255, SASL_PASSWORD_MAX = 1024, SASL_MESSAGE_MAX = 2 * SASL_NAME_MAX + SASL_PASSWORD_MAX + 2 };

/* As it is written, a literal; NULL: not a mechanism of ours. ASCII case does not matter (RFC 4422 §3.1 has upper case; clients vary). */
const char *sasl_name(struct str name);

/* A name of a GS2 header or of SCRAM: "=2C" is a comma, "=3D" '='; no other '=', no NUL, not empty (RFC 5801 §4). In the arena. */
bool sasl_name_unescape(struct str in, struct arena *arena, struct str *ret);

enum sasl_mech { SASL_PLAIN, SASL_LOGIN };
const char *sasl_mech_name(enum sasl_mech mech);
struct sasl_client {
    enum sasl_mech mech;
    struct str user, password;      /* borrowed */
    unsigned stage;
};
/* Has an initial response (PLAIN): appended to *out, true. */
bool sasl_client_initial(struct sasl_client *c, struct buf *out);
/* The answer to a challenge, whatever its text: appended to *out. False: the server asks for more than the mechanism has. */
bool sasl_client_step(struct sasl_client *c, struct buf *out);
#endif
