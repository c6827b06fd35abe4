/* SPDX-License-Identifier: ISC
 *
 * imap_print.c - ENVELOPE and BODYSTRUCTURE (RFC 3501 §7.4.2).
 *
 * Both are made once per message and kept. What a hostile message can make of
 * them is bounded: ENVELOPE_ADDRESSES_MAX addresses per field, FIELD_MAX bytes
 * of any one value.
 */
#include "proto/addr.h"
#include "proto/imap_fetch.h"
#include "proto/rfc822.h"

enum { ENVELOPE_ADDRESSES_MAX = 10000, FIELD_MAX = 1 << 20 };

enum envelope_field { ENV_DATE, ENV_SUBJECT, ENV_FROM, ENV_SENDER, ENV_REPLY_TO, ENV_TO, ENV_CC, ENV_BCC,
                      ENV_IN_REPLY_TO, ENV_MESSAGE_ID, ENV_COUNT };
static const char *const envelope_names[ENV_COUNT] = {
    "Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "In-Reply-To", "Message-ID",
};

static void put_nstring(struct buf *out, const struct str *s)
{
    if (s == NULL)
        buf_puts(out, "NIL");
    else
        imap_put_header_string(out, str_head(*s, FIELD_MAX));
}

static void put_part(struct buf *out, struct str s, bool present)
{
    if (present)
        imap_put_header_string(out, s);
    else
        buf_puts(out, "NIL");
}

/* What is missing has names that web mailers know; the empty path "<>" has neither. (name route local domain); a group begins with (NIL NIL name NIL) and ends with (NIL NIL NIL NIL). */
static void put_address(struct buf *out, const struct addr *a)
{
    /* Words and no address are a name. */
    bool phrase = !a->angle && a->domain.n == 0 && !a->has_name && str_chr(a->local, ' ') >= 0;
    struct str local = a->domain.n == 0 && (a->local.n == 0 || phrase) ? STR("MISSING_MAILBOX") : a->local;
    struct str domain = a->domain.n == 0 ? STR("MISSING_DOMAIN") : a->domain;
    buf_putc(out, '(');
    put_part(out, phrase ? a->local : a->name, a->kind == ADDR_MAILBOX && (phrase || a->has_name));
    buf_putc(out, ' ');
    put_part(out, a->route, a->kind == ADDR_MAILBOX && a->route.n > 0);
    buf_putc(out, ' ');
    put_part(out, a->kind == ADDR_GROUP ? a->name : local, a->kind != ADDR_GROUP_END);
    buf_putc(out, ' ');
    put_part(out, domain, a->kind == ADDR_MAILBOX);
    buf_putc(out, ')');
}

/* One parenthesised list out of all the fields of that name; false if it would be empty. */
static bool put_addresses(struct buf *out, struct str header, struct str name)
{
    struct rfc822_field f;
    size_t n = 0;
    while (n < ENVELOPE_ADDRESSES_MAX && rfc822_next(&header, &f)) {
        if (!str_ieq(f.name, name))
            continue;
        struct addr_parser p = addr_parser_make(f.value);
        struct addr a;
        while (n < ENVELOPE_ADDRESSES_MAX && addr_next(&p, &a)) {
            if (n++ == 0)
                buf_putc(out, '(');
            put_address(out, &a);
        }
        addr_parser_done(&p);
    }
    if (n > 0)
        buf_putc(out, ')');
    return n > 0;
}

static void put_address_field(struct buf *out, struct str header, enum envelope_field which, const bool *present)
{
    struct str name = str_from(envelope_names[which]);
    if (present[which] && put_addresses(out, header, name))
        return;
    /* RFC 3501 §7.4.2: Sender and Reply-To default to From. */
    bool fall_back = which == ENV_SENDER || which == ENV_REPLY_TO;
    if (!fall_back || !present[ENV_FROM] || !put_addresses(out, header, str_from(envelope_names[ENV_FROM])))
        buf_puts(out, "NIL");
}

void imap_put_envelope(struct buf *out, struct str header)
{
    struct str value[ENV_COUNT] = { 0 }, rest = header;
    bool present[ENV_COUNT] = { false };
    struct rfc822_field f;
    while (rfc822_next(&rest, &f))
        for (size_t i = 0; i < ENV_COUNT; i++)
            if (str_ieqz(f.name, envelope_names[i])) {      /* of several, the last one counts */
                present[i] = true;
                value[i] = str_trim(f.value);
            }
    buf_putc(out, '(');
    for (size_t i = 0; i < ENV_COUNT; i++) {
        if (i > 0)
            buf_putc(out, ' ');
        if (i >= ENV_FROM && i <= ENV_BCC)
            put_address_field(out, header, (enum envelope_field)i, present);
        else
            put_nstring(out, present[i] ? &value[i] : NULL);
    }
    buf_putc(out, ')');
}

