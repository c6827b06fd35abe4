/* SPDX-License-Identifier: ISC
 *
 * charset_utf.h - the encodings of Unicode other than UTF-8: UTF-7 (RFC 2152),
 * UTF-16 and UTF-32 (RFC 2781 §4.3 for the byte order: a mark, else big-endian).
 * Half a surrogate pair, a cut unit or a byte that UTF-7 has not is U+FFFD.
 */
#ifndef PROTO_CHARSET_UTF_H
#define PROTO_CHARSET_UTF_H
#include "base/buf.h"

struct charset_utf;
/* NULL: none of that name. */
const struct charset_utf *charset_utf_find(struct str name);
/* Appends as UTF-8. */
void charset_utf_put(struct buf *out, const struct charset_utf *c, struct str text);
#endif
