/* SPDX-License-Identifier: ISC
 *
 * imap_seqset.h - sequence sets (RFC 3501 §9): "1:3,7,9:*".
 *
 * Parsed as written, resolved against the largest number in the mailbox: then
 * the ranges rise, do not touch each other, and hold no star.
 */
#ifndef PROTO_IMAP_SEQSET_H
#define PROTO_IMAP_SEQSET_H
#include "proto/imap_parse.h"

struct imap_range { uint32_t from, to; };       /* 0 = "*", until resolved */
struct imap_seqset { struct imap_range *ranges; size_t n; bool saved; /* "$" */ };

/* Memory is the cursor's arena's. */
bool imap_seqset_parse(struct imap_cur *c, struct imap_seqset *ret);
/* The star becomes max (0: an empty mailbox, where the star is nothing). */
void imap_seqset_resolve(struct imap_seqset *s, uint32_t max);
/* Of a resolved set. */
bool imap_seqset_has(const struct imap_seqset *s, uint32_t n);
/* The largest number written in it, a star not counted. */
uint32_t imap_seqset_max(const struct imap_seqset *s);
/* "1:3,7": rising numbers come in, ranges go out. */
struct imap_range_writer { struct buf *out; uint32_t from, to; bool any; };
void imap_range_add(struct imap_range_writer *w, uint32_t n);
void imap_range_end(struct imap_range_writer *w);
#endif
