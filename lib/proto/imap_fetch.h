/* SPDX-License-Identifier: ISC
 *
 * imap_fetch.h - what FETCH asks for (RFC 3501 §6.4.5), and the texts that
 * describe a message: ENVELOPE, BODY, BODYSTRUCTURE (§7.4.2).
 */
#ifndef PROTO_IMAP_FETCH_H
#define PROTO_IMAP_FETCH_H
#include "proto/imap_parse.h"
#include "proto/mime.h"

enum imap_item {
    ITEM_FLAGS, ITEM_INTERNALDATE, ITEM_SIZE, ITEM_ENVELOPE, ITEM_BODY, ITEM_BODYSTRUCTURE, ITEM_UID, ITEM_SECTION,
};
enum imap_section_what {
    SECTION_ALL, SECTION_HEADER, SECTION_FIELDS, SECTION_FIELDS_NOT, SECTION_TEXT, SECTION_MIME,
};
enum { IMAP_PATH_MAX = MIME_DEPTH_MAX, IMAP_ITEMS_MAX = 64, IMAP_FIELDS_MAX = 256 };

struct imap_section {
    enum imap_section_what what;
    uint32_t *path;             /* part numbers, 1.. */
    size_t n_path;
    struct str *fields;
    size_t n_fields;
    bool peek, partial;
    uint32_t from, len;         /* of a partial fetch */
    struct str label;           /* as it is named in the reply, without <origin> */
};

struct imap_fetch {
    struct { enum imap_item item; struct imap_section *section; } items[IMAP_ITEMS_MAX];
    size_t n;
};

/* One attribute, a macro, or a list. Memory is the cursor's arena's. *ret_why: what is wrong. */
bool imap_fetch_parse(struct imap_cur *c, struct imap_fetch *ret, const char **ret_why);
/* Adds an item in front unless it is there. */
void imap_fetch_want(struct imap_fetch *f, enum imap_item item);

/* The part that a path leads to, -1 if there is none. §6.4.5: part 1 of what is no multipart is itself. */
int32_t imap_find_part(const struct mime_msg *m, const uint32_t *path, size_t n);
/*
 * The bytes of a section of `text`, whose structure is m: either a slice of it or, for
 * header fields, what is put into *scratch. False if there is no such part: an empty string.
 */
bool imap_section_get(const struct imap_section *s, struct str text, const struct mime_msg *m, struct buf *scratch,
                      struct str *ret);

/* The parenthesised value. header: of the message. */
void imap_put_envelope(struct buf *out, struct str header);
/* BODYSTRUCTURE (extended) or BODY. */
void imap_put_bodystructure(struct buf *out, struct str text, const struct mime_msg *m, bool extended);
#endif
