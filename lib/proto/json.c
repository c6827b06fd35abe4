/* SPDX-License-Identifier: ISC */
#include "proto/json.h"
#include "base/num.h"
#include "base/utf8.h"

static size_t blanks(struct str s, size_t at)
{
    while (at < s.n && (s.p[at] == ' ' || s.p[at] == '\t' || s.p[at] == '\n' || s.p[at] == '\r'))
        at++;
    return at;
}

/* Four digits of \uXXXX at the front of s. */
static bool hex4(struct str s, uint32_t *ret)
{
    uint64_t v;
    if (s.n < 4 || !num_parse_hex(str_head(s, 4), 0xffff, &v))
        return false;
    *ret = (uint32_t)v;
    return true;
}

/* Cut one character off the inside of a string. False: wrong escape, or the end. */
static bool next_char(struct str *s, uint32_t *ret)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (s->n == 0 || s->p[0] != '\\')
        return utf8_next(s, ret) && *ret >= 0x20;
    if (s->n < 2)
        return false;
    const char *at = s->p[1] == '\0' ? NULL : strchr(names, s->p[1]);
    if (at != NULL) {
        *ret = (uint32_t)values[at - names];
        *s = str_skip(*s, 2);
        return true;
    }
    uint32_t low;
    if (s->p[1] != 'u' || !hex4(str_skip(*s, 2), ret))
        return false;
    *s = str_skip(*s, 6);
    if (*ret >= 0xd800 && *ret < 0xdc00) {
        if (!str_starts(*s, STR("\\u")) || !hex4(str_skip(*s, 2), &low) || low < 0xdc00 || low > 0xdfff)
            return false;
        *ret = 0x10000 + ((*ret - 0xd800) << 10) + (low - 0xdc00);
        *s = str_skip(*s, 6);
        return true;
    }
    return *ret != 0 && (*ret < 0xd800 || *ret > 0xdfff);
}

/* Index behind the string that starts at `at` with its quote; 0: there is none. */
static size_t string_end(struct str s, size_t at)
{
    struct str rest = str_skip(s, at + 1);
    uint32_t code;
    while (rest.n > 0 && rest.p[0] != '"')
        if (!next_char(&rest, &code))
            return 0;
    return rest.n == 0 ? 0 : s.n - rest.n + 1;
}

static size_t digits(struct str s, size_t at)
{
    while (at < s.n && ascii_is_digit(s.p[at]))
        at++;
    return at;
}

/* -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)? */
static size_t number_end(struct str s, size_t at)
{
    size_t from = at < s.n && s.p[at] == '-' ? at + 1 : at, end = digits(s, from);
    if (end == from || (s.p[from] == '0' && end > from + 1))
        return 0;
    if (end < s.n && s.p[end] == '.') {
        from = end + 1;
        if ((end = digits(s, from)) == from)
            return 0;
    }
    if (end < s.n && (s.p[end] == 'e' || s.p[end] == 'E')) {
        from = end + 1;
        if (from < s.n && (s.p[from] == '+' || s.p[from] == '-'))
            from++;
        if ((end = digits(s, from)) == from)
            return 0;
    }
    return end;
}

/* A value that is no array or object: index behind it, 0 if there is none. */
static size_t scalar_end(struct str s, size_t at)
{
    static const char *const words[] = { "null", "true", "false" };
    if (at >= s.n)
        return 0;
    if (s.p[at] == '"')
        return string_end(s, at);
    for (size_t i = 0; i < N_ELEMS(words); i++)
        if (str_starts(str_skip(s, at), str_from(words[i])))
            return at + strlen(words[i]);
    return number_end(s, at);
}

static enum json_type type_of(char c)
{
    switch (c) {
    case '{': return JSON_OBJECT;
    case '[': return JSON_ARRAY;
    case '"': return JSON_STRING;
    case 'n': return JSON_NULL;
    case 't': return JSON_TRUE;
    case 'f': return JSON_FALSE;
    default: return JSON_NUMBER;
    }
}

struct checker { struct str s; size_t at; char open[JSON_DEPTH_MAX]; unsigned depth; };

/* "name" : */
static bool check_name(struct checker *c)
{
    size_t end = c->at < c->s.n && c->s.p[c->at] == '"' ? string_end(c->s, c->at) : 0;
    c->at = end == 0 ? c->s.n : blanks(c->s, end);
    if (end == 0 || c->at == c->s.n || c->s.p[c->at] != ':')
        return false;
    c->at = blanks(c->s, c->at + 1);
    return true;
}

/* Opens what opens, or takes a scalar. *ret_whole: a value is complete behind it. */
static bool check_value(struct checker *c, bool *ret_whole)
{
    char ch = c->at < c->s.n ? c->s.p[c->at] : '\0';
    *ret_whole = true;
    if (ch != '{' && ch != '[') {
        size_t end = scalar_end(c->s, c->at);
        c->at = end;
        return end != 0;
    }
    if (c->depth == JSON_DEPTH_MAX)
        return false;
    c->at = blanks(c->s, c->at + 1);
    if (c->at < c->s.n && c->s.p[c->at] == (ch == '{' ? '}' : ']')) {
        c->at++;
        return true;
    }
    c->open[c->depth++] = ch;
    *ret_whole = false;
    return ch != '{' || check_name(c);
}

