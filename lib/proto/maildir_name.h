/* SPDX-License-Identifier: ISC
 *
 * maildir_name.h - names of message files. Pure.
 *
 *   <unique>[,S=<bytes>][,W=<bytes with CRLF>][,other]:2,<DFRST><a-z>[,other]
 *
 * The base name is what stands before ":2,": it never changes and is what
 * dovecot-uidlist lists. Letters that we do not know and whatever follows a
 * second comma are kept when flags change; letters are written in ASCII order.
 */
#ifndef PROTO_MAILDIR_NAME_H
#define PROTO_MAILDIR_NAME_H
#include "base/buf.h"

/* The same bits as store.h's enum store_flag; bit n of keywords is letter 'a' + n. */
enum maildir_flag { MAILDIR_DRAFT = 1, MAILDIR_FLAGGED = 2, MAILDIR_REPLIED = 4, MAILDIR_SEEN = 8, MAILDIR_TRASHED = 16 };

struct maildir_name {
    struct str base;        /* before ":2," or the whole name */
    bool has_size, has_vsize;
    uint64_t size, vsize;   /* S= and W= */
    uint8_t flags;          /* enum maildir_flag */
    uint32_t keywords;
    struct str unknown;     /* the flag letters as they stand, known ones included; for maildir_name_put */
    struct str extra;       /* after the comma that ends the letters, without it; has_extra tells empty from absent */
    bool has_extra;
};

/* False for names that are no message: empty, hidden, with '/' or NUL or a line end in them, or too long. */
bool maildir_name_parse(struct str name, struct maildir_name *ret);
/* The name with other flags and keywords; the rest as in *n. */
void maildir_name_put(struct buf *out, const struct maildir_name *n, uint8_t flags, uint32_t keywords);
#endif
