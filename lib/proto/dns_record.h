/* SPDX-License-Identifier: ISC
 *
 * dns_record.h - resource records as they travel in DNS_ANSWER: u16 length, then
 * rdata in which names are dotted text. Also parses the hosts file's data.
 */
#ifndef PROTO_DNS_RECORD_H
#define PROTO_DNS_RECORD_H
#include "base/buf.h"

enum dns_type { DNS_TYPE_A = 1, DNS_TYPE_NS = 2, DNS_TYPE_CNAME = 5, DNS_TYPE_PTR = 12, DNS_TYPE_MX = 15, DNS_TYPE_TXT = 16, DNS_TYPE_AAAA = 28, DNS_TYPE_TLSA = 52 };

/* Bit of DNS_QUERY's type: /etc/hosts has a say, too. */
enum { DNS_TYPE_NATIVE = 0x10000 };

/* The type by its name, 0 if it is none that is known here. */
unsigned dns_type_by_name(struct str name);
/* Wire rdata without compression. False, and nothing appended, when it is malformed. */
bool dns_record_add_wire(struct buf *out, unsigned type, struct str rdata);
/* Presentation form: "192.0.2.1", "10 mx.example", text. False when it is malformed. */
bool dns_record_add_text(struct buf *out, unsigned type, struct str data);
#endif
