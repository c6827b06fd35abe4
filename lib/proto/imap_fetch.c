/* SPDX-License-Identifier: ISC */
#include "proto/imap_fetch.h"
#include "proto/rfc822.h"

struct parse { struct imap_cur *c; struct imap_fetch *f; const char *why; };

static bool fail(struct parse *p, const char *why)
{
    p->why = why;
    return false;
}

static bool add_item(struct parse *p, enum imap_item item, struct imap_section *section)
{
    if (section == NULL)
        for (size_t i = 0; i < p->f->n; i++)
            if (p->f->items[i].item == item)
                return true;
    if (p->f->n == IMAP_ITEMS_MAX)
        return fail(p, "Too many attributes");
    p->f->items[p->f->n].item = item;
    p->f->items[p->f->n++].section = section;
    return true;
}

static bool take_path(struct parse *p, struct imap_section *s)
{
    uint64_t n;
    s->path = ARENA_ARRAY(p->c->mem, uint32_t, IMAP_PATH_MAX);
    while (imap_number(p->c, UINT32_MAX, &n)) {
        if (n == 0 || s->n_path == IMAP_PATH_MAX)
            return fail(p, "Invalid BODY[..] section");
        s->path[s->n_path++] = (uint32_t)n;
        if (!imap_char(p->c, '.'))
            break;
    }
    return true;
}

static bool take_fields(struct parse *p, struct imap_section *s)
{
    s->fields = ARENA_ARRAY(p->c->mem, struct str, IMAP_FIELDS_MAX);
    if (!imap_sp(p->c) || !imap_char(p->c, '('))
        return fail(p, "Missing list of header names");
    while (!imap_char(p->c, ')')) {
        if (s->n_fields == IMAP_FIELDS_MAX)
            return fail(p, "Too many header names");
        if (!imap_astring(p->c, &s->fields[s->n_fields++]))
            return fail(p, "Invalid list of header names");
        (void)imap_sp(p->c);
    }
    return s->n_fields > 0 || fail(p, "Missing list of header names");
}

static bool take_section_word(struct parse *p, struct imap_section *s)
{
    static const struct { const char *word; enum imap_section_what what; } words[] = {
        { "HEADER.FIELDS.NOT", SECTION_FIELDS_NOT }, { "HEADER.FIELDS", SECTION_FIELDS },
        { "HEADER", SECTION_HEADER }, { "TEXT", SECTION_TEXT }, { "MIME", SECTION_MIME },
    };
    if (imap_peek(p->c, ']'))
        return p->c->p[-1] != '.' || fail(p, "Invalid BODY[..] section");
    for (size_t i = 0; i < N_ELEMS(words); i++)
        if (imap_word(p->c, words[i].word)) {
            s->what = words[i].what;
            if (s->what == SECTION_MIME && s->n_path == 0)
                return fail(p, "Invalid BODY[..] section: MIME needs a part number");
            return s->what < SECTION_FIELDS || s->what > SECTION_FIELDS_NOT || take_fields(p, s);
        }
    return fail(p, "Invalid BODY[..] section");
}

static void put_label(struct buf *out, const struct imap_section *s)
{
    static const char *const words[] = { "", "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME" };
    buf_puts(out, "BODY[");
    for (size_t i = 0; i < s->n_path; i++)
        buf_printf(out, i == 0 ? "%u" : ".%u", s->path[i]);
    if (s->n_path > 0 && s->what != SECTION_ALL)
        buf_putc(out, '.');
    buf_puts(out, words[s->what]);
    for (size_t i = 0; i < s->n_fields; i++) {
        buf_puts(out, i == 0 ? " (" : " ");
        size_t from = out->n;
        imap_put_astring(out, s->fields[i]);
        for (; from < out->n; from++)
            out->p[from] = ascii_upper(out->p[from]);
    }
    buf_puts(out, s->n_fields > 0 ? ")]" : "]");
}

