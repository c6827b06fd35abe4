/* SPDX-License-Identifier: ISC
 *
 * mbox_scan.h - the text of an mbox, cut into messages, and the header fields
 * in which mail readers keep UIDs and flags there. Pure.
 *
 * A message begins with a "From " line that is the first of the file or follows
 * an empty one and ends in a date as asctime(3) writes it. X-IMAPbase (or
 * X-IMAP) of the first message holds "<uidvalidity> <last uid> [keywords]",
 * each message may have X-UID, Status, X-Status, X-Keywords, Content-Length.
 * These fields are ours: they are hidden from readers, and never believed when
 * they do not fit (a sender may have written them).
 */
#ifndef PROTO_MBOX_SCAN_H
#define PROTO_MBOX_SCAN_H
#include "base/buf.h"

struct mbox_message {
    size_t at, head, body, end;     /* offsets: From_ line, header, empty line's end, next message (or the end) */
    struct str from;                /* the From_ line without its end */
    bool has_base;
    uint32_t uidvalidity, last_uid;
    struct str base_keywords;       /* names after them */
    uint32_t uid;                   /* X-UID, 0 = none */
    bool seen, old, answered, flagged, draft, deleted;
    struct str keywords;            /* X-Keywords */
    bool internal;                  /* the first, with X-IMAPbase and c-client's subject: folder data, no message */
};

/* The message at *pos, which is moved behind it. False at the end, or when the text does not begin with a From_ line. */
bool mbox_next(struct str text, size_t *pos, struct mbox_message *ret);
/* Header and body without our fields and without the separating empty line. */
void mbox_put_visible(struct buf *out, struct str text, const struct mbox_message *m);
/* Time of a From_ line as UTC, 0 when it has none. */
int64_t mbox_from_date(struct str from);
/* Is it a header field that readers do not see? */
bool mbox_is_hidden(struct str line);
#endif
