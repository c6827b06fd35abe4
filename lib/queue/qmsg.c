/* SPDX-License-Identifier: ISC */
#include "queue/qmsg.h"
#include "base/num.h"
#include "base/reader.h"

static const char *const places[] = {
    [QPLACE_RING] = "journal", [QPLACE_INCOMING] = "incoming", [QPLACE_ACTIVE] = "active",
    [QPLACE_DEFERRED] = "deferred", [QPLACE_HOLD] = "hold", [QPLACE_CORRUPT] = "corrupt",
};

const char *qplace_name(enum qplace place)
{
    ASSERT((size_t)place < N_ELEMS(places));
    return places[place];
}

struct qmsg *qmsg_new(const char *id)
{
    struct qmsg *m = xcalloc(1, sizeof *m);
    (void)snprintf(m->id, sizeof m->id, "%s", id);
    list_init(&m->node);
    list_init(&m->commit_node);
    m->sender = m->envid = m->filter = m->attrs = (struct str){ "", 0 };
    return m;
}

void qmsg_free(struct qmsg *m)
{
    if (m == NULL)
        return;
    for (uint32_t i = 0; m->rcpts != NULL && i < m->n_rcpt; i++) {
        list_remove(&m->rcpts[i].node);
        free(m->rcpts[i].reason);
        free(m->rcpts[i].remote_mta);
        free(m->rcpts[i].remote_reply);
    }
    free(m->rcpts);
    list_remove(&m->node);
    list_remove(&m->commit_node);
    free(m->settles);
    buf_done(&m->envelope);
    buf_done(&m->routes);
    buf_done(&m->attr_buf);
    buf_done(&m->content);
    free(m);
}

/* Addresses end up in log lines, SMTP commands and file names: no control characters. */
static bool is_clean(struct str s, size_t max)
{
    if (s.n > max)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return true;
}

enum { ADDRESS_MAX = 1024, ENVID_MAX = 512, ATTRS_MAX = 8192 };

struct pending { struct str orig, orcpt; uint32_t notify; };

static bool parse_one(struct qmsg *m, const struct qrec *rec, struct pending *p, uint32_t *n)
{
    uint64_t number;
    switch (rec->type) {
    case QREC_SENDER: m->sender = rec->data; return is_clean(rec->data, ADDRESS_MAX);
    case QREC_DSN_RET: return num_parse_u64(rec->data, 3, &number) ? (void)(m->ret = (uint32_t)number), true : false;
    case QREC_DSN_ENVID: m->envid = rec->data; return is_clean(rec->data, ENVID_MAX);
    case QREC_FILTER: m->filter = rec->data; return is_clean(rec->data, ADDRESS_MAX);
    case QREC_WARN: return num_parse_u64(str_trim(rec->data), INT64_MAX, &m->warn_at);
    case QREC_ORIG: p->orig = rec->data; return is_clean(rec->data, ADDRESS_MAX);
    case QREC_DSN_ORCPT: p->orcpt = rec->data; return is_clean(rec->data, ADDRESS_MAX);
    case QREC_DSN_NOTIFY: return num_parse_u32(rec->data, 15, &p->notify);
    case QREC_ATTR: qrec_put(&m->attr_buf, QREC_ATTR, rec->data); return m->attr_buf.n <= ATTRS_MAX && is_clean(rec->data, ADDRESS_MAX * 2);
    case QREC_RCPT:
        m->rcpts[*n] = (struct qrcpt){ .address = rec->data, .orig = p->orig, .orcpt = p->orcpt, .notify = p->notify };
        list_init(&m->rcpts[(*n)++].node);      /* the assignment cleared it */
        *p = (struct pending){ .orig = { "", 0 }, .orcpt = { "", 0 } };
        return rec->data.n > 0 && is_clean(rec->data, ADDRESS_MAX);
    default: return true;
    }
}

static uint32_t count_recipients(struct str envelope)
{
    uint32_t n = 0;
    struct qrec rec;
    for (struct qrec_iter it = qrec_iter(envelope); n <= QMSG_RCPT_MAX && qrec_next(&it, &rec) == QREC_OK;)
        n += rec.type == QREC_RCPT;
    return n;
}