static void set_label(struct parse *p, struct imap_section *s)
{
    struct buf b = buf_make(0);
    put_label(&b, s);
    s->label = str_dup(p->c->mem, buf_str(&b));
    buf_done(&b);
}

static bool take_partial(struct parse *p, struct imap_section *s)
{
    uint64_t from, len;
    if (!imap_char(p->c, '<'))
        return true;
    if (!imap_number(p->c, UINT32_MAX, &from) || !imap_char(p->c, '.') || !imap_number(p->c, UINT32_MAX, &len) ||
        len == 0 || !imap_char(p->c, '>'))
        return fail(p, "Invalid BODY[..] parameter: partial range");
    s->partial = true;
    s->from = (uint32_t)from;
    s->len = (uint32_t)len;
    return true;
}

static bool take_section(struct parse *p, bool peek)
{
    struct imap_section *s = ARENA_NEW(p->c->mem, struct imap_section);
    s->peek = peek;
    if (!take_path(p, s) || !take_section_word(p, s))
        return false;
    if (!imap_char(p->c, ']'))
        return fail(p, "Missing ']' in BODY[..]");
    set_label(p, s);
    return take_partial(p, s) && add_item(p, ITEM_SECTION, s);
}

static bool add_rfc822(struct parse *p, const char *label, enum imap_section_what what, bool peek)
{
    struct imap_section *s = ARENA_NEW(p->c->mem, struct imap_section);
    *s = (struct imap_section){ .what = what, .peek = peek, .label = str_from(label) };
    return add_item(p, ITEM_SECTION, s);
}

static bool take_body(struct parse *p)
{
    if (imap_char(p->c, '['))
        return take_section(p, false);
    return add_item(p, ITEM_BODY, NULL);
}

static bool take_attribute(struct parse *p)
{
    static const struct { const char *word; enum imap_item item; } plain[] = {
        { "FLAGS", ITEM_FLAGS }, { "INTERNALDATE", ITEM_INTERNALDATE }, { "RFC822.SIZE", ITEM_SIZE },
        { "ENVELOPE", ITEM_ENVELOPE }, { "BODYSTRUCTURE", ITEM_BODYSTRUCTURE }, { "UID", ITEM_UID },
    };
    for (size_t i = 0; i < N_ELEMS(plain); i++)
        if (imap_word(p->c, plain[i].word))
            return add_item(p, plain[i].item, NULL);
    if (imap_word(p->c, "RFC822.HEADER"))
        return add_rfc822(p, "RFC822.HEADER", SECTION_HEADER, true);
    if (imap_word(p->c, "RFC822.TEXT"))
        return add_rfc822(p, "RFC822.TEXT", SECTION_TEXT, false);
    if (imap_word(p->c, "RFC822"))
        return add_rfc822(p, "RFC822", SECTION_ALL, false);
    if (imap_word(p->c, "BODY.PEEK"))
        return imap_char(p->c, '[') ? take_section(p, true) : fail(p, "Missing '[' behind BODY.PEEK");
    if (imap_word(p->c, "BODY"))
        return take_body(p);
    return fail(p, "Unknown parameter");
}

static bool take_macro(struct parse *p)
{
    static const struct { const char *word; enum imap_item items[5]; size_t n; } macros[] = {
        { "ALL", { ITEM_FLAGS, ITEM_INTERNALDATE, ITEM_SIZE, ITEM_ENVELOPE }, 4 },
        { "FAST", { ITEM_FLAGS, ITEM_INTERNALDATE, ITEM_SIZE }, 3 },
        { "FULL", { ITEM_FLAGS, ITEM_INTERNALDATE, ITEM_SIZE, ITEM_ENVELOPE, ITEM_BODY }, 5 },
    };
    for (size_t i = 0; i < N_ELEMS(macros); i++)
        if (imap_word(p->c, macros[i].word)) {
            for (size_t k = 0; k < macros[i].n; k++)
                (void)add_item(p, macros[i].items[k], NULL);
            return true;
        }
    return false;
}

