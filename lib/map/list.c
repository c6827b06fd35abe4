/* SPDX-License-Identifier: ISC */
#include "base/vec.h"
#include "conf/lex.h"
#include "map/map_type.h"

struct map_list { VEC(struct map *) maps; };

static const char list_seps[] = ", \t\r\n";

struct map_list *map_list_open(const char *specs, unsigned flags, struct config *config, struct err *err)
{
    struct map_list *l = xcalloc(1, sizeof *l);
    struct str rest = str_from(specs == NULL ? "" : specs), word;
    while (lex_word(&rest, list_seps, &word)) {
        struct map *m = map_open(word, flags, config, err);
        if (m == NULL) {
            map_list_free(l);
            return NULL;
        }
        vec_push(&l->maps, m);
    }
    return l;
}

void map_list_free(struct map_list *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->maps.n; i++)
        map_free(l->maps.p[i]);
    vec_done(&l->maps);
    free(l);
}

bool map_list_is_empty(const struct map_list *l)
{
    return l->maps.n == 0;
}

static enum map_result get_from(struct map_list *l, struct str key, bool part, struct arena *a, struct str *ret_value, struct err *err)
{
    for (size_t i = 0; i < l->maps.n; i++) {
        if (part && !map_has_fixed_keys(l->maps.p[i]))
            continue;
        enum map_result r = map_get(l->maps.p[i], key, a, ret_value, err);
        if (r != MAP_NONE)
            return r;
    }
    return MAP_NONE;
}

enum map_result map_list_get(struct map_list *l, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    return get_from(l, key, false, a, ret_value, err);
}

enum map_result map_list_get_part(struct map_list *l, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    return get_from(l, key, true, a, ret_value, err);
}

bool map_split_extension(struct str local, const char *recipient_delimiter, struct str *ret_user, struct str *ret_ext)
{
    static const char *const whole[] = { "postmaster", "mailer-daemon", "double-bounce" };
    for (size_t i = 0; i < N_ELEMS(whole); i++)
        if (str_ieqz(local, whole[i]))
            return false;
    for (size_t i = 1; i < local.n && recipient_delimiter != NULL; i++) {
        if (local.p[i] == '\0' || strchr(recipient_delimiter, local.p[i]) == NULL)
            continue;
        *ret_user = str_head(local, i);
        *ret_ext = str_skip(local, i);
        return true;
    }
    return false;
}

enum map_result map_list_get_address(struct map_list *l, struct str address, const char *recipient_delimiter, bool bare_user_too,
                                     struct arena *a, struct str *ret_value, struct str *ret_ext, struct err *err)
{
    ptrdiff_t at = str_rchr(address, '@');
    struct str local = str_head(address, at < 0 ? address.n : (size_t)at), domain = str_skip(address, local.n);
    struct str user = local, ext = STR("");
    bool split = map_split_extension(local, recipient_delimiter, &user, &ext);
    const struct { bool use; struct str key, ext; } tries[] = {
        { true, address, STR("") },
        { split, str_printf(a, "%.*s%.*s", STR_FMT(user), STR_FMT(domain)), ext },
        { bare_user_too && at >= 0, local, STR("") },
        { bare_user_too && split && at >= 0, user, ext },
        { at >= 0, domain, STR("") },
    };
    for (size_t i = 0; i < N_ELEMS(tries); i++) {
        if (!tries[i].use)
            continue;
        enum map_result r = get_from(l, tries[i].key, i > 0, a, ret_value, err);
        if (r == MAP_FOUND)
            *ret_ext = tries[i].ext;
        if (r != MAP_NONE)
            return r;
    }
    return MAP_NONE;
}
