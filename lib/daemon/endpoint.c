/* SPDX-License-Identifier: ISC */
#include "daemon/endpoint.h"
#include "daemon/auth_listen.h"

enum { ENDPOINTS_MAX = 512 };

static const struct str kinds[] = { STR_INIT("unix:"), STR_INIT("local:"), STR_INIT("inet:"), STR_INIT("tcp:") };

/* socketmap:inet:host:port:name has the table's name behind the port, userdb: a field's. */
static struct str without_table_name(struct str at, bool is_named)
{
    ptrdiff_t last = str_rchr(at, ':');
    return is_named && last > 5 ? str_head(at, (size_t)last) : at;
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
                return without_table_name(at, str_starts(word, STR("socketmap:")) || str_starts(word, STR("userdb:")));
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

static int add_endpoint(struct endpoint_list *list, struct str at, struct err *err)
{
    if (at.n == 0 || endpoint_find(list, at) >= 0)
        return 0;
    if (list->v.n >= ENDPOINTS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d endpoints in the configuration", ENDPOINTS_MAX);
    char *copy = xmalloc(at.n + 1);
    memcpy(copy, at.p, at.n);
    copy[at.n] = '\0';
    vec_push(&list->v, copy);
    return 0;
}

static int add_words(struct endpoint_list *list, const char *value, struct err *err)
{
    struct str rest = str_from(value), word;
    int rc = 0;
    while (rc == 0 && str_token(&rest, " \t\r\n,{}", &word))
        rc = add_endpoint(list, endpoint_of_word(word), err);
    return rc;
}

/* ---- someone else's auth server ---- */

static const char *value_of(struct config *c, const char *name)
{
    struct err ignored = { 0 };
    const char *value = config_get(c, name, &ignored);
    return value == NULL ? "" : value;
}

/* Below the queue directory a path may be written in both ways. */
static struct str below_queue(struct config *c, struct str path)
{
    struct str dir = str_from(value_of(c, "queue_directory"));
    bool below = dir.n > 0 && path.n > dir.n && str_starts(path, dir) && path.p[dir.n] == '/';
    return below ? str_skip(path, dir.n + 1) : path;
}

static bool is_our_own(struct config *c, struct str endpoint, struct arena *a)
{
    struct auth_listen rows[AUTH_LISTEN_MAX];
    struct err ignored = { 0 };
    size_t n = 0;
    const char *text = config_raw(c, "postern_auth_listeners") == NULL ? AUTH_LISTEN_DEFAULT : value_of(c, "postern_auth_listeners");
    bool is_unix = str_starts(endpoint, STR("unix:"));
    if (auth_listen_parse(str_from(text), a, rows, &n, &ignored) < 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct str own = str_from(rows[i].socket);
        if (is_unix && str_starts(own, STR("unix:")) && str_eq(below_queue(c, str_skip(own, 5)), below_queue(c, str_skip(endpoint, 5))))
            return true;
        if (str_eq(own, endpoint))
            return true;
    }
    return false;
}

struct str endpoint_of_sasl(struct config *c, struct arena *a)
{
    struct str path = str_trim(str_from(value_of(c, "smtpd_sasl_path")));
    if (config_raw(c, "smtpd_sasl_path") == NULL || path.n == 0 || strcmp(value_of(c, "smtpd_sasl_type"), "dovecot") != 0)
        return STR("");
    bool has_kind = str_starts(path, STR("inet:")) || str_starts(path, STR("unix:"));
    struct str endpoint = has_kind ? str_dup(a, path) : str_printf(a, "unix:%.*s", STR_FMT(path));
    return is_our_own(c, endpoint, a) ? STR("") : endpoint;
}

static int add_sasl(struct endpoint_list *list, struct config *c, struct err *err)
{
    struct arena a = arena_make(1 << 20);
    int rc = add_endpoint(list, endpoint_of_sasl(c, &a), err);
    arena_done(&a);
    return rc;
}

int endpoint_list_fill(struct endpoint_list *list, struct config *c, struct err *err)
{
    endpoint_list_done(list);
    size_t pos = 0;
    const char *name;
    while (config_each(c, &pos, &name)) {
        struct err ignored = { 0 };
        if (strcmp(name, "postern_auth_listeners") == 0 || strcmp(name, "smtpd_sasl_path") == 0)
            continue;
        const char *value = config_get(c, name, &ignored);
        if (value == NULL)
            value = config_raw(c, name);
        if (value != NULL && add_words(list, value, err) != 0)
            return -1;
    }
    return add_sasl(list, c, err);
}
