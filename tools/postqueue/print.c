/* SPDX-License-Identifier: ISC
 *
 * print.c - the columns of mailq, which monitoring scripts cut by position, and
 * the JSON of postqueue -j.
 */
#include "base/num.h"
#include "postqueue.h"
#include "queue/showq.h"
#include <time.h>

struct entry { struct str queue, id, sender; uint64_t time, size; bool forced; };
struct printer { struct buf *out; bool json, long_ids; uint64_t bytes; uint32_t n; struct str last_reason; bool first_rcpt; };

enum { REASON_WIDTH = 76 };

static void put_padded(struct buf *out, struct str s, size_t width)
{
    buf_add(out, s);
    for (size_t i = s.n; i < width; i++)
        buf_putc(out, ' ');
}

static void put_date(struct buf *out, uint64_t seconds)
{
    char text[40];
    struct tm tm;
    time_t t = (time_t)seconds;
    if (localtime_r(&t, &tm) == NULL || strftime(text, sizeof text, "%a %b %e %H:%M:%S", &tm) == 0)
        (void)snprintf(text, sizeof text, "?");
    buf_puts(out, text);
}

static void print_head(struct printer *p, const struct entry *e)
{
    struct buf id = { 0 };
    if (p->n == 0)
        buf_puts(p->out, p->long_ids ? "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------\n"
                                     : "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n");
    else
        buf_putc(p->out, '\n');
    buf_add(&id, e->id);
    if (str_eqz(e->queue, "active"))
        buf_putc(&id, '*');
    else if (str_eqz(e->queue, "hold"))
        buf_putc(&id, '!');
    if (e->forced)
        buf_putc(&id, '#');
    put_padded(p->out, buf_str(&id), p->long_ids ? 17 : 11);
    buf_printf(p->out, p->long_ids ? " %8llu " : " %7llu ", (unsigned long long)e->size);
    put_date(p->out, e->time);
    buf_puts(p->out, p->long_ids ? " " : "  ");
    buf_add(p->out, e->sender);
    buf_putc(p->out, '\n');
    buf_done(&id);
    p->last_reason = (struct str){ "", 0 };
}

static void print_rcpt(struct printer *p, struct str address, struct str reason)
{
    if (!str_eq(reason, p->last_reason)) {
        struct str shown = reason.n > 0 ? reason : STR("reason unavailable");
        for (size_t i = shown.n; i < REASON_WIDTH; i++)
            buf_putc(p->out, ' ');
        buf_printf(p->out, "(%.*s)\n", STR_FMT(shown));
        p->last_reason = reason;
    }
    put_padded(p->out, STR(""), p->long_ids ? 17 + 1 + 8 + 1 + 19 + 1 : 11 + 1 + 7 + 1 + 20 + 1);
    buf_add(p->out, address);
    buf_putc(p->out, '\n');
}

static void put_json(struct buf *out, struct str s)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '"' || c == '\\')
            buf_putc(out, '\\');
        if ((unsigned char)c < ' ')
            buf_printf(out, "\\u%04x", (unsigned)c);
        else
            buf_putc(out, c);
    }
    buf_putc(out, '"');
}

static void json_head(struct printer *p, const struct entry *e)
{
    buf_puts(p->out, "{\"queue_name\": ");
    put_json(p->out, e->queue);
    buf_puts(p->out, ", \"queue_id\": ");
    put_json(p->out, e->id);
    buf_printf(p->out, ", \"arrival_time\": %llu, \"message_size\": %llu, \"forced_expire\": %s, \"sender\": ", (unsigned long long)e->time,
               (unsigned long long)e->size, e->forced ? "true" : "false");
    put_json(p->out, e->sender);
    buf_puts(p->out, ", \"recipients\": [");
    p->first_rcpt = true;
}

static void json_rcpt(struct printer *p, struct str address, struct str reason)
{
    buf_puts(p->out, p->first_rcpt ? "{\"address\": " : ", {\"address\": ");
    p->first_rcpt = false;
    put_json(p->out, address);
    if (reason.n > 0) {
        buf_puts(p->out, ", \"delay_reason\": ");
        put_json(p->out, reason);
    }
    buf_putc(p->out, '}');
}

static bool take_field(struct entry *e, struct str name, struct str value)
{
    uint64_t flag;
    if (str_eqz(name, "queue_name"))
        e->queue = value;
    else if (str_eqz(name, "queue_id"))
        e->id = value;
    else if (str_eqz(name, "sender"))
        e->sender = value;
    else if (str_eqz(name, "time"))
        return num_parse_u64(value, INT64_MAX, &e->time);
    else if (str_eqz(name, "size"))
        return num_parse_u64(value, INT64_MAX, &e->size);
    else if (str_eqz(name, "forced_expire"))
        return num_parse_u64(value, 1, &flag) ? (void)(e->forced = flag != 0), true : false;
    return true;
}

/* One message: its fields, then recipients in pairs. */
static bool print_message(struct printer *p, struct str *in)
{
    struct entry e = { .queue = { "", 0 }, .id = { "", 0 }, .sender = { "", 0 } };
    struct str name, value, address = { "", 0 };
    bool headed = false;
    enum showq_result r;
    while ((r = showq_next(in, &name, &value)) == SHOWQ_PAIR) {
        bool is_rcpt = str_eqz(name, "recipient"), is_reason = str_eqz(name, "reason");
        if ((is_rcpt || is_reason) && !headed) {
            (p->json ? json_head : print_head)(p, &e);
            headed = true;
        }
        if (is_rcpt)
            address = value;
        else if (is_reason)
            (p->json ? json_rcpt : print_rcpt)(p, address, value);
        else if (!take_field(&e, name, value))
            return false;
    }
    if (!headed)
        (p->json ? json_head : print_head)(p, &e);
    if (p->json)
        buf_puts(p->out, "]}\n");
    p->n++;
    p->bytes += e.size;
    return r == SHOWQ_RECORD_END && e.id.n > 0;
}

bool print_list(struct str stream, bool json, bool long_ids, struct buf *out)
{
    struct printer p = { .out = out, .json = json, .long_ids = long_ids };
    struct str name, value, rest = stream;
    if (showq_next(&rest, &name, &value) != SHOWQ_PAIR || !str_eqz(name, "protocol") || showq_next(&rest, &name, &value) != SHOWQ_RECORD_END)
        return false;
    for (;;) {
        struct str at = rest;
        enum showq_result r = showq_next(&at, &name, &value);
        if (r == SHOWQ_RECORD_END)
            break;
        if (r == SHOWQ_BAD || !print_message(&p, &rest))
            return false;
    }
    if (!json && p.n == 0)
        buf_puts(out, "Mail queue is empty\n");
    else if (!json)
        buf_printf(out, "\n-- %llu Kbytes in %u Request%s.\n", (unsigned long long)(p.bytes / 1024), p.n, p.n == 1 ? "" : "s");
    return true;
}
