/* SPDX-License-Identifier: ISC
 *
 * sasl.h - SASL mechanisms as pure steppers: PLAIN (RFC 4616) and LOGIN
 * (draft-murchison-sasl-login), both sides. Messages here are decoded; base64
 * and line limits are the caller's.
 *
 * The server side refuses: an authorization identity other than the
 * authentication identity (there are no master users), empty names or
 * passwords, control characters or invalid UTF-8 in the name, anything over
 * SASL_NAME_MAX / SASL_PASSWORD_MAX, a message more than the mechanism has.
 * After SASL_FAILED or SASL_DONE a stepper must not be used again.
 */
#ifndef PROTO_SASL_H
#define PROTO_SASL_H
#include "base/arena.h"
#include "base/buf.h"

enum { SASL_NAME_MAX = 255, SASL_PASSWORD_MAX = 1024, SASL_MESSAGE_MAX = 2 * SASL_NAME_MAX + SASL_PASSWORD_MAX + 2 };

enum sasl_mech { SASL_PLAIN, SASL_LOGIN, SASL_MECHS };
/* SASL_MECHS when it is none of ours. ASCII case does not matter (RFC 4422 §3.1 has upper case; clients vary). */
enum sasl_mech sasl_mech_by_name(struct str name);
const char *sasl_mech_name(enum sasl_mech mech);

/* A name of a GS2 header or of SCRAM: "=2C" is a comma, "=3D" '='; no other '=', no NUL, not empty (RFC 5801 §4). In the arena. */
bool sasl_name_unescape(struct str in, struct arena *arena, struct str *ret);

enum sasl_step { SASL_CONTINUE, SASL_DONE, SASL_FAILED };

struct sasl_server {
    enum sasl_mech mech;
    unsigned stage;
    struct str user, password;      /* after SASL_DONE; in the arena */
};
/*
 * in: the client's message, NULL when it sent no initial response (first step
 * only). SASL_CONTINUE: *ret_challenge is the prompt to send.
 */
enum sasl_step sasl_server_step(struct sasl_server *s, const struct str *in, struct arena *arena, struct str *ret_challenge);

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
