/* SPDX-License-Identifier: ISC */
#include "proto/smtp_path.h"
#include <arpa/inet.h>
#include "base/utf8.h"
#include "proto/addr.h"

static bool is_atext(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool is_high(char c) { return (unsigned char)c >= 0x80; }
static bool is_control(char c) { return (unsigned char)c < 0x20 || c == 0x7f; }

void smtp_address_split(struct str address, struct str *ret_local, struct str *ret_domain)
{
    ptrdiff_t at = str_rchr(address, '@');
    *ret_local = at < 0 ? address : str_head(address, (size_t)at);
    *ret_domain = at < 0 ? str_skip(address, address.n) : str_skip(address, (size_t)at + 1);
}

bool smtp_local_needs_quotes(struct str local)
{
    if (local.n == 0 || local.p[0] == '.' || local.p[local.n - 1] == '.')
        return true;
    for (size_t i = 0; i < local.n; i++) {
        bool double_dot = local.p[i] == '.' && local.p[i - 1] == '.';
        if (double_dot || !(is_atext(local.p[i]) || local.p[i] == '.' || is_high(local.p[i])))
            return true;
    }
    return false;
}

void smtp_address_put(struct buf *out, struct str address)
{
    struct str local, domain;
    smtp_address_split(address, &local, &domain);
    if (address.n == 0 || !smtp_local_needs_quotes(local)) {
        buf_add(out, address);
        return;
    }
    addr_put_quoted(out, local);
    buf_add(out, str_skip(address, local.n));
}

/* Full-width and ideographic dots and "@" are mapped to ASCII by IDNA: a second reading of the same address. */
static bool has_lookalike(struct str s)
{
    uint32_t code;
    while (utf8_next(&s, &code))
        if (code == 0xff0e || code == 0x3002 || code == 0xff61 || code == 0xff20)
            return true;
    return s.n > 0;
}

bool smtp_domain_is_valid(struct str domain, bool utf8)
{
    size_t label = 0;
    if (domain.n == 0 || domain.n > SMTP_DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < domain.n; i++) {
        char c = domain.p[i];
        bool edge = label == 0 || i + 1 == domain.n || domain.p[i + 1] == '.';
        if (c == '.' && label > 0 && i + 1 < domain.n) {
            label = 0;
            continue;
        }
        bool fine = ascii_is_alnum(c) || c == '_' || (c == '-' && !edge) || (utf8 && is_high(c));
        if (!fine || ++label > 63)
            return false;
    }
    return !utf8 || !has_lookalike(domain);
}

bool smtp_literal_parse(struct str domain, struct str *ret_addr)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char addr[16];
    int family = AF_INET;

    if (domain.n < 3 || domain.p[0] != '[' || domain.p[domain.n - 1] != ']')
        return false;
    struct str inner = str_make(domain.p + 1, domain.n - 2);
    if (str_istarts(inner, STR("IPv6:"))) {
        inner = str_skip(inner, 5);
        family = AF_INET6;
    }
    if (!str_to_fixed(inner, text, sizeof text) || inet_pton(family, text, addr) != 1)
        return false;
    *ret_addr = inner;
    return true;
}

/* RFC 5321 §4.1.2: "@a,@b:" before the address has no meaning any more. */
static bool skip_route(struct str *text)
{
    if (text->n == 0 || text->p[0] != '@')
        return true;
    ptrdiff_t colon = str_chr(*text, ':');
    if (colon < 0)
        return false;
    struct str route = str_head(*text, (size_t)colon), hop, ignored;
    *text = str_skip(*text, (size_t)colon + 1);
    while (route.n > 0) {
        (void)str_cut(route, ',', &hop, &route);
        if (hop.n < 2 || hop.p[0] != '@')
            return false;
        hop = str_skip(hop, 1);
        if (!smtp_domain_is_valid(hop, false) && !smtp_literal_parse(hop, &ignored))
            return false;
    }
    return true;
}

struct local_scan { struct str rest; char *out; size_t n; bool quoted; };

/* A quoted string at the start of the rest; copies its meaning. */
static bool take_quoted(struct local_scan *s)
{
    size_t i = 1;
    for (; i < s->rest.n && s->rest.p[i] != '"'; i++) {
        if (s->rest.p[i] == '\\' && ++i == s->rest.n)
            return false;
        if (is_control(s->rest.p[i]))
            return false;
        s->out[s->n++] = s->rest.p[i];
    }
    if (i == s->rest.n)
        return false;
    s->rest = str_skip(s->rest, i + 1);
    s->quoted = true;
    return true;
}

/* Unquoted: one character, or an escaped one. */
static bool take_plain(struct local_scan *s)
{
    char c = s->rest.p[0];
    if (c == '\\' && s->rest.n > 1) {
        s->rest = str_skip(s->rest, 1);
        c = s->rest.p[0];
    } else if (c == '<' || c == '>' || c == '(' || c == ')' || c == ',' || c == ';' || c == '\\') {
        return false;
    }
    if (is_control(c) || c == ' ')
        return false;
    s->out[s->n++] = c;
    s->rest = str_skip(s->rest, 1);
    return true;
}

