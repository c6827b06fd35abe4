/* SPDX-License-Identifier: ISC
 *
 * message.c - one message of the selected mailbox. Its file is opened only
 * when something is asked that the index does not hold; what was made from it
 * then goes into the index.
 */
#include "session.h"
#include "proto/rfc822.h"

enum { CACHED_HEADER_MAX = 16384, TEXT_KEEP = 256 << 10 };

void message_init(struct message *m, struct session *s)
{
    *m = (struct message){ .s = s };
}

void message_at(struct message *m, size_t index)
{
    m->index = index;
    m->loaded = m->parsed = false;
    if (m->text.cap > TEXT_KEEP)
        buf_done(&m->text);
    else
        buf_reset(&m->text);
}

void message_done(struct message *m)
{
    box_cache_end(m->s->box);
    buf_done(&m->text);
    mime_msg_done(&m->mime);
}

enum store_result message_text(struct message *m, struct str *ret, struct err *err)
{
    if (!m->loaded) {
        box_cache_end(m->s->box);
        enum store_result r = box_read(m->s->box, m->index, &m->text, err);
        if (r != STORE_OK)
            return r;
        m->loaded = true;
    }
    *ret = buf_str(&m->text);
    return STORE_OK;
}

enum store_result message_mime(struct message *m, const struct mime_msg **ret, struct err *err)
{
    struct str text;
    enum store_result r = message_text(m, &text, err);
    if (r != STORE_OK)
        return r;
    if (!m->parsed)
        mime_parse(text, &m->mime);
    m->parsed = true;
    *ret = &m->mime;
    return STORE_OK;
}

enum store_result message_header(struct message *m, struct str *ret, struct err *err)
{
    struct str text;
    if (!m->loaded && box_cache_get(m->s->box, m->index, CACHE_HEADER, ret))
        return STORE_OK;
    enum store_result r = message_text(m, &text, err);
    if (r != STORE_OK)
        return r;
    *ret = str_head(text, rfc822_header_len(text));
    if (ret->n <= CACHED_HEADER_MAX)
        box_cache_put(m->s->box, m->index, CACHE_HEADER, *ret);
    return STORE_OK;
}

enum store_result message_put_cached(struct message *m, enum box_cache_kind kind, struct buf *to, struct err *err)
{
    struct str text, found;
    const struct mime_msg *mime;
    if (box_cache_get(m->s->box, m->index, kind, &found)) {
        buf_add(to, found);
        return STORE_OK;
    }
    enum store_result r = message_mime(m, &mime, err);
    if (r != STORE_OK)
        return r;
    /* The file is open now: make both. */
    text = buf_str(&m->text);
    struct buf envelope = buf_make(0), structure = buf_make(0);
    imap_put_envelope(&envelope, str_head(text, mime->parts[0].header.len));
    imap_put_bodystructure(&structure, text, mime, true);
    box_cache_put(m->s->box, m->index, CACHE_ENVELOPE, buf_str(&envelope));
    box_cache_put(m->s->box, m->index, CACHE_BODYSTRUCTURE, buf_str(&structure));
    buf_add(to, kind == CACHE_ENVELOPE ? buf_str(&envelope) : buf_str(&structure));
    buf_done(&envelope);
    buf_done(&structure);
    return STORE_OK;
}
