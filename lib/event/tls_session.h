/* SPDX-License-Identifier: ISC
 *
 * tls_session.h - one TLS session on a nonblocking socket, for conn and pump.
 * Nothing here waits; TLS_WANT_* says what to wait for before calling again.
 */
#ifndef EVENT_TLS_SESSION_H
#define EVENT_TLS_SESSION_H
#include "event/tls.h"

struct tls;
enum tls_io { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_CLOSED, TLS_FAILED };

/* NULL: no memory. name: SNI and the name to check, clients only, may be NULL. */
struct tls *tls_new(struct tls_ctx *ctx, int fd, const char *name);
/* Sends close_notify if the socket takes it. Does not close the socket, which the caller does at once: it all goes in one segment. NULL is fine. */
void tls_free(struct tls *t);
/* What is written from now on is followed by tls_free() at once. */
void tls_ending(struct tls *t);
/* *err is set on TLS_CLOSED and TLS_FAILED. */
enum tls_io tls_handshake(struct tls *t, struct err *err);
enum tls_io tls_read(struct tls *t, void *p, size_t n, size_t *ret_n);
/* Writes a part, like write(2). */
enum tls_io tls_write(struct tls *t, const void *p, size_t n, size_t *ret_n);
/* Decrypted or undecrypted input in memory, so that the socket alone cannot tell? */
bool tls_has_pending(const struct tls *t);
/* After the handshake. */
const struct tls_info *tls_session_info(struct tls *t);
/* The same without what is dear: binding, and key_exchange, signature and digest, which are for Postfix's log line. t keeps nothing. */
void tls_session_brief(struct tls *t, struct tls_info *ret);
/* The binding of it. */
void tls_session_binding(struct tls *t, struct tls_info *info);
#endif
