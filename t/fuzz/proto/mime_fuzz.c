/* SPDX-License-Identifier: ISC
 *
 * Structure of arbitrary text: parts lie inside the text and inside their
 * parents, sizes on the wire agree with the bytes, decoders end.
 */
#include "proto/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_span(struct str text, const struct mime_span *s)
{
    size_t bare = 0, lines = 0;
    ASSERT(s->at <= text.n && s->len <= text.n - s->at);
    for (size_t i = s->at; i < s->at + s->len; i++)
        if (text.p[i] == '\n') {
            lines++;
            bare += i == 0 || text.p[i - 1] != '\r' ? 1 : 0;
        }
    ASSERT(s->lines == lines && s->wire == s->len + bare);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str s = str_make(data, n);
    struct mime_msg m = { 0 };
    mime_parse(s, &m);
    ASSERT(m.n >= 1 && m.n <= MIME_PARTS_MAX);
    for (size_t i = 0; i < m.n; i++) {
        const struct mime_part *p = &m.parts[i];
        check_span(s, &p->header);
        check_span(s, &p->body);
        ASSERT(p->header.at + p->header.len <= p->body.at && p->depth < MIME_DEPTH_MAX);
        if (p->parent >= 0) {
            const struct mime_part *up = &m.parts[p->parent];
            /* A header that a delimiter cuts short keeps the line end before the delimiter. */
            ASSERT(up->body.at <= p->header.at && p->body.at + p->body.len <= up->body.at + up->body.len + 2);
        }
    }
    mime_msg_done(&m);
    struct mime_value v = { 0 };
    (void)mime_value_parse(&v, s, true);
    (void)mime_value_parse(&v, s, false);
    mime_value_done(&v);
    struct buf out = buf_make(0);
    mime_decode(&out, MIME_BASE64, s);
    mime_decode(&out, MIME_QP, s);
    ASSERT(out.n <= 2 * n + 2);
    buf_done(&out);
    return 0;
}
