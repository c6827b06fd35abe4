/* SPDX-License-Identifier: ISC
 *
 * addr.h - address lists of header fields (RFC 5322 §3.4, with the obsolete
 * routes, empty list members and comments of §4.4, and tolerance for what
 * people write).
 *
 * A parser walks a field value once, from left to right, in linear time and
 * with bounded memory: no part of an address is longer than ADDR_PART_MAX (the
 * rest is cut and `cut` is set). It never fails: whatever stands between two
 * commas comes out as an address, possibly without local part or domain, and
 * `bad` says that it was not an address as the grammar has it.
 *
 *   struct addr_parser p = addr_parser_make(value);
 *   struct addr a;
 *   while (addr_next(&p, &a)) ...
 *   addr_parser_done(&p);
 */
#ifndef PROTO_ADDR_H
#define PROTO_ADDR_H
#include "base/buf.h"

enum { ADDR_PART_MAX = 8192 };
enum addr_kind { ADDR_MAILBOX, ADDR_GROUP, ADDR_GROUP_END };

struct addr {
    enum addr_kind kind;
    bool bad;               /* not an address as RFC 5322 has it */
    bool cut;               /* a part was longer than ADDR_PART_MAX */
    bool has_name;          /* a display name or, failing that, a comment was given */
    bool angle;             /* written in angle brackets */
    struct str name;        /* unquoted; encoded words stay as they are. The group's name for ADDR_GROUP */
    struct str route;       /* "@a,@b" or empty */
    struct str local;       /* unquoted */
    struct str domain;      /* without trailing dot handling; literals keep their brackets */
};

struct addr_parser {
    struct str rest;
    bool in_group, cut;
    struct buf name, route, local, domain, comment;
};

static inline struct addr_parser addr_parser_make(struct str value)
{
    return (struct addr_parser){ .rest = value, .name.limit = ADDR_PART_MAX, .route.limit = ADDR_PART_MAX,
                                 .local.limit = ADDR_PART_MAX, .domain.limit = ADDR_PART_MAX,
                                 .comment.limit = ADDR_PART_MAX };
}
/* The next member of the list; slices live until the next call. False at the end. */
bool addr_next(struct addr_parser *p, struct addr *ret);
void addr_parser_done(struct addr_parser *p);

/* "local@domain", the local part quoted where RFC 5322 wants it; no '@' without a domain. */
void addr_put_spec(struct buf *out, const struct addr *a);
/* In double quotes, a backslash before each quote and backslash (RFC 5321 §4.1.2, RFC 5322 §3.2.4). */
void addr_put_quoted(struct buf *out, struct str text);
/* The local part, quoted where needed. */
void addr_put_local(struct buf *out, struct str local);
#endif
