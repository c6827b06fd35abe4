/* SPDX-License-Identifier: ISC */
#include "tap.h"
#include "proto/smtp_path.h"

enum { S = SMTP_PATH_STRICT, U = SMTP_PATH_UTF8 };
#define L64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
    const char *name;
    struct str in;
    unsigned flags;
    enum smtp_path_result want;
    const char *address, *printed;
} cases[] = {
    { "an ordinary address", STR_INIT("user@example.org"), S, SMTP_PATH_OK, "user@example.org", "user@example.org" },
    { "the null path", STR_INIT(""), S, SMTP_PATH_OK, "", "" },
    { "postmaster without a domain", STR_INIT("postmaster"), 0, SMTP_PATH_OK, "postmaster", "postmaster" },
    { "a source route is dropped", STR_INIT("@a.example,@b.example:u@c.example"), S, SMTP_PATH_OK, "u@c.example", "u@c.example" },
    { "a route over a literal is dropped", STR_INIT("@[192.0.2.1]:v@ext.test"), 0, SMTP_PATH_OK, "v@ext.test", "v@ext.test" },
    { "a route without an address", STR_INIT("@a.example:"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "a route without a colon", STR_INIT("@a.example"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "a quoted local part loses its quotes inside and gets them back outside", STR_INIT("\"a b\"@x.test"), S, SMTP_PATH_OK, "a b@x.test", "\"a b\"@x.test" },
    { "needless quotes go", STR_INIT("\"ab\"@x.test"), S, SMTP_PATH_OK, "ab@x.test", "ab@x.test" },
    { "a quoted at sign stays in the local part", STR_INIT("\"v@ext.test\"@our.test"), 0, SMTP_PATH_OK, "v@ext.test@our.test", "\"v@ext.test\"@our.test" },
    { "a quoted at sign without a domain stays local", STR_INIT("\"v@ext.test\""), 0, SMTP_PATH_OK, "v@ext.test@", "\"v@ext.test\"@" },
    { "an escaped quote", STR_INIT("\"a\\\"b\"@x.test"), S, SMTP_PATH_OK, "a\"b@x.test", "\"a\\\"b\"@x.test" },
    { "an open quote", STR_INIT("\"a@x.test"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "an empty quoted local part", STR_INIT("\"\"@x.test"), 0, SMTP_PATH_OK, "@x.test", "\"\"@x.test" },
    { "no local part", STR_INIT("@x.test"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "no domain after the at sign", STR_INIT("a@"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "two dots in a row, lenient", STR_INIT("a..b@x.test"), 0, SMTP_PATH_OK, "a..b@x.test", "\"a..b\"@x.test" },
    { "two dots in a row, strict", STR_INIT("a..b@x.test"), S, SMTP_PATH_SYNTAX, NULL, NULL },
    { "two at signs, lenient: the last one counts", STR_INIT("v@ext.test@our.test"), 0, SMTP_PATH_OK, "v@ext.test@our.test", "\"v@ext.test\"@our.test" },
    { "two at signs, strict", STR_INIT("v@ext.test@our.test"), S, SMTP_PATH_SYNTAX, NULL, NULL },
    { "a trailing dot, lenient", STR_INIT("v@ext.test."), 0, SMTP_PATH_OK, "v@ext.test", "v@ext.test" },
    { "a trailing dot, strict", STR_INIT("v@ext.test."), S, SMTP_PATH_SYNTAX, NULL, NULL },
    { "an IPv4 literal", STR_INIT("v@[198.51.100.7]"), S, SMTP_PATH_OK, "v@[198.51.100.7]", "v@[198.51.100.7]" },
    { "an IPv6 literal", STR_INIT("v@[IPv6:2001:db8::1]"), S, SMTP_PATH_OK, "v@[IPv6:2001:db8::1]", "v@[IPv6:2001:db8::1]" },
    { "a bad literal", STR_INIT("v@[198.51.100.777]"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "a literal with a name", STR_INIT("v@[our.test]"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "an unquoted blank", STR_INIT("v @x.test"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "a NUL", STR_INIT("v@ext.test\0@our.test"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "a blank in the domain", STR_INIT("v@ext.test @our.test"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "a tab", STR_INIT("v\t@x.test"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "a line break in quotes", STR_INIT("\"v\r\n\"@x.test"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "blanks around, lenient", STR_INIT(" v@x.test "), 0, SMTP_PATH_OK, "v@x.test", "v@x.test" },
    { "blanks around, strict", STR_INIT(" v@x.test"), S, SMTP_PATH_SYNTAX, NULL, NULL },
    { "a label that begins with a dash", STR_INIT("v@-x.test"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "an empty label", STR_INIT("v@x..test"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
    { "64 octets of local part", STR_INIT(L64 "@x.test"), S, SMTP_PATH_OK, L64 "@x.test", L64 "@x.test" },
    { "65 octets, strict", STR_INIT("b" L64 "@x.test"), S, SMTP_PATH_SYNTAX, NULL, NULL },
    { "65 octets, lenient (VERP, SRS)", STR_INIT("b" L64 "@x.test"), 0, SMTP_PATH_OK, "b" L64 "@x.test", "b" L64 "@x.test" },
    { "more than 256 octets of local part", STR_INIT("b" L64 L64 L64 L64 "@x.test"), 0, SMTP_PATH_TOO_LONG, NULL, NULL },
    { "UTF-8 without SMTPUTF8", STR_INIT("\xc3\xa4@x.test"), 0, SMTP_PATH_NEEDS_UTF8, NULL, NULL },
    { "UTF-8 with SMTPUTF8", STR_INIT("\xc3\xa4@x\xc3\xa4.test"), U | S, SMTP_PATH_OK, "\xc3\xa4@x\xc3\xa4.test", "\xc3\xa4@x\xc3\xa4.test" },
    { "bytes that are no UTF-8", STR_INIT("\xc3@x.test"), U, SMTP_PATH_SYNTAX, NULL, NULL },
    { "a full-width dot in the domain", STR_INIT("v@ext\xef\xbc\x8etest"), U, SMTP_PATH_SYNTAX, NULL, NULL },
    { "an address over all limits", STR_INIT("v@" L64 L64 L64 L64 L64 L64 L64 L64 L64 L64 L64 L64 L64 L64 L64 L64 L64), 0, SMTP_PATH_TOO_LONG, NULL, NULL },
    { "a percent sign is text", STR_INIT("v%ext.test@our.test"), S, SMTP_PATH_OK, "v%ext.test@our.test", "v%ext.test@our.test" },
    { "angle brackets inside", STR_INIT("a<b@x.test"), 0, SMTP_PATH_SYNTAX, NULL, NULL },
};

static bool one(size_t i)
{
    struct arena a = arena_make(1 << 20);
    struct smtp_path got = { .address = STR("unchanged") };
    struct buf out = buf_make(0);
    bool ok = smtp_path_parse(cases[i].in, cases[i].flags, &a, &got) == cases[i].want;
    if (cases[i].want != SMTP_PATH_OK) {
        ok = ok && str_eqz(got.address, "unchanged");
    } else if (ok) {
        smtp_address_put(&out, got.address);
        ok = str_eqz(got.address, cases[i].address) && str_eqz(buf_str(&out), cases[i].printed);
    }
    buf_done(&out);
    arena_done(&a);
    return ok;
}

/* What is printed reads as the same address again. */
static bool round_trip(struct str address)
{
    struct arena a = arena_make(1 << 20);
    struct smtp_path got;
    struct buf out = buf_make(0);
    smtp_address_put(&out, address);
    bool ok = smtp_path_parse(buf_str(&out), 0, &a, &got) == SMTP_PATH_OK && str_eq(got.address, address);
    buf_done(&out);
    arena_done(&a);
    return ok;
}

int main(void)
{
    for (size_t i = 0; i < N_ELEMS(cases); i++)
        OK(one(i), cases[i].name);
    OK(round_trip(STR("a b\"c\\@d@x.test")), "what is printed is read as the same address");
    struct arena a = arena_make(1 << 20);
    struct smtp_path p;
    bool fine = true;
    struct str whole = STR("@a.test:\"x\\\"y\"@[IPv6:::1]");
    for (size_t n = 0; n < whole.n; n++) {
        char *copy = arena_copy(&a, whole.p, n);
        enum smtp_path_result r = smtp_path_parse(str_make(copy, n), 0, &a, &p);
        fine = fine && (n == 0 || n == 14 || r != SMTP_PATH_OK);
    }
    OK(fine, "an address cut at any length is refused, but where only its domain is missing");
    arena_done(&a);
    return tap_done();
}
