/* SPDX-License-Identifier: ISC */
#include "proto/dns_record.h"
#include "base/num.h"
#include <arpa/inet.h>

enum { NAME_TEXT_MAX = 255 };

static const struct { const char *name; enum dns_type type; } types[] = {
    { "A", DNS_TYPE_A }, { "AAAA", DNS_TYPE_AAAA }, { "MX", DNS_TYPE_MX }, { "PTR", DNS_TYPE_PTR },
    { "CNAME", DNS_TYPE_CNAME }, { "NS", DNS_TYPE_NS }, { "TXT", DNS_TYPE_TXT },
};

unsigned dns_type_by_name(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(types); i++)
        if (str_ieqz(name, types[i].name))
            return types[i].type;
    return 0;
}

static bool add(struct buf *out, struct str head, struct str rest)
{
    uint8_t n[2];
    size_t total = head.n + rest.n;
    if (total > UINT16_MAX)
        return false;
    put_be16(n, (uint16_t)total);
    buf_put(out, n, sizeof n);
    buf_add(out, head);
    buf_add(out, rest);
    return true;
}

/* Labels to dotted text. The root is ".". False for bytes that no host name or owner of mail has. */
static bool name_text(struct str wire, char text[NAME_TEXT_MAX + 1], size_t *ret_n)
{
    size_t at = 0, n = 0;
    while (at < wire.n && wire.p[at] != 0) {
        size_t len = (unsigned char)wire.p[at++];
        if (len > 63 || len > wire.n - at || n + len + 1 > NAME_TEXT_MAX)
            return false;
        for (size_t i = 0; i < len; i++) {
            char c = wire.p[at + i];
            if (c <= ' ' || c == 0x7f || c == '.')
                return false;
            text[n++] = c;
        }
        text[n++] = '.';
        at += len;
    }
    if (at + 1 != wire.n)
        return false;
    if (n == 0)
        text[n++] = '.';
    else
        n--;                    /* the dot at the end says nothing */
    *ret_n = n;
    return true;
}

bool dns_record_add_wire(struct buf *out, unsigned type, struct str rdata)
{
    char name[NAME_TEXT_MAX + 1];
    size_t n, fixed = type == DNS_TYPE_MX ? 2 : 0;
    switch (type) {
    case DNS_TYPE_A: return rdata.n == 4 && add(out, rdata, STR(""));
    case DNS_TYPE_AAAA: return rdata.n == 16 && add(out, rdata, STR(""));
    case DNS_TYPE_MX: case DNS_TYPE_PTR: case DNS_TYPE_CNAME: case DNS_TYPE_NS:
        return rdata.n > fixed && name_text(str_skip(rdata, fixed), name, &n) && add(out, str_head(rdata, fixed), str_make(name, n));
    default: return add(out, rdata, STR(""));
    }
}

static struct str without_dot(struct str name)
{
    return name.n > 1 && name.p[name.n - 1] == '.' ? str_head(name, name.n - 1) : name;
}

static bool add_address(struct buf *out, int family, struct str data)
{
    char z[64];
    unsigned char b[16];
    if (!str_to_fixed(data, z, sizeof z) || inet_pton(family, z, b) != 1)
        return false;
    return add(out, str_make(b, family == AF_INET ? 4 : 16), STR(""));
}

bool dns_record_add_text(struct buf *out, unsigned type, struct str data)
{
    struct str word;
    uint32_t pref;
    uint8_t be[2];
    switch (type) {
    case DNS_TYPE_A: return add_address(out, AF_INET, data);
    case DNS_TYPE_AAAA: return add_address(out, AF_INET6, data);
    case DNS_TYPE_MX:
        if (!str_token(&data, " \t", &word) || !num_parse_u32(word, UINT16_MAX, &pref) || !str_token(&data, " \t", &word))
            return false;
        put_be16(be, (uint16_t)pref);
        return add(out, str_make(be, 2), without_dot(word));
    case DNS_TYPE_PTR: case DNS_TYPE_CNAME: case DNS_TYPE_NS: return data.n > 0 && add(out, STR(""), without_dot(data));
    case DNS_TYPE_TXT: {
        const char n = (char)(unsigned char)MIN(data.n, (size_t)255);
        return data.n <= 255 && add(out, str_make(&n, 1), data);
    }
    default: return false;
    }
}
