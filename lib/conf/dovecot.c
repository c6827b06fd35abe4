/* SPDX-License-Identifier: ISC */
#include "conf/dovecot.h"
#include "base/num.h"
#include "base/vec.h"
#include "conf/lex.h"
#include <glob.h>
#include <stdlib.h>

/* A file that is being read; included ones are pushed on top of it. */
struct source { const char *file; struct str rest; unsigned line; };
typedef VEC(struct dovecot_node) node_vec;

struct reader {
    struct arena *arena;
    struct source stack[DOVECOT_DEPTH_MAX];
    size_t n_stack, n_files;
    size_t open[DOVECOT_DEPTH_MAX];     /* indexes of sections that are not closed */
    unsigned depth;
    node_vec nodes;
    struct str version, path;
    bool is_ext, follows;
    struct err *err;
};

static struct source *top(struct reader *r) { return &r->stack[r->n_stack - 1]; }

static int refuse(struct reader *r, const char *why)
{
    return err_set(r->err, ERR_CONFIG, "%s: line %u: %s", top(r)->file, top(r)->line, why);
}

static bool ends_in_backslash(struct str line)
{
    size_t n = 0;
    while (n < line.n && line.p[line.n - 1 - n] == '\\')
        n++;
    return n % 2 == 1;
}

/* The next logical line without white space at its ends; *ret_line: its first physical line. */
static bool next_line(struct reader *r, struct str *ret, unsigned *ret_line)
{
    struct source *s = top(r);
    if (s->rest.n == 0)
        return false;
    struct buf joined = buf_make(0);
    struct str line;
    bool more = true;
    *ret_line = s->line + 1;
    while (more && s->rest.n > 0) {
        (void)str_cut(s->rest, '\n', &line, &s->rest);
        s->line++;
        line = str_trim(line);
        bool comment = joined.n == 0 && line.n > 0 && line.p[0] == '#';
        more = !comment && ends_in_backslash(line);
        if (more)
            line = str_trim(str_head(line, line.n - 1));
        if (joined.n > 0 && line.n > 0)
            buf_putc(&joined, ' ');
        buf_add(&joined, line);
    }
    *ret = str_dup(r->arena, buf_str(&joined));
    buf_done(&joined);
    return true;
}

/* ---- words and values ---- */

/* Text between the quote at text.p[0] and its end, unescaped; *ret_used: bytes with both quotes. False: not closed. */
static bool unquote(struct reader *r, struct str text, struct str *ret, size_t *ret_used)
{
    struct buf out = buf_make(0);
    size_t i = 1;
    for (; i < text.n && text.p[i] != text.p[0]; i++) {
        if (text.p[i] == '\\' && i + 1 < text.n)
            i++;
        buf_putc(&out, text.p[i]);
    }
    bool closed = i < text.n;
    if (closed) {
        *ret = str_dup(r->arena, buf_str(&out));
        *ret_used = i + 1;
    }
    buf_done(&out);
    return closed;
}

static bool is_quote(char c) { return c == '"' || c == '\''; }

/* A '#' behind white space begins a comment, but not inside quotes. */
static struct str without_comment(struct str text)
{
    char quote = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (quote != 0 && c == '\\')
            i++;
        else if (quote != 0)
            quote = c == quote ? '\0' : quote;
        else if (is_quote(c) && (i == 0 || ascii_is_space(text.p[i - 1])))
            quote = c;
        else if (c == '#' && (i == 0 || ascii_is_space(text.p[i - 1])))
            return str_trim(str_head(text, i));
    }
    return text;
}

static struct str plain_value(struct reader *r, struct str text)
{
    struct str value;
    size_t used;
    if (text.n >= 2 && is_quote(text.p[0]) && unquote(r, text, &value, &used) && used == text.n)
        return value;
    return text;
}

static struct dovecot_node *add_node(struct reader *r, unsigned line)
{
    struct dovecot_node *n = vec_add(&r->nodes);
    n->file = top(r)->file;
    n->line = line;
    n->depth = r->depth;
    n->end = r->nodes.n;
    return n;
}

static int add_setting(struct reader *r, struct str name, struct str text, unsigned line)
{
    struct str rest = str_trim(text);
    bool hidden = str_starts(rest, STR("# hidden"));
    struct dovecot_node *n = add_node(r, line);
    n->name = str_trim(name);
    n->is_hidden = hidden;
    if (!r->is_ext)
        rest = without_comment(rest);
    n->is_file = !r->is_ext && rest.n > 1 && rest.p[0] == '<';
    n->value = plain_value(r, n->is_file ? str_trim(str_skip(rest, 1)) : rest);
    if (str_eqz(n->name, "dovecot_config_version") && r->version.n == 0)
        r->version = n->value;
    return 0;
}