/* The fields of a part that its description is made of. */
struct part_fields {
    struct str type, disposition, encoding, id, description, md5, language, location;
    bool has_type, has_disposition, has_encoding, has_id, has_description, has_md5, has_language, has_location;
};

static void collect_fields(struct part_fields *pf, struct str header)
{
    struct { const char *name; struct str *value; bool *has; } wanted[] = {
        { "Content-Type", &pf->type, &pf->has_type },
        { "Content-Disposition", &pf->disposition, &pf->has_disposition },
        { "Content-Transfer-Encoding", &pf->encoding, &pf->has_encoding },
        { "Content-ID", &pf->id, &pf->has_id },
        { "Content-Description", &pf->description, &pf->has_description },
        { "Content-MD5", &pf->md5, &pf->has_md5 },
        { "Content-Language", &pf->language, &pf->has_language },
        { "Content-Location", &pf->location, &pf->has_location },
    };
    struct rfc822_field f;
    *pf = (struct part_fields){ 0 };
    while (rfc822_next(&header, &f)) {
        if (!str_istarts(f.name, STR("Content-")))
            continue;
        for (size_t i = 0; i < N_ELEMS(wanted); i++)
            if (!*wanted[i].has && str_ieqz(f.name, wanted[i].name)) {
                *wanted[i].has = true;
                *wanted[i].value = str_head(str_trim(f.value), FIELD_MAX);
            }
    }
}

static void put_params(struct buf *out, const struct mime_value *v)
{
    for (size_t i = 0; i < v->n_params; i++) {
        buf_putc(out, i == 0 ? '(' : ' ');
        imap_put_string(out, v->params[i].name);
        buf_putc(out, ' ');
        imap_put_string(out, v->params[i].value);
    }
    buf_puts(out, v->n_params == 0 ? "NIL" : ")");
}

/* RFC 2045 §5.2: text without a charset is US-ASCII; clients are told so. */
static void put_text_params(struct buf *out, const struct mime_value *v)
{
    struct str charset;
    size_t from = out->n;
    put_params(out, v);
    if (mime_value_param(v, "charset", &charset))
        return;
    out->n = v->n_params == 0 ? from : out->n - 1;
    buf_puts(out, v->n_params == 0 ? "(" : " ");
    buf_puts(out, "\"charset\" \"us-ascii\")");
}
static void put_disposition(struct buf *out, const struct part_fields *pf, struct mime_value *v)
{
    if (!pf->has_disposition || !mime_value_parse(v, pf->disposition, false)) {
        buf_puts(out, "NIL");
        return;
    }
    buf_putc(out, '(');
    imap_put_string(out, v->type);
    buf_putc(out, ' ');
    put_params(out, v);
    buf_putc(out, ')');
}

static void put_language(struct buf *out, const struct part_fields *pf)
{
    struct str rest = pf->has_language ? pf->language : STR(""), tag;
    size_t n = 0;
    while (n < MIME_PARAMS_MAX && str_token(&rest, " \t\r\n,", &tag)) {
        buf_putc(out, n++ == 0 ? '(' : ' ');
        imap_put_string(out, tag);
    }
    buf_puts(out, n == 0 ? "NIL" : ")");
}

/* body-fld-dsp SP body-fld-lang SP body-fld-loc */
static void put_extension_tail(struct buf *out, const struct part_fields *pf, struct mime_value *v)
{
    buf_putc(out, ' ');
    put_disposition(out, pf, v);
    buf_putc(out, ' ');
    put_language(out, pf);
    buf_putc(out, ' ');
    put_nstring(out, pf->has_location ? &pf->location : NULL);
}

struct printer {
    struct buf *out;
    struct str text;
    const struct mime_msg *m;
    bool extended;
    struct mime_value value;
};

static struct str header_of(const struct printer *pr, const struct mime_part *part)
{
    return str_make(pr->text.p + part->header.at, part->header.len);
}

/* The end of a multipart, behind its children. */
static void close_multipart(struct printer *pr, const struct mime_part *part)
{
    struct part_fields pf;
    collect_fields(&pf, header_of(pr, part));
    if (!pf.has_type || !mime_value_parse(&pr->value, pf.type, true))
        (void)mime_value_parse(&pr->value, STR("multipart/mixed"), true);
    buf_putc(pr->out, ' ');
    imap_put_string(pr->out, pr->value.subtype);
    if (pr->extended) {
        buf_putc(pr->out, ' ');
        put_params(pr->out, &pr->value);
        put_extension_tail(pr->out, &pf, &pr->value);
    }
    buf_putc(pr->out, ')');
}

