/* SPDX-License-Identifier: ISC
 *
 * pump.h - TLS on one side, plain text on the other, bytes carried between
 * them, thousands of times in one process.
 *
 * A pump is no fiber and owns no buffers while nothing moves: an idle one
 * costs its OpenSSL session. It parses nothing. When one side ends, what is
 * under way is delivered, the other side is told, and the pump closes when
 * both are done or one fails. A side that does not take its data stops the
 * other from being read. The handshake runs on a fiber, since it may wait for
 * a signature; freeing the pump meanwhile ends that wait.
 *
 * A pump whose plain side ended is freed for its owner, but keeps the socket
 * for up to 10 s: it has said that nothing follows, and throws away what the
 * client still sends, so that no reset overtakes the last reply.
 */
#ifndef EVENT_PUMP_H
#define EVENT_PUMP_H
#include "base/err.h"
#include "event/loop.h"
#include "event/tls.h"

struct pump;
struct pump_ops {
    /* The handshake is over. No byte has been carried yet. May call pump_free. info lives as long as the call; of it binding, key_exchange, signature and digest are empty. */
    void (*on_secure)(struct pump *p, void *user, struct tls_info *info);
    /* The client's first bytes have been passed on, or its end. Once; may call pump_free. May be NULL. */
    void (*on_active)(struct pump *p, void *user);
    /* Once, last; the caller still calls pump_free, now or later. err: why the handshake failed, NULL after an ordinary end. */
    void (*on_closed)(struct pump *p, void *user, const struct err *err);
};

/* Takes both descriptors (nonblocking; TCP_NODELAY is the caller's to set). TLS server side on tls_fd. NULL: no memory; then both are closed. Nothing happens before pump_begin(). */
struct pump *pump_new(int tls_fd, struct tls_ctx *ctx, int plain_fd, int64_t handshake_deadline, const struct pump_ops *ops, void *user);
/* On a fiber: WAITS, with the handshake at once, and calls back, so that p may be gone afterwards. Else it waits for the client. Once. */
void pump_begin(struct pump *p);
/* In on_secure: the binding. */
void pump_binding(struct pump *p, struct tls_info *info);
/* In on_secure: bytes for the client, ahead of what comes from the plain side. */
void pump_say(struct pump *p, struct str s);
/* Closes both sides. NULL is fine. */
void pump_free(struct pump *p);
#endif
