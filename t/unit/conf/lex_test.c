/* SPDX-License-Identifier: ISC */
#include "conf/lex.h"
#include "tap.h"

static const struct { const char *name, *text; const char *want[4]; unsigned first[4]; } lines[] = {
    { "two lines", "a = 1\nb = 2\n", { "a = 1", "b = 2" }, { 1, 2 } },
    { "no newline at the end", "a = 1", { "a = 1" }, { 1 } },
    { "white space continues a line", "a = 1,\n  2\nb = 3\n", { "a = 1,  2", "b = 3" }, { 1, 3 } },
    { "a comment inside a continued line is skipped", "a = 1\n# no\n  2\n", { "a = 1  2" }, { 1 } },
    { "an indented comment is a comment", "a = 1\n  # no\n  2\n", { "a = 1  2" }, { 1 } },
    { "an empty line does not end a logical line", "a = 1\n\n  2\n", { "a = 1  2" }, { 1 } },
    { "a comment between lines", "# x\na = 1\n#y\nb = 2\n", { "a = 1", "b = 2" }, { 2, 4 } },
    { "the CR of a CRLF file goes away", "a = 1\r\nb = 2\r\n", { "a = 1", "b = 2" }, { 1, 2 } },
    { "a # later in the line is text", "a = 1 # x\n", { "a = 1 # x" }, { 1 } },
    { "nothing", "", { NULL }, { 0 } },
    { "only comments", "#a\n\n  #b", { NULL }, { 0 } },
};

static void test_lines(void)
{
    for (size_t i = 0; i < N_ELEMS(lines); i++) {
        struct lexer lx = lex_make(str_from(lines[i].text));
        struct lex_line line;
        size_t n = 0;
        bool good = true;
        while (lex_next(&lx, &line) && n < 4) {
            good = good && lines[i].want[n] != NULL && str_eqz(line.text, lines[i].want[n]) && line.first == lines[i].first[n];
            n++;
        }
        OK(good && lines[i].want[n] == NULL, lines[i].name);
        lex_done(&lx);
    }
    struct lexer lx = lex_make(STR("  a = 1\nb = 2\n"));
    struct lex_line line;
    OK(lex_next(&lx, &line) && line.orphan && lex_next(&lx, &line) && !line.orphan, "a first line with white space is marked");
    lex_done(&lx);
}

static const struct { const char *name, *in, *want_name, *want_value; } values[] = {
    { "plain", "a = b", "a", "b" },
    { "no spaces", "a=b", "a", "b" },
    { "empty value", "a =", "a", "" },
    { "value with =", "a = b = c", "a", "b = c" },
    { "no =", "a b", NULL, NULL },
    { "no name", "= b", NULL, NULL },
    { "name only", "a", NULL, NULL },
};

static void test_values(void)
{
    for (size_t i = 0; i < N_ELEMS(values); i++) {
        struct str name, value;
        const char *why = NULL;
        bool ok = lex_name_value(str_from(values[i].in), &name, &value, &why);
        if (values[i].want_name == NULL)
            OK(!ok && why != NULL, values[i].name);
        else
            OK(ok && str_eqz(name, values[i].want_name) && str_eqz(value, values[i].want_value), values[i].name);
    }
}

static void test_words(void)
{
    struct str rest = STR("a { b c } {d{e}f} g"), w;
    OK(lex_word(&rest, " ", &w) && str_eqz(w, "a"), "a word");
    OK(lex_word(&rest, " ", &w) && str_eqz(w, "{ b c }") && lex_unbrace(&w) && str_eqz(w, "b c"), "a word in braces");
    OK(lex_word(&rest, " ", &w) && str_eqz(w, "{d{e}f}") && lex_unbrace(&w) && str_eqz(w, "d{e}f"), "nested braces");
    OK(lex_word(&rest, " ", &w) && str_eqz(w, "g") && !lex_word(&rest, " ", &w), "the last word");
    rest = STR("{ open");
    OK(lex_word(&rest, " ", &w) && !lex_unbrace(&w), "a brace that is not closed is refused");
}

int main(void)
{
    test_lines();
    test_values();
    test_words();
    return tap_done();
}