/* type subtype params id description encoding size: what every leaf begins with. */
static void put_leaf_head(struct printer *pr, const struct mime_part *part, const struct part_fields *pf)
{
    struct buf *out = pr->out;
    bool typed = pf->has_type && mime_value_parse(&pr->value, pf->type, true);
    if (part->kind == MIME_MESSAGE && !typed)
        (void)mime_value_parse(&pr->value, STR("message/rfc822"), true);
    else if (!typed || (str_ieqz(pr->value.type, "multipart") && part->kind != MIME_MULTIPART))
        (void)mime_value_parse(&pr->value, STR("text/plain; charset=us-ascii"), true);
    else if (str_ieqz(pr->value.type, "message") && str_ieqz(pr->value.subtype, "rfc822") && part->kind == MIME_LEAF)
        (void)mime_value_parse(&pr->value, STR("application/octet-stream"), true);  /* beyond the limits */
    imap_put_string(out, pr->value.type);
    buf_putc(out, ' ');
    imap_put_string(out, pr->value.subtype);
    buf_putc(out, ' ');
    if (str_ieqz(pr->value.type, "text"))
        put_text_params(out, &pr->value);
    else
        put_params(out, &pr->value);
    buf_putc(out, ' ');
    put_nstring(out, pf->has_id ? &pf->id : NULL);
    buf_putc(out, ' ');
    put_nstring(out, pf->has_description ? &pf->description : NULL);
    buf_putc(out, ' ');
    struct str encoding = pf->has_encoding ? mime_token(pf->encoding) : STR("");
    if (encoding.n > 0)
        imap_put_string(out, encoding);
    else
        buf_puts(out, "\"7bit\"");
    buf_printf(out, " %zu", part->body.wire);
}

static void put_leaf_tail(struct printer *pr, const struct mime_part *part, const struct part_fields *pf)
{
    bool text = str_ieqz(pr->value.type, "text");
    if (part->kind == MIME_MESSAGE || text)
        buf_printf(pr->out, " %zu", part->body.lines);
    if (pr->extended) {
        buf_putc(pr->out, ' ');
        put_nstring(pr->out, pf->has_md5 ? &pf->md5 : NULL);
        put_extension_tail(pr->out, pf, &pr->value);
    }
    buf_putc(pr->out, ')');
}

/* A multipart without any part must still show one (the grammar wants 1*body). */
static void put_empty_child(struct printer *pr)
{
    buf_puts(pr->out, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
    buf_puts(pr->out, pr->extended ? " NIL NIL NIL NIL)" : ")");
}

/* Everything before the children. True when the part has children that come next. */
static bool open_part(struct printer *pr, const struct mime_part *part)
{
    struct part_fields pf;
    buf_putc(pr->out, '(');
    if (part->kind == MIME_MULTIPART) {
        if (part->n_children > 0)
            return true;
        put_empty_child(pr);
        close_multipart(pr, part);
        return false;
    }
    collect_fields(&pf, header_of(pr, part));
    put_leaf_head(pr, part, &pf);
    if (part->kind == MIME_MESSAGE && part->first_child >= 0) {
        buf_putc(pr->out, ' ');
        imap_put_envelope(pr->out, header_of(pr, &pr->m->parts[part->first_child]));
        buf_putc(pr->out, ' ');
        return true;
    }
    put_leaf_tail(pr, part, &pf);
    return false;
}

static void close_part(struct printer *pr, const struct mime_part *part)
{
    struct part_fields pf;
    if (part->kind == MIME_MULTIPART) {
        close_multipart(pr, part);
        return;
    }
    collect_fields(&pf, header_of(pr, part));
    if (!pf.has_type || !mime_value_parse(&pr->value, pf.type, true))
        (void)mime_value_parse(&pr->value, STR("message/rfc822"), true);
    put_leaf_tail(pr, part, &pf);
}

void imap_put_bodystructure(struct buf *out, struct str text, const struct mime_msg *m, bool extended)
{
    struct printer *pr = xcalloc(1, sizeof *pr);
    pr->out = out;
    pr->text = text;
    pr->m = m;
    pr->extended = extended;
    int32_t at = 0;
    for (bool down = open_part(pr, &m->parts[0]);;) {
        const struct mime_part *part = &m->parts[at];
        if (down) {
            at = part->first_child;
            down = open_part(pr, &m->parts[at]);
            continue;
        }
        if (part->parent < 0)
            break;
        if (part->next >= 0) {
            at = part->next;
            down = open_part(pr, &m->parts[at]);
            continue;
        }
        at = part->parent;
        close_part(pr, &m->parts[at]);
        down = false;
    }
    mime_value_done(&pr->value);
    free(pr);
}
