/* SPDX-License-Identifier: ISC */
#include "queue/showq.h"
#include "base/enc.h"
#include <fcntl.h>

enum { LOG_MAX = 1 << 20 };

static void put(struct buf *out, const char *name, struct str value)
{
    buf_put(out, name, strlen(name) + 1);
    buf_add(out, value);
    buf_putc(out, '\0');
}

static void put_number(struct buf *out, const char *name, uint64_t v)
{
    buf_put(out, name, strlen(name) + 1);
    buf_u64(out, v);
    buf_putc(out, '\0');
}

static void put_address(struct buf *out, const char *name, struct str address)
{
    buf_put(out, name, strlen(name) + 1);
    enc_printable(out, address.n == 0 ? STR("MAILER-DAEMON") : address);
    buf_putc(out, '\0');
}

void showq_begin(struct buf *out)
{
    put(out, "protocol", STR("mail_queue_list_protocol"));
    buf_putc(out, '\0');
}

void showq_end(struct buf *out) { buf_putc(out, '\0'); }

static void put_head(struct buf *out, const struct qmsg *m, const char *queue)
{
    put(out, "queue_name", str_from(queue));
    put(out, "queue_id", str_from(m->id));
    put_number(out, "time", m->arrival_us / 1000000);
    put_number(out, "size", m->content_size);
    put_number(out, "forced_expire", 0);
    put_address(out, "sender", m->sender);
}

void showq_message(struct buf *out, const struct qmsg *m, const char *queue)
{
    put_head(out, m, queue);
    for (uint32_t i = 0; i < m->n_rcpt; i++) {
        if (m->rcpts[i].done)
            continue;
        put_address(out, "recipient", m->rcpts[i].address);
        put(out, "reason", str_from(m->rcpts[i].reason == NULL ? "" : m->rcpts[i].reason));
    }
    buf_putc(out, '\0');
}

/* The reason of that recipient in a defer log. */
static struct str find_reason(struct str log, struct str address)
{
    struct str line, rest = log, found = { "", 0 };
    bool here = false;
    while (rest.n > 0) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (str_starts(line, STR("recipient=")))
            here = str_eq(str_skip(line, 10), address);
        else if (here && str_starts(line, STR("reason=")))
            found = str_skip(line, 7);
    }
    return found;
}

static void read_log(struct qio *io, const char *id, struct buf *out)
{
    char path[QPATH_MAX];
    struct qio_stat st;
    qid_path("defer", id, "", path);
    int fd = io->open(io, path, O_RDONLY, 0);
    if (fd < 0)
        return;
    if (io->fstat(io, fd, &st) == 0 && st.size <= LOG_MAX) {
        char *to = buf_room(out, (size_t)st.size);
        if (to != NULL && qio_read_all(io, fd, to, (size_t)st.size, 0) == 0)
            buf_added(out, (size_t)st.size);
    }
    io->close(io, fd);
}

bool showq_file(struct buf *out, struct qio *io, enum qplace place, const char *id)
{
    struct err err;
    struct buf log = { 0 };
    struct qmsg *m = qmsg_load(io, place, id, &err);
    if (m == NULL)
        return false;
    read_log(io, id, &log);
    put_head(out, m, qplace_name(place));
    for (uint32_t i = 0; i < m->n_rcpt; i++) {
        if (m->rcpts[i].done)
            continue;
        put_address(out, "recipient", m->rcpts[i].address);
        put(out, "reason", find_reason(buf_str(&log), m->rcpts[i].address));
    }
    buf_putc(out, '\0');
    buf_done(&log);
    qmsg_free(m);
    return true;
}

enum showq_result showq_next(struct str *in, struct str *ret_name, struct str *ret_value)
{
    struct str name, value, rest;
    if (!str_cut(*in, '\0', &name, &rest))
        return SHOWQ_BAD;
    if (name.n == 0) {
        *in = rest;
        return SHOWQ_RECORD_END;
    }
    if (!str_cut(rest, '\0', &value, &rest))
        return SHOWQ_BAD;
    *ret_name = name;
    *ret_value = value;
    *in = rest;
    return SHOWQ_PAIR;
}
