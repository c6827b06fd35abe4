/* SPDX-License-Identifier: ISC */
#include "map/source.h"

void source_init(struct source *s, const char *name, struct str text, bool aliases)
{
    *s = (struct source){ .lexer = lex_make(text), .name = name, .aliases = aliases };
}

void source_done(struct source *s)
{
    lex_done(&s->lexer);
    buf_done(&s->key);
    buf_done(&s->value);
}

static enum source_result bad(struct source *s, const char *why)
{
    (void)snprintf(s->warning, sizeof s->warning, "%s, line %u: %s", s->name, s->line, why);
    return SOURCE_BAD;
}

/* A quoted key at the start of *s, without its quotes; false when it is not closed. */
static bool take_quoted(struct str *s, struct buf *out)
{
    for (size_t i = 1; i < s->n; i++) {
        char c = s->p[i];
        if (c == '"') {
            *s = str_skip(*s, i + 1);
            return true;
        }
        if (c == '\\' && i + 1 < s->n)
            c = s->p[++i];
        buf_putc(out, c);
    }
    return false;
}

/* Up to the first white space outside quotes; what is quoted stays as written, for "a b"@example.org is an address. */
static bool key_length(struct str s, size_t *ret)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < s.n && (quoted || !ascii_is_space(s.p[i])); i++) {
        if (s.p[i] == '\\' && quoted && i + 1 < s.n)
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
    }
    *ret = i;
    return !quoted;
}

static enum source_result next_pair(struct source *s, struct str line)
{
    size_t n;
    if (!key_length(line, &n))
        return bad(s, "the quote of the key is not closed");
    struct str value = str_trim(str_skip(line, n));
    buf_add(&s->key, str_head(line, n));
    if (s->key.n == 0 || value.n == 0)
        return bad(s, "expected format: key whitespace value");
    buf_add(&s->value, value);
    if (s->key.p[s->key.n - 1] == ':')
        (void)snprintf(s->warning, sizeof s->warning, "%s, line %u: record is in \"key: value\" format; is this an alias file?", s->name, s->line);
    return SOURCE_ENTRY;
}

static enum source_result next_alias(struct source *s, struct str line)
{
    struct str rest = line;
    if (rest.p[0] == '"') {
        if (!take_quoted(&rest, &s->key))
            return bad(s, "the quote of the name is not closed");
        rest = str_trim(rest);
    } else {
        ptrdiff_t at = str_chr(rest, ':');
        struct str name = str_trim(str_head(rest, at < 0 ? rest.n : (size_t)at));
        buf_add(&s->key, name);
        rest = str_skip(rest, at < 0 ? rest.n : (size_t)at);
    }
    if (rest.n == 0 || rest.p[0] != ':')
        return bad(s, "need name:value pair");
    rest = str_trim(str_skip(rest, 1));
    if (s->key.n == 0 || rest.n == 0)
        return bad(s, "need name:value pair");
    if (str_chr(buf_str(&s->key), '@') >= 0)
        return bad(s, "name must be local");
    buf_add(&s->value, rest);
    return SOURCE_ENTRY;
}

enum source_result source_next(struct source *s, struct source_entry *ret)
{
    struct lex_line line;
    s->warning[0] = '\0';
    if (!lex_next(&s->lexer, &line))
        return SOURCE_END;
    s->line = line.first;
    buf_reset(&s->key);
    buf_reset(&s->value);
    if (line.orphan)
        return bad(s, "logical line must not start with white space");
    enum source_result r = s->aliases ? next_alias(s, line.text) : next_pair(s, line.text);
    if (r == SOURCE_ENTRY)
        *ret = (struct source_entry){ buf_str(&s->key), buf_str(&s->value), s->line };
    return r;
}
