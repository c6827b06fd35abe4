/* SPDX-License-Identifier: ISC
 *
 * Answers of tcp, socketmap and userdb servers, whole and cut at every length: what is
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

/* Its values are texts of ours, too; the rest holds as for the others. */
static enum map_result answer_mailbox(struct str got, struct buf *value)
{
    struct buf text = buf_make(0);
    enum map_result r = socket_userdb_answer(got, STR("mailbox"), &text);
    ASSERT(r != MAP_FOUND || (text.n > 0 && text.p[0] == '/' && text.n <= got.n));
    ASSERT(socket_userdb_answer(got, STR("uid"), value) <= MAP_TEMP);
    buf_reset(value);
    buf_done(&text);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n > 4096)
        return 0;
    try_protocol(str_make(data, n), socket_tcp_complete, socket_tcp_answer);
    try_protocol(str_make(data, n), socket_map_complete, socket_map_answer);
    try_protocol(str_make(data, n), socket_userdb_complete, answer_mailbox);
    return 0;
}