/* "name {", "name arg {", "name "arg with blanks" {" */
static int open_section(struct reader *r, struct str head, unsigned line)
{
    struct str name, arg;
    size_t used;
    if (r->depth == DOVECOT_DEPTH_MAX)
        return refuse(r, "sections are nested too deeply");
    size_t n = 0;
    while (n < head.n && !ascii_is_space(head.p[n]))
        n++;
    name = str_head(head, n);
    arg = str_trim(str_skip(head, n));
    if (arg.n > 0 && is_quote(arg.p[0])) {
        if (!unquote(r, arg, &arg, &used))
            return refuse(r, "a quote is not closed");
    }
    struct dovecot_node *node = add_node(r, line);
    node->is_section = true;
    node->name = name;
    node->arg = arg;
    r->open[r->depth++] = r->nodes.n - 1;
    return 0;
}

static int close_section(struct reader *r)
{
    if (r->depth == 0)
        return refuse(r, "a } without its {");
    r->nodes.p[r->open[--r->depth]].end = r->nodes.n;
    return 0;
}

/* "# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf" */
static void take_comment(struct reader *r, struct str line)
{
    struct str version, rest = str_trim(str_skip(line, 1));
    ptrdiff_t colon = str_find(rest, STR("): /"));
    if (r->nodes.n > 0 || r->version.n > 0 || colon < 0 || rest.n == 0 || !ascii_is_digit(rest.p[0]))
        return;
    (void)str_cut(rest, ' ', &version, &(struct str){ 0 });
    r->version = version;
    r->path = str_skip(rest, (size_t)colon + 3);
}

/* ---- included files ---- */

static int push_file(struct reader *r, const char *path)
{
    struct buf text = buf_make(0);
    if (r->n_stack == DOVECOT_DEPTH_MAX || r->n_files++ == DOVECOT_FILES_MAX)
        return refuse(r, "too many included files");
    int rc = lex_read_file(path, DOVECOT_FILE_MAX, &text, r->err);
    if (rc == 0)
        r->stack[r->n_stack++] = (struct source){ .file = path, .rest = str_dup(r->arena, buf_str(&text)) };
    buf_done(&text);
    return rc;
}

/* Relative names are beside the file that includes them. The last match is pushed first: the first is read first. */
static int include(struct reader *r, struct str name, bool must)
{
    struct str here = str_from(top(r)->file);
    ptrdiff_t slash = str_rchr(here, '/');
    glob_t found;
    int rc = 0;
    if (name.n == 0)
        return refuse(r, "!include without a name");
    const char *pattern = name.p[0] == '/' || slash < 0 ? str_to_cstr(r->arena, name)
                        : str_printf(r->arena, "%.*s/%.*s", (int)slash, here.p, STR_FMT(name)).p;
    if (pattern == NULL || glob(pattern, 0, NULL, &found) != 0)
        return must && strpbrk(pattern == NULL ? "" : pattern, "*?[") == NULL ? refuse(r, "an included file is not there") : 0;
    for (size_t i = found.gl_pathc; rc == 0 && i > 0; i--) {
        rc = push_file(r, str_to_cstr(r->arena, str_from(found.gl_pathv[i - 1])));
        if (rc < 0 && !must && r->n_stack < DOVECOT_DEPTH_MAX)
            rc = 0;             /* !include_try */
    }
    globfree(&found);
    return rc;
}

/* ---- lines ---- */

static int take_line(struct reader *r, struct str line, unsigned number)
{
    struct str name, value;
    if (line.n == 0)
        return 0;
    if (line.p[0] == '#') {
        take_comment(r, line);
        return 0;
    }
    bool try = str_starts(line, STR("!include_try "));
    if (try || str_starts(line, STR("!include ")))
        return r->follows ? include(r, str_trim(str_skip(line, try ? 13 : 9)), !try) : 0;
    ptrdiff_t eq = str_chr(line, '=');
    struct str bare = r->is_ext ? line : without_comment(line);
    if (str_eqz(bare, "}"))
        return close_section(r);
    if (!r->is_ext && bare.n > 1 && bare.p[bare.n - 1] == '{' && (eq < 0 || str_find(line, STR(" = ")) < 0))
        return open_section(r, str_trim(str_head(bare, bare.n - 1)), number);
    if (eq <= 0)
        return refuse(r, "neither a setting nor a section");
    (void)str_cut(line, '=', &name, &value);
    return add_setting(r, name, value, number);
}

