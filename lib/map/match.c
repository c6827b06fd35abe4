/* SPDX-License-Identifier: ISC */
#include "base/vec.h"
#include "conf/lex.h"
#include "map/map_type.h"
#include "map/net.h"

enum item_kind { ITEM_TEXT, ITEM_NET, ITEM_MAP };
struct item {
    enum item_kind kind;
    bool negated;
    struct str text;
    struct net net;
    struct map *map;
};
struct match_list {
    struct arena arena;
    unsigned flags;
    VEC(struct item) items;
};

enum { FILE_DEPTH_MAX = 4 };
static const char list_seps[] = ", \t\r\n";

static int add_text(struct match_list *l, struct str text, bool negated, struct config *config, unsigned depth, struct err *err);

static int add_file(struct match_list *l, struct str name, bool negated, struct config *config, unsigned depth, struct err *err)
{
    struct buf text = buf_make(0);
    const char *path = str_to_cstr(&l->arena, name);
    int rc = depth == 0 ? err_set(err, ERR_CONFIG, "%s: files within files more than %d deep", path, FILE_DEPTH_MAX)
                        : lex_read_file(path, MAP_FILE_MAX, &text, err);
    struct lexer lx = lex_make(buf_str(&text));
    struct lex_line line;
    while (rc == 0 && lex_next(&lx, &line)) {
        rc = add_text(l, line.text, negated, config, depth - 1, err);
        if (rc < 0)
            (void)err_prefix(err, "%s, line %u", path, line.first);
    }
    lex_done(&lx);
    buf_done(&text);
    return rc;
}

static bool is_table(struct str word)
{
    size_t n = 0;
    while (n < word.n && (ascii_is_alnum(word.p[n]) || word.p[n] == '_'))
        n++;
    return n > 0 && n < word.n && word.p[n] == ':';
}

static int add_item(struct match_list *l, struct str word, bool negated, struct config *config, struct err *err)
{
    struct item item = { .negated = negated, .text = str_dup(&l->arena, word) };
    int rc = net_parse(word, &item.net, err);
    if (rc < 0)
        return -1;
    if (rc == 0) {
        item.kind = ITEM_NET;
    } else if (is_table(word)) {
        item.kind = ITEM_MAP;
        item.map = map_open(word, l->flags & (MAP_NO_FOLD | MAP_PARTIAL_OK), config, err);
        if (item.map == NULL)
            return -1;
    }
    vec_push(&l->items, item);
    return 0;
}

static int add_text(struct match_list *l, struct str text, bool negated, struct config *config, unsigned depth, struct err *err)
{
    struct str word;
    while (lex_word(&text, list_seps, &word)) {
        bool not = negated;
        if (word.p[0] == '#')
            return 0;       /* the rest of the line is a comment */
        for (; word.n > 0 && word.p[0] == '!'; word = str_skip(word, 1))
            not = !not;
        if (word.n == 0)
            return err_set(err, ERR_CONFIG, "no pattern after '!'");
        int rc = word.p[0] == '/' ? add_file(l, word, not, config, depth, err) : add_item(l, word, not, config, err);
        if (rc < 0)
            return -1;
    }
    return 0;
}

struct match_list *match_list_open(const char *text, unsigned flags, struct config *config, struct err *err)
{
    struct match_list *l = xcalloc(1, sizeof *l);
    l->arena = arena_make(MAP_MEMORY_MAX);
    l->flags = flags;
    if (add_text(l, str_from(text == NULL ? "" : text), false, config, FILE_DEPTH_MAX, err) == 0)
        return l;
    match_list_free(l);
    return NULL;
}

void match_list_free(struct match_list *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->items.n; i++)
        map_free(l->items.p[i].map);
    vec_done(&l->items);
    arena_done(&l->arena);
    free(l);
}

static bool matches_text(const struct match_list *l, struct str pattern, struct str s)
{
    if (str_ieq(pattern, s))
        return true;
    if ((l->flags & MATCH_STRINGS) != 0 || pattern.n == 0 || s.n <= pattern.n || !str_iends(s, pattern))
        return false;
    if ((l->flags & MATCH_PARENTS) != 0)
        return s.p[s.n - pattern.n - 1] == '.';
    return pattern.p[0] == '.';
}

static enum map_result ask_map(const struct match_list *l, struct map *m, struct str s, struct err *err)
{
    struct arena a = arena_make(64 << 20);
    struct str key = s, value;
    enum map_result r = map_get(m, key, &a, &value, err);
    while (r == MAP_NONE && (l->flags & MATCH_STRINGS) == 0 && map_has_fixed_keys(m)) {
        ptrdiff_t dot = str_chr(str_skip(key, 1), '.');
        if (dot < 0)
            break;
        key = str_skip(key, (size_t)dot + 1);
        if ((l->flags & MATCH_PARENTS) != 0)
            key = str_skip(key, 1);
        r = map_get(m, key, &a, &value, err);
        if ((l->flags & MATCH_PARENTS) != 0 && key.n == 0)
            break;
    }
    arena_done(&a);
    return r;
}

static enum map_result verdict(const struct item *item)
{
    return item->negated ? MAP_NONE : MAP_FOUND;
}

enum map_result match_list_string(struct match_list *l, struct str s, struct err *err)
{
    for (size_t i = 0; i < l->items.n; i++) {
        const struct item *item = &l->items.p[i];
        if (item->kind != ITEM_MAP) {
            if (matches_text(l, item->text, s))
                return verdict(item);
            continue;
        }
        enum map_result r = ask_map(l, item->map, s, err);
        if (r == MAP_TEMP)
            return r;
        if (r == MAP_FOUND)
            return verdict(item);
    }
    return MAP_NONE;
}

enum map_result match_list_addr(struct match_list *l, struct str addr, struct err *err)
{
    struct net key;
    bool numeric = net_parse_addr(addr, &key);
    for (size_t i = 0; i < l->items.n; i++) {
        const struct item *item = &l->items.p[i];
        enum map_result r = MAP_NONE;
        struct arena a = arena_make(64 << 20);
        struct str value;
        if (item->kind == ITEM_NET)
            r = numeric && net_contains(&item->net, &key) ? MAP_FOUND : MAP_NONE;
        else if (item->kind == ITEM_MAP)
            r = map_get(item->map, addr, &a, &value, err);
        arena_done(&a);
        if (r == MAP_TEMP)
            return r;
        if (r == MAP_FOUND)
            return verdict(item);
    }
    return MAP_NONE;
}
