/* SPDX-License-Identifier: ISC */
#include "proto/qrec.h"
#include "base/num.h"
#include <stdarg.h>

enum { DATA_MAX = 0x7fffffff };

static void put_head(struct buf *out, char type, size_t n)
{
    buf_putc(out, type);
    do {
        unsigned low = (unsigned)(n & 0x7f);
        n >>= 7;
        buf_putc(out, (char)(low | (n != 0 ? 0x80u : 0u)));
    } while (n != 0);
}

void qrec_put(struct buf *out, char type, struct str data)
{
    if (data.n > DATA_MAX || buf_room(out, data.n + QREC_HEAD_MAX) == NULL) {
        out->full = true;
        return;
    }
    put_head(out, type, data.n);
    buf_add(out, data);
}

void qrec_putz(struct buf *out, char type, const char *data) { qrec_put(out, type, str_from(data)); }

void qrec_putf(struct buf *out, char type, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ASSERT(n >= 0 && (size_t)n < sizeof text);
    qrec_put(out, type, str_make(text, (size_t)n));
}

void qrec_put_attr(struct buf *out, const char *name, struct str value)
{
    size_t n = strlen(name);
    if (value.n > DATA_MAX || n > DATA_MAX - 1 - value.n) {
        out->full = true;
        return;
    }
    put_head(out, QREC_ATTR, n + 1 + value.n);
    buf_puts(out, name);
    buf_putc(out, '=');
    buf_add(out, value);
}

enum qrec_result qrec_peek(struct str in, struct qrec *ret)
{
    if (in.n == 0)
        return QREC_EOF;
    size_t at = 1, n = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (at == in.n || shift > 28)
            return QREC_BAD;
        unsigned byte = (unsigned char)in.p[at++];
        if (shift == 28 && (byte & 0x78) != 0)
            return QREC_BAD;
        n |= (size_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            break;
    }
    if (n > in.n - at)
        return QREC_BAD;
    *ret = (struct qrec){ .type = in.p[0], .data = str_make(in.p + at, n), .end = at + n };
    return QREC_OK;
}

/* A pointer to 0 is a place kept free for a later edit. */
static bool follow(struct qrec_iter *it, const struct qrec *pointer)
{
    uint64_t to;
    if (!num_parse_u64(str_trim(pointer->data), SIZE_MAX, &to) || to > it->in.n || ++it->jumps > QREC_JUMPS_MAX)
        return false;
    it->at = to == 0 ? pointer->end : (size_t)to;
    return true;
}

enum qrec_result qrec_next(struct qrec_iter *it, struct qrec *ret)
{
    for (;;) {
        struct qrec rec;
        enum qrec_result r = qrec_peek(str_skip(it->in, it->at), &rec);
        if (r != QREC_OK)
            return r;
        rec.at = it->at;
        rec.end += it->at;
        if (!it->raw && rec.type == QREC_POINTER) {
            if (!follow(it, &rec))
                return QREC_BAD;
            continue;
        }
        it->at = rec.end;
        if (!it->raw && rec.type == QREC_PAD)
            continue;
        *ret = rec;
        return QREC_OK;
    }
}

bool qrec_attr(struct str data, struct str *ret_name, struct str *ret_value)
{
    struct str name, value;
    if (!str_cut(data, '=', &name, &value) || str_trim(name).n == 0)
        return false;
    *ret_name = str_trim(name);
    *ret_value = value;
    return true;
}

static const struct { char type; const char *name; } dsn_attrs[] = {
    { QREC_DSN_RET, "ret_flags" }, { QREC_DSN_ENVID, "envelope_id" },
    { QREC_DSN_ORCPT, "dsn_orig_rcpt" }, { QREC_DSN_NOTIFY, "notify_flags" },
};

void qrec_from_file(struct qrec *rec)
{
    struct str name, value;
    if (rec->type != QREC_ATTR || !qrec_attr(rec->data, &name, &value))
        return;
    for (size_t i = 0; i < N_ELEMS(dsn_attrs); i++)
        if (str_eqz(name, dsn_attrs[i].name)) {
            rec->type = dsn_attrs[i].type;
            rec->data = value;
        }
}

void qrec_put_as_file(struct buf *out, const struct qrec *rec)
{
    for (size_t i = 0; i < N_ELEMS(dsn_attrs); i++)
        if (rec->type == dsn_attrs[i].type) {
            qrec_put_attr(out, dsn_attrs[i].name, rec->data);
            return;
        }
    qrec_put(out, rec->type, rec->data);
}

static const struct { char type; const char *name; } names[] = {
    { QREC_SIZE, "message_size" }, { QREC_TIME, "message_arrival_time" }, { QREC_CTIME, "queue_file_create_time" },
    { QREC_FULLNAME, "sender_fullname" }, { QREC_INSPECTOR, "content_inspector" }, { QREC_FILTER, "content_filter" },
    { QREC_SENDER, "sender" }, { QREC_DONE, "done_recipient" }, { QREC_RCPT, "recipient" },
    { QREC_ORIG, "original_recipient" }, { QREC_DROPPED, "canceled_recipient" }, { QREC_WARN, "warning_message_time" },
    { QREC_ATTR, "named_attribute" }, { QREC_KILL, "killed_record" }, { QREC_REDIRECT, "redirect_recipient" },
    { QREC_FLAGS, "message_flags" }, { QREC_DELAY, "mail_delay" }, { QREC_VERP, "verp_delimiters" },
    { QREC_MILTERS, "milter_count" }, { QREC_DSN_RET, "dsn_return_flags" }, { QREC_DSN_ENVID, "dsn_envelope_id" },
    { QREC_DSN_ORCPT, "dsn_original_recipient" }, { QREC_DSN_NOTIFY, "dsn_notify_flags" },
    { QREC_MESSAGE, "message_content" }, { QREC_LINE, "regular_text" }, { QREC_PAD, "padding" },
    { QREC_EXTRACTED, "extracted_info" }, { QREC_RETURN_RECEIPT, "return_receipt" }, { QREC_ERRORS_TO, "errors_to" },
    { QREC_PRIORITY, "priority" }, { QREC_POINTER, "pointer_record" }, { QREC_END, "message_end" },
};

