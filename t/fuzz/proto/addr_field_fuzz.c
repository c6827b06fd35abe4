/* SPDX-License-Identifier: ISC
 *
 * Address fields of arbitrary bytes: what is written is one field, whose
 * lines go on with a tab, no longer than what was put into it, and can be
 * rewritten again.
 */
#include "proto/addr_field.h"

struct seen { struct buf room; size_t n; };

static enum addr_verdict map(void *arg, struct str address, struct str *ret)
{
    struct seen *seen = arg;
    seen->n++;
    ASSERT(address.n > 0);
    if (str_chr(address, '@') >= 0)
        return ADDR_SAME;
    buf_reset(&seen->room);
    buf_add(&seen->room, address);
    buf_puts(&seen->room, "@x.test");
    *ret = buf_str(&seen->room);
    return ADDR_CHANGED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct seen seen = { .room = buf_make(0) }, again = { .room = buf_make(0) };
    struct buf out = buf_make(0), second = buf_make(0);
    struct str name, value;
    if (addr_field_rewrite(STR("To"), str_make(data, n), map, &seen, &out) == ADDR_CHANGED) {
        ASSERT(str_cut(buf_str(&out), ':', &name, &value) && seen.n > 0);
        /* Quotes around and within a local part, a new domain, a comma's space. */
        ASSERT(out.n <= 4 + 4 * n + seen.n * 16);
        for (size_t i = 0; i < out.n; i++)
            ASSERT(out.p[i] != '\r' && (out.p[i] != '\n' || (i + 1 < out.n && out.p[i + 1] == '\t')));
        (void)addr_field_rewrite(name, value, map, &again, &second);
    }
    buf_done(&seen.room);
    buf_done(&again.room);
    buf_done(&out);
    buf_done(&second);
    return 0;
}
