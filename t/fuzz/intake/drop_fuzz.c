/* SPDX-License-Identifier: ISC */
#include "intake/drop.h"
#include "proto/qrec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct drop d;
    struct err err;
    uint64_t size;
    if (drop_parse(str_make(data, n), &d, &err) == 0 && (d.rcpts.n == 0 || !qrec_content_size(d.content, &size)))
        __builtin_trap();
    drop_done(&d);
    return 0;
}
