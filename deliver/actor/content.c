/* SPDX-License-Identifier: ISC */
#include <sys/mman.h>
#include <sys/stat.h>
#include "actor.h"
#include "proto/qrec.h"

typedef int piece_fn(void *arg, struct str piece, struct err *err);

static int each_record(struct str whole, size_t from, piece_fn *fn, void *arg, struct err *err)
{
    struct qrec_iter it = qrec_iter(whole);
    struct str text;
    bool ends;
    it.at = from;
    for (;;) {
        switch (qrec_content_next(&it, &text, &ends)) {
        case QREC_OK:
            if (fn(arg, text, err) < 0 || (ends && fn(arg, STR("\n"), err) < 0))
                return -1;
            break;
        case QREC_EOF:
            return it.at >= whole.n ? 0 : err_set(err, ERR_PROTO, "unexpected record in the message content");
        case QREC_BAD:
            return err_set(err, ERR_PROTO, "damaged record in the message content");
        }
    }
}

static int each_in_file(const struct ipc_action *a, piece_fn *fn, void *arg, struct err *err)
{
    struct stat st;
    if (fstat(a->file, &st) < 0)
        return err_sys(err, ERR_TEMP, "queue file");
    if (a->content_at > a->content_end || a->content_end > (uint64_t)st.st_size)
        return err_set(err, ERR_PROTO, "queue file is shorter than its message");
    if (a->content_end == a->content_at)
        return 0;
    void *map = mmap(NULL, (size_t)a->content_end, PROT_READ, MAP_PRIVATE, a->file, 0);
    if (map == MAP_FAILED)
        return err_sys(err, ERR_TEMP, "queue file");
    int rc = each_record(str_make(map, (size_t)a->content_end), (size_t)a->content_at, fn, arg, err);
    munmap(map, (size_t)a->content_end);
    return rc;
}

int content_each(const struct ipc_action *a, piece_fn *fn, void *arg, struct err *err)
{
    if (a->headers.n > 0 && fn(arg, a->headers, err) < 0)
        return -1;
    return a->file >= 0 ? each_in_file(a, fn, arg, err) : each_record(a->content, 0, fn, arg, err);
}
