/* SPDX-License-Identifier: ISC */
#include "search.h"
#include "proto/charset.h"
#include "proto/date.h"
#include "proto/rfc822.h"

enum { WINDOW = 32768 };

struct search {
    struct session *s;
    const struct search_program *program;
    struct message message;
    struct buf plain, folded;       /* scratch: text as UTF-8, and folded */
    int64_t now;
    enum store_result result;
    struct err *err;
};

static struct str fold_needle(struct session *s, struct str charset, struct str text)
{
    struct buf utf8 = buf_make(0), folded = buf_make(0);
    (void)charset_to_utf8(&utf8, charset, text);
    charset_fold(&folded, buf_str(&utf8));
    struct str needle = str_dup(&s->mem, buf_str(&folded));
    buf_done(&utf8);
    buf_done(&folded);
    return needle;
}

static bool prepare_key(struct session *s, struct search_key *key, struct str charset)
{
    size_t count = box_count(s->box);
    uint32_t max = count == 0 ? 0 : key->kind == SEARCH_UID ? box_msgs(s->box)[count - 1].uid : (uint32_t)count;
    struct err err = { 0 };
    unsigned n;
    switch (key->kind) {
    case SEARCH_SEQ:        /* numbers that no message has match none: clients search 1:* in an empty mailbox, or one that has shrunk */
    case SEARCH_UID:
        if (key->set.saved)
            return false;
        imap_seqset_resolve(&key->set, max);
        break;
    case SEARCH_KEYWORD:
    case SEARCH_UNKEYWORD:
        key->number = box_keyword(s->box, key->name, false, &n, &err) == STORE_OK ? (uint64_t)1 << n : 0;
        break;
    case SEARCH_HEADER:
    case SEARCH_BODY:
    case SEARCH_TEXT:
        key->text = fold_needle(s, charset, key->text);
        break;
    case SEARCH_ALL: case SEARCH_FLAGS: case SEARCH_NO_FLAGS: case SEARCH_NEW: case SEARCH_BEFORE: case SEARCH_ON:
    case SEARCH_SINCE: case SEARCH_SENTBEFORE: case SEARCH_SENTON: case SEARCH_SENTSINCE: case SEARCH_LARGER:
    case SEARCH_SMALLER: case SEARCH_OLDER: case SEARCH_YOUNGER:
        break;
    }
    return true;
}

bool search_prepare(struct session *s, struct search_program *p, struct str charset, struct search **ret,
                    struct reply *ret_reply)
{
    if (!charset_is_known(charset)) {
        *ret_reply = reply_no("[BADCHARSET (UTF-8 US-ASCII ISO-8859-1)] Unknown charset");
        return false;
    }
    for (size_t i = 0; i < p->n_keys; i++)
        if (!prepare_key(s, &p->keys[i], charset)) {
            *ret_reply = reply_bad("Invalid messageset.");
            return false;
        }
    struct search *se = ARENA_NEW(&s->mem, struct search);
    se->s = s;
    se->program = p;
    se->now = (int64_t)time(NULL);
    message_init(&se->message, s);
    *ret = se;
    return true;
}

/* Of the store's results: true when there is something to look at. */
static bool have(struct search *se, enum store_result r)
{
    if (r != STORE_OK && r != STORE_NOT_FOUND)
        se->result = r;
    return r == STORE_OK;
}

static int64_t floor_day(int64_t seconds)
{
    return seconds >= 0 ? seconds / 86400 : -((86399 - seconds) / 86400);
}

static bool received_day(struct search *se, int64_t *ret)
{
    int64_t when;
    struct tm tm;
    if (!have(se, box_date(se->s->box, se->message.index, &when, se->err)))
        return false;
    time_t t = (time_t)when;
    *ret = floor_day(when + (localtime_r(&t, &tm) == NULL ? 0 : tm.tm_gmtoff));
    return true;
}

static bool sent_day(struct search *se, int64_t *ret)
{
    struct str header, value;
    int64_t when;
    int zone;
    if (!have(se, message_header(&se->message, &header, se->err)))
        return false;
    /* A message that does not say when it was sent was sent long ago. */
    bool dated = rfc822_find(header, STR("Date"), &value) && date_parse_rfc5322(value, &when, &zone);
    *ret = dated ? floor_day(when + (int64_t)zone * 60) : 0;
    return true;
}

static bool test_day(struct search *se, const struct search_key *key)
{
    bool sent = key->kind >= SEARCH_SENTBEFORE;
    int64_t day;
    if (!(sent ? sent_day(se, &day) : received_day(se, &day)))
        return false;
    switch ((int)key->kind) {
    case SEARCH_BEFORE: case SEARCH_SENTBEFORE: return day < key->day;
    case SEARCH_ON: case SEARCH_SENTON: return day == key->day;
    default: return day >= key->day;
    }
}

static bool test_size(struct search *se, const struct search_key *key)
{
    uint64_t size;
    if (!have(se, box_vsize(se->s->box, se->message.index, &size, se->err)))
        return false;
    return key->kind == SEARCH_LARGER ? size > key->number : size < key->number;
}

static bool test_age(struct search *se, const struct search_key *key)
{
    int64_t when;
    if (!have(se, box_date(se->s->box, se->message.index, &when, se->err)))
        return false;
    bool young = when > se->now - (int64_t)key->number;
    return (key->kind == SEARCH_YOUNGER) == young;
}

/* A piece of about WINDOW bytes that cuts neither a character nor a run of white space. */
static struct str window(struct str text)
{
    size_t n = MIN(text.n, (size_t)WINDOW);
    for (int i = 0; i < 3 && n < text.n && (text.p[n] & 0xc0) == 0x80; i++)
        n++;
    while (n < text.n && ascii_is_space(text.p[n]))
        n++;
    return str_head(text, n);
}

