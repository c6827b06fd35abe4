/* SPDX-License-Identifier: ISC
 * dns_record_test.c - rdata from the wire and from text. */
#include "proto/dns_record.h"
#include "tap.h"

#define S(lit) STR_INIT(lit)
static const struct { const char *name; unsigned type; struct str wire, want; } wire_cases[] = {
    { "an IPv4 address", DNS_TYPE_A, S("\300\0\2\1"), S("\0\4\300\0\2\1") },
    { "of three bytes", DNS_TYPE_A, S("\300\0\2"), S("") },
    { "an IPv6 address", DNS_TYPE_AAAA, S("0123456789abcdef"), S("\0\0200123456789abcdef") },
    { "an MX", DNS_TYPE_MX, S("\0\012\2mx\1a\0"), S("\0\6\0\012mx.a") },
    { "the null MX", DNS_TYPE_MX, S("\0\0\0"), S("\0\3\0\0.") },
    { "an MX without a name", DNS_TYPE_MX, S("\0\012"), S("") },
    { "a name that is cut", DNS_TYPE_PTR, S("\5host"), S("") },
    { "a name without its end", DNS_TYPE_PTR, S("\4host"), S("") },
    { "bytes behind a name", DNS_TYPE_PTR, S("\4host\0x"), S("") },
    { "a compressed name", DNS_TYPE_PTR, S("\300\014"), S("") },
    { "a dot inside a label", DNS_TYPE_PTR, S("\3a.b\0"), S("") },
    { "a line feed inside a label", DNS_TYPE_PTR, S("\3a\nb\0"), S("") },
    { "text stays as it is", DNS_TYPE_TXT, S("\3a b"), S("\0\4\3a b") },
};
static const struct { const char *name; unsigned type; const char *text; struct str want; } text_cases[] = {
    { "an address in text", DNS_TYPE_A, "192.0.2.1", S("\0\4\300\0\2\1") },
    { "that is none", DNS_TYPE_A, "192.0.2", S("") },
    { "an MX in text", DNS_TYPE_MX, "10 mx.a.", S("\0\6\0\012mx.a") },
    { "the null MX in text", DNS_TYPE_MX, "0 .", S("\0\3\0\0.") },
    { "a preference over its range", DNS_TYPE_MX, "65536 mx", S("") },
    { "an MX without a name in text", DNS_TYPE_MX, "10", S("") },
    { "a TXT in text", DNS_TYPE_TXT, "v=x", S("\0\4\3v=x") },
    { "a type that has no text form", DNS_TYPE_TLSA, "3 1 1", S("") },
};

int main(void)
{
    struct buf out = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(wire_cases); i++) {
        buf_reset(&out);
        bool ok = dns_record_add_wire(&out, wire_cases[i].type, wire_cases[i].wire);
        OK(ok == (wire_cases[i].want.n > 0) && str_eq(buf_str(&out), wire_cases[i].want), wire_cases[i].name);
    }
    for (size_t i = 0; i < N_ELEMS(text_cases); i++) {
        buf_reset(&out);
        bool ok = dns_record_add_text(&out, text_cases[i].type, str_from(text_cases[i].text));
        OK(ok == (text_cases[i].want.n > 0) && str_eq(buf_str(&out), text_cases[i].want), text_cases[i].name);
    }
    /* Every cut of a good name is refused. */
    const struct str mx = STR("\0\012\2mx\7example\3org\0");
    bool none = true;
    for (size_t n = 0; n < mx.n; n++)
        none &= !dns_record_add_wire(&out, DNS_TYPE_MX, str_head(mx, n));
    OK(none, "an MX cut anywhere is refused");
    OK(dns_type_by_name(STR("mx")) == DNS_TYPE_MX && dns_type_by_name(STR("WKS")) == 0, "types by name");
    buf_done(&out);
    return tap_done();
}
