/* SPDX-License-Identifier: ISC
 *
 * tls_bio.h - how OpenSSL reads and writes the socket: with recv and send.
 *
 * A session ticket of TLS 1.3 follows the handshake, and nobody waits for it:
 * it is held back and goes out in one call with what the server says first.
 * Nothing else is held, but what is said after tls_bio_ending() leaves the
 * kernel with the end of the connection, in one segment.
 */
#ifndef EVENT_TLS_BIO_H
#define EVENT_TLS_BIO_H
#include "base/def.h"

struct ssl_st;
struct bio_st;

/* NULL: no memory. Does not own the socket; is freed with the session (SSL_set_bio). */
struct bio_st *tls_bio_new(struct ssl_st *ssl, int fd);
/* The caller shuts the socket down, or closes it, right after its next words. */
void tls_bio_ending(struct bio_st *b);
#endif
