/* SPDX-License-Identifier: ISC
 * qmsg_fuzz.c - any bytes as an envelope from a channel, as a journal record's payload, and as a showq stream. */
#include "base/banned.h"
#include "queue/qmsg.h"
#include "queue/showq.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void as_envelope(struct str in)
{
    struct err err;
    struct buf file = { 0 };
    for (uint32_t rcpts = 1; rcpts < 3; rcpts++) {
        struct qmsg *m = qmsg_new("0ABCDE123");
        buf_add(&m->envelope, in);
        if (qmsg_parse_envelope(m, QMSG_CHANNEL_RECORDS, rcpts, &err) == 0) {
            qmsg_put_file(m, &file);
            /* What was taken must come out whole: one R per recipient, at the offset that is marked. */
            for (uint32_t i = 0; i < m->n_rcpt; i++)
                if (m->rcpts[i].mark_at >= file.n || file.p[m->rcpts[i].mark_at] != QREC_RCPT)
                    __builtin_trap();
        }
        buf_reset(&file);
        qmsg_free(m);
    }
    buf_done(&file);
}

static void as_journal(struct str in)
{
    struct err err;
    struct buf again = { 0 };
    struct qmsg *m = qmsg_from_journal(in, &err);
    if (m != NULL) {
        qmsg_put_journal(m, &again);
        buf_add(&again, buf_str(&m->content));
        if (again.n != in.n)
            __builtin_trap();
    }
    buf_done(&again);
    qmsg_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str in = str_make(data, n), name, value;
    as_envelope(in);
    as_journal(in);
    while (in.n > 0 && showq_next(&in, &name, &value) != SHOWQ_BAD)
        ;
    return 0;
}