/* Is the (folded) needle in the text? The text is folded piece by piece. */
static bool found(struct search *se, struct str text, struct str needle)
{
    buf_reset(&se->folded);
    while (text.n > 0) {
        struct str piece = window(text);
        charset_fold(&se->folded, piece);
        if (str_find(buf_str(&se->folded), needle) >= 0)
            return true;
        if (se->folded.n >= needle.n && needle.n > 0)
            buf_drop(&se->folded, se->folded.n - (needle.n - 1));
        text = str_skip(text, piece.n);
    }
    return needle.n == 0;
}

static bool in_field(struct search *se, struct str value, struct str needle)
{
    value = str_trim(value);
    if (str_find(value, STR("=?")) < 0)
        return found(se, value, needle);
    buf_reset(&se->plain);
    charset_decode_header(&se->plain, value);
    return found(se, buf_str(&se->plain), needle);
}

static bool test_header(struct search *se, const struct search_key *key)
{
    struct str header;
    struct rfc822_field f;
    if (!have(se, message_header(&se->message, &header, se->err)))
        return false;
    while (rfc822_next(&header, &f))
        if (str_ieq(f.name, key->name) && (key->text.n == 0 || in_field(se, f.value, key->text)))
            return true;
    return false;
}

static bool in_any_field(struct search *se, struct str header, struct str needle)
{
    struct rfc822_field f;
    while (rfc822_next(&header, &f))
        if (in_field(se, f.whole, needle))
            return true;
    return false;
}

static bool in_part(struct search *se, struct str text, const struct mime_part *part, struct str needle)
{
    struct str header = str_make(text.p + part->header.at, part->header.len), field, charset = STR("");
    struct mime_value *v = xcalloc(1, sizeof *v);
    struct buf bytes = buf_make(0);
    enum mime_encoding how = rfc822_find(header, STR("Content-Transfer-Encoding"), &field) ? mime_encoding(field)
                                                                                          : MIME_IDENTITY;
    if (rfc822_find(header, STR("Content-Type"), &field) && mime_value_parse(v, field, true))
        (void)mime_value_param(v, "charset", &charset);
    struct str body = str_make(text.p + part->body.at, part->body.len);
    if (how == MIME_BASE64 || how == MIME_QP) {
        mime_decode(&bytes, how, body);
        body = buf_str(&bytes);
    }
    if (!charset_is_utf8(charset)) {
        buf_reset(&se->plain);
        (void)charset_to_utf8(&se->plain, charset, body);
        body = buf_str(&se->plain);
    }
    bool yes = found(se, body, needle);
    buf_done(&bytes);
    mime_value_done(v);
    free(v);
    return yes;
}

static bool test_body(struct search *se, struct str needle)
{
    const struct mime_msg *m;
    if (!have(se, message_mime(&se->message, &m, se->err)))
        return false;
    struct str text = buf_str(&se->message.text);
    for (size_t i = 0; i < m->n; i++) {
        const struct mime_part *part = &m->parts[i];
        if (i > 0 && in_any_field(se, str_make(text.p + part->header.at, part->header.len), needle))
            return true;
        if (part->kind == MIME_LEAF && part->is_text && in_part(se, text, part, needle))
            return true;
    }
    return false;
}

static bool test_text(struct search *se, struct str needle)
{
    struct str header;
    return have(se, message_header(&se->message, &header, se->err)) &&
           (in_any_field(se, header, needle) || test_body(se, needle));
}

static bool test_key(const struct search_key *key, void *user)
{
    struct search *se = user;
    const struct box_msg *m = &box_msgs(se->s->box)[se->message.index];
    switch (key->kind) {
    case SEARCH_ALL: return true;
    case SEARCH_FLAGS: return (m->flags & key->flags) == key->flags;
    case SEARCH_NO_FLAGS: return (m->flags & key->flags) == 0;
    case SEARCH_NEW: return (m->flags & (FLAG_RECENT | FLAG_SEEN)) == FLAG_RECENT;
    case SEARCH_KEYWORD: return (m->keywords & key->number) != 0;
    case SEARCH_UNKEYWORD: return (m->keywords & key->number) == 0;
    case SEARCH_SEQ: return imap_seqset_has(&key->set, (uint32_t)se->message.index + 1);
    case SEARCH_UID: return imap_seqset_has(&key->set, m->uid);
    case SEARCH_BEFORE: case SEARCH_ON: case SEARCH_SINCE:
    case SEARCH_SENTBEFORE: case SEARCH_SENTON: case SEARCH_SENTSINCE: return test_day(se, key);
    case SEARCH_LARGER: case SEARCH_SMALLER: return test_size(se, key);
    case SEARCH_OLDER: case SEARCH_YOUNGER: return test_age(se, key);
    case SEARCH_HEADER: return test_header(se, key);
    case SEARCH_BODY: return test_body(se, key->text);
    case SEARCH_TEXT: return test_text(se, key->text);
    }
    UNREACHABLE();
}

bool search_matches(struct search *se, size_t index, enum store_result *r, struct err *err)
{
    if (box_msgs(se->s->box)[index].gone)
        return false;
    message_at(&se->message, index);
    se->err = err;
    se->result = STORE_OK;
    bool yes = imap_search_run(se->program, test_key, se);
    *r = se->result;
    return yes && se->result == STORE_OK;
}

void search_done(struct search *se)
{
    message_done(&se->message);
    buf_done(&se->plain);
    buf_done(&se->folded);
}
