/* SPDX-License-Identifier: ISC
 *
 * tickets.h - the keys of session tickets: two generations of a secret that
 * exists in locked memory only, and what each service gets of them.
 *
 * A service's keys are derived from the secret and its name: whoever has the
 * keys of one service knows nothing of another's.
 */
#ifndef KEYS_TICKETS_H
#define KEYS_TICKETS_H
#include "base/str.h"

enum { TICKETS_SECRET = 32, TICKETS_KEY = 80 };

struct ticket_secrets { unsigned char current[TICKETS_SECRET], previous[TICKETS_SECRET]; bool has_previous; };

/* A new secret; the old one, if there was one, becomes the previous. */
void tickets_renew(struct ticket_secrets *s, bool first);
/* Take over a predecessor's. False, and nothing changed, when a length is wrong. */
bool tickets_inherit(struct ticket_secrets *s, struct str current, struct str previous);
/* Name, cipher key and MAC key for a service, of a role ("tls", "imaps"). */
void tickets_derive(const unsigned char secret[TICKETS_SECRET], const char *role, const char *service, unsigned char ret_key[TICKETS_KEY]);
#endif