/* Length of the local part as written: up to the last "@" that is not quoted. */
static bool find_at(struct str text, size_t *ret_at)
{
    bool quoted = false;
    size_t at = text.n;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\' && i + 1 < text.n)
            i++;
        else if (text.p[i] == '"')
            quoted = !quoted;
        else if (text.p[i] == '@' && !quoted)
            at = i;
    }
    *ret_at = at;
    return !quoted;
}

static bool strict_local(struct str written, struct str local)
{
    if (local.n > SMTP_LOCAL_MAX_STRICT)
        return false;
    if (written.n >= 2 && written.p[0] == '"') {
        /* One quoted string and nothing after it. */
        size_t i = 1;
        while (i < written.n && written.p[i] != '"')
            i += written.p[i] == '\\' ? 2 : 1;
        return i + 1 == written.n;
    }
    return !smtp_local_needs_quotes(local) && str_chr(written, '\\') < 0;
}

static bool domain_fits(struct str domain, unsigned flags)
{
    struct str ignored;
    if (domain.n > 0 && domain.p[0] == '[')
        return smtp_literal_parse(domain, &ignored);
    return smtp_domain_is_valid(domain, (flags & SMTP_PATH_UTF8) != 0);
}

static enum smtp_path_result assemble(struct local_scan *s, struct str written, struct str domain, bool has_at, unsigned flags,
                                      struct smtp_path *ret)
{
    struct str local = str_make(s->out, s->n);
    if (local.n == 0 && !s->quoted)
        return SMTP_PATH_SYNTAX;
    if (local.n > SMTP_LOCAL_MAX)
        return SMTP_PATH_TOO_LONG;
    if ((flags & SMTP_PATH_STRICT) != 0 && !strict_local(written, local))
        return SMTP_PATH_SYNTAX;
    if (has_at) {
        s->out[s->n++] = '@';
        memcpy(s->out + s->n, domain.p, domain.n);
        s->n += domain.n;
    } else if (str_chr(local, '@') >= 0) {
        s->out[s->n++] = '@';       /* a quoted "@" must not become the one that separates */
    }
    *ret = (struct smtp_path){ .address = str_make(s->out, s->n), .local = local,
        .domain = has_at ? str_make(s->out + local.n + 1, domain.n) : str_make(s->out + s->n, 0) };
    ret->needs_utf8 = !utf8_is_ascii(ret->address);
    return SMTP_PATH_OK;
}

static enum smtp_path_result parse_mailbox(struct str text, unsigned flags, struct arena *a, struct smtp_path *ret)
{
    size_t at;
    if (!find_at(text, &at))
        return SMTP_PATH_SYNTAX;
    bool has_at = at < text.n;
    struct str written = str_head(text, at), domain = str_skip(text, at + 1);
    if (domain.n > 1 && domain.p[domain.n - 1] == '.' && (flags & SMTP_PATH_STRICT) == 0)
        domain.n--;
    if (domain.n > SMTP_DOMAIN_MAX)
        return SMTP_PATH_TOO_LONG;
    if (has_at && !domain_fits(domain, flags))
        return SMTP_PATH_SYNTAX;
    struct local_scan s = { .rest = written, .out = arena_alloc(a, text.n + 2) };
    while (s.rest.n > 0)
        if (!(s.rest.p[0] == '"' ? take_quoted(&s) : take_plain(&s)))
            return SMTP_PATH_SYNTAX;
    return assemble(&s, written, domain, has_at, flags, ret);
}

enum smtp_path_result smtp_path_parse(struct str text, unsigned flags, struct arena *a, struct smtp_path *ret)
{
    if (text.n > 2 * SMTP_ADDRESS_MAX)
        return SMTP_PATH_TOO_LONG;
    if (!utf8_is_ascii(text)) {
        if ((flags & SMTP_PATH_UTF8) == 0)
            return SMTP_PATH_NEEDS_UTF8;
        if (!utf8_is_valid(text))
            return SMTP_PATH_SYNTAX;
    }
    if ((flags & SMTP_PATH_STRICT) == 0)
        while (text.n > 0 && (text.p[0] == ' ' || text.p[text.n - 1] == ' '))
            text = text.p[0] == ' ' ? str_skip(text, 1) : str_head(text, text.n - 1);
    if (text.n == 0) {
        *ret = (struct smtp_path){ .address = STR(""), .local = STR(""), .domain = STR("") };
        return SMTP_PATH_OK;
    }
    if (!skip_route(&text) || text.n == 0)
        return SMTP_PATH_SYNTAX;
    return parse_mailbox(text, flags, a, ret);
}
