/* SPDX-License-Identifier: ISC
 *
 * uidlist.h - lines of Dovecot's dovecot-uidlist, dovecot-keywords and
 * subscriptions. Pure.
 *
 *   3 V<uidvalidity> N<next uid> G<32 hex> [other fields, kept]
 *   <uid> [<key><value> ...] :<base name>
 * version 1:   1 <uidvalidity> <next uid>   /   <uid> <base name>
 *
 * Refused as damage: a UID that does not rise, 0 or over 32 bits, a name with
 * '/' or NUL. A damaged line is skipped by the reader, never guessed at.
 */
#ifndef PROTO_UIDLIST_H
#define PROTO_UIDLIST_H
#include "base/buf.h"

struct uidlist_head {
    unsigned version;       /* 1 or 3 */
    uint32_t uidvalidity, uidnext;
    bool has_guid;
    uint8_t guid[16];
    struct str other;       /* further fields as they stand, each with a space before it */
};
struct uidlist_line {
    uint32_t uid;
    struct str ext;         /* "S123 W130 Gabc ": the extension fields as they stand, or empty */
    struct str base;
};

/* line: without its LF. */
bool uidlist_parse_head(struct str line, struct uidlist_head *ret);
bool uidlist_parse_line(struct str line, unsigned version, struct uidlist_line *ret);
/* Value of an extension field of a line; false if it is not there. */
bool uidlist_ext(struct str ext, char key, struct str *ret_value);
/* With LF; always as version 3. */
void uidlist_put_head(struct buf *out, const struct uidlist_head *h);
void uidlist_put_line(struct buf *out, const struct uidlist_line *l);

/* "<0..25> <name>" of dovecot-keywords. */
bool keywords_parse_line(struct str line, unsigned *ret_index, struct str *ret_name);

/*
 * The subscriptions file, whole: first call with *pos = 0. Names come out with `separator`
 * between levels, appended to *out (which is reset first). False at the end.
 */
bool subscriptions_next(struct str file, size_t *pos, char separator, struct buf *out);
/* First lines of a version 2 file, and one of its lines. */
void subscriptions_put_head(struct buf *out);
void subscriptions_put(struct buf *out, struct str name, char separator);
#endif
