/* SPDX-License-Identifier: ISC */
#include "proto/maildir_name.h"
#include "base/num.h"

/* In ASCII order, which is also the order of the bits. */
static const char flag_letters[] = "DFRST";
enum { MAILDIR_NAME_MAX = 255 };

static bool is_file_name(struct str name)
{
    if (name.n == 0 || name.n > MAILDIR_NAME_MAX || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '/' || name.p[i] == '\0' || name.p[i] == '\n' || name.p[i] == '\r')
            return false;
    return true;
}

static void parse_fields(struct maildir_name *n)
{
    struct str field, rest = n->base;
    bool more = str_cut(rest, ',', &field, &rest);
    while (more) {
        more = str_cut(rest, ',', &field, &rest);
        if (!n->has_size && str_starts(field, STR("S=")))
            n->has_size = num_parse_u64(str_skip(field, 2), INT64_MAX, &n->size);
        else if (!n->has_vsize && str_starts(field, STR("W=")))
            n->has_vsize = num_parse_u64(str_skip(field, 2), INT64_MAX, &n->vsize);
    }
}

static void parse_letters(struct maildir_name *n)
{
    for (size_t i = 0; i < n->unknown.n; i++) {
        char c = n->unknown.p[i];
        const char *at = c == '\0' ? NULL : strchr(flag_letters, c);
        if (at != NULL)
            n->flags = (uint8_t)(n->flags | 1u << (at - flag_letters));
        else if (c >= 'a' && c <= 'z')
            n->keywords |= UINT32_C(1) << (c - 'a');
    }
}

bool maildir_name_parse(struct str name, struct maildir_name *ret)
{
    if (!is_file_name(name))
        return false;
    struct maildir_name n = { .base = name };
    ptrdiff_t colon = str_chr(name, ':');
    if (colon >= 0) {
        n.base = str_head(name, (size_t)colon);
        struct str info = str_skip(name, (size_t)colon + 1);
        if (str_starts(info, STR("2,")))
            n.has_extra = str_cut(str_skip(info, 2), ',', &n.unknown, &n.extra);
    }
    if (n.base.n == 0)
        return false;
    parse_fields(&n);
    parse_letters(&n);
    *ret = n;
    return true;
}

void maildir_name_put(struct buf *out, const struct maildir_name *n, uint8_t flags, uint32_t keywords)
{
    bool letter[128] = { false };
    for (size_t i = 0; i < n->unknown.n; i++) {
        unsigned char c = (unsigned char)n->unknown.p[i];
        if (c < 128 && c > ' ' && strchr(flag_letters, c) == NULL && !(c >= 'a' && c <= 'z'))
            letter[c] = true;
    }
    for (size_t i = 0; i < sizeof(flag_letters) - 1; i++)
        letter[(unsigned char)flag_letters[i]] = (flags >> i & 1) != 0;
    for (unsigned i = 0; i < 26; i++)
        letter['a' + i] = (keywords >> i & 1) != 0;
    buf_add(out, n->base);
    buf_puts(out, ":2,");
    for (unsigned c = 0; c < 128; c++)
        if (letter[c])
            buf_putc(out, (char)c);
    if (n->has_extra) {
        buf_putc(out, ',');
        buf_add(out, n->extra);
    }
}
