/* SPDX-License-Identifier: ISC
 *
 * mutf7.h - mailbox names in IMAP's modified UTF-7 (RFC 3501 §5.1.3).
 *
 * Strict: exactly one encoding is valid for each name, so that text -> name ->
 * text is the identity: no base64 of printable ASCII, no two adjacent shifts,
 * zero padding bits, paired surrogates only.
 */
#ifndef PROTO_MUTF7_H
#define PROTO_MUTF7_H
#include "base/buf.h"

/* Appends UTF-8. False on anything that is not canonical; *out may hold a part then. */
bool mutf7_to_utf8(struct buf *out, struct str name);
/* Appends modified UTF-7. False if the text is not UTF-8 or holds a control character. */
bool mutf7_from_utf8(struct buf *out, struct str text);
bool mutf7_is_valid(struct str name);
#endif
