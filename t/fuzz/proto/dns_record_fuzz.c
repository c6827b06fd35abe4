/* SPDX-License-Identifier: ISC
 * dns_record_fuzz.c - first byte: the type; the rest: rdata, then text. */
#include "base/num.h"
#include "proto/dns_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf out = buf_make(0);
    if (n == 0)
        return 0;
    struct str in = str_make(data + 1, n - 1);
    if (dns_record_add_wire(&out, data[0], in))
        ASSERT(out.n >= 2 && get_be16((const uint8_t *)out.p) == out.n - 2);
    else
        ASSERT(out.n == 0);
    buf_reset(&out);
    if (!dns_record_add_text(&out, data[0], in))
        ASSERT(out.n == 0);
    buf_done(&out);
    return 0;
}
