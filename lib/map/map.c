/* SPDX-License-Identifier: ISC */
#include "map/map_type.h"
#include "conf/lex.h"

enum type_note { TYPE_OPENS, TYPE_NEEDS_MODULE, TYPE_IS_GONE };
static const struct type { struct str name; map_open_fn *open; enum type_note note; } types[] = {
    { STR_INIT("btree"), map_open_hash, TYPE_OPENS },
    { STR_INIT("cdb"), NULL, TYPE_IS_GONE },
    { STR_INIT("cidr"), map_open_cidr, TYPE_OPENS },
    { STR_INIT("dbm"), NULL, TYPE_IS_GONE },
    { STR_INIT("environ"), map_open_environ, TYPE_OPENS },
    { STR_INIT("fail"), map_open_fail, TYPE_OPENS },
    { STR_INIT("hash"), map_open_hash, TYPE_OPENS },
    { STR_INIT("inline"), map_open_inline, TYPE_OPENS },
    { STR_INIT("ldap"), NULL, TYPE_NEEDS_MODULE },
    { STR_INIT("lmdb"), map_open_lmdb, TYPE_OPENS },
    { STR_INIT("memcache"), NULL, TYPE_NEEDS_MODULE },
    { STR_INIT("mongodb"), NULL, TYPE_NEEDS_MODULE },
    { STR_INIT("mysql"), NULL, TYPE_NEEDS_MODULE },
    { STR_INIT("nis"), NULL, TYPE_IS_GONE },
#ifdef HAVE_PCRE2
    { STR_INIT("pcre"), map_open_pcre, TYPE_OPENS },
#else
    { STR_INIT("pcre"), NULL, TYPE_NEEDS_MODULE },
#endif
    { STR_INIT("pgsql"), NULL, TYPE_NEEDS_MODULE },
    { STR_INIT("pipemap"), map_open_pipemap, TYPE_OPENS },
    { STR_INIT("proxy"), map_open_proxy, TYPE_OPENS },
    { STR_INIT("randmap"), map_open_randmap, TYPE_OPENS },
    { STR_INIT("regexp"), map_open_regexp, TYPE_OPENS },
    { STR_INIT("sdbm"), NULL, TYPE_IS_GONE },
    { STR_INIT("socketmap"), map_open_socketmap, TYPE_OPENS },
    { STR_INIT("sqlite"), NULL, TYPE_NEEDS_MODULE },
    { STR_INIT("static"), map_open_static, TYPE_OPENS },
    { STR_INIT("tcp"), map_open_tcp, TYPE_OPENS },
    { STR_INIT("texthash"), map_open_texthash, TYPE_OPENS },
    { STR_INIT("unionmap"), map_open_unionmap, TYPE_OPENS },
    { STR_INIT("unix"), map_open_unix, TYPE_OPENS },
    { STR_INIT("userdb"), map_open_userdb, TYPE_OPENS },
};

const char *map_type_name(size_t i)
{
    for (size_t at = 0; at < N_ELEMS(types); at++)
        if (types[at].note == TYPE_OPENS && i-- == 0)
            return types[at].name.p;
    return NULL;
}

static const struct type *find_type(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(types); i++)
        if (str_eq(types[i].name, name))
            return &types[i];
    return NULL;
}

static int refuse(const struct type *type, struct str spec, struct err *err)
{
    static const char *const remedy[] = {
        [TYPE_OPENS] = "",
        [TYPE_NEEDS_MODULE] = "this build has no module for it; export the data to a text file and use hash: or texthash:",
        [TYPE_IS_GONE] = "this type is not supported; make the table anew from its source with postmap lmdb:FILE and use lmdb:",
    };
    if (type == NULL)
        return err_set(err, ERR_CONFIG, "unsupported dictionary type in \"%.*s\": run \"postconf -m\" for the types that exist", STR_FMT(spec));
    return err_set(err, ERR_CONFIG, "\"%.*s\": table type %s: %s", STR_FMT(spec), type->name.p, remedy[type->note]);
}

