/* SPDX-License-Identifier: ISC */
#include "base/num.h"
#include "postcat.h"
#include "proto/qrec.h"
#include <time.h>

enum part { PART_ENVELOPE, PART_HEADERS, PART_BODY };

struct printer {
    const struct postcat_options *o;
    const char *name;
    struct buf *out;
    enum part part;
    bool open_line;         /* the last record did not end its line */
};

static bool shown(const struct printer *p)
{
    return p->part == PART_ENVELOPE ? p->o->envelope : p->part == PART_HEADERS ? p->o->headers : p->o->body;
}

static void put_place(struct printer *p, const struct qrec *rec)
{
    if (p->o->offsets)
        buf_printf(p->out, "%9zu ", rec->at);
    if (p->o->decimal)
        buf_printf(p->out, "%3d ", rec->type);
}

static void put_marker(struct printer *p, const struct qrec *rec, const char *text)
{
    if (p->open_line)
        buf_putc(p->out, '\n');
    p->open_line = false;
    if (!p->o->envelope)
        return;
    if (rec != NULL)
        put_place(p, rec);
    buf_printf(p->out, "*** %s %s ***\n", text, p->name);
}

static void put_date(struct printer *p, const char *label, struct str value)
{
    char text[40];
    struct tm tm;
    uint64_t seconds = 0;
    struct str s = str_trim(value);
    (void)num_take_u64(&s, INT64_MAX, &seconds);
    time_t t = (time_t)seconds;
    if (localtime_r(&t, &tm) == NULL || strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &tm) == 0)
        (void)snprintf(text, sizeof text, "?");
    buf_printf(p->out, "%s: %s\n", label, text);
}

static void put_envelope(struct printer *p, const struct qrec *rec)
{
    struct str name, value;
    put_place(p, rec);
    if (rec->type == QREC_TIME || rec->type == QREC_WARN || rec->type == QREC_CTIME)
        put_date(p, qrec_name(rec->type), rec->data);
    else if (rec->type == QREC_ATTR && qrec_attr(rec->data, &name, &value) && str_eqz(name, "create_time"))
        put_date(p, "create_time", value);
    else
        buf_printf(p->out, "%s: %.*s\n", qrec_name(rec->type), STR_FMT(rec->data));
}

static void put_text(struct printer *p, const struct qrec *rec)
{
    put_place(p, rec);
    if (p->o->verbose)
        buf_puts(p->out, rec->type == QREC_PART ? "unterminated_text: " : "regular_text: ");
    buf_add(p->out, rec->data);
    p->open_line = rec->type == QREC_PART && !p->o->verbose && !p->o->offsets;
    if (!p->open_line)
        buf_putc(p->out, '\n');
}

/* "Name:" as RFC 5322 §2.2 has it, or a continuation line. */
static bool is_header(struct str line)
{
    size_t n = 0;
    if (line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t'))
        return true;
    while (n < line.n && line.p[n] > ' ' && line.p[n] < 127 && line.p[n] != ':')
        n++;
    size_t end = n;
    while (end < line.n && (line.p[end] == ' ' || line.p[end] == '\t'))
        end++;
    return n > 0 && end < line.n && line.p[end] == ':';
}

static void take_content(struct printer *p, const struct qrec *rec, bool starts_line)
{
    if (p->part == PART_HEADERS && starts_line && !is_header(rec->data))
        p->part = PART_BODY;
    if (shown(p))
        put_text(p, rec);
}

static bool is_content(const struct printer *p, char type) { return p->part != PART_ENVELOPE && (type == QREC_LINE || type == QREC_PART); }

/* True at the end of the file. */
static bool take_record(struct printer *p, const struct qrec *rec, char previous)
{
    if (rec->type == QREC_MESSAGE) {
        put_marker(p, rec, "MESSAGE CONTENTS");
        p->part = PART_HEADERS;
    } else if (rec->type == QREC_EXTRACTED) {
        put_marker(p, rec, "HEADER EXTRACTED");
        p->part = PART_ENVELOPE;
    } else if (rec->type == QREC_END) {
        put_marker(p, rec, "MESSAGE FILE END");
        return !p->o->raw;
    } else if (is_content(p, rec->type)) {
        take_content(p, rec, previous != QREC_PART);
    } else if ((rec->type == QREC_POINTER || rec->type == QREC_PAD) && !p->o->verbose) {
        return false;
    } else if (shown(p)) {
        put_envelope(p, rec);
    }
    return false;
}

int postcat_print(struct str file, const char *name, const struct postcat_options *o, struct buf *out, struct err *err)
{
    static const char FIRST[] = "MCTcFILSDRO/WVA>K";
    struct printer p = { .o = o, .name = name, .out = out };
    struct qrec_iter it = qrec_iter(file);
    struct qrec rec;
    enum qrec_result r;
    char previous = '\0';
    if (file.n > 0 && (file.p[0] == '\0' || strchr(FIRST, file.p[0]) == NULL))
        return err_set(err, ERR_PERM, "%s: input is not a valid queue file", name);
    put_marker(&p, NULL, "ENVELOPE RECORDS");
    it.raw = o->raw || o->verbose;
    while ((r = qrec_next(&it, &rec)) == QREC_OK) {
        if (take_record(&p, &rec, previous))
            return 0;
        uint64_t to;        /* -v shows pointers and follows them */
        if (rec.type == QREC_POINTER && it.raw && !o->raw && num_parse_u64(str_trim(rec.data), file.n, &to) && to != 0 &&
            it.jumps++ < QREC_JUMPS_MAX)
            it.at = (size_t)to;
        previous = rec.type;
    }
    return r == QREC_BAD ? err_set(err, ERR_PROTO, "%s: record read error", name) : 0;
}
