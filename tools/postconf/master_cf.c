/* SPDX-License-Identifier: ISC
 *
 * Rows of master.cf: -M rows, -F fields, -P parameters of -o.
 */
#include "postconf.h"
#include "base/log.h"

static const char *const field_names[] = { "service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command" };
enum { N_FIELDS = N_ELEMS(field_names), COMMAND = 7 };
static const size_t columns[] = { 0, 11, 17, 25, 33, 41, 49, 57 };

/* ---- a row as text ---- */

static void pad_to(struct buf *line, size_t start, size_t column)
{
    if (line->n > start)
        buf_putc(line, ' ');
    while (line->n - start < column)
        buf_putc(line, ' ');
}

static void put_override(const char *assignment, struct buf *out)
{
    bool spaced = strpbrk(assignment, " \t") != NULL;
    buf_printf(out, spaced ? "-o {%s}" : "-o %s", assignment);
}

static void put_word(struct buf *out, const char *word, size_t *column)
{
    bool quoted = strpbrk(word, " \t") != NULL || word[0] == '{';
    size_t n = strlen(word) + (quoted ? 2 : 0);
    bool fold = column != NULL && *column + 1 + n >= 80;
    buf_puts(out, fold ? "\n    " : " ");
    buf_printf(out, quoted ? "{%s}" : "%s", word);
    if (column != NULL)
        *column = (fold ? 4 : *column + 1) + n;
}

void service_text(const struct service *s, bool fold, struct buf *out)
{
    size_t start = out->n;
    for (size_t i = 0; i < 7; i++) {
        pad_to(out, start, columns[i]);
        buf_puts(out, s->fields[i]);
    }
    pad_to(out, start, columns[COMMAND]);
    buf_puts(out, s->command);
    size_t column = out->n - start;
    for (size_t i = 0; i < s->n_overrides; i++) {
        buf_puts(out, fold ? "\n    " : " ");
        put_override(s->overrides[i], out);
    }
    for (unsigned i = 0; i < s->verbose; i++)
        buf_puts(out, fold && s->n_overrides > 0 ? "\n    -v" : " -v");
    if (s->n_overrides > 0)
        column = 80;        /* arguments behind options begin a line */
    for (size_t i = 0; i < s->n_args; i++)
        put_word(out, s->args[i], fold ? &column : NULL);
    buf_putc(out, '\n');
}

static void command_text(const struct service *s, struct buf *out)
{
    struct buf all = buf_make(0);
    service_text(s, false, &all);
    size_t at = 0;
    for (size_t i = 0; i < 7; i++)
        at += strlen(s->fields[i]);
    struct str rest = buf_str(&all), word;
    for (size_t i = 0; i < 7; i++)
        (void)str_token(&rest, " \n", &word);
    buf_add(out, str_trim(rest));
    buf_done(&all);
}

/* ---- patterns "name/type/rest", each part may be * ---- */

struct pattern { struct str part[3]; size_t n; };

static bool parse_pattern(const char *text, size_t max, struct pattern *ret)
{
    struct str rest = str_from(text), part;
    *ret = (struct pattern){ .n = 0 };
    while (ret->n < max) {
        if (ret->n + 1 == max || !str_cut(rest, '/', &part, &rest)) {
            ret->part[ret->n] = ret->n + 1 == max ? rest : part;
            ret->n++;
            break;
        }
        ret->part[ret->n++] = part;
    }
    return ret->part[0].n > 0 && str_chr(ret->part[ret->n - 1], '/') < 0;
}

static bool part_matches(const struct pattern *p, size_t i, const char *value)
{
    return p->n <= i || str_eqz(p->part[i], "*") || str_eqz(p->part[i], value);
}

static bool service_matches(const struct pattern *p, const struct service *s)
{
    return part_matches(p, 0, s->fields[0]) && part_matches(p, 1, s->fields[1]);
}

/* ---- listing ---- */

static void print_named(const struct options *o, const struct service *s, const char *name, const char *value)
{
    struct buf line = buf_make(0);
    buf_printf(&line, "%s/%s/%s", s->fields[0], s->fields[1], name);
    print_setting(o, buf_cstr(&line), value);
    buf_done(&line);
}

static unsigned list_fields(const struct options *o, const struct service *s, const struct pattern *p)
{
    unsigned hits = 0;
    struct buf command = buf_make(0);
    command_text(s, &command);
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (!part_matches(p, 2, field_names[i]))
            continue;
        print_named(o, s, field_names[i], i == COMMAND ? buf_cstr(&command) : s->fields[i]);
        hits++;
    }
    buf_done(&command);
    return hits;
}

