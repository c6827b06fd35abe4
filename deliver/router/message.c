/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <unistd.h>
#include "proto/qrec.h"
#include "router.h"

enum { HEADER_MAX = 262144 };   /* where a loop is looked for */

/* The beginning of the content records. */
static int head_of(const struct order *o, struct buf *out, struct err *err)
{
    if (o->file < 0) {
        buf_add(out, o->d.content);
        return 0;
    }
    size_t want = (size_t)MIN(o->d.content_end - o->d.content_at, (uint64_t)HEADER_MAX);
    char *room = buf_room(out, want);
    ssize_t n = pread(o->file, room, want, (off_t)o->d.content_at);
    if (n < 0)
        return err_sys(err, ERR_TEMP, "queue file");
    buf_added(out, (size_t)n);
    return 0;
}

static bool is_field(struct str line, struct str address)
{
    struct str value;
    if (!str_istarts(line, STR("Delivered-To:")))
        return false;
    value = str_trim(str_skip(line, 13));
    return str_ieq(value, address);
}

int message_has_delivered_to(const struct order *o, struct str address, struct err *err)
{
    struct buf head = buf_make(0);
    if (head_of(o, &head, err) < 0) {
        buf_done(&head);
        return -1;
    }
    struct qrec_iter it = qrec_iter(buf_str(&head));
    struct str text;
    bool ends, begins = true, found = false;
    while (!found && qrec_content_next(&it, &text, &ends) == QREC_OK) {
        if (begins && text.n == 0 && ends)
            break;
        found = begins && is_field(text, address);
        begins = ends;
    }
    buf_done(&head);
    return found;
}

static void put_line(struct buf *out, const char *name, struct str value, const char *end)
{
    buf_puts(out, name);
    for (size_t i = 0; i < value.n; i++)
        buf_putc(out, value.p[i] == '\n' || value.p[i] == '\r' || value.p[i] == '\0' ? '?' : value.p[i]);
    buf_puts(out, end);
}

struct str message_headers(struct rcpt *r, struct str delivered_to)
{
    struct buf out = buf_make(8000);
    put_line(&out, "Return-Path: <", r->order->d.sender, ">\n");
    put_line(&out, "X-Original-To: ", r->orig.n > 0 ? r->orig : r->address, "\n");
    if (delivered_to.n > 0)
        put_line(&out, "Delivered-To: ", delivered_to, "\n");
    struct str s = str_dup(&r->arena, buf_str(&out));
    buf_done(&out);
    return s;
}
