/* SPDX-License-Identifier: ISC
 *
 * The saved text of an mbox: whatever the file reads by now, the answer is the new text with what lies behind, or nothing.
 * Input: two lengths of a byte each, times 64; then the old text, the new one and the file; and all of it as saved text.
 */
#include "store/mbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct str rest = str_make((const char *)data + 2, size - 2), old, text;
    struct buf saved = buf_make(0), out = buf_make(0);
    old = str_head(rest, (size_t)data[0] * 64);
    rest = str_skip(rest, old.n);
    text = str_head(rest, (size_t)data[1] * 64);
    rest = str_skip(rest, text.n);
    mbox_redo_put(&saved, 1, old, text);
    enum mbox_redo r = mbox_redo_check(buf_str(&saved), 1, rest, &out);
    ASSERT(r == MBOX_REDO_WRITE ? str_starts(buf_str(&out), text) && out.n <= text.n + rest.n : out.n == 0);
    buf_reset(&out);
    ASSERT(mbox_redo_check(buf_str(&saved), 1, text, &out) == MBOX_REDO_NOTHING);
    ASSERT(mbox_redo_check(buf_str(&saved), 1, old, &out) == MBOX_REDO_NOTHING);
    (void)mbox_redo_check(str_make((const char *)data, size), 1, rest, &out);
    buf_done(&saved);
    buf_done(&out);
    return 0;
}
