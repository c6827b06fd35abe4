/* SPDX-License-Identifier: ISC */
#include "tap.h"
#include "proto/addr_field.h"

/* A domain for who has none, another name for joe; "stop" ends the work. */
static enum addr_verdict map(void *arg, struct str address, struct str *ret)
{
    struct buf *room = arg;
    buf_reset(room);
    if (str_eqz(address, "stop"))
        return ADDR_STOP;
    if (str_eqz(address, "joe") || str_eqz(address, "joe@our.test"))
        buf_puts(room, "Joe User@far.test");
    else if (str_chr(address, '@') < 0)
        buf_printf(room, "%.*s@our.test", STR_FMT(address));
    else
        return ADDR_SAME;
    *ret = buf_str(room);
    return ADDR_CHANGED;
}

static const struct { const char *name, *in, *out; } cases[] = {
    { "a complete address is not touched", "From: a@b.test (A)", NULL },
    { "cron's From", "From: root (Cron Daemon)", "From: root@our.test (Cron Daemon)" },
    { "a name before it", "To: Bob Builder <bob>", "To: Bob Builder <bob@our.test>" },
    { "a name that is quoted", "To: \"B. O'b\" <bob>", "To: \"B. O'b\" <bob@our.test>" },
    { "a name with a dot in it", "To: B. Obs <bob>", "To: B. Obs <bob@our.test>" },
    { "several, one of them complete", "Cc: a,b@x.test", "Cc: a@our.test, b@x.test" },
    { "a comma in quotes is none", "To: \"x, y\" <a>, b", "To: \"x, y\" <a@our.test>, b@our.test" },
    { "a comma in a comment is none", "To: a (x, y), b", "To: a@our.test (x, y), b@our.test" },
    { "a group", "To: us: a, b@x.test;, c", "To: us: a@our.test, b@x.test;, c@our.test" },
    { "an empty group", "To: undisclosed-recipients:;, a", "To: undisclosed-recipients:;, a@our.test" },
    { "a list with nothing in it", "To: undisclosed-recipients:;", NULL },
    { "an empty value", "To: ", NULL },
    { "empty members stay", "To: a, , b", "To: a@our.test, , b@our.test" },
    { "a folded list is folded anew", "To: a,\n b", "To: a@our.test, b@our.test" },
    { "a folded name", "To: B\n\tObs <a>", "To: B\tObs <a@our.test>" },
    { "a long list is folded at its commas", "To: aaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbb, cccccccccccccccccccc",
      "To: aaaaaaaaaaaaaaaaaaaa@our.test, bbbbbbbbbbbbbbbbbbbb@our.test,\n\tcccccccccccccccccccc@our.test" },
    { "an address that needs quotes", "To: <joe>", "To: <\"Joe User\"@far.test>" },
    { "a quoted one is shown without", "To: \"joe\"", "To: \"Joe User\"@far.test" },
    { "comments within go behind", "To: joe(a)@(b)our.test (c)", "To: \"Joe User\"@far.test (a) (b) (c)" },
    { "comments around stay", "To: (first) joe (last)", "To: (first) \"Joe User\"@far.test (last)" },
    { "a comment that touches it does not any more", "To: a(c), <b>(c)", "To: a@our.test (c), <b@our.test> (c)" },
    { "white space within goes", "To: joe @ our.test", "To: \"Joe User\"@far.test" },
    { "a source route goes", "To: <@x.test,@y.test:b@c.test>", "To: <b@c.test>" },
    { "with the address behind it", "To: <@x.test:joe@our.test>", "To: <\"Joe User\"@far.test>" },
    { "something that is no address stays", "To: <<>@, a@b@, @c.test, d@, e f, <>", NULL },
    { "beside one that is", "To: e f, a", "To: e f, a@our.test" },
    { "two addresses without a comma stay", "To: <joe> <root>, a", "To: <\"Joe User\"@far.test> <root>, a@our.test" },
    { "an open quote", "To: a, \"b", "To: a@our.test, b@our.test" },
    { "an open comment", "To: a, b (c, d", "To: a@our.test, b@our.test (c, d" },
    { "an open bracket", "To: <a, b", NULL },
    { "a backslash outside of quotes leaves all as it is", "To: a\\, b, c", NULL },
    { "bytes beyond ASCII in a name", "From: J\303\266e <a>", "From: J\303\266e <a@our.test>" },
};

static void test_fields(void)
{
    struct buf room = buf_make(0), out = buf_make(0);
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct str name, value;
        (void)str_cut(str_from(cases[i].in), ':', &name, &value);
        buf_reset(&out);
        enum addr_verdict v = addr_field_rewrite(name, value, map, &room, &out);
        bool ok = cases[i].out == NULL ? v == ADDR_SAME : v == ADDR_CHANGED && str_eqz(buf_str(&out), cases[i].out);
        if (!ok)
            printf("# %d %s\n", (int)v, buf_cstr(&out));
        OK(ok, cases[i].name);
    }
    buf_reset(&out);
    buf_reset(&out);
    OK(addr_field_rewrite(STR("To"), STR("a\0b, c"), map, &room, &out) == ADDR_CHANGED && str_eq(buf_str(&out), STR("To: a\0b, c@our.test")), "a NUL makes no address");
    buf_reset(&out);
    OK(addr_field_rewrite(STR("To"), STR("a, stop, b"), map, &room, &out) == ADDR_STOP, "what stops, stops");
    buf_done(&room);
    buf_done(&out);
}

static void test_roles(void)
{
    OK(addr_field_role(STR("REPLY-TO")) == ADDR_ROLE_SENDER && addr_field_role(STR("Resent-Cc")) == ADDR_ROLE_RECIPIENT, "whose addresses a field has");
    OK(addr_field_role(STR("Subject")) == ADDR_ROLE_NONE && addr_field_role(STR("")) == ADDR_ROLE_NONE, "and whose not");
}

int main(void)
{
    test_fields();
    test_roles();
    return tap_done();
}