/* A type is letters before a colon; "/x:y" and "{..." have none. */
static bool split_spec(struct str spec, struct str *ret_type, struct str *ret_arg)
{
    size_t n = 0;
    while (n < spec.n && (ascii_is_alnum(spec.p[n]) || spec.p[n] == '_' || spec.p[n] == '-'))
        n++;
    if (n == 0 || n == spec.n || spec.p[n] != ':')
        return false;
    *ret_type = str_head(spec, n);
    *ret_arg = str_skip(spec, n + 1);
    return true;
}

static struct map *map_new(struct str type, struct str arg, unsigned flags)
{
    struct map *m = xcalloc(1, sizeof *m);
    m->arena = arena_make(MAP_MEMORY_MAX);
    m->spec = str_printf(&m->arena, "%.*s:%.*s", STR_FMT(type), STR_FMT(arg)).p;
    m->arg = m->spec + type.n + 1;
    m->flags = flags;
    return m;
}

struct map *map_new_memory(const char *spec, unsigned flags)
{
    struct str type, arg = str_from(spec);
    (void)split_spec(str_from(spec), &type, &arg);
    struct map *m = map_new(type, arg, flags);
    map_use_memory(m);
    return m;
}

struct map *map_open(struct str spec, unsigned flags, struct config *config, struct err *err)
{
    struct str type_name, arg = spec;
    if (spec.n > 0 && memchr(spec.p, 0, spec.n) != NULL)
        spec.n = 0;
    if (!split_spec(spec, &type_name, &arg)) {
        const char *def = config_get(config, "default_database_type", err);
        if (def == NULL)
            return NULL;
        type_name = str_from(def);
        arg = spec;
    }
    const struct type *type = find_type(type_name);
    if (type == NULL || type->open == NULL || arg.n == 0) {
        if (type != NULL && type->open != NULL)
            (void)err_set(err, ERR_CONFIG, "\"%.*s\": a name is missing after the table type", STR_FMT(spec));
        else
            (void)refuse(type, spec, err);
        return NULL;
    }
    struct map *m = map_new(type_name, arg, flags);
    if (type->open(m, config, err) == 0)
        return m;
    map_free(m);
    return NULL;
}

void map_free(struct map *m)
{
    if (m == NULL)
        return;
    if (m->ops != NULL && m->ops->close != NULL)
        m->ops->close(m);
    arena_done(&m->arena);
    free(m);
}

bool map_has_fixed_keys(const struct map *m)
{
    return m->ops->fixed_keys;
}

enum map_result map_get(struct map *m, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    if (key.n == 0)
        return MAP_NONE;
    if (!m->ops->fixed_keys || (m->flags & MAP_NO_FOLD) != 0)
        return m->ops->get(m, key, a, ret_value, err);
    return m->ops->get(m, str_lower(a, key), a, ret_value, err);
}

int map_source_text(struct map *m, struct buf *ret_text, const char **ret_name, struct err *err)
{
    struct str inside, element;
    bool bad = false;
    *ret_name = m->spec;
    if (!map_inside(m->arg, &inside)) {
        *ret_name = m->arg;
        return lex_read_file(m->arg, MAP_FILE_MAX, ret_text, err);
    }
    while (map_next_element(&inside, &element, &bad)) {
        buf_add(ret_text, element);
        buf_putc(ret_text, '\n');
    }
    return bad ? err_set(err, ERR_CONFIG, "%s: a brace is not closed", m->spec) : 0;
}

bool map_inside(const char *arg, struct str *ret)
{
    struct str s = str_trim(str_from(arg));
    if (s.n == 0 || s.p[0] != '{' || !lex_unbrace(&s))
        return false;
    *ret = s;
    return true;
}

bool map_next_element(struct str *rest, struct str *ret_element, bool *ret_bad)
{
    struct str word;
    if (!lex_word(rest, rest->n > 0 ? ", \t\r\n" : "", &word))
        return false;
    *ret_bad = !lex_unbrace(&word);
    *ret_element = word;
    return !*ret_bad;
}
