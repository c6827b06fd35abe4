/* SPDX-License-Identifier: ISC
 *
 * charset.h - text of any charset as UTF-8, encoded words (RFC 2047), and the
 * folding that searches compare by.
 *
 * The encodings of Unicode, the single-byte charsets and those of East Asian mail are built in,
 * and there are no others: a confined process can load no converter. Bytes that
 * are wrong in their charset become U+FFFD, so conversion always ends with
 * valid UTF-8. Folding maps letters of the Latin, Greek, Cyrillic and Armenian
 * blocks to lower case; it knows no locale.
 */
#ifndef PROTO_CHARSET_H
#define PROTO_CHARSET_H
#include "base/buf.h"

bool charset_is_known(struct str charset);
/* UTF-8 or a part of it: needs no conversion. */
bool charset_is_utf8(struct str charset);
/* Appends. False if the charset is unknown: then the bytes are taken as UTF-8 where they can be. */
bool charset_to_utf8(struct buf *out, struct str charset, struct str text);
/* A header value with its encoded words decoded and its folds removed. */
void charset_decode_header(struct buf *out, struct str value);
/* Lower case; runs of white space become one space, what is not UTF-8 becomes U+FFFD. Wants room for three times the text. */
void charset_fold(struct buf *out, struct str text);
#endif
