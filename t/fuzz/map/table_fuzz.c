/* SPDX-License-Identifier: ISC
 *
 * Tables and lists given as text: cidr, regexp (short, without repetition,
 * which libc may take for ever with), inline, unionmap, match lists. First
 * byte: what; up to a NUL: the text; after it: the key.
 */
#include "conf/param.h"
#include "map/map.h"

static const char *const types[] = { "cidr", "regexp", "inline", "pipemap", "static", "randmap" };

static void try_table(const char *type, struct str text, struct str key, struct config *c)
{
    struct err err = { 0 };
    struct arena a = arena_make(1 << 20);
    struct str value;
    struct str spec = str_printf(&a, "%s:{%.*s}", type, STR_FMT(text));
    if (strcmp(type, "regexp") == 0 && (text.n > 60 || str_chr(str_skip(text, 1), '{') > 0 || str_chr(text, '*') >= 0 || str_chr(text, '+') >= 0))
        spec = STR("regexp:{ {/a(b)c/ x$1} }");
    /* Only types that need no file: a nested type could name any. */
    if (str_chr(text, ':') < 0) {
        struct map *m = map_open(spec, 0, c, &err);
        ASSERT(m != NULL || err.text[0] != '\0');
        if (m != NULL)
            (void)map_get(m, key, &a, &value, &err);
        map_free(m);
    }
    arena_done(&a);
}

static void try_list(struct str text, struct str key, struct config *c)
{
    struct err err = { 0 };
    struct arena a = arena_make(1 << 20);
    const char *z = str_to_cstr(&a, text);
    if (z != NULL && str_chr(text, ':') < 0 && str_chr(text, '/') < 0) {
        struct match_list *l = match_list_open(z, MATCH_PARENTS, c, &err);
        if (l != NULL) {
            (void)match_list_string(l, key, &err);
            (void)match_list_addr(l, key, &err);
        }
        match_list_free(l);
    }
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct config *c;
    struct err err;
    if (c == NULL)
        c = config_parse("/", "main.cf", STR(""), &err);
    if (n < 1 || n > 2000)
        return 0;
    struct str text, key, all = str_make(data + 1, n - 1);
    (void)str_cut(all, '\0', &text, &key);
    if (data[0] % 8 < N_ELEMS(types))
        try_table(types[data[0] % 8], text, key, c);
    else
        try_list(text, key, c);
    return 0;
}
