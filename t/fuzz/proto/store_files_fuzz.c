/* SPDX-License-Identifier: ISC */
#include "proto/alias_list.h"
#include "proto/dsn.h"
#include "proto/flag_record.h"
#include "proto/maildir_name.h"
#include "proto/mbox_scan.h"
#include "proto/uidlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What is written again must mean the same. */
static void name(struct str s)
{
    struct maildir_name a, b;
    struct buf out = buf_make(0);
    if (maildir_name_parse(s, &a)) {
        maildir_name_put(&out, &a, a.flags, a.keywords);
        if (out.n <= 255)
            ASSERT(maildir_name_parse(buf_str(&out), &b) && str_eq(a.base, b.base) && a.flags == b.flags && a.keywords == b.keywords);
    }
    buf_done(&out);
}

static void list(struct str s)
{
    struct str line, rest = s, v;
    struct uidlist_head head, again;
    struct uidlist_line l, l2;
    struct buf out = buf_make(0);
    unsigned index;
    if (uidlist_parse_head(s, &head)) {
        uidlist_put_head(&out, &head);
        ASSERT(uidlist_parse_head(str_head(buf_str(&out), out.n - 1), &again) && again.uidvalidity == head.uidvalidity && again.uidnext == head.uidnext);
    }
    while (rest.n > 0) {
        str_cut(rest, '\n', &line, &rest);
        (void)keywords_parse_line(line, &index, &v);
        if (!uidlist_parse_line(line, 3, &l))
            continue;
        (void)uidlist_ext(l.ext, 'G', &v);
        buf_reset(&out);
        uidlist_put_line(&out, &l);
        ASSERT(uidlist_parse_line(str_head(buf_str(&out), out.n - 1), 3, &l2) && l2.uid == l.uid && str_eq(l2.base, l.base));
    }
    size_t pos = 0;
    while (subscriptions_next(s, &pos, '.', &out))
        ASSERT(pos <= s.n);
    buf_done(&out);
}

static void records(struct str s)
{
    struct flag_head h;
    struct flag_record r;
    (void)flag_head_parse(s, &h);
    struct str rest = s;
    while (flag_record_next(&rest, 1, &r))
        ASSERT(rest.n < s.n);
}

static void alias(struct str s)
{
    struct buf scratch = buf_make(0);
    struct alias_item item;
    struct str rest = s;
    size_t before = rest.n + 1;
    while (alias_next(&rest, &scratch, &item)) {
        ASSERT(rest.n < before);
        before = rest.n;
    }
    buf_done(&scratch);
}

static void mbox(struct str s)
{
    struct buf out = buf_make(0);
    struct mbox_message m;
    size_t pos = 0, before;
    while (before = pos, mbox_next(s, &pos, &m)) {
        ASSERT(pos > before && m.at <= m.head && m.head <= m.body && m.body <= m.end && m.end <= s.n);
        buf_reset(&out);
        mbox_put_visible(&out, s, &m);
        ASSERT(out.n <= m.end - m.head);
    }
    buf_done(&out);
}

/* No input adds a line that is not ours to the header of a notice. */
static void notice(struct str s)
{
    struct buf out = buf_make(0);
    struct dsn_rcpt r = { .address = s, .orig = s, .orcpt = s, .action = DSN_FAILED, .status = s, .text = s, .remote_mta = s, .remote_reply = s };
    struct dsn_notice d = { .kind = DSN_FAILURE, .hostname = STR("h.test"), .origin = STR("test"), .mail_name = STR("Postfix"), .queue_id = STR("1"),
        .new_id = STR("2"), .sender = s, .to = s, .envid = s, .rcpts = &r, .n_rcpts = 1, .message = s };
    dsn_compose(&out, &d);
    struct str rest = buf_str(&out), line;
    size_t lines = 0;
    while (str_cut(rest, '\n', &line, &rest) && line.n > 0)
        lines++;
    ASSERT(lines == 12);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str s = str_make(data, n);
    name(s);
    list(s);
    records(s);
    alias(s);
    mbox(s);
    notice(s);
    return 0;
}
