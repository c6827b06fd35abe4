/* SPDX-License-Identifier: ISC
 *
 * Fields, addresses and dates of arbitrary bytes: every list ends, every
 * part is bounded, what is printed parses again as the same address.
 */
#include "proto/addr.h"
#include "proto/date.h"
#include "proto/rfc822.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str s = str_make(data, n), rest = s;
    struct rfc822_field f;
    size_t total = 0;
    while (rfc822_next(&rest, &f))
        total += f.whole.n;
    ASSERT(total + rest.n == n && rfc822_header_len(s) <= n);

    struct addr_parser p = addr_parser_make(s);
    struct addr a;
    size_t members = 0;
    while (addr_next(&p, &a)) {
        ASSERT(++members <= 2 * n + 2 && a.local.n <= ADDR_PART_MAX && a.name.n <= ADDR_PART_MAX);
        struct buf spec = buf_make(0);
        addr_put_spec(&spec, &a);
        buf_done(&spec);
    }
    addr_parser_done(&p);

    int64_t t;
    int zone;
    if (date_parse_rfc5322(s, &t, &zone)) {
        struct buf d = buf_make(0);
        int64_t again;
        date_put_rfc5322(&d, t, zone);
        ASSERT(!date_parse_rfc5322(buf_str(&d), &again, &zone) || again == t);
        buf_done(&d);
    }
    (void)date_parse_imap_time(s, &t, &zone);
    (void)date_parse_imap_day(s, &t);
    return 0;
}