static bool take_list(struct parse *p)
{
    while (!imap_char(p->c, ')')) {
        if (!take_attribute(p))
            return false;
        if (!imap_sp(p->c) && !imap_peek(p->c, ')'))
            return fail(p, "Invalid attribute list");
    }
    return p->f->n > 0 || fail(p, "Empty attribute list");
}

bool imap_fetch_parse(struct imap_cur *c, struct imap_fetch *ret, const char **ret_why)
{
    struct parse p = { c, ret, "" };
    ret->n = 0;
    bool ok = take_macro(&p) || (imap_char(c, '(') ? take_list(&p) : take_attribute(&p));
    if (!ok)
        *ret_why = p.why;
    return ok;
}

void imap_fetch_want(struct imap_fetch *f, enum imap_item item)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].item == item)
            return;
    if (f->n == IMAP_ITEMS_MAX)
        f->n--;
    memmove(&f->items[1], &f->items[0], f->n * sizeof f->items[0]);
    f->items[0].item = item;
    f->items[0].section = NULL;
    f->n++;
}

int32_t imap_find_part(const struct mime_msg *m, const uint32_t *path, size_t n)
{
    int32_t at = 0;
    bool itself = false;        /* a ".1" that means the part itself was taken already */
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && m->parts[at].kind == MIME_MESSAGE && m->parts[at].first_child >= 0) {
            at = m->parts[at].first_child;
            itself = false;
        }
        const struct mime_part *part = &m->parts[at];
        if (part->kind != MIME_MULTIPART) {
            if (itself || path[i] != 1)
                return -1;
            itself = true;
            continue;
        }
        if (path[i] > part->n_children)
            return -1;
        at = part->first_child;
        for (uint32_t k = 1; k < path[i]; k++)
            at = m->parts[at].next;
        itself = false;
    }
    return at;
}

static bool is_wanted(const struct imap_section *s, struct str name)
{
    bool listed = false;
    for (size_t i = 0; i < s->n_fields && !listed; i++)
        listed = str_ieq(s->fields[i], name);
    return listed == (s->what == SECTION_FIELDS);
}

/* RFC 3501 §6.4.5: the empty line is always there. */
static struct str pick_fields(const struct imap_section *s, struct str header, struct buf *scratch)
{
    struct rfc822_field f;
    buf_reset(scratch);
    while (rfc822_next(&header, &f))
        if (is_wanted(s, f.name)) {
            buf_add(scratch, f.whole);
            if (f.whole.p[f.whole.n - 1] != '\n')
                buf_puts(scratch, "\r\n");
        }
    buf_puts(scratch, "\r\n");
    return buf_str(scratch);
}

static struct str span_of(struct str text, const struct mime_span *s) { return str_make(text.p + s->at, s->len); }

bool imap_section_get(const struct imap_section *s, struct str text, const struct mime_msg *m, struct buf *scratch,
                      struct str *ret)
{
    int32_t at = imap_find_part(m, s->path, s->n_path);
    *ret = STR("");
    if (at < 0)
        return false;
    const struct mime_part *part = &m->parts[at];
    if (s->what == SECTION_MIME) {
        *ret = span_of(text, &part->header);
        return true;
    }
    if (s->n_path > 0 && s->what != SECTION_ALL) {
        /* HEADER, TEXT: of an embedded message only. */
        if (part->kind != MIME_MESSAGE || part->first_child < 0)
            return false;
        part = &m->parts[part->first_child];
    }
    switch (s->what) {
    case SECTION_ALL: *ret = s->n_path > 0 ? span_of(text, &part->body) : text; break;
    case SECTION_HEADER: *ret = span_of(text, &part->header); break;
    case SECTION_TEXT: *ret = span_of(text, &part->body); break;
    case SECTION_FIELDS:
    case SECTION_FIELDS_NOT: *ret = pick_fields(s, span_of(text, &part->header), scratch); break;
    case SECTION_MIME: break;
    }
    return true;
}
