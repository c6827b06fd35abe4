/* SPDX-License-Identifier: ISC */
#include "conf/config.h"
#include "conf/expand.h"
#include "conf/lex.h"
#include "conf/params_postfix.h"
#include <unistd.h>

#define POSTFIX_ROW(kind, name, def) { name, PARAM_##kind, 0, def, 0, 0, "" },
static const struct param postfix_rows[] = { POSTFIX_PARAMS(POSTFIX_ROW) };

struct param_table params_postfix(void)
{
    return (struct param_table){ postfix_rows, N_ELEMS(postfix_rows) };
}

struct config_item *config_item(const struct config *c, struct str name)
{
    return htab_get(&c->items, name);
}

/* The row of one of Postfix's names; they are in order. */
static const struct param *postfix_row(struct str name)
{
    size_t low = 0, high = N_ELEMS(postfix_rows);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int cmp = str_cmp(str_from(postfix_rows[mid].name), name);
        if (cmp == 0)
            return &postfix_rows[mid];
        if (cmp < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static struct config_item *item_make(struct config *c, struct str name)
{
    struct config_item *item = config_item(c, name);
    if (item != NULL)
        return item;
    item = ARENA_NEW(&c->arena, struct config_item);
    item->key = str_dup(&c->arena, name);
    item->name = str_to_cstr(&c->arena, name);
    item->where = "";
    const struct param *row = postfix_row(name);
    item->def = row == NULL ? NULL : row->def;
    (void)htab_put(&c->items, item->key, item);
    return item;
}

static void forget_expansions(struct config *c)
{
    size_t pos = 0;
    for (struct config_item *item; (item = htab_each(&c->items, &pos)) != NULL;)
        item->expanded = item->computed = NULL;
}

static void item_set(struct config *c, struct str name, struct str value, const char *where)
{
    struct config_item *item = item_make(c, name);
    if (item->raw == NULL)
        vec_push(&c->order, item);
    item->raw = str_to_cstr(&c->arena, value);
    item->where = where;
}

void config_register(struct config *c, const struct param_table *table)
{
    for (size_t i = 0; i < table->n; i++)
        item_make(c, str_from(table->rows[i].name))->def = table->rows[i].def;
    forget_expansions(c);
}

static int parse_line(struct config *c, const struct lex_line *line, struct err *err)
{
    struct str name, value;
    const char *why;
    if (line->orphan) {
        struct str text = str_printf(&c->arena, "%s, line %u: a logical line must not start with white space: \"%.30s\" is ignored",
                                     c->file, line->first, str_to_cstr(&c->arena, str_trim(line->text)));
        vec_push(&c->warnings, text.p);
        return 0;
    }
    if (!lex_name_value(line->text, &name, &value, &why))
        return err_set(err, ERR_CONFIG, "%s, line %u: %s: \"%.*s\"", c->file, line->first, why, (int)MIN(line->text.n, 60), line->text.p);
    item_set(c, name, value, str_printf(&c->arena, "%s, line %u", c->file, line->first).p);
    return 0;
}

struct config *config_parse(const char *dir, const char *name, struct str text, struct err *err)
{
    struct config *c = xcalloc(1, sizeof *c);
    c->arena = arena_make(CONFIG_MEMORY_MAX);
    c->arena.block_size = 65536;
    c->dir = str_printf(&c->arena, "%s", dir).p;
    c->file = str_printf(&c->arena, "%s", name).p;
    struct lexer lx = lex_make(text);
    struct lex_line line;
    int rc = text.n > 0 && memchr(text.p, 0, text.n) != NULL ? err_set(err, ERR_CONFIG, "%s: a NUL byte in a text file", name) : 0;
    while (rc == 0 && lex_next(&lx, &line))
        rc = parse_line(c, &line, err);
    lex_done(&lx);
    if (rc == 0)
        return c;
    config_free(c);
    return NULL;
}

struct config *config_load(const char *dir, struct err *err)
{
    struct buf text = buf_make(0);
    struct arena scratch = arena_make(65536);
    const char *path = str_printf(&scratch, "%s/main.cf", dir).p;
    struct config *c = NULL;
    if (lex_read_file(path, CONFIG_FILE_MAX, &text, err) == 0)
        c = config_parse(dir, path, buf_str(&text), err);
    buf_done(&text);
    arena_done(&scratch);
    return c;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    htab_done(&c->items);
    vec_done(&c->order);
    vec_done(&c->warnings);
    arena_done(&c->arena);
    free(c);
}

int config_enter_queue(struct config *c, struct err *err)
{
    const char *dir = config_get(c, "queue_directory", err);
    if (dir == NULL)
        return -1;
    return chdir(dir) == 0 ? 0 : err_sys(err, ERR_CONFIG, "chdir %s", dir);
}

const char *config_dir_choose(const char *option)
{
    const char *env = secure_getenv("MAIL_CONFIG");
    return option != NULL ? option : env != NULL && *env != '\0' ? env : "/etc/postfix";
}

const char *config_dir(const struct config *c)
{
    return c->dir;
}

const char *config_warning(const struct config *c, size_t i)
{
    return i < c->warnings.n ? c->warnings.p[i] : NULL;
}

bool config_each(const struct config *c, size_t *pos, const char **ret_name)
{
    if (*pos >= c->order.n)
        return false;
    *ret_name = c->order.p[(*pos)++]->name;
    return true;
}

int config_override(struct config *c, struct str assignment, struct err *err)
{
    struct str name, value, text = str_trim(assignment);
    const char *why;
    if (!lex_unbrace(&text))
        return err_set(err, ERR_CONFIG, "-o %.*s: a brace is not closed", STR_FMT(assignment));
    if (!lex_name_value(text, &name, &value, &why))
        return err_set(err, ERR_CONFIG, "-o %.*s: %s", STR_FMT(assignment), why);
    if (memchr(text.p, 0, text.n) != NULL)
        return err_set(err, ERR_CONFIG, "-o: a NUL byte in the value");
    item_set(c, name, value, str_printf(&c->arena, "-o %.*s", STR_FMT(name)).p);
    forget_expansions(c);
    return 0;
}

const char *config_raw(const struct config *c, const char *name)
{
    const struct config_item *item = config_item(c, str_from(name));
    return item == NULL ? NULL : item->raw;
}

const char *config_where(const struct config *c, const char *name)
{
    const struct config_item *item = config_item(c, str_from(name));
    return item == NULL ? "" : item->where;
}

/* An item for a name that is set or has a row; NULL for any other. */
static struct config_item *item_known(struct config *c, struct str name)
{
    struct config_item *item = config_item(c, name);
    return item != NULL || postfix_row(name) == NULL ? item : item_make(c, name);
}

static const char *unexpanded(struct config *c, struct str name)
{
    const struct config_item *item = item_known(c, name);
    if (item == NULL)
        return NULL;
    if (item->raw != NULL)
        return item->raw;
    const char *computed = item->def == NULL ? NULL : config_computed(c, name);
    return computed != NULL ? computed : item->def;
}

const char *config_default(struct config *c, const char *name)
{
    const struct config_item *item = item_known(c, str_from(name));
    if (item == NULL || item->def == NULL)
        return NULL;
    const char *computed = config_computed(c, str_from(name));
    return computed != NULL ? computed : item->def;
}

static bool config_lookup(void *user, struct str name, struct str *ret_value)
{
    const char *text = unexpanded(user, name);
    if (text == NULL)
        return false;
    *ret_value = str_from(text);
    return true;
}

int config_expand(struct config *c, struct str text, struct buf *out, struct err *err)
{
    const struct expand_source src = { .lookup = config_lookup, .user = c };
    return expand_text(&src, text, out, err);
}

const char *config_get(struct config *c, const char *name, struct err *err)
{
    const char *text = unexpanded(c, str_from(name));
    struct config_item *item = config_item(c, str_from(name));
    if (text == NULL)
        return NULL;
    if (item->expanded != NULL)
        return item->expanded;
    if (strchr(text, '$') == NULL)
        return item->expanded = text;
    struct buf out = buf_make(0);
    int rc = config_expand(c, str_from(text), &out, err);
    if (rc == 0)
        item->expanded = str_dup(&c->arena, str_trim(buf_str(&out))).p;
    else if (*item->where != '\0')
        (void)err_prefix(err, "%s: %s", item->where, name);
    else
        (void)err_prefix(err, "%s", name);
    buf_done(&out);
    return rc == 0 ? item->expanded : NULL;
}

uint64_t config_level(struct config *c)
{
    struct err err;
    uint64_t level = 0;
    const char *text = config_get(c, "compatibility_level", &err);
    if (text != NULL)
        (void)expand_level(str_from(text), &level);
    return level;
}
