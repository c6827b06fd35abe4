/* SPDX-License-Identifier: ISC
 *
 * delivery_log.h - the line that every delivery ends in, as log readers expect
 * it (program smtp, local, virtual, pipe, error ...):
 *   ID: to=<R>[, orig_to=<O>], relay=X, delay=D, delays=a/b/c/d, dsn=X.Y.Z, status=sent (text)
 * Pure.
 */
#ifndef PROTO_DELIVERY_LOG_H
#define PROTO_DELIVERY_LOG_H
#include "base/buf.h"

/* Wall clock in microseconds of the four steps a delivery has. */
struct delivery_times { int64_t arrival, active, start, connected, end; };

/* Seconds with two significant digits, at most two after the point: "0.03", "1.2", "137". */
void delivery_put_delay(struct buf *out, int64_t us);
/* orig may be empty or equal to the recipient. extra: ", conn_use=2" or "". status: "sent", "deferred", "bounced". */
void delivery_log_put(struct buf *out, struct str queue_id, struct str to, struct str orig, struct str relay, struct str extra,
                      const struct delivery_times *t, struct str dsn, const char *status, struct str text);
#endif
