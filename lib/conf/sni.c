/* SPDX-License-Identifier: ISC */
#include "conf/sni.h"
#include "base/arena.h"
#include "conf/lex.h"

enum { TEXT_MAX = 4 << 20, ARENA_MAX = 16 << 20, PATH_MAX_TEXT = 4096 };

struct sni { struct arena arena; size_t n; struct { const char *name, *files; } rows[SNI_NAMES_MAX]; };

static bool has(const struct sni *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->rows[i].name, name) == 0)
            return true;
    return false;
}

static int add(struct sni *s, struct str name, struct str files, const char *where, struct err *err)
{
    struct buf words = buf_make(0);
    struct str word;
    while (str_token(&files, ", \t", &word))
        buf_printf(&words, "%s%.*s", words.n > 0 ? " " : "", STR_FMT(word));
    const char *key = str_to_cstr(&s->arena, str_lower(&s->arena, name)), *value = str_to_cstr(&s->arena, buf_str(&words));
    buf_done(&words);
    if (key == NULL || value == NULL || key[0] == '\0' || value[0] != '/')
        return err_set(err, ERR_CONFIG, "%s: \"%.*s\" needs a name and absolute paths of PEM files, the key first, then the certificates", where, STR_FMT(name));
    if (has(s, key))
        return 0;
    if (s->n == SNI_NAMES_MAX)
        return err_set(err, ERR_CONFIG, "%s: more than %d names", where, SNI_NAMES_MAX);
    s->rows[s->n].name = key;
    s->rows[s->n++].files = value;
    return 0;
}

static int add_text(struct sni *s, struct str path, struct err *err)
{
    struct buf text = { 0 };
    const char *name = str_to_cstr(&s->arena, path);
    if (name == NULL || lex_read_file(name, TEXT_MAX, &text, err) != 0) {
        buf_done(&text);
        return err_prefix(err, "the names and files are read from the text that the table is made of");
    }
    struct lexer lx = lex_make(buf_str(&text));
    struct lex_line line;
    int rc = 0;
    while (rc == 0 && lex_next(&lx, &line)) {
        struct str rest = line.text, key = STR("");
        (void)str_token(&rest, " \t", &key);
        rc = add(s, key, rest, name, err);
    }
    lex_done(&lx);
    buf_done(&text);
    return rc;
}

static int add_inline(struct sni *s, struct str text, struct err *err)
{
    struct str row, name, files;
    const char *why;
    int rc = lex_unbrace(&text) ? 0 : err_set(err, ERR_CONFIG, "inline: needs its rows in { }");
    while (rc == 0 && lex_word(&text, ", \t\r\n", &row)) {
        if (!lex_unbrace(&row) || !lex_name_value(row, &name, &files, &why))
            return err_set(err, ERR_CONFIG, "inline: \"%.*s\" is not { name = files }", STR_FMT(row));
        rc = add(s, name, files, "inline", err);
    }
    return rc;
}

static int add_table(struct sni *s, struct str table, struct err *err)
{
    static const char *const with_text[] = { "texthash", "hash", "lmdb", "btree", "cdb", "dbm" };
    struct str type, rest;
    (void)str_cut(table, ':', &type, &rest);
    if (str_eqz(type, "inline"))
        return add_inline(s, rest, err);
    for (size_t i = 0; i < N_ELEMS(with_text); i++)
        if (str_eqz(type, with_text[i]) && rest.n > 0 && rest.p[0] == '/' && rest.n < PATH_MAX_TEXT)
            return add_text(s, rest, err);
    return err_set(err, ERR_CONFIG, "\"%.*s\" cannot be read as a whole, which those who keep the private keys must: use texthash:/PATH, with lines "
                   "\"name key-file certificate-file\", or inline:", STR_FMT(table));
}

struct sni *sni_load(const char *maps, struct err *err)
{
    struct str rest = str_from(maps), word;
    struct sni *s = xcalloc(1, sizeof *s);
    s->arena = arena_make(ARENA_MAX);
    s->arena.block_size = 4096;
    while (lex_word(&rest, ", \t\r\n", &word))
        if (add_table(s, word, err) != 0) {
            sni_free(s);
            return NULL;
        }
    return s;
}

void sni_free(struct sni *s)
{
    if (s == NULL)
        return;
    arena_done(&s->arena);
    free(s);
}

const char *sni_at(const void *sni, size_t i, const char **ret_files)
{
    const struct sni *s = sni;
    if (i >= s->n)
        return NULL;
    *ret_files = s->rows[i].files;
    return s->rows[i].name;
}
