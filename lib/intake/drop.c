/* SPDX-License-Identifier: ISC */
#include "intake/drop.h"
#include "base/num.h"
#include "base/utf8.h"
#include "proto/qrec.h"

void drop_done(struct drop *d)
{
    vec_done(&d->rcpts);
}

static bool is_plain(struct str s, size_t max)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n <= max && utf8_is_valid(s);
}

struct reading { struct drop *out; struct drop_rcpt next; bool has_sender, has_content; struct err *err; };

static int bad(const struct reading *r, const char *what)
{
    return err_set(r->err, ERR_PROTO, "%s", what);
}

static int take_attr(struct reading *r, struct str data)
{
    struct str name, value;
    if (!qrec_attr(data, &name, &value))
        return bad(r, "malformed attribute");
    if (str_eqz(name, "encoding"))
        r->out->eight_bit = str_eqz(value, "8bit");
    else if (str_eqz(name, "smtputf8"))
        r->out->smtputf8 = str_eqz(value, "1");
    else if (!str_eqz(name, "rewrite_context"))
        return bad(r, "attribute that a user may not set");
    return 0;
}

static int take_rcpt(struct reading *r, struct str data)
{
    if (data.n == 0 || !is_plain(data, SMTP_ADDRESS_MAX))
        return bad(r, "malformed recipient");
    if (r->out->rcpts.n >= DROP_RCPTS_MAX)
        return bad(r, "too many recipients");
    r->next.address = data;
    vec_push(&r->out->rcpts, r->next);
    r->next = (struct drop_rcpt){ 0 };
    return 0;
}

static int take_number(struct reading *r, struct str data, uint32_t max, uint32_t *ret)
{
    return num_parse_u32(data, max, ret) ? 0 : bad(r, "malformed number");
}

static int take_envelope(struct reading *r, const struct qrec *rec)
{
    uint32_t n = 0;
    int rc = 0;
    switch (rec->type) {
    case QREC_ATTR:     return take_attr(r, rec->data);
    case QREC_TIME:     return 0;
    case QREC_FULLNAME: r->out->full_name = rec->data; return is_plain(rec->data, 200) ? 0 : bad(r, "malformed full name");
    case QREC_SENDER:
        if (r->has_sender || !is_plain(rec->data, SMTP_ADDRESS_MAX))
            return bad(r, "malformed or second sender");
        r->out->sender = rec->data;
        r->has_sender = true;
        return 0;
    case QREC_DSN_RET:
        rc = take_number(r, rec->data, SMTP_RET_HDRS, &n);
        r->out->ret = (enum smtp_ret)n;
        return rc;
    case QREC_DSN_ENVID:  r->out->envid = rec->data; return is_plain(rec->data, 100) ? 0 : bad(r, "malformed envelope id");
    case QREC_DSN_ORCPT:  r->next.orcpt = rec->data; return is_plain(rec->data, 500) ? 0 : bad(r, "malformed original recipient");
    case QREC_DSN_NOTIFY:
        rc = take_number(r, rec->data, 15, &n);
        r->next.notify = n;
        return rc;
    case QREC_RCPT:     return take_rcpt(r, rec->data);
    default:            return bad(r, "record that a user may not write");
    }
}

/* The content records, then X and E, then nothing. */
static int take_content(struct reading *r, struct qrec_iter *it, struct str file)
{
    struct qrec rec;
    size_t from = it->at, to = from;
    enum qrec_result q;
    while ((q = qrec_next(it, &rec)) == QREC_OK && (rec.type == QREC_LINE || rec.type == QREC_PART))
        to = rec.end;
    r->out->content = str_make(file.p + from, to - from);
    if (q == QREC_OK && rec.type == QREC_EXTRACTED)
        q = qrec_next(it, &rec);
    if (q != QREC_OK || rec.type != QREC_END || rec.end != file.n)
        return bad(r, "no end, or text after it");
    return 0;
}

int drop_parse(struct str file, struct drop *ret, struct err *err)
{
    struct reading r = { .out = ret, .err = err };
    struct qrec_iter it = qrec_iter(file);
    struct qrec rec;
    enum qrec_result q;
    *ret = (struct drop){ 0 };
    it.raw = true;          /* pointers lead nowhere here */
    while ((q = qrec_next(&it, &rec)) == QREC_OK && rec.type != QREC_MESSAGE)
        if (take_envelope(&r, &rec) < 0)
            return -1;
    if (q != QREC_OK)
        return bad(&r, "not a message file, or cut");
    if (!r.has_sender || ret->rcpts.n == 0)
        return bad(&r, "no sender or no recipient");
    return take_content(&r, &it, file);
}
