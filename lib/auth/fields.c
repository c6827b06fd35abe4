/* SPDX-License-Identifier: ISC */
#include "auth/fields.h"
#include "proto/auth_proto.h"

struct fields fields_make(struct arena *arena) { return (struct fields){ .arena = arena }; }

static struct field *find(struct fields *f, struct str name)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(f->rows[i].name, name))
            return &f->rows[i];
    return NULL;
}

/* Most sets hold a few; the room that is left behind when one grows is the arena's. */
static void grow(struct fields *f)
{
    size_t room = f->room == 0 ? 8 : MIN(2 * f->room, (size_t)FIELDS_MAX);
    struct field *rows = ARENA_ARRAY(f->arena, struct field, room);
    if (f->n > 0)
        memcpy(rows, f->rows, f->n * sizeof *rows);
    f->rows = rows;
    f->room = room;
}

static bool put(struct fields *f, struct str name, struct str value, bool is_bare)
{
    struct field *row = find(f, name);
    size_t more = value.n + (row == NULL ? name.n : 0);
    if (f->full || name.n == 0 || name.n > FIELD_NAME_MAX || more > FIELDS_BYTES_MAX - f->bytes || (row == NULL && f->n == FIELDS_MAX)) {
        f->full = true;
        return false;
    }
    f->bytes += more;
    if (row == NULL) {
        if (f->n == f->room)
            grow(f);
        row = &f->rows[f->n++];
        row->name = str_dup(f->arena, name);
    }
    row->value = str_dup(f->arena, value);
    row->is_bare = is_bare;
    return true;
}

bool fields_set(struct fields *f, struct str name, struct str value) { return put(f, name, value, false); }

const struct field *fields_find(const struct fields *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (str_eqz(f->rows[i].name, name))
            return &f->rows[i];
    return NULL;
}

struct str fields_get(const struct fields *f, const char *name)
{
    const struct field *row = fields_find(f, name);
    return row == NULL ? STR("") : row->value;
}

bool fields_has(const struct fields *f, const char *name) { return fields_find(f, name) != NULL; }

void fields_remove(struct fields *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++) {
        if (!str_eqz(f->rows[i].name, name))
            continue;
        memmove(&f->rows[i], &f->rows[i + 1], (f->n - i - 1) * sizeof f->rows[0]);
        f->n--;
        return;
    }
}

bool fields_is_true(const struct fields *f, const char *name)
{
    static const char *const no[] = { "no", "n", "false", "0" };
    const struct field *row = fields_find(f, name);
    for (size_t i = 0; row != NULL && i < N_ELEMS(no); i++)
        if (str_ieqz(row->value, no[i]))
            return false;
    return row != NULL;
}

bool fields_import(struct fields *f, const struct fields *from, struct str prefix)
{
    f->full |= from->full;
    for (size_t i = 0; i < from->n; i++) {
        const struct field *row = &from->rows[i];
        if (row->name.n > prefix.n && str_starts(row->name, prefix))
            (void)put(f, str_skip(row->name, prefix.n), row->value, row->is_bare);
    }
    return !f->full;
}

static bool take(struct fields *f, struct str word)
{
    struct str name, value;
    bool has_value = str_cut(word, '=', &name, &value);
    return put(f, name, has_value ? value : STR("yes"), !has_value);
}

bool fields_parse_words(struct fields *f, struct str text)
{
    struct str word;
    while (str_token(&text, " \t\r\n", &word))
        (void)take(f, word);
    return !f->full;
}

void fields_put_line(const struct fields *f, struct buf *out)
{
    struct buf name = buf_make(FIELD_NAME_MAX + 1);
    for (size_t i = 0; i < f->n; i++) {
        const struct field *row = &f->rows[i];
        buf_reset(&name);
        buf_add(&name, row->name);
        if (row->is_bare)
            auth_line_word(out, row->name);
        else
            auth_line_field(out, buf_cstr(&name), row->value);
    }
    buf_done(&name);
}

bool fields_parse_line(struct fields *f, struct str text)
{
    struct arena scratch = arena_make(4 * AUTH_LINE_MAX);
    struct auth_line line;
    bool ok = auth_line_parse(text, &scratch, &line);
    for (size_t i = 0; ok && i < line.n; i++)
        if (line.fields[i].n > 0)
            ok = take(f, line.fields[i]);
    f->full |= !ok;
    arena_done(&scratch);
    return ok;
}
