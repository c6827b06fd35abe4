/* SPDX-License-Identifier: ISC
 *
 * tls_ticket.h - the keys of session tickets (RFC 5077, RFC 8446 section 4.6.1).
 *
 * One set per process, for all its server contexts; which service a ticket is
 * for is told by the context's session id context. Until somebody sets keys,
 * tickets are made with a random key of this process. Keys live in locked
 * memory and are never written anywhere. A ticket under the previous key is
 * honoured and replaced.
 */
#ifndef EVENT_TLS_TICKET_H
#define EVENT_TLS_TICKET_H
#include "base/str.h"

enum { TLS_TICKET_KEY = 80 };   /* 16 name, 32 AES-256, 32 HMAC-SHA256 */

/* previous may be empty: then the current one becomes it. False, and nothing changed, when a length is wrong. */
bool tls_ticket_set(struct str current, struct str previous);

/* For tls.c. ctx: SSL_CTX. False: no memory or no random numbers. */
bool tls_ticket_use(void *ctx);
#endif