/* Two strings per recipient, each ended by NUL; empty routes are fine. */
static bool parse_routes(struct qmsg *m)
{
    struct str rest = buf_str(&m->routes), part;
    for (uint32_t i = 0; i < m->n_rcpt; i++)
        m->rcpts[i].transport = m->rcpts[i].nexthop = (struct str){ "", 0 };
    for (uint32_t i = 0; rest.n > 0 && i < m->n_rcpt; i++) {
        if (!str_cut(rest, '\0', &part, &rest) || !is_clean(part, 64))
            return false;
        m->rcpts[i].transport = part;
        if (!str_cut(rest, '\0', &part, &rest) || !is_clean(part, ENVID_MAX))
            return false;
        m->rcpts[i].nexthop = part;
    }
    return rest.n == 0;
}

int qmsg_parse_envelope(struct qmsg *m, const char *allowed, uint32_t n_rcpt, struct err *err)
{
    struct qrec_iter it = qrec_iter(buf_str(&m->envelope));
    struct pending pending = { .orig = { "", 0 }, .orcpt = { "", 0 } };
    enum qrec_result r;
    struct qrec rec;
    uint32_t n = 0, senders = 0;
    it.raw = true;
    m->n_rcpt = count_recipients(it.in);
    if (m->n_rcpt != n_rcpt || n_rcpt == 0 || n_rcpt > QMSG_RCPT_MAX)
        return err_set(err, ERR_PROTO, "%s: envelope has %u recipients, %u were announced", m->id, m->n_rcpt, n_rcpt);
    m->rcpts = xcalloc(n_rcpt, sizeof *m->rcpts);
    for (uint32_t i = 0; i < n_rcpt; i++)
        list_init(&m->rcpts[i].node);
    m->n_left = n_rcpt;
    while ((r = qrec_next(&it, &rec)) == QREC_OK) {
        if (strchr(allowed, rec.type) == NULL || rec.type == '\0')
            return err_set(err, ERR_PROTO, "%s: envelope record type %d is not allowed", m->id, rec.type);
        senders += rec.type == QREC_SENDER;
        if (!parse_one(m, &rec, &pending, &n))
            return err_set(err, ERR_PROTO, "%s: bad %s record in the envelope", m->id, qrec_name(rec.type));
    }
    if (r == QREC_BAD || senders != 1)
        return err_set(err, ERR_PROTO, "%s: envelope is %s", m->id, r == QREC_BAD ? "truncated" : "without one sender");
    m->attrs = buf_str(&m->attr_buf);
    if (!parse_routes(m))
        return err_set(err, ERR_PROTO, "%s: routes do not fit the recipients", m->id);
    return 0;
}

/* Journal payload: version, id, numbers, bitmap of the recipients that are done, envelope, routes; the content follows. */

void qmsg_put_journal(const struct qmsg *m, struct buf *out)
{
    buf_putc(out, 1);
    buf_putc(out, (char)strlen(m->id));
    buf_puts(out, m->id);
    buf_be64(out, m->arrival_us);
    buf_be32(out, m->flags);
    buf_be32(out, m->n_rcpt);
    buf_be64(out, m->content_size);
    buf_be32(out, (uint32_t)m->envelope.n);
    buf_be32(out, (uint32_t)m->routes.n);
    for (uint32_t i = 0; i < m->n_rcpt; i += 8) {
        unsigned bits = 0;
        for (uint32_t k = i; k < m->n_rcpt && k < i + 8; k++)
            bits |= m->rcpts[k].done ? 1u << (k - i) : 0u;
        buf_putc(out, (char)bits);
    }
    buf_add(out, buf_str(&m->envelope));
    buf_add(out, buf_str(&m->routes));
}

static void count_done(struct qmsg *m)
{
    m->n_left = 0;
    for (uint32_t i = 0; i < m->n_rcpt; i++)
        m->n_left += !m->rcpts[i].done;
}

static const char JOURNAL_RECORDS[] = "AS<iLVonORWFIPref>dm";

