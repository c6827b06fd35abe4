/* SPDX-License-Identifier: ISC */
#include "proto/json.h"
#include "tap.h"

#define S(lit) STR_INIT(lit)
static const struct { const char *name; struct str text; enum json_type type; } texts[] = {
    { "an object", S(" { \"a\" : 1 , \"b\" : [ true , null , { } , [ ] ] } "), JSON_OBJECT },
    { "an array", S("[1,-0.5,1e9,0]"), JSON_ARRAY },
    { "a string with escapes", S("\"a\\n\\u00e4\\ud83d\\ude00\\\\\""), JSON_STRING },
    { "a number", S("-12.5E+3"), JSON_NUMBER },
    { "a word", S("false"), JSON_FALSE },
    { "nothing is refused", S(""), JSON_NONE },
    { "blanks are refused", S("  "), JSON_NONE },
    { "something behind the value is refused", S("{} x"), JSON_NONE },
    { "a trailing comma is refused", S("[1,]"), JSON_NONE },
    { "a trailing comma of an object is refused", S("{\"a\":1,}"), JSON_NONE },
    { "a missing colon is refused", S("{\"a\" 1}"), JSON_NONE },
    { "a name that is no string is refused", S("{a:1}"), JSON_NONE },
    { "brackets that do not fit are refused", S("{\"a\":[1}]"), JSON_NONE },
    { "a leading zero is refused", S("01"), JSON_NONE },
    { "a bare minus is refused", S("-"), JSON_NONE },
    { "a number without its fraction is refused", S("1."), JSON_NONE },
    { "a control character is refused", S("\"a\nb\""), JSON_NONE },
    { "a NUL as escape is refused", S("\"\\u0000\""), JSON_NONE },
    { "half a surrogate is refused", S("\"\\ud83d\""), JSON_NONE },
    { "the second half alone is refused", S("\"\\ude00\""), JSON_NONE },
    { "text that is not UTF-8 is refused", S("\"\xff\""), JSON_NONE },
    { "an unknown escape is refused", S("\"\\x41\""), JSON_NONE },
    { "an unknown word is refused", S("nil"), JSON_NONE },
    { "a word with more behind it is refused", S("[truex]"), JSON_NONE },
    { "32 levels", S("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"), JSON_ARRAY },
    { "33 levels are refused", S("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"), JSON_NONE },
};

static void test_texts(void)
{
    for (size_t i = 0; i < N_ELEMS(texts); i++) {
        struct json v = { JSON_NONE, { "", 0 } }, cut;
        bool ok = json_parse(texts[i].text, &v) == (texts[i].type != JSON_NONE) && v.type == texts[i].type;
        /* A number may be cut and still be one; nothing else may. */
        for (size_t n = 0; ok && v.type != JSON_NUMBER && v.type != JSON_NONE && n < (size_t)(v.text.p - texts[i].text.p) + v.text.n; n++)
            ok = !json_parse(str_head(texts[i].text, n), &cut);
        OK(ok, texts[i].name);
    }
}

static void test_access(void)
{
    struct arena a = arena_make(65536);
    struct json o, item, name;
    struct str s;
    int64_t n = 0;
    size_t pos = 0, count = 0;
    OK(json_parse(STR("{\"e\\u0078p\": 12.9, \"aud\":[\"x\", \"y\"], \"s\":\"a\\tb\", \"two\":1, \"two\":2, \"in\":{\"exp\":5}, \"big\":1e3}"), &o), "a text to look at");
    OK(json_i64(json_get(o, "exp"), &n) && n == 12, "a name with an escape is found, a fraction cut off");
    OK(json_has(json_get(o, "aud"), STR("y")) && !json_has(json_get(o, "aud"), STR("z")) && json_has(json_get(o, "s"), STR("a\tb")), "membership");
    OK(json_string(json_get(o, "s"), &a, &s) && str_eqz(s, "a\tb"), "a string");
    OK(json_get(o, "two").type == JSON_NONE, "a name that is there twice is not there");
    OK(json_get(o, "none").type == JSON_NONE && json_get(json_get(o, "s"), "x").type == JSON_NONE, "what is absent");
    OK(json_i64(json_get(json_get(o, "in"), "exp"), &n) && n == 5 && !json_i64(json_get(o, "big"), &n) && !json_i64(json_get(o, "s"), &n), "numbers");
    while (json_each(o, &pos, &name, &item))
        count++;
    OK(count == 7, "all members in turn");
    pos = 0;
    OK(!json_each(json_get(o, "s"), &pos, &name, &item), "a string has no members");
    struct buf b = buf_make(0);
    json_put_string(&b, STR("a\"\\\n\xff\xC3\xA4"));
    OK(str_eqz(buf_str(&b), "\"a\\\"\\\\\\u000a?\xC3\xA4\""), "a string is written");
    buf_done(&b);
    arena_done(&a);
}

int main(void)
{
    test_texts();
    test_access();
    return tap_done();
}
