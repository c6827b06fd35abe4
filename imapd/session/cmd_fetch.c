/* SPDX-License-Identifier: ISC
 *
 * cmd_fetch.c - FETCH. Flags, sizes, dates, ENVELOPE and BODYSTRUCTURE come
 * out of the index; only sections open a message's file.
 */
#include "session.h"
#include "proto/date.h"

struct fetch {
    struct session *s;
    const struct imap_fetch *what;
    struct message message;
    bool add_flags;     /* FLAGS were not asked for, but \Seen was set */
};

static int zone_minutes(int64_t when)
{
    struct tm tm;
    time_t t = (time_t)when;
    return localtime_r(&t, &tm) == NULL ? 0 : (int)(tm.tm_gmtoff / 60);
}

static enum store_result put_date(struct fetch *f, struct err *err)
{
    int64_t when;
    enum store_result r = box_date(f->s->box, f->message.index, &when, err);
    if (r != STORE_OK)
        return r;
    buf_puts(out(f->s), "INTERNALDATE \"");
    date_put_imap_time(out(f->s), when, zone_minutes(when));
    buf_putc(out(f->s), '"');
    return STORE_OK;
}

static enum store_result put_size(struct fetch *f, struct err *err)
{
    uint64_t size;
    enum store_result r = box_vsize(f->s->box, f->message.index, &size, err);
    if (r != STORE_OK)
        return r;
    buf_put(out(f->s), "RFC822.SIZE ", 12);
    buf_u64(out(f->s), size);
    return STORE_OK;
}

static enum store_result put_body(struct fetch *f, struct err *err)
{
    const struct mime_msg *mime;
    struct str text;
    enum store_result r = message_mime(&f->message, &mime, err);
    if (r != STORE_OK)
        return r;
    (void)message_text(&f->message, &text, err);
    buf_puts(out(f->s), "BODY ");
    imap_put_bodystructure(out(f->s), text, mime, false);
    return STORE_OK;
}

/* The bytes of a section; only the header is read when it is enough. */
static enum store_result section_bytes(struct fetch *f, const struct imap_section *sec, struct buf *scratch,
                                       struct str *ret, struct err *err)
{
    struct str text;
    bool header_only = sec->n_path == 0 && sec->what >= SECTION_HEADER && sec->what <= SECTION_FIELDS_NOT;
    if (header_only) {
        enum store_result r = message_header(&f->message, &text, err);
        if (r != STORE_OK)
            return r;
        struct mime_part part = { .parent = -1, .first_child = -1, .header = { .len = text.n } };
        struct mime_msg only = { .parts = &part, .n = 1 };
        (void)imap_section_get(sec, text, &only, scratch, ret);
        return STORE_OK;
    }
    if (sec->n_path == 0 && sec->what == SECTION_ALL)
        return message_text(&f->message, ret, err);
    const struct mime_msg *mime;
    enum store_result r = message_mime(&f->message, &mime, err);
    if (r == STORE_OK)
        (void)imap_section_get(sec, buf_str(&f->message.text), mime, scratch, ret);     /* no such part: no bytes */
    return r;
}

static void count_bytes(struct session *s, const struct imap_section *sec, size_t n)
{
    bool header = sec->what >= SECTION_HEADER && sec->what <= SECTION_FIELDS_NOT;
    *(header ? &s->header_count : &s->body_count) += 1;
    *(header ? &s->header_bytes : &s->body_bytes) += n;
}

static enum store_result put_section(struct fetch *f, const struct imap_section *sec, struct err *err)
{
    struct session *s = f->s;
    struct buf scratch = buf_make(0);
    struct str bytes;
    enum store_result r = section_bytes(f, sec, &scratch, &bytes, err);
    if (r == STORE_OK) {
        buf_add(out(s), sec->label);
        if (sec->partial) {
            buf_printf(out(s), "<%u>", sec->from);
            bytes = str_head(str_skip(bytes, sec->from), sec->len);
        }
        buf_printf(out(s), " {%zu}\r\n", bytes.n);
        count_bytes(s, sec, bytes.n);
        if (bytes.n >= IO_OUT_FLUSH)
            box_cache_end(s->box);      /* not a cached text: those are small */
        io_put_body(&s->io, bytes);
    }
    buf_done(&scratch);
    return r;
}

static enum store_result put_item(struct fetch *f, size_t i, struct err *err)
{
    struct session *s = f->s;
    const struct box_msg *m = &box_msgs(s->box)[f->message.index];
    switch (f->what->items[i].item) {
    case ITEM_FLAGS: session_put_flags(s, out(s), m); return STORE_OK;
    case ITEM_UID:
        buf_put(out(s), "UID ", 4);
        buf_u64(out(s), m->uid);
        return STORE_OK;
    case ITEM_INTERNALDATE: return put_date(f, err);
    case ITEM_SIZE: return put_size(f, err);
    case ITEM_BODY: return put_body(f, err);
    case ITEM_ENVELOPE:
        buf_put(out(s), "ENVELOPE ", 9);
        return message_put_cached(&f->message, CACHE_ENVELOPE, out(s), err);
    case ITEM_BODYSTRUCTURE:
        buf_put(out(s), "BODYSTRUCTURE ", 14);
        return message_put_cached(&f->message, CACHE_BODYSTRUCTURE, out(s), err);
    case ITEM_SECTION: return put_section(f, f->what->items[i].section, err);
    }
    UNREACHABLE();
}

