/* SPDX-License-Identifier: ISC
 *
 * dns.h - questions to the resolver role. An answer that did not come is
 * DNS_TEMP, never "no such name".
 */
#ifndef SMTPSRV_DNS_H
#define SMTPSRV_DNS_H
#include "ipc/helper.h"

enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28 };
enum dns_result { DNS_FOUND, DNS_NONE, DNS_TEMP };
enum { DNS_RECORDS_MAX = 16 };

struct dns { struct helper resolver; void (*want)(void); };
struct dns_records { uint32_t n; struct str rdata[DNS_RECORDS_MAX]; };

/* WAITS. DNS_NONE: no such name, or no such records. Rdata lives in the arena. */
enum dns_result dns_get(struct dns *d, struct str name, enum dns_type type, int64_t deadline, struct arena *a, struct dns_records *ret);
/* WAITS. Is there any A, AAAA (or MX) record? */
enum dns_result dns_has_host(struct dns *d, struct str name, bool mx_too, int64_t deadline, struct arena *a);
/* WAITS. The client's PTR name, and whether it leads back to the address. */
enum dns_result dns_client_name(struct dns *d, struct str addr, int64_t deadline, struct arena *a, struct str *ret_reverse, struct str *ret_name);
/* "1.2.0.192" + suffix: the name of an address in a reversed zone. False for what is no address. */
bool dns_reversed(struct str addr, const char *v4_zone, const char *v6_zone, struct arena *a, struct str *ret);
#endif
