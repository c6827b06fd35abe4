/* SPDX-License-Identifier: ISC
 * qrec_fuzz.c - any bytes as a queue file: reading ends, stays inside, and what is read can be written again. */
#include "base/banned.h"
#include "proto/qrec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str in = str_make(data, n);
    struct qrec rec;
    struct buf again = { 0 };
    struct qrec_size size;
    uint64_t us;
    struct str name, value;
    bool ends;
    size_t sum = 0;
    for (struct qrec_iter it = qrec_iter(in); qrec_next(&it, &rec) == QREC_OK;) {
        sum += rec.data.n;
        (void)(qrec_parse_size(rec.data, &size) || qrec_parse_time(rec.data, &us) || qrec_attr(rec.data, &name, &value));
        (void)qrec_name(rec.type);
    }
    struct qrec_iter raw = qrec_iter(in);
    raw.raw = true;
    while (qrec_next(&raw, &rec) == QREC_OK)
        qrec_put(&again, rec.type, rec.data);
    /* Lengths have longer encodings than the shortest, so the copy may be shorter, never longer. */
    if (again.n > n)
        __builtin_trap();
    for (struct qrec_iter it = qrec_iter(in); qrec_content_next(&it, &value, &ends) == QREC_OK;)
        sum += value.n;
    (void)qrec_content_size(in, &us);
    buf_done(&again);
    return sum == SIZE_MAX;
}