const char *qrec_name(char type)
{
    for (size_t i = 0; i < N_ELEMS(names); i++)
        if (names[i].type == type)
            return names[i].name;
    return "unknown_record_type";
}

void qrec_put_size(struct buf *out, const struct qrec_size *s)
{
    qrec_putf(out, QREC_SIZE, "%15llu %15llu %15lu %15lu %15llu %15lu", (unsigned long long)s->content_records,
              (unsigned long long)s->data_offset, (unsigned long)s->recipients, (unsigned long)s->qmgr_flags,
              (unsigned long long)s->content_size, (unsigned long)s->smtputf8);
}

bool qrec_parse_size(struct str data, struct qrec_size *ret)
{
    uint64_t v[6] = { 0 };
    size_t n = 0;
    struct str token;
    static const uint64_t max[6] = { INT64_MAX, INT64_MAX, UINT32_MAX, UINT32_MAX, INT64_MAX, UINT32_MAX };
    for (; n < N_ELEMS(v) && str_token(&data, " ", &token); n++)
        if (!num_parse_u64(token, max[n], &v[n]))
            return false;
    if (n == 0)
        return false;
    *ret = (struct qrec_size){ .content_records = v[0], .data_offset = v[1], .recipients = (uint32_t)v[2],
                               .qmgr_flags = (uint32_t)v[3], .content_size = v[4], .smtputf8 = (uint32_t)v[5] };
    return true;
}

bool qrec_parse_time(struct str data, uint64_t *ret_us)
{
    struct str sec, usec = { "", 0 };
    uint64_t s, us = 0;
    if (!str_token(&data, " ", &sec) || !num_parse_u64(sec, INT64_MAX / 1000000 - 1, &s))
        return false;
    if (str_token(&data, " ", &usec) && !num_parse_u64(usec, 999999, &us))
        return false;
    *ret_us = s * 1000000 + us;
    return true;
}

void qrec_put_time(struct buf *out, uint64_t us)
{
    qrec_putf(out, QREC_TIME, "%llu %llu", (unsigned long long)(us / 1000000), (unsigned long long)(us % 1000000));
}

void qrec_put_line(struct buf *out, struct str line, bool ends)
{
    while (line.n > QREC_LINE_MAX) {
        qrec_put(out, QREC_PART, str_head(line, QREC_LINE_MAX));
        line = str_skip(line, QREC_LINE_MAX);
    }
    if (ends || line.n > 0)
        qrec_put(out, ends ? QREC_LINE : QREC_PART, line);
}

void qrec_put_content(struct qrec_writer *w, struct str text)
{
    w->size += text.n;
    for (ptrdiff_t at; (at = str_chr(text, '\n')) >= 0; text = str_skip(text, (size_t)at + 1)) {
        struct str line = str_head(text, (size_t)at);
        if (w->line.n > 0) {
            buf_add(&w->line, line);
            line = buf_str(&w->line);
        }
        qrec_put_line(w->out, line, true);
        buf_reset(&w->line);
    }
    buf_add(&w->line, text);
    while (w->line.n > QREC_LINE_MAX) {
        qrec_put(w->out, QREC_PART, str_head(buf_str(&w->line), QREC_LINE_MAX));
        buf_drop(&w->line, QREC_LINE_MAX);
    }
    w->out->full |= w->line.full;
}

void qrec_content_end(struct qrec_writer *w)
{
    if (w->line.n > 0) {
        qrec_put_line(w->out, buf_str(&w->line), true);
        w->size++;
    }
    buf_done(&w->line);
}

enum qrec_result qrec_content_next(struct qrec_iter *it, struct str *ret_text, bool *ret_ends)
{
    struct qrec rec;
    size_t before = it->at;
    enum qrec_result r = qrec_next(it, &rec);
    if (r != QREC_OK)
        return r;
    if (rec.type != QREC_LINE && rec.type != QREC_PART) {
        it->at = before;
        return QREC_EOF;
    }
    *ret_text = rec.data;
    *ret_ends = rec.type == QREC_LINE;
    return QREC_OK;
}

bool qrec_content_size(struct str records, uint64_t *ret)
{
    struct qrec_iter it = qrec_iter(records);
    uint64_t sum = 0;
    struct qrec rec;
    enum qrec_result r;
    it.raw = true;
    while ((r = qrec_next(&it, &rec)) == QREC_OK) {
        if (rec.type != QREC_LINE && rec.type != QREC_PART)
            return false;
        sum += rec.data.n + (rec.type == QREC_LINE);
    }
    if (r == QREC_BAD)
        return false;
    *ret = sum;
    return true;
}
