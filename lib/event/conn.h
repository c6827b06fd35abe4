/* SPDX-License-Identifier: ISC
 *
 * conn.h - a buffered byte stream over a socket, plain or TLS with the same calls.
 *
 * Input is read into one buffer and handed out as slices of it; a slice is
 * valid until the next read call. Output collects in a buffer and goes out
 * when a read would wait, when it passes 16 KiB, or at conn_flush(): a
 * pipelined batch is answered in one write. A connection belongs to one fiber.
 */
#ifndef EVENT_CONN_H
#define EVENT_CONN_H
#include "base/buf.h"
#include "base/err.h"
#include "event/fiber.h"

struct conn;
struct tls_ctx;
struct tls_info;

enum read_result {
    READ_OK,
    READ_TOO_LONG,  /* no line end within max: the line was thrown away up to its end, at most 64 KiB of it, else READ_CLOSED */
    READ_TIMEOUT,
    READ_CLOSED,    /* end of file or a network error */
    READ_CANCELLED,
};

/* Takes the descriptor (a nonblocking stream socket; TCP_NODELAY is set). in_max: largest line or block that can be read. */
struct conn *conn_new(int fd, size_t in_max);
/* Bytes that somebody else has read from this stream already (at most in_max): they are read first. Before the first read. */
void conn_preload(struct conn *c, struct str bytes);
/* Closes; TLS gets its close_notify if that does not wait. NULL is fine. */
void conn_free(struct conn *c);
/* Give the descriptor away (no TLS, no buffered output); buffered input goes to *ret_pending, which must be copied before conn_free. */
int conn_detach(struct conn *c, struct str *ret_pending);
int conn_fd(const struct conn *c);

/*
 * WAITS for a line. Ends at LF; *ret_line is without LF and without one CR
 * before it; conn_line_was_bare() tells that there was no CR.
 */
enum read_result conn_read_line(struct conn *c, size_t max, int64_t deadline, struct str *ret_line);
bool conn_line_was_bare(const struct conn *c);
/* WAITS until at least `least` bytes are buffered (least <= in_max); *ret is all that is buffered. Consumes nothing. */
enum read_result conn_fill(struct conn *c, size_t least, int64_t deadline, struct str *ret);
/* Buffered input that has not been consumed. */
struct str conn_pending(const struct conn *c);
void conn_consume(struct conn *c, size_t n);
/* Bytes readable at once without waiting? Looks at the buffer and, unless it has some, at the socket. */
bool conn_has_input(struct conn *c);

/* Append to the output; WAITS (up to the write deadline) only when more than 64 KiB are pending. */
void conn_put(struct conn *c, struct str s);
void conn_puts(struct conn *c, const char *z);
void conn_printf(struct conn *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* WAITS until all output is with the kernel. False when the peer is gone or too slow. */
bool conn_flush(struct conn *c, int64_t deadline);
/* How long a write may wait in total when conn_put or a read has to flush. Default 300 s. */
void conn_set_write_timeout(struct conn *c, int64_t ms);
bool conn_is_broken(const struct conn *c);

/*
 * WAITS for a TLS handshake as server (STARTTLS after its reply was put, or
 * implicit). Pending plaintext input makes it fail at once (RFC 3207 §5 and the
 * injection attacks against it): the caller closes the connection.
 */
int conn_tls_accept(struct conn *c, struct tls_ctx *ctx, int64_t deadline, struct err *err);
/* As client; name: SNI and, if the context verifies, the name to check; may be NULL. */
int conn_tls_connect(struct conn *c, struct tls_ctx *ctx, const char *name, int64_t deadline, struct err *err);
bool conn_is_tls(const struct conn *c);
/* What was negotiated; NULL without TLS. */
const struct tls_info *conn_tls_info(const struct conn *c);
#endif
