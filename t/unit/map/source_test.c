/* SPDX-License-Identifier: ISC */
#include "map/source.h"
#include "tap.h"

static const struct { const char *name; bool aliases; const char *text, *key, *value; bool warns; } cases[] = {
    { "key and value", false, "a b c\n", "a", "b c", false },
    { "a quoted key", false, "\"a \\\"b\\\\\" c\n", "\"a \\\"b\\\\\"", "c", false },
    { "a quoted local part", false, "\"a b\"@d c\n", "\"a b\"@d", "c", false },
    { "a key alone is bad", false, "a\n", NULL, NULL, true },
    { "an open quote is bad", false, "\"a b\n", NULL, NULL, true },
    { "key: value in a table is a warning", false, "a: b\n", "a:", "b", true },
    { "an alias", true, "root: a, b\n", "root", "a, b", false },
    { "an alias without spaces", true, "root:a\n", "root", "a", false },
    { "a space before the colon", true, "root : a\n", "root", "a", false },
    { "a quoted alias", true, "\"a: b\" : c\n", "a: b", "c", false },
    { "an alias with a continued value", true, "a: b,\n\tc\n", "a", "b,\tc", false },
    { "an include", true, "list: :include:/etc/list\n", "list", ":include:/etc/list", false },
    { "no colon is bad", true, "root a\n", NULL, NULL, true },
    { "no value is bad", true, "root:\n", NULL, NULL, true },
    { "an address as name is bad", true, "a@b: c\n", NULL, NULL, true },
    { "no name is bad", true, ": a\n", NULL, NULL, true },
};

int main(void)
{
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct source s;
        struct source_entry e;
        source_init(&s, "file", str_from(cases[i].text), cases[i].aliases);
        enum source_result r = source_next(&s, &e);
        bool good = cases[i].key == NULL ? r == SOURCE_BAD : r == SOURCE_ENTRY && str_eqz(e.key, cases[i].key) && str_eqz(e.value, cases[i].value);
        OK(good && (s.warning[0] != '\0') == cases[i].warns && source_next(&s, &e) == SOURCE_END, cases[i].name);
        source_done(&s);
    }
    return tap_done();
}