static int text_cmp(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static unsigned list_overrides(struct options *o, const struct service *s, const struct pattern *p)
{
    unsigned hits = 0;
    const char **sorted = arena_copy(&o->arena, s->n_overrides == 0 ? (const void *)"" : s->overrides, s->n_overrides * sizeof *s->overrides);
    qsort(sorted, s->n_overrides, sizeof *sorted, text_cmp);
    for (size_t i = 0; i < s->n_overrides; i++) {
        struct str name, value;
        struct err err;
        (void)str_cut(str_from(sorted[i]), '=', &name, &value);
        const char *z = str_to_cstr(&o->arena, name);
        if (!part_matches(p, 2, z))
            continue;
        struct buf out = buf_make(0);
        if (o->expand && config_override(o->config, STR("service_name="), &err) == 0) {
            (void)config_override(o->config, str_printf(&o->arena, "service_name=%s", s->name), &err);
            if (config_expand(o->config, value, &out, &err) < 0)
                log_fatal("%s: %s", sorted[i], err.text);
        } else {
            buf_add(&out, value);
        }
        print_named(o, s, z, buf_cstr(&out));
        buf_done(&out);
        hits++;
    }
    return hits;
}

static unsigned list_one(struct options *o, const struct service *s, const struct pattern *p)
{
    if (!service_matches(p, s))
        return 0;
    if (o->mode == MODE_FIELD)
        return list_fields(o, s, p);
    if (o->mode == MODE_SERVICE_PARAM)
        return list_overrides(o, s, p);
    struct buf text = buf_make(0);
    service_text(s, o->fold, &text);
    printf("%s", buf_cstr(&text));
    buf_done(&text);
    return 1;
}

int list_master(struct options *o, int n, char **names, struct err *err)
{
    static char all[] = "*";
    static char *every[] = { all };
    struct service_list list;
    registry_register(o->config);
    if (service_load(o->config, &list, err) < 0)
        return -1;
    for (int at = 0; at < MAX(n, 1); at++) {
        const char *request = n == 0 ? every[0] : names[at];
        struct pattern p;
        unsigned hits = 0;
        if (!parse_pattern(request, o->mode == MODE_MASTER ? 2 : 3, &p))
            return err_set(err, ERR_CONFIG, "bad service name: \"%s\" (name/type%s is needed)", request, o->mode == MODE_MASTER ? "" : "/attribute");
        for (size_t i = 0; i < list.n; i++)
            hits += list_one(o, &list.rows[i], &p);
        if (hits == 0 && n > 0)
            log_warning("unmatched request: \"%s\"", request);
    }
    return 0;
}

/* ---- editing ---- */

struct change {
    struct pattern where;
    struct str value;       /* -M: the new row; -F: the field; -P: the value */
    unsigned hits;
};

static int read_change(const struct options *o, const char *arg, struct change *ret, struct err *err)
{
    struct str name = str_from(arg);
    const char *why;
    *ret = (struct change){ .hits = 0 };
    if (o->edit == EDIT_SET && !lex_name_value(str_from(arg), &name, &ret->value, &why))
        return err_set(err, ERR_CONFIG, "%s: \"%s\"", why, arg);
    struct arena a = arena_make(1 << 20);
    size_t parts = o->mode == MODE_MASTER ? 2 : 3;
    struct pattern p;
    bool good = parse_pattern(str_to_cstr(&a, name), parts, &p) && p.n == parts;
    arena_done(&a);
    if (!good)
        return err_set(err, ERR_CONFIG, "bad service name: \"%.*s\" (name/type%s is needed)", STR_FMT(name), parts == 2 ? "" : "/attribute");
    for (size_t i = 0; i < parts; i++) {        /* again, into the argument itself, which lives long enough */
        if (i + 1 < parts)
            (void)str_cut(name, '/', &ret->where.part[i], &name);
        else
            ret->where.part[i] = name;
    }
    ret->where.n = parts;
    return 0;
}

/* One row parsed for itself. */
static int parse_row(struct options *o, struct str text, struct service *ret, struct err *err)
{
    struct service_list one;
    if (service_parse(o->config, "master.cf", text, &one, err) < 0)
        return -1;
    if (one.n != 1)
        return err_set(err, ERR_CONFIG, "one service row is needed: \"%.*s\"", STR_FMT(text));
    *ret = one.rows[0];
    return 0;
}

static int set_field(struct options *o, struct service *s, const struct change *c, struct buf *out, struct err *err)
{
    size_t i = 0;
    while (i < N_FIELDS && !str_eqz(c->where.part[2], field_names[i]))
        i++;
    if (i == N_FIELDS)
        return err_set(err, ERR_CONFIG, "invalid service attribute name: \"%.*s\"", STR_FMT(c->where.part[2]));
    struct buf row = buf_make(0);
    struct service changed = *s;
    struct buf command = buf_make(0);
    command_text(s, &command);
    const char *value = str_to_cstr(&o->arena, c->value);
    if (i < COMMAND)
        changed.fields[i] = value;
    for (size_t f = 0; f < 7; f++)
        buf_printf(&row, "%s ", changed.fields[f]);
    buf_puts(&row, i == COMMAND ? value : buf_cstr(&command));
    int rc = parse_row(o, buf_str(&row), &changed, err);
    if (rc == 0)
        service_text(&changed, true, out);
    buf_done(&row);
    buf_done(&command);
    return rc;
}

/* -P: sets, replaces or (value absent) removes one -o. */
static void set_param(struct options *o, struct service *s, const struct change *c, bool remove, struct buf *out)
{
    VEC(const char *) kept = { 0 };
    bool placed = remove;
    const char *text = str_printf(&o->arena, "%.*s=%.*s", STR_FMT(c->where.part[2]), STR_FMT(c->value)).p;
    for (size_t i = 0; i < s->n_overrides; i++) {
        struct str name, value;
        (void)str_cut(str_from(s->overrides[i]), '=', &name, &value);
        if (!str_eq(name, c->where.part[2])) {
            vec_push(&kept, s->overrides[i]);
        } else if (!placed) {
            vec_push(&kept, text);
            placed = true;
        }
    }
    if (!placed)
        vec_push(&kept, text);
    struct service changed = *s;
    changed.overrides = kept.p;
    changed.n_overrides = kept.n;
    service_text(&changed, true, out);
    vec_done(&kept);
}

static int edit_block(struct options *o, struct service *s, struct str block, const struct change *c, struct buf *out, struct err *err)
{
    struct buf row = buf_make(0);
    int rc = 0;
    if (o->mode == MODE_SERVICE_PARAM)
        set_param(o, s, c, o->edit == EDIT_REMOVE, &row);
    else if (o->edit == EDIT_COMMENT)
        edit_comment_out(block, &row);
    else if (o->edit == EDIT_SET && o->mode == MODE_FIELD)
        rc = set_field(o, s, c, &row, err);
    else if (o->edit == EDIT_SET && (rc = parse_row(o, c->value, s, err)) == 0)
        service_text(s, true, &row);
    buf_add(out, buf_str(&row));
    if (rc == 0 && o->edit != EDIT_COMMENT)
        edit_keep_comments(block, out);
    buf_done(&row);
    return rc;
}

/* Applies one change to the whole text. */
static int apply(struct options *o, struct change *c, struct str text, struct buf *out, struct err *err)
{
    struct str block;
    int rc = 0;
    while (rc == 0 && edit_next_block(&text, &block)) {
        struct service s;
        struct str head = str_trim(block);
        bool row = head.n > 0 && head.p[0] != '#' && !ascii_is_space(block.p[0]);
        if (row)
            rc = parse_row(o, block, &s, err);
        if (rc == 0 && row && service_matches(&c->where, &s)) {
            c->hits++;
            rc = edit_block(o, &s, block, c, out, err);
        } else {
            buf_add(out, block);
        }
    }
    if (rc < 0 || c->hits > 0 || o->edit != EDIT_SET)
        return rc;
    if (o->mode != MODE_MASTER)
        return err_set(err, ERR_CONFIG, "unmatched service: \"%.*s/%.*s\"", STR_FMT(c->where.part[0]), STR_FMT(c->where.part[1]));
    struct service new;
    rc = parse_row(o, c->value, &new, err);
    if (rc == 0)
        service_text(&new, true, out);
    return rc;
}

int edit_master(struct options *o, int n, char **args, struct err *err)
{
    struct buf text = buf_make(0), next = buf_make(0);
    const char *path;
    int lock;
    if (o->mode == MODE_FIELD && o->edit != EDIT_SET)
        return err_set(err, ERR_CONFIG, "with -F, only -e is possible");
    if (o->mode == MODE_SERVICE_PARAM && o->edit == EDIT_COMMENT)
        return err_set(err, ERR_CONFIG, "with -P, -# is not possible");
    registry_register(o->config);
    int rc = edit_load(config_dir(o->config), "master.cf", &text, &path, &lock, &o->arena, err);
    for (int i = 0; rc == 0 && i < n; i++) {
        struct change c;
        buf_reset(&next);
        rc = read_change(o, args[i], &c, err);
        if (rc == 0)
            rc = apply(o, &c, buf_str(&text), &next, err);
        struct buf swap = text;
        text = next;
        next = swap;
    }
    if (rc == 0)
        rc = edit_save(path, buf_str(&text), lock, err);
    buf_done(&text);
    buf_done(&next);
    return rc;
}