struct qmsg *qmsg_from_journal(struct str payload, struct err *err)
{
    struct reader r = reader_make(payload);
    unsigned version = reader_u8(&r);
    struct str id = reader_bytes(&r, reader_u8(&r));
    if (version != 1 || id.n > QID_MAX || !qid_is_valid(id)) {
        (void)err_set(err, ERR_PROTO, "message record without a proper queue id");
        return NULL;
    }
    struct qmsg *m = qmsg_new("");
    memcpy(m->id, id.p, id.n);
    m->arrival_us = reader_u64(&r);
    m->flags = reader_u32(&r);
    uint32_t n_rcpt = reader_u32(&r);
    m->content_size = reader_u64(&r);
    size_t envelope_n = reader_u32(&r), routes_n = reader_u32(&r);
    struct str bits = reader_bytes(&r, ((size_t)n_rcpt + 7) / 8);
    buf_add(&m->envelope, reader_bytes(&r, envelope_n));
    buf_add(&m->routes, reader_bytes(&r, routes_n));
    buf_add(&m->content, reader_bytes(&r, r.n));
    if (r.bad || qmsg_parse_envelope(m, JOURNAL_RECORDS, n_rcpt, err) < 0) {
        if (r.bad)
            (void)err_set(err, ERR_PROTO, "%s: message record is too short", m->id);
        qmsg_free(m);
        return NULL;
    }
    for (uint32_t i = 0; i < n_rcpt; i++)
        m->rcpts[i].done = ((unsigned)(uint8_t)bits.p[i / 8] >> (i % 8) & 1u) != 0;
    count_done(m);
    m->in_memory = true;
    return m;
}

/* Queue files */

void qmsg_put_size_record(const struct qmsg *m, struct buf *out)
{
    qrec_put_size(out, &(struct qrec_size){ .content_records = m->content_end - m->content_at, .data_offset = m->content_at,
                  .recipients = m->n_rcpt, .content_size = m->content_size, .smtputf8 = (m->flags & 2u) != 0 });
}

static void put_warn(struct qmsg *m, struct buf *out)
{
    if (m->warn_at == 0)
        return;
    m->warn_mark = out->n;
    qrec_putf(out, QREC_WARN, "%15llu", (unsigned long long)m->warn_at);
}

void qmsg_put_file_head(struct qmsg *m, struct buf *out)
{
    size_t start = out->n;
    uint32_t n = 0;
    struct qrec rec;
    ASSERT(start == 0);
    qmsg_put_size_record(m, out);
    qrec_put_time(out, m->arrival_us);
    qrec_putf(out, QREC_ATTR, "postern_lsn=%llu", (unsigned long long)m->lsn);
    /* Hold is the directory the file is in, except before it gets there. */
    unsigned flags = m->place == QPLACE_INCOMING ? m->flags : m->flags & ~1u;
    if (flags != 0)
        qrec_putf(out, QREC_ATTR, "postern_flags=%u", flags);
    put_warn(m, out);
    for (struct qrec_iter it = qrec_iter(buf_str(&m->envelope)); qrec_next(&it, &rec) == QREC_OK;) {
        if (rec.type == QREC_WARN)
            continue;
        if (rec.type == QREC_RCPT) {
            m->rcpts[n].mark_at = out->n;
            rec.type = m->rcpts[n++].done ? QREC_DONE : QREC_RCPT;
        }
        qrec_put_as_file(out, &rec);
    }
    qrec_putz(out, QREC_MESSAGE, "");
    m->content_at = m->content_end = out->n;
}

void qmsg_put_file_end(struct buf *out)
{
    qrec_putz(out, QREC_EXTRACTED, "");
    qrec_putz(out, QREC_END, "");
}

void qmsg_put_file(struct qmsg *m, struct buf *out)
{
    struct buf size = { 0 };
    qmsg_put_file_head(m, out);
    buf_add(out, buf_str(&m->content));
    m->content_end = out->n;
    qmsg_put_file_end(out);
    m->file_size = out->n;
    qmsg_put_size_record(m, &size);
    if (!out->full)
        memcpy(out->p, size.p, size.n);
    buf_done(&size);
}
