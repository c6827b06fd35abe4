/* SPDX-License-Identifier: ISC */
#include "base/vec.h"
#include "proto/mime.h"
#include "proto/rfc822.h"

enum { FILTER_BITS = 2048 };

/* A multipart that is open: its boundary, looked up by length and hash. */
struct open_boundary {
    struct str text;
    uint32_t hash;
    int32_t part;
};

struct parser {
    struct str text;
    struct mime_msg *msg;
    struct mime_value value;
    int32_t current;                /* innermost part that is still open */
    bool in_header;
    bool after_close;               /* the line before was a closing delimiter: its line end is its own */
    size_t lines, bare;             /* line ends and LFs without CR before the current line */
    struct open_boundary open[MIME_DEPTH_MAX];
    size_t n_open;
    uint64_t hashes[FILTER_BITS / 64];      /* bit n: an open boundary has a hash of n modulo FILTER_BITS */
};

/* Where a body started, in counts; kept in wire and lines until the body ends. */
static void span_start(const struct parser *p, struct mime_span *s, size_t at)
{
    *s = (struct mime_span){ .at = at, .wire = p->bare, .lines = p->lines };
}

/* bare and lines: totals at its end. */
static void span_end(struct mime_span *s, size_t end, size_t bare, size_t lines)
{
    s->len = end - s->at;
    s->wire = s->len + (bare - s->wire);
    s->lines = lines - s->lines;
}

static uint32_t hash_of(struct str s)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (uint8_t)s.p[i]) * 16777619u;
    return h;
}

static void filter_add(struct parser *p, uint32_t hash)
{
    p->hashes[hash % FILTER_BITS / 64] |= (uint64_t)1 << (hash % 64);
}

static struct mime_part *part_at(struct parser *p, int32_t i)
{
    return &p->msg->parts[i];
}

/* A new part whose header begins at `at`. */
static void part_add(struct parser *p, int32_t parent, size_t at)
{
    struct mime_msg *m = p->msg;
    int32_t self = (int32_t)m->n;
    if (m->n == m->cap)
        m->parts = vec_grow(m->parts, &m->cap, sizeof *m->parts);
    m->parts[m->n++] = (struct mime_part){ .parent = parent, .first_child = -1, .last_child = -1, .next = -1,
                                           .is_text = true };
    if (parent >= 0) {
        struct mime_part *up = part_at(p, parent);
        if (up->last_child >= 0)
            part_at(p, up->last_child)->next = self;
        else
            up->first_child = self;
        up->last_child = self;
        up->n_children++;
        part_at(p, self)->depth = up->depth + 1;
    }
    span_start(p, &part_at(p, self)->header, at);
    p->current = self;
    p->in_header = true;
}

/* RFC 2046 §5.1.5: in a digest a part without a type is a message. */
static bool in_digest(struct parser *p, const struct mime_part *part)
{
    return part->parent >= 0 && part_at(p, part->parent)->is_digest;
}

static void open_multipart(struct parser *p, struct mime_part *part)
{
    struct str boundary;
    if (p->n_open == MIME_DEPTH_MAX)
        return;
    part->kind = MIME_MULTIPART;
    part->is_digest = str_ieqz(p->value.subtype, "digest");
    if (!mime_value_param(&p->value, "boundary", &boundary) || boundary.n == 0 || boundary.n > MIME_BOUNDARY_MAX)
        return;     /* without a delimiter it has no parts */
    while (boundary.n > 0 && ascii_is_space(boundary.p[boundary.n - 1]))
        boundary.n--;
    /* The value's buffer is reused for the next field: keep the bytes where they do not move. */
    char *copy = xmalloc(boundary.n + 1);
    if (boundary.n > 0)
        memcpy(copy, boundary.p, boundary.n);
    boundary.p = copy;
    p->open[p->n_open++] = (struct open_boundary){ boundary, hash_of(boundary), p->current };
    filter_add(p, p->open[p->n_open - 1].hash);
}

static void close_boundaries(struct parser *p, size_t keep)
{
    while (p->n_open > keep)
        free((void *)(uintptr_t)p->open[--p->n_open].text.p);
    memset(p->hashes, 0, sizeof p->hashes);
    for (size_t i = 0; i < p->n_open; i++)
        filter_add(p, p->open[i].hash);
}

/* What the header says about the body. */
static void classify(struct parser *p)
{
    struct mime_part *part = part_at(p, p->current);
    struct str header = str_make(p->text.p + part->header.at, part->header.len), field = STR("");
    bool typed = rfc822_find(header, STR("Content-Type"), &field) && mime_value_parse(&p->value, field, true);
    bool message = typed ? str_ieqz(p->value.type, "message") &&
                               (str_ieqz(p->value.subtype, "rfc822") || str_ieqz(p->value.subtype, "global"))
                         : in_digest(p, part);
    part->is_text = typed ? str_ieqz(p->value.type, "text") : !message;
    bool room = part->depth + 1 < MIME_DEPTH_MAX && p->msg->n < MIME_PARTS_MAX;
    if (!room)
        return;
    if (message)
        part->kind = MIME_MESSAGE;
    else if (typed && str_ieqz(p->value.type, "multipart"))
        open_multipart(p, part);
}

