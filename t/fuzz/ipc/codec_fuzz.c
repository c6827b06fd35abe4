/* SPDX-License-Identifier: ISC
 *
 * codec_fuzz.c - the frame decoder. What decodes must encode to the same bytes.
 */
#include "ipc/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    unsigned type;
    uint32_t id;
    if (n < IPC_FRAME_HEAD || ipc_frame_size(data, &type, &id) != n)
        return 0;
    union ipc_any msg;
    if (!ipc_decode((enum ipc_type)type, data + IPC_FRAME_HEAD, n - IPC_FRAME_HEAD, &msg))
        return 0;
    struct buf again = { 0 };
    ASSERT(ipc_encode((enum ipc_type)type, id, &msg, &again));
    ASSERT(again.n == n && memcmp(again.p, data, n) == 0);
    buf_done(&again);
    return 0;
}
