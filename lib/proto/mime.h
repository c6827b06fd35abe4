/* SPDX-License-Identifier: ISC
 *
 * mime.h - the structure of a MIME message (RFC 2045, 2046): where each part's
 * header and body lie, and how large they are on the wire.
 *
 * One pass over the text, no recursion, time linear in its length whatever it
 * holds. Limits: nesting of MIME_DEPTH_MAX, MIME_PARTS_MAX parts, boundaries
 * of MIME_BOUNDARY_MAX bytes, MIME_PARAMS_MAX parameters per field. What lies
 * beyond a limit is the text of the part that it is in: nothing is refused and
 * nothing is lost. Lines may end in LF or CRLF; sizes are counted as if every
 * line end were CRLF.
 *
 * Parts are in the order of the text; part 0 is the message itself.
 */
#ifndef PROTO_MIME_H
#define PROTO_MIME_H
#include "base/arena.h"
#include "base/buf.h"

enum { MIME_DEPTH_MAX = 100, MIME_PARTS_MAX = 10000, MIME_BOUNDARY_MAX = 1000, MIME_PARAMS_MAX = 200 };
enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };

struct mime_span {
    size_t at, len;         /* in the text as given */
    size_t wire;            /* length with CRLF line ends */
    size_t lines;           /* line ends in it */
};

struct mime_part {
    enum mime_kind kind;
    bool is_text;           /* text/anything, or no usable Content-Type */
    bool is_digest;         /* multipart/digest: children without a type are messages */
    uint32_t depth;
    int32_t parent, first_child, last_child, next;      /* -1 = none */
    uint32_t n_children;
    struct mime_span header;                            /* with its empty line */
    struct mime_span body;                              /* without the line end before a boundary */
};

struct mime_msg { struct mime_part *parts; size_t n, cap; };

/* Replaces what *ret held; its memory is reused. */
void mime_parse(struct str text, struct mime_msg *ret);
void mime_msg_done(struct mime_msg *m);

/* --- values of fields ---------------------------------------------------- */

struct mime_param { struct str name, value; };
struct mime_value {
    struct str type, subtype;           /* "text" "plain"; for Content-Disposition the subtype is empty */
    struct mime_param params[MIME_PARAMS_MAX];
    size_t n_params;
    struct buf text, joined;            /* hold the unquoted values, and those that were put together */
};
/*
 * Content-Type or Content-Disposition. False when there is no type as RFC 2045
 * §5.1 has it. Parameters in pieces (RFC 2231 §3: name*0, name*1*) are put
 * together as name, or as name* when a piece is encoded; what lacks a piece stays. Slices live until the next call or mime_value_done().
 */
bool mime_value_parse(struct mime_value *v, struct str field, bool with_subtype);
bool mime_value_param(const struct mime_value *v, const char *name, struct str *ret);
void mime_value_done(struct mime_value *v);

/* --- transfer encodings -------------------------------------------------- */

enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QP, MIME_ENCODING_UNKNOWN };
enum mime_encoding mime_encoding(struct str field);
/* The token that a field begins with, without comments and what follows. */
struct str mime_token(struct str field);
/* Appends what can be decoded; errors are skipped over, as readers do. */
void mime_decode(struct buf *out, enum mime_encoding how, struct str text);
#endif