/* The header of the current part ends, its body starts at `at`. */
static void header_end(struct parser *p, size_t at)
{
    struct mime_part *part = part_at(p, p->current);
    span_end(&part->header, at, p->bare, p->lines);
    span_start(p, &part->body, at);
    p->in_header = false;
    classify(p);
    if (part_at(p, p->current)->kind == MIME_MESSAGE)
        part_add(p, p->current, at);
}

/* The body of the current part ends at `at`: the start of a delimiter, or the end of the text. */
static void body_end(struct parser *p, size_t at, bool at_delimiter)
{
    struct mime_part *part = part_at(p, p->current);
    size_t end = at, bare = p->bare, lines = p->lines;
    if (at_delimiter && !p->after_close && end > part->body.at) {
        /* RFC 2046 §5.1.1: the line end before the delimiter is part of the delimiter. */
        end--;
        lines--;
        if (end > part->body.at && p->text.p[end - 1] == '\r')
            end--;
        else
            bare--;
    }
    span_end(&part->body, end, bare, lines);
    p->current = part->parent;
}

/* Ends the current part and those above it that are not `keep`. */
static void parts_end(struct parser *p, int32_t keep, size_t at, bool at_delimiter)
{
    while (p->current != keep) {
        if (p->in_header)
            header_end(p, at);      /* may open a message without any text, which ends next */
        else
            body_end(p, at, at_delimiter);
    }
}

/* The open boundary that a line "--..." shows, or -1. */
static ptrdiff_t find_boundary(const struct parser *p, struct str line)
{
    if (line.n > MIME_BOUNDARY_MAX)
        return -1;
    uint32_t hash = hash_of(line);
    if ((p->hashes[hash % FILTER_BITS / 64] >> (hash % 64) & 1) == 0)
        return -1;
    for (size_t i = p->n_open; i-- > 0;)
        if (p->open[i].hash == hash && str_eq(p->open[i].text, line))
            return (ptrdiff_t)i;
    return -1;
}

/* Is this line a delimiter? Then act on it. next: the start of the line after. */
static bool delimiter(struct parser *p, struct str line, size_t at, size_t next, size_t bare_here, bool ended)
{
    line = str_skip(line, 2);
    while (line.n > 0 && ascii_is_space(line.p[line.n - 1]))
        line.n--;
    bool last = false;
    ptrdiff_t i = find_boundary(p, line);
    if (i < 0 && line.n >= 2 && line.p[line.n - 1] == '-' && line.p[line.n - 2] == '-') {
        i = find_boundary(p, str_head(line, line.n - 2));
        last = true;
    }
    if (i < 0 || (!last && p->msg->n >= MIME_PARTS_MAX))
        return false;
    int32_t multipart = p->open[i].part;
    parts_end(p, multipart, at, true);
    close_boundaries(p, last ? (size_t)i : (size_t)i + 1);
    p->in_header = false;
    p->after_close = last;
    p->lines += ended ? 1 : 0;
    p->bare += bare_here;
    if (!last)
        part_add(p, multipart, next);
    return true;
}

static void line_done(struct parser *p, struct str line, size_t next, size_t bare_here, bool ended)
{
    p->after_close = false;
    if (ended) {
        p->lines++;
        p->bare += bare_here;
    }
    bool empty = ended && (line.n == 0 || (line.n == 1 && line.p[0] == '\r'));
    if (p->in_header && empty)
        header_end(p, next);
}

void mime_parse(struct str text, struct mime_msg *ret)
{
    struct parser *p = xcalloc(1, sizeof *p);
    p->text = text;
    p->msg = ret;
    ret->n = 0;
    part_add(p, -1, 0);
    for (size_t at = 0; at < text.n;) {
        const char *lf = memchr(text.p + at, '\n', text.n - at);
        size_t end = lf == NULL ? text.n : (size_t)(lf - text.p), next = lf == NULL ? end : end + 1;
        struct str line = str_make(text.p + at, end - at);
        size_t bare = lf != NULL && !(line.n > 0 && line.p[line.n - 1] == '\r') ? 1 : 0;
        bool dashes = p->n_open > 0 && line.n > 2 && line.p[0] == '-' && line.p[1] == '-';
        if (!dashes || !delimiter(p, line, at, next, bare, lf != NULL))
            line_done(p, line, next, bare, lf != NULL);
        at = next;
    }
    parts_end(p, -1, text.n, false);
    close_boundaries(p, 0);
    mime_value_done(&p->value);
    free(p);
}

void mime_msg_done(struct mime_msg *m)
{
    free(m->parts);
    *m = (struct mime_msg){ 0 };
}
