/* SPDX-License-Identifier: ISC */
#include "out.h"
#include "proto/qrec.h"
#include <sys/mman.h>
#include <sys/stat.h>

/* Others run in between when a server takes a large message as fast as we can write. */
enum { YIELD_LINES = 256 };

/* Where in a line of output we are. */
struct writer { struct conn *c; uint32_t limit; size_t column; };

static void put(struct writer *w, struct str s)
{
    conn_put(w->c, s);
    w->column += s.n;
}

/* RFC 5321 section 4.5.3.1.6: a line that is too long goes on in the next, after a blank. */
static void put_folded(struct writer *w, struct str s)
{
    while (w->limit != 0 && w->column + s.n > w->limit) {
        size_t room = w->column < w->limit ? w->limit - w->column : 0;
        conn_put(w->c, str_head(s, room));
        conn_puts(w->c, "\r\n ");
        w->column = 1;
        s = str_skip(s, room);
    }
    put(w, s);
}

static size_t clean_length(struct str s)
{
    const char *cr = memchr(s.p, '\r', s.n), *lf = memchr(s.p, '\n', cr == NULL ? s.n : (size_t)(cr - s.p));
    return lf != NULL ? (size_t)(lf - s.p) : cr != NULL ? (size_t)(cr - s.p) : s.n;
}

/*
 * A CR or LF inside a line would be a line end to some servers and none to
 * others: it becomes a blank, so that one message stays one message.
 */
static void put_text(struct writer *w, struct str s)
{
    if (w->column == 0 && s.n > 0 && s.p[0] == '.')
        conn_puts(w->c, ".");   /* RFC 5321 section 4.5.2 */
    while (s.n > 0) {
        size_t n = clean_length(s);
        put_folded(w, str_head(s, n));
        if (n < s.n)
            put_folded(w, STR(" "));
        s = str_skip(s, n + (n < s.n));
    }
}

/* One CR at the end of a stored line is its line end written twice. */
static struct str without_cr(struct str s, bool ends)
{
    return ends && s.n > 0 && s.p[s.n - 1] == '\r' ? str_head(s, s.n - 1) : s;
}

static bool send_records(struct qrec_iter *it, struct conn *c, uint32_t limit)
{
    struct writer w = { .c = c, .limit = limit };
    struct str text;
    bool ends = true;
    enum qrec_result got;
    for (unsigned n = 0; (got = qrec_content_next(it, &text, &ends)) == QREC_OK && !conn_is_broken(c); n++) {
        if (n % YIELD_LINES == YIELD_LINES - 1)
            (void)fiber_yield();
        put_text(&w, without_cr(text, ends));
        if (ends) {
            conn_puts(c, "\r\n");
            w.column = 0;
        }
    }
    if (!ends && got != QREC_BAD)
        conn_puts(c, "\r\n");
    return got != QREC_BAD;
}

struct mapping { void *p; size_t n; };
static void unmap(void *arg)
{
    const struct mapping *m = arg;
    (void)munmap(m->p, m->n);
}

static bool send_file(const struct order *o, struct conn *c, uint32_t limit)
{
    struct stat st;
    struct cleanup cleanup;
    if (fstat(o->file, &st) < 0 || st.st_size <= 0 || o->content_at > (uint64_t)st.st_size || o->content_end > (uint64_t)st.st_size)
        return false;
    struct mapping m = { .n = (size_t)st.st_size };
    m.p = mmap(NULL, m.n, PROT_READ, MAP_PRIVATE, o->file, 0);
    if (m.p == MAP_FAILED)
        return false;
    cleanup_push(&cleanup, unmap, &m);
    struct qrec_iter it = qrec_iter(str_make(m.p, m.n));
    it.at = (size_t)o->content_at;
    bool ok = send_records(&it, c, limit);
    cleanup_pop(&cleanup, true);
    return ok;
}

bool content_send(const struct order *o, struct conn *c, uint32_t line_limit)
{
    if (o->file >= 0)
        return send_file(o, c, line_limit);
    if (o->content.n == 0 && o->content_size > 0)
        return false;           /* its file is missing: not an empty message */
    struct qrec_iter it = qrec_iter(o->content);
    return send_records(&it, c, line_limit);
}