/* Behind a value: closes what closes. *ret_more: a comma was there, and another value follows. */
static bool check_behind(struct checker *c, bool *ret_more)
{
    *ret_more = false;
    while (c->depth > 0 && !*ret_more) {
        char open = c->open[c->depth - 1];
        c->at = blanks(c->s, c->at);
        char ch = c->at < c->s.n ? c->s.p[c->at++] : '\0';
        if (ch == ',') {
            c->at = blanks(c->s, c->at);
            *ret_more = true;
            return open != '{' || check_name(c);
        }
        if (ch != (open == '{' ? '}' : ']'))
            return false;
        c->depth--;
    }
    return true;
}

bool json_parse(struct str text, struct json *ret)
{
    struct checker c = { .s = text, .at = blanks(text, 0) };
    size_t start = c.at;
    bool whole, more = true;
    while (more) {
        if (!check_value(&c, &whole))
            return false;
        if (whole && !check_behind(&c, &more))
            return false;
    }
    size_t end = c.at;
    if (blanks(text, end) != text.n)
        return false;
    *ret = (struct json){ type_of(text.p[start]), str_make(text.p + start, end - start) };
    return true;
}

/* Of a text that was checked: index behind the value at `at`. */
static size_t skip_value(struct str s, size_t at)
{
    if (s.p[at] != '{' && s.p[at] != '[')
        return scalar_end(s, at);
    unsigned depth = 0;
    do {
        if (s.p[at] == '"') {
            at = string_end(s, at);
            continue;
        }
        if (s.p[at] == '{' || s.p[at] == '[')
            depth++;
        else if (s.p[at] == '}' || s.p[at] == ']')
            depth--;
        at++;
    } while (depth > 0);
    return at;
}

static struct json take(struct str s, size_t *at)
{
    size_t start = blanks(s, *at), end = skip_value(s, start);
    *at = blanks(s, end);
    return (struct json){ type_of(s.p[start]), str_make(s.p + start, end - start) };
}

bool json_each(struct json v, size_t *pos, struct json *ret_name, struct json *ret)
{
    if (v.type != JSON_OBJECT && v.type != JSON_ARRAY)
        return false;
    size_t at = *pos == 0 ? blanks(v.text, 1) : *pos;
    if (at >= v.text.n - 1)
        return false;
    if (*pos != 0)
        at = blanks(v.text, at + 1);    /* the comma */
    if (v.type == JSON_OBJECT) {
        struct json name = take(v.text, &at);
        if (ret_name != NULL)
            *ret_name = name;
        at++;                           /* the colon */
    }
    *ret = take(v.text, &at);
    *pos = at;
    return true;
}

/* Is the string with quotes this text? */
static bool string_is(struct str quoted, struct str wanted)
{
    struct str inside = str_make(quoted.p + 1, quoted.n - 2);
    uint32_t a, b;
    while (inside.n > 0 && wanted.n > 0)
        if (!next_char(&inside, &a) || !utf8_next(&wanted, &b) || a != b)
            return false;
    return inside.n == 0 && wanted.n == 0;
}

struct json json_get(struct json o, const char *name)
{
    struct json found = { JSON_NONE, { "", 0 } }, key, value;
    size_t pos = 0;
    if (o.type != JSON_OBJECT)
        return found;
    while (json_each(o, &pos, &key, &value)) {
        if (!string_is(key.text, str_from(name)))
            continue;
        if (found.type != JSON_NONE)
            return (struct json){ JSON_NONE, { "", 0 } };
        found = value;
    }
    return found;
}

bool json_string(struct json v, struct arena *arena, struct str *ret)
{
    if (v.type != JSON_STRING)
        return false;
    struct str inside = str_make(v.text.p + 1, v.text.n - 2);
    struct buf b = buf_make(0);
    uint32_t code;
    while (next_char(&inside, &code))
        utf8_put(&b, code);
    *ret = str_dup(arena, buf_str(&b));
    buf_done(&b);
    return true;
}

bool json_i64(struct json v, int64_t *ret)
{
    struct str whole, fraction;
    if (v.type != JSON_NUMBER || str_chr(v.text, 'e') >= 0 || str_chr(v.text, 'E') >= 0)
        return false;
    (void)str_cut(v.text, '.', &whole, &fraction);
    return num_parse_i64(whole, INT64_MIN, INT64_MAX, ret);
}

bool json_has(struct json v, struct str wanted)
{
    struct json item;
    size_t pos = 0;
    if (v.type == JSON_STRING)
        return string_is(v.text, wanted);
    while (v.type == JSON_ARRAY && json_each(v, &pos, NULL, &item))
        if (item.type == JSON_STRING && string_is(item.text, wanted))
            return true;
    return false;
}

void json_put_string(struct buf *out, struct str s)
{
    uint32_t code;
    buf_putc(out, '"');
    while (s.n > 0) {
        if (!utf8_next(&s, &code)) {
            s = str_skip(s, 1);
            code = '?';
        }
        if (code == '"' || code == '\\')
            buf_printf(out, "\\%c", (char)code);
        else if (code < 0x20 || code == 0x7f)
            buf_printf(out, "\\u%04x", code);
        else
            utf8_put(out, code);
    }
    buf_putc(out, '"');
}
