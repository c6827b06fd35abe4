/* SPDX-License-Identifier: ISC */
#include "out.h"
#include "base/enc.h"
#include "proto/qrec.h"

/* Attribute of the command, and the ones of the queue that it comes from, the first that is there. */
static const struct { const char *name, *from[2], *otherwise; } attributes[] = {
    { "NAME", { "log_client_name", "client_name" }, "[UNAVAILABLE]" },
    { "ADDR", { "log_client_address", "client_address" }, "[UNAVAILABLE]" },
    { "PORT", { "log_client_port", "client_port" }, "[UNAVAILABLE]" },
    { "HELO", { "log_helo_name", "helo_name" }, "[UNAVAILABLE]" },
    { "PROTO", { "log_protocol_name", "protocol_name" }, "[UNAVAILABLE]" },
    { "IDENT", { "log_ident", NULL }, NULL },
    { "SOURCE", { NULL, NULL }, NULL },
};
enum { IDENT = 5, SOURCE = 6, LINE_MAX_OUT = 500 };

unsigned xforward_parse(struct str names)
{
    unsigned bits = 0;
    struct str word;
    while (str_token(&names, " \t", &word))
        for (unsigned i = 0; i < N_ELEMS(attributes); i++)
            if (str_ieqz(word, attributes[i].name))
                bits |= 1u << i;
    return bits;
}

static struct str attribute(const struct order *o, const char *name)
{
    struct qrec_iter it = qrec_iter(o->attrs);
    struct qrec r;
    struct str key, value, found = STR("");
    while (name != NULL && qrec_next(&it, &r) == QREC_OK)
        if (r.type == QREC_ATTR && qrec_attr(r.data, &key, &value) && str_eqz(key, name))
            found = value;
    return found;
}

static struct str value_of(const struct order *o, unsigned i)
{
    struct str v = attribute(o, attributes[i].from[0]);
    if (v.n == 0)
        v = attribute(o, attributes[i].from[1]);
    if (i == IDENT && v.n == 0)
        return str_from(o->queue_id);
    if (i == SOURCE)
        return attribute(o, "client_address").n > 0 ? STR("REMOTE") : STR("LOCAL");
    return v.n == 0 || str_eqz(v, "unknown") ? str_from(attributes[i].otherwise) : v;
}

static bool put_command(struct session *s, struct buf *line)
{
    buf_puts(line, "\r\n");
    conn_put(s->conn, buf_str(line));
    buf_reset(line);
    buf_puts(line, "XFORWARD");
    if (!session_reply(s, s->t->conf.mail_timeout, "sending XFORWARD"))
        return false;
    if (s->reply.code / 100 != 2)
        log_as(s->t->ident, LOG_WARNING_LEVEL, "host %s said: %.*s (in reply to XFORWARD command)", s->name, STR_FMT(buf_str(&s->reply.text)));
    return !s->dead;
}

/* Commands of at most 512 bytes, as many as it takes. A refusal does not keep the message from being sent. */
static bool send_lines(struct session *s, struct buf *line)
{
    struct buf one = buf_make(8192);
    bool ok = true;
    buf_puts(line, "XFORWARD");
    for (unsigned i = 0; ok && i < N_ELEMS(attributes); i++) {
        if (!(s->xforward >> i & 1u))
            continue;
        buf_reset(&one);
        buf_printf(&one, " %s=", attributes[i].name);
        enc_xtext(&one, str_head(value_of(s->o, i), 255));
        if (line->n + one.n > LINE_MAX_OUT)
            ok = put_command(s, line);
        buf_add(line, buf_str(&one));
    }
    buf_done(&one);
    return ok && (line->n <= strlen("XFORWARD") || put_command(s, line));
}

bool xforward_send(struct session *s)
{
    struct buf line = buf_make(8192);
    if (!s->t->conf.send_xforward || s->xforward == 0)
        return true;
    bool ok = send_lines(s, &line);
    buf_done(&line);
    return ok;
}
