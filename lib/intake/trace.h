/* SPDX-License-Identifier: ISC
 *
 * trace.h - the Received field (RFC 5321 §4.4) and other text that names this
 * message, in Postfix's form.
 */
#ifndef INTAKE_TRACE_H
#define INTAKE_TRACE_H
#include "base/buf.h"

struct trace {
    struct str helo, client_name, client_addr;      /* client_addr: "192.0.2.1" or "IPv6:..." */
    struct str myhostname, mail_name, protocol, queue_id;
    struct str recipient;                           /* only recipient, or empty */
    struct str sasl_user;                           /* to be shown, or empty */
    const char *tls_protocol, *tls_cipher;          /* NULL = no TLS, or not to be shown */
    int tls_bits, tls_alg_bits;
    const char *tls_key_exchange, *tls_signature, *tls_digest;
    bool tls_client_cert;
    int64_t when;                                   /* unix time */
};
/* Lines joined by LF, without the last. */
void trace_received(struct buf *out, const struct trace *t);
/* Mail from the local submission tool. */
void trace_received_local(struct buf *out, struct str myhostname, struct str mail_name, uint64_t uid, struct str queue_id, int64_t when);
/* "Sun, 22 Nov 2026 18:04:16 +0000 (UTC)" in local time. */
void trace_date(struct buf *out, int64_t when);
/* "<20261122180416.4Dxyz@host>" */
void trace_message_id(struct buf *out, int64_t when, const char *queue_id, const char *host);
#endif
