/* SPDX-License-Identifier: ISC
 *
 * rfc822.h - the header of a message, field by field (RFC 5322 §2.2, with the
 * obsolete forms of §4).
 *
 * Lines may end in LF or CRLF. A line that begins with white space continues
 * the field before it. The header ends at the first empty line, or with the
 * text. A line without a colon is a field with an empty name: it belongs to
 * the header but has no meaning. Nothing is copied, and all functions take
 * time linear in what they look at.
 */
#ifndef PROTO_RFC822_H
#define PROTO_RFC822_H
#include "base/buf.h"

struct rfc822_field {
    struct str name;    /* as written, without white space before the colon */
    struct str value;   /* after the colon, folds included, without the last line end */
    struct str whole;   /* from the name to the last line end, inclusive */
};

/* Cut the next field off *rest. False at the empty line (*rest is then at it) or at the end. */
bool rfc822_next(struct str *rest, struct rfc822_field *ret);
/* Bytes of the header with the empty line that ends it. All of it when there is none. */
size_t rfc822_header_len(struct str msg);
/* The first field of that name, trimmed and still folded. False if there is none. */
bool rfc822_find(struct str header, struct str name, struct str *ret_value);
/* Skips white space and nested comments (RFC 5322 §3.2.2). */
void rfc822_skip_cfws(struct str *s);
#endif