/*
 * One message's reply. What is needed of the file is loaded before the first
 * byte is sent, so that a reply can be taken back when the file has gone.
 */
static enum store_result fetch_one(struct fetch *f, uint32_t index, bool flags_changed, struct err *err)
{
    struct session *s = f->s;
    struct str text;
    enum store_result r = STORE_OK;
    message_at(&f->message, index);
    for (size_t i = 0; i < f->what->n && r == STORE_OK; i++) {
        const struct imap_section *sec = f->what->items[i].section;
        if (sec != NULL && (sec->n_path > 0 || sec->what == SECTION_ALL || sec->what == SECTION_TEXT))
            r = message_text(&f->message, &text, err);
    }
    if (r != STORE_OK)
        return r;
    size_t before = out(s)->n;
    uint64_t sent = s->io.bytes_out;
    buf_put(out(s), "* ", 2);
    buf_u64(out(s), (uint64_t)index + 1);
    buf_put(out(s), " FETCH (", 8);
    for (size_t i = 0; i < f->what->n; i++) {
        if (i > 0)
            buf_putc(out(s), ' ');
        r = put_item(f, i, err);
        if (r != STORE_OK) {
            if (s->io.bytes_out != sent)
                s->io.broken = true;        /* the client has half a reply: only the end is left */
            else
                out(s)->n = before;
            return r;
        }
    }
    if (flags_changed && f->add_flags) {
        buf_putc(out(s), ' ');
        session_put_flags(s, out(s), &box_msgs(s->box)[index]);
    }
    buf_put(out(s), ")\r\n", 3);
    if (out(s)->n >= IO_OUT_FLUSH) {
        box_cache_end(s->box);
        io_flush(&s->io);
    }
    return STORE_OK;
}

static bool asks(const struct imap_fetch *what, enum imap_item item)
{
    for (size_t i = 0; i < what->n; i++)
        if (what->items[i].item == item)
            return true;
    return false;
}

static bool sets_seen(const struct session *s, const struct imap_fetch *what)
{
    for (size_t i = 0; i < what->n && !s->read_only; i++)
        if (what->items[i].section != NULL && !what->items[i].section->peek)
            return true;
    return false;
}

/* Sets \Seen once for all. *ret_seen: a bit per entry of list that was changed; NULL if none. */
static enum store_result set_seen(struct session *s, const uint32_t *list, size_t n, bool **ret_seen, struct err *err)
{
    uint32_t *unseen = ARENA_ARRAY(&s->mem, uint32_t, n + 1);
    bool *seen = ARENA_ARRAY(&s->mem, bool, n + 1);
    size_t n_unseen = 0;
    for (size_t i = 0; i < n; i++)
        if ((box_msgs(s->box)[list[i]].flags & FLAG_SEEN) == 0 && !box_msgs(s->box)[list[i]].gone) {
            unseen[n_unseen++] = list[i];
            seen[i] = true;
        }
    *ret_seen = n_unseen > 0 ? seen : NULL;
    return n_unseen == 0 ? STORE_OK : box_store(s->box, unseen, n_unseen, BOX_FLAGS_ADD, FLAG_SEEN, 0, err);
}

static struct reply fetch_all(struct fetch *f, const uint32_t *list, size_t n, const bool *seen)
{
    struct session *s = f->s;
    struct err err = { 0 };
    size_t missing = 0;
    for (size_t i = 0; i < n && !s->io.broken; i++) {
        enum store_result r = fetch_one(f, list[i], seen != NULL && seen[i], &err);
        if (r == STORE_NOT_FOUND)
            missing++;
        else if (r != STORE_OK)
            return reply_store(s, r, &err);
    }
    return missing > 0 ? reply_no("[EXPUNGEISSUED] Some of the requested messages no longer exist.")
                       : reply_ok("Fetch completed.");
}

struct reply cmd_fetch(struct session *s, struct imap_cur *c, bool uid)
{
    struct imap_fetch *what = ARENA_NEW(&s->mem, struct imap_fetch);
    struct reply r;
    struct err err = { 0 };
    const char *why;
    uint32_t *list;
    size_t n;
    bool *seen = NULL;
    if (!take_messages(s, c, uid, &list, &n, &r))
        return r;
    if (!imap_sp(c))
        return reply_bad("Invalid arguments.");
    if (!imap_fetch_parse(c, what, &why))
        return reply_bad(why);
    if (!imap_at_end(c))
        return reply_bad("Invalid arguments.");
    if (uid)
        imap_fetch_want(what, ITEM_UID);
    if (sets_seen(s, what)) {
        enum store_result got = set_seen(s, list, n, &seen, &err);
        if (got != STORE_OK)
            return reply_store(s, got, &err);
    }
    struct fetch f = { .s = s, .what = what, .add_flags = !asks(what, ITEM_FLAGS) };
    message_init(&f.message, s);
    r = fetch_all(&f, list, n, seen);
    message_done(&f.message);
    return r;
}
