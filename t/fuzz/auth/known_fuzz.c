/* SPDX-License-Identifier: ISC */
#include "auth/known.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The file of known networks: what was loaded is saved, and loads again as the same text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    enum { TODAY = 20000, MAX = 50 };
    struct known *a = known_new(MAX), *b = known_new(MAX);
    struct buf once = buf_make(0), twice = buf_make(0);
    (void)known_load(a, str_make(data, n), TODAY);
    ASSERT(known_count(a) <= MAX);
    known_save(a, &once);
    ASSERT(known_load(b, buf_str(&once), TODAY) == 0);
    known_save(b, &twice);
    ASSERT(known_count(b) <= known_count(a) && twice.n <= once.n);
    buf_done(&once);
    buf_done(&twice);
    known_free(a);
    known_free(b);
    return 0;
}
