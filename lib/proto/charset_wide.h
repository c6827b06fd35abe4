/* SPDX-License-Identifier: ISC
 *
 * charset_wide.h - the charsets of East Asian mail: Shift_JIS, EUC-JP,
 * ISO-2022-JP (RFC 1468), GB18030 with GBK and GB2312, Big5, EUC-KR with
 * CP949. Part of charset.c.
 *
 * Where vendors extend a charset under its name, so do we: what is sent as
 * Shift_JIS is read as CP932, GB2312 as GB18030, ks_c_5601-1987 as CP949. The
 * tables are constants, made when Postern is built (gen/charset_gen.c), so a
 * confined process needs no file and a fork copies nothing.
 */
#ifndef PROTO_CHARSET_WIDE_H
#define PROTO_CHARSET_WIDE_H
#include "base/buf.h"

struct charset_wide;
/* NULL when the charset is not one of them. */
const struct charset_wide *charset_wide_find(struct str name);
/* Appends the text as UTF-8; a byte that is wrong becomes U+FFFD, and reading goes on behind it. */
void charset_wide_put(struct buf *out, const struct charset_wide *c, struct str text);
#endif
