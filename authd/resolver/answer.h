/* SPDX-License-Identifier: ISC
 *
 * answer.h - resource records as they travel in DNS_ANSWER: u16 length, then
 * rdata in which names are dotted text. Also parses the hosts file's data.
 */
#ifndef RESOLVER_ANSWER_H
#define RESOLVER_ANSWER_H
#include "base/buf.h"

enum rr_type { RR_A = 1, RR_NS = 2, RR_CNAME = 5, RR_PTR = 12, RR_MX = 15, RR_TXT = 16, RR_AAAA = 28, RR_TLSA = 52 };

/* The type by its name, 0 if it is none that is known here. */
unsigned rr_type_by_name(struct str name);
/* Wire rdata without compression. False, and nothing appended, when it is malformed. */
bool answer_add_wire(struct buf *out, unsigned type, struct str rdata);
/* Presentation form: "192.0.2.1", "10 mx.example", text. False when it is malformed. */
bool answer_add_text(struct buf *out, unsigned type, struct str data);
#endif