static int read_all(struct reader *r, struct dovecot_tree *ret)
{
    int rc = 0;
    struct str line;
    unsigned number;
    while (rc == 0 && r->n_stack > 0) {
        if (!next_line(r, &line, &number)) {
            if (r->n_stack == 1 && r->depth > 0)
                rc = refuse(r, "a section is not closed");
            r->n_stack--;
            continue;
        }
        rc = take_line(r, line, number);
        if (rc == 0 && r->nodes.n > DOVECOT_NODES_MAX)
            rc = refuse(r, "too many settings");
    }
    if (rc == 0)
        *ret = (struct dovecot_tree){ .nodes = r->nodes.n == 0 ? NULL : arena_copy(r->arena, r->nodes.p, r->nodes.n * sizeof *r->nodes.p),
                                      .n = r->nodes.n, .version = r->version, .path = r->path };
    vec_done(&r->nodes);
    return rc;
}

static int parse(const char *file, struct str text, bool is_ext, struct arena *arena, struct dovecot_tree *ret, struct err *err)
{
    struct reader r = { .arena = arena, .n_stack = 1, .is_ext = is_ext, .err = err };
    r.stack[0] = (struct source){ .file = str_to_cstr(arena, str_from(file)), .rest = text };
    if (str_chr(text, '\0') >= 0)
        return err_set(err, ERR_CONFIG, "%s: there is a NUL in it", file);
    return read_all(&r, ret);
}

int dovecot_parse(const char *file, struct str text, struct arena *arena, struct dovecot_tree *ret, struct err *err)
{
    return parse(file, text, false, arena, ret, err);
}

int dovecot_parse_ext(const char *file, struct str text, struct arena *arena, struct dovecot_tree *ret, struct err *err)
{
    return parse(file, text, true, arena, ret, err);
}

int dovecot_read(const char *path, struct arena *arena, struct dovecot_tree *ret, struct err *err)
{
    struct reader r = { .arena = arena, .follows = true, .err = err };
    r.stack[0] = (struct source){ .file = path };
    r.n_stack = 1;
    if (push_file(&r, str_to_cstr(arena, str_from(path))) < 0)
        return -1;
    r.stack[0] = r.stack[1];
    r.n_stack = 1;
    return read_all(&r, ret);
}

/* ---- looking at it ---- */

const struct dovecot_node *dovecot_find(const struct dovecot_tree *t, size_t at, const char *name)
{
    const struct dovecot_node *found = NULL;
    size_t i = at == SIZE_MAX ? 0 : at + 1, end = at == SIZE_MAX ? t->n : t->nodes[at].end;
    for (; i < end; i = t->nodes[i].end)
        if (!t->nodes[i].is_section && str_eqz(t->nodes[i].name, name))
            found = &t->nodes[i];
    return found;
}

bool dovecot_is_yes(struct str value)
{
    static const char *const words[] = { "yes", "y", "1", "true" };
    for (size_t i = 0; i < N_ELEMS(words); i++)
        if (str_ieqz(value, words[i]))
            return true;
    return false;
}

bool dovecot_time(struct str text, uint64_t unit_ms, uint64_t *ret_ms)
{
    /* Dovecot takes every beginning of a unit's name, singular and plural. */
    static const struct { const char *name; uint64_t ms; } units[] = {
        { "msecs", 1 }, { "milliseconds", 1 }, { "seconds", 1000 }, { "secs", 1000 }, { "minutes", 60000 }, { "mins", 60000 },
        { "hours", 3600000 }, { "days", 86400000 }, { "weeks", 604800000 },
    };
    size_t n = 0;
    uint64_t number, ms = unit_ms;
    while (n < text.n && ascii_is_digit(text.p[n]))
        n++;
    struct str unit = str_trim(str_skip(text, n));
    if (!num_parse_u64(str_head(text, n), UINT64_MAX / 604800000, &number))
        return false;
    if (unit.n > 0) {
        size_t i = 0;
        if (str_ieqz(unit, "m"))
            i = 4;
        else if (str_ieqz(unit, "ms"))
            i = 0;
        else
            while (i < N_ELEMS(units) && !str_ieq(str_head(str_from(units[i].name), unit.n), unit))
                i++;
        if (i == N_ELEMS(units))
            return false;
        ms = units[i].ms;
    }
    *ret_ms = number * ms;
    return true;
}
