/* SPDX-License-Identifier: ISC
 *
 * Sources of tables and aliases: every byte string is read to its end, and an
 * entry has a key and a value.
 */
#include "map/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 8192)
        return 0;
    for (int aliases = 0; aliases < 2; aliases++) {
        struct source s;
        struct source_entry e;
        enum source_result r;
        source_init(&s, "fuzz", str_make(data, n), aliases != 0);
        while ((r = source_next(&s, &e)) != SOURCE_END) {
            ASSERT(r == SOURCE_ENTRY ? e.key.n > 0 && e.value.n > 0 : s.warning[0] != '\0');
        }
        source_done(&s);
    }
    return 0;
}
