/* SPDX-License-Identifier: ISC
 *
 * Answers of tcp and socketmap servers, whole and cut at every length: what is
 * complete is never made more complete by fewer bytes, and any answer has one
 * of the three results.
 */
#include "map/socket_proto.h"

static void try_protocol(struct str in, int (*complete)(struct str), enum map_result (*answer)(struct str, struct buf *))
{
    struct buf value = buf_make(0);
    int whole = complete(in);
    ASSERT(whole >= -1 && whole <= 1);
    if (whole == 1) {
        enum map_result r = answer(in, &value);
        ASSERT(r == MAP_FOUND || r == MAP_NONE || r == MAP_TEMP);
        ASSERT(value.n <= in.n);
        for (size_t cut = 0; cut < in.n; cut++)
            ASSERT(complete(str_head(in, cut)) == 0);
    }
    buf_done(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 4096)
        return 0;
    try_protocol(str_make(data, n), socket_tcp_complete, socket_tcp_answer);
    try_protocol(str_make(data, n), socket_map_complete, socket_map_answer);
    return 0;
}
