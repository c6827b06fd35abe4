/* SPDX-License-Identifier: ISC */
#include "daemon/endpoint.h"

enum { ENDPOINTS_MAX = 512 };

static const struct str kinds[] = { STR_INIT("unix:"), STR_INIT("local:"), STR_INIT("inet:"), STR_INIT("tcp:") };

/* socketmap:inet:host:port:name has the table's name behind the port. */
static struct str without_table_name(struct str at, bool is_socketmap)
{
    ptrdiff_t last = str_rchr(at, ':');
    return is_socketmap && last > 5 ? str_head(at, (size_t)last) : at;
}

static bool is_endpoint(struct str at)
{
    if (str_starts(at, STR("unix:")) || str_starts(at, STR("local:")))
        return str_chr(at, '/') >= 0;
    return str_rchr(at, ':') > 4;
}

struct str endpoint_of_word(struct str word)
{
    for (size_t from = 0; from < word.n; from++) {
        if (from > 0 && word.p[from - 1] != ':')
            continue;
        struct str at = str_skip(word, from);
        for (size_t k = 0; k < N_ELEMS(kinds); k++)
            if (str_starts(at, kinds[k]) && is_endpoint(at))
                return without_table_name(at, str_starts(word, STR("socketmap:")));
    }
    return STR("");
}

void endpoint_list_done(struct endpoint_list *list)
{
    for (size_t i = 0; i < list->v.n; i++)
        free(list->v.p[i]);
    vec_done(&list->v);
}

int endpoint_find(const struct endpoint_list *list, struct str endpoint)
{
    for (size_t i = 0; i < list->v.n; i++)
        if (str_eqz(endpoint, list->v.p[i]))
            return (int)i;
    return -1;
}

static int add_words(struct endpoint_list *list, const char *value, struct err *err)
{
    struct str rest = str_from(value), word;
    while (str_token(&rest, " \t\r\n,{}", &word)) {
        struct str at = endpoint_of_word(word);
        if (at.n == 0 || endpoint_find(list, at) >= 0)
            continue;
        if (list->v.n >= ENDPOINTS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d endpoints in the configuration", ENDPOINTS_MAX);
        char *copy = xmalloc(at.n + 1);
        memcpy(copy, at.p, at.n);
        copy[at.n] = '\0';
        vec_push(&list->v, copy);
    }
    return 0;
}

int endpoint_list_fill(struct endpoint_list *list, struct config *c, struct err *err)
{
    endpoint_list_done(list);
    size_t pos = 0;
    const char *name;
    while (config_each(c, &pos, &name)) {
        struct err ignored = { 0 };
        const char *value = config_get(c, name, &ignored);
        if (value == NULL)
            value = config_raw(c, name);
        if (value != NULL && add_words(list, value, err) != 0)
            return -1;
    }
    return 0;
}
