/* SPDX-License-Identifier: ISC */
#include "proto/mbox_scan.h"
#include "base/num.h"
#include "proto/date.h"

static const char *const hidden[] = { "X-IMAPbase:", "X-IMAP:", "X-UID:", "Status:", "X-Status:", "X-Keywords:", "Content-Length:" };
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static struct str line_at(struct str text, size_t at, size_t *ret_next)
{
    struct str rest = str_skip(text, at);
    const char *lf = rest.n == 0 ? NULL : memchr(rest.p, '\n', rest.n);
    size_t n = lf == NULL ? rest.n : (size_t)(lf - rest.p);
    *ret_next = at + n + (lf == NULL ? 0 : 1);
    return str_head(rest, n);
}

/* --- From_ lines ------------------------------------------------------------------- */

static bool parse_clock(struct str s, unsigned *h, unsigned *m, unsigned *sec)
{
    uint64_t v[3] = { 0, 0, 0 };
    for (size_t i = 0; i < 3; i++) {
        if (!num_take_u64(&s, 60, &v[i]))
            return false;
        if (s.n == 0)
            break;
        if (s.p[0] != ':')
            return false;
        s = str_skip(s, 1);
    }
    *h = (unsigned)v[0];
    *m = (unsigned)v[1];
    *sec = (unsigned)v[2];
    return v[0] < 24 && v[1] < 60;
}

/* "Mon Jan  2 15:04:05 2006", possibly with a zone before the year: the words after the address. */
static bool parse_asctime(struct str s, int64_t *ret)
{
    struct str month, day, clock, year, word;
    struct date_civil c = { 0 };
    if (!str_token(&s, " ", &word) || word.n != 3 || !str_token(&s, " ", &month) || month.n != 3 || !str_token(&s, " ", &day)
        || !str_token(&s, " ", &clock) || !str_token(&s, " ", &year))
        return false;
    while (str_token(&s, " ", &word))
        if (word.n == 4)
            year = word;
    ptrdiff_t m = str_find(str_from(months), month);
    uint64_t d, y;
    if (m < 0 || m % 3 != 0 || !num_parse_u64(day, 31, &d) || d == 0 || !num_parse_u64(year, 9999, &y) || y < 1970)
        return false;
    c.year = (int64_t)y;
    c.month = (unsigned)(m / 3) + 1;
    c.day = (unsigned)d;
    if (!parse_clock(clock, &c.hour, &c.minute, &c.second))
        return false;
    *ret = date_unix(&c, 0);
    return true;
}

static bool is_from_line(struct str line, int64_t *ret_date)
{
    if (!str_starts(line, STR("From ")))
        return false;
    struct str rest = str_trim(str_skip(line, 5)), word, from_here;     /* without a CR */
    while (from_here = rest, str_token(&rest, " ", &word))
        if (word.n == 3 && ascii_is_alpha(word.p[0]) && parse_asctime(from_here, ret_date))
            return true;
    return false;
}

int64_t mbox_from_date(struct str from)
{
    int64_t date = 0;
    return is_from_line(from, &date) ? date : 0;
}

/* --- header fields ------------------------------------------------------------------- */

bool mbox_is_hidden(struct str line)
{
    for (size_t i = 0; i < N_ELEMS(hidden); i++)
        if (str_istarts(line, str_from(hidden[i])))
            return true;
    return false;
}

static void take_base(struct mbox_message *m, struct str value)
{
    struct str validity, last;
    uint32_t v, u;
    if (m->has_base || !str_token(&value, " \t", &validity) || !str_token(&value, " \t", &last)
        || !num_parse_u32(validity, UINT32_MAX, &v) || !num_parse_u32(last, UINT32_MAX, &u) || v == 0)
        return;
    m->has_base = true;
    m->uidvalidity = v;
    m->last_uid = u;
    m->base_keywords = str_trim(value);
}

static void take_status(struct mbox_message *m, struct str value, bool extended)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        m->seen = m->seen || (!extended && c == 'R');
        m->old = m->old || (!extended && c == 'O');
        m->answered = m->answered || (extended && c == 'A');
        m->flagged = m->flagged || (extended && c == 'F');
        m->draft = m->draft || (extended && c == 'T');
        m->deleted = m->deleted || (extended && c == 'D');
    }
}

static void take_field(struct mbox_message *m, struct str line)
{
    struct str name, value;
    if (!str_cut(line, ':', &name, &value))
        return;
    value = str_trim(value);
    if (str_ieqz(name, "X-IMAPbase") || str_ieqz(name, "X-IMAP"))
        take_base(m, value);
    else if (str_ieqz(name, "X-UID"))
        (void)num_parse_u32(value, UINT32_MAX, &m->uid);
    else if (str_ieqz(name, "Status"))
        take_status(m, value, false);
    else if (str_ieqz(name, "X-Status"))
        take_status(m, value, true);
    else if (str_ieqz(name, "X-Keywords"))
        m->keywords = value;
    else if (str_ieqz(name, "Subject") && str_starts(value, STR("DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA")))
        m->internal = true;
}

/* --- messages ---------------------------------------------------------------------------- */

static size_t find_end(struct str text, size_t at)
{
    int64_t date;
    bool after_empty = false;
    while (at < text.n) {
        size_t next;
        struct str line = line_at(text, at, &next);
        if (after_empty && is_from_line(line, &date))
            return at;
        after_empty = line.n == 0 || (line.n == 1 && line.p[0] == '\r');
        at = next;
    }
    return text.n;
}

bool mbox_next(struct str text, size_t *pos, struct mbox_message *ret)
{
    struct mbox_message m = { .at = *pos };
    int64_t date;
    if (*pos >= text.n)
        return false;
    m.from = line_at(text, *pos, &m.head);
    if (!is_from_line(m.from, &date))
        return false;
    size_t at = m.head;
    for (;;) {
        size_t next;
        struct str line = line_at(text, at, &next);
        bool ends = line.n == 0 || (line.n == 1 && line.p[0] == '\r');
        if (at >= text.n || ends) {
            m.body = next;
            break;
        }
        take_field(&m, line);
        at = next;
    }
    /* What belongs to the whole file stands in its first message; a sender can write it into any other. */
    m.has_base = m.has_base && m.at == 0;
    m.internal = m.internal && m.has_base;
    m.end = find_end(text, at);
    m.body = MIN(m.body, m.end);
    *ret = m;
    *pos = m.end;
    return true;
}

void mbox_put_visible(struct buf *out, struct str text, const struct mbox_message *m)
{
    size_t at = m->head;
    bool skipping = false;
    while (at < m->body) {
        size_t next;
        struct str line = line_at(text, at, &next);
        bool folded = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
        skipping = folded ? skipping : mbox_is_hidden(line);
        if (!skipping)
            buf_add(out, str_make(text.p + at, MIN(next, m->body) - at));
        at = next;
    }
    size_t end = m->end;
    if (end > m->body && text.p[end - 1] == '\n' && end - 1 > m->body && text.p[end - 2] == '\n')
        end--;      /* the empty line that separates it from the next message */
    else if (end == m->body + 1 && text.p[m->body] == '\n')
        end--;
    buf_add(out, str_make(text.p + m->body, end - m->body));
}
