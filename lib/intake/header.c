/* SPDX-License-Identifier: ISC */
#include "intake/header.h"
#include "proto/qrec.h"

void header_pass_done(struct header_pass *h)
{
    buf_done(&h->field);
}

static void put(struct header_pass *h, struct str line, bool ends)
{
    qrec_put_line(h->out, line, ends);
    h->size += line.n + ends;
}

void header_pass_add(struct header_pass *h, struct str field)
{
    struct str line;
    do {
        (void)str_cut(field, '\n', &line, &field);
        put(h, line, true);
    } while (field.n > 0);
}

/* Length of the name before the colon, 0 if this begins no field (RFC 5322 §2.2; white space before the colon is obsolete syntax). */
static size_t name_len(struct str line)
{
    size_t n = 0;
    while (n < line.n && (unsigned char)line.p[n] > 0x20 && (unsigned char)line.p[n] < 0x7f && line.p[n] != ':')
        n++;
    size_t colon = n;
    while (colon < line.n && (line.p[colon] == ' ' || line.p[colon] == '\t'))
        colon++;
    return colon < line.n && line.p[colon] == ':' ? n : 0;
}

static void note_message_id(struct header_pass *h, struct str value)
{
    if (!str_to_fixed(str_head(str_trim(value), sizeof h->message_id - 1), h->message_id, sizeof h->message_id))
        h->message_id[0] = '\0';
    for (char *p = h->message_id; *p != '\0'; p++)
        if (*p == '\n')
            *p = ' ';
}

enum kind { KEEP, DROP, RECEIVED, FROM, DATE, MESSAGE_ID, TO, RESENT, RESENT_FROM, RESENT_DATE, RESENT_MESSAGE_ID };
static const struct { struct str name; enum kind kind; } known[] = {
    { STR_INIT("Return-Path"), DROP }, { STR_INIT("Bcc"), DROP }, { STR_INIT("Resent-Bcc"), DROP }, { STR_INIT("Content-Length"), DROP },
    { STR_INIT("Received"), RECEIVED }, { STR_INIT("From"), FROM }, { STR_INIT("Date"), DATE }, { STR_INIT("Message-ID"), MESSAGE_ID },
    { STR_INIT("To"), TO }, { STR_INIT("Cc"), TO }, { STR_INIT("Resent-From"), RESENT_FROM }, { STR_INIT("Resent-Date"), RESENT_DATE },
    { STR_INIT("Resent-Message-ID"), RESENT_MESSAGE_ID }, { STR_INIT("Resent-To"), RESENT }, { STR_INIT("Resent-Cc"), RESENT },
    { STR_INIT("Resent-Sender"), RESENT }, { STR_INIT("Resent-Reply-To"), RESENT },
};

static enum kind kind_of(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(known); i++)
        if (name.n == known[i].name.n && str_ieq(name, known[i].name))
            return known[i].kind;
    return KEEP;
}

/* What the field tells about the message. False: it goes. */
static bool note(struct header_pass *h, struct str field, size_t name)
{
    enum kind kind = kind_of(str_head(field, name));
    h->is_resent |= kind >= RESENT;
    switch (kind) {
    case KEEP: case RESENT: return true;
    case DROP:              return false;
    case RECEIVED:          h->hops++; return true;
    case FROM:              h->own.from = true; return true;
    case DATE:              h->own.date = true; return true;
    case TO:                h->has_to = true; return true;
    case RESENT_FROM:       h->resent.from = true; return true;
    case RESENT_DATE:       h->resent.date = true; return true;
    case RESENT_MESSAGE_ID: h->resent.message_id = true; return true;
    case MESSAGE_ID:
        h->own.message_id = true;
        note_message_id(h, str_skip(field, (size_t)str_chr(field, ':') + 1));
        return true;
    }
    UNREACHABLE();
}

static void flush_field(struct header_pass *h)
{
    struct str field = buf_str(&h->field);
    if (field.n == 0)
        return;
    if (++h->fields > h->fields_max && h->fault == HEADER_FINE)
        h->fault = HEADER_TOO_MANY;
    bool stays = note(h, field, name_len(field));
    if (h->hops > h->hops_max && h->fault == HEADER_FINE)
        h->fault = HEADER_LOOP;
    if (stays && (h->on_field == NULL || h->on_field(h->arg, field)))
        header_pass_add(h, field);
    buf_reset(&h->field);
    h->cut = false;
}

static void end_header(struct header_pass *h)
{
    flush_field(h);
    h->in_body = true;
    if (h->on_end != NULL)
        h->on_end(h->arg);
}

static void append(struct header_pass *h, struct str text)
{
    size_t room = h->size_max - MIN(h->size_max, h->field.n);
    h->cut |= text.n > room;
    buf_add(&h->field, str_head(text, room));
}

static bool is_mbox_from(struct str line)
{
    while (line.n > 0 && line.p[0] == '>')
        line = str_skip(line, 1);
    return str_starts(line, STR("From "));
}

/* The start of a line in the header. False: the header ended before it. */
static bool header_line(struct header_pass *h, struct str line)
{
    bool folded = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
    if (folded && h->field.n > 0) {
        append(h, STR("\n"));
        append(h, line);
        return true;
    }
    if (!h->any_line && is_mbox_from(line)) {
        append(h, STR("X-Mailbox-Line: "));
        append(h, line);
        return true;
    }
    if (name_len(line) == 0)
        return false;
    flush_field(h);
    append(h, line);
    return true;
}

void header_pass_line(struct header_pass *h, struct str line, bool ends)
{
    bool starts = !h->in_piece;
    h->in_piece = !ends;
    if (!h->in_body) {
        if (!starts)
            append(h, line);
        else if (!header_line(h, line)) {
            end_header(h);
            if (line.n > 0 || !ends)
                put(h, STR(""), true);      /* text where a field should be: the body begins here */
        }
        h->any_line = true;
        if (!h->in_body)
            return;
    }
    put(h, line, ends);
}

void header_pass_end(struct header_pass *h)
{
    if (!h->in_body) {
        end_header(h);
        put(h, STR(""), true);
    } else if (h->in_piece) {
        put(h, STR(""), true);
    }
}
