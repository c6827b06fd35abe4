/* SPDX-License-Identifier: ISC */
#include "auth/var_int.h"
#include "base/enc.h"
#include "base/num.h"

enum { SCRATCH_MAX = 4 << 20, MODIFIERS_MAX = 10, NUMBER_MAX = 100000, NESTING_MAX = 8 };

/* After '%': [-][0]digits[.[0][-]digits]MODIFIERS. */
struct shape { long offset, width; bool pad; char modifiers[MODIFIERS_MAX]; size_t n; };

static bool take_char(struct str *s, char c)
{
    bool is = s->n > 0 && s->p[0] == c;
    if (is)
        *s = str_skip(*s, 1);
    return is;
}

static bool take_number(struct str *s, long *ret)
{
    uint64_t n = 0;
    *ret = 0;
    if (s->n == 0 || !ascii_is_digit(s->p[0]))
        return true;
    if (!num_take_u64(s, NUMBER_MAX, &n))
        return false;
    *ret = (long)n;
    return true;
}

static bool take_shape(struct var_ctx *x, struct str *s, struct shape *h)
{
    bool minus = take_char(s, '-');
    *h = (struct shape){ .pad = take_char(s, '0') };
    if (!take_number(s, &h->width))
        return var_fail(x, "a number is too large in");
    if (take_char(s, '.')) {
        h->offset = minus ? -h->width : h->width;
        h->pad = take_char(s, '0');
        minus = take_char(s, '-');
        if (!take_number(s, &h->width))
            return var_fail(x, "a number is too large in");
        h->width = minus ? -h->width : h->width;
    }
    while (s->n > 0 && var_is_modifier(s->p[0])) {
        if (h->n == MODIFIERS_MAX)
            return var_fail(x, "too many modifiers in");
        h->modifiers[h->n++] = s->p[0];
        *s = str_skip(*s, 1);
    }
    return true;
}

/* Offset and width, after the modifiers have had them. */
static struct str cut_to_shape(struct var_ctx *x, const struct shape *h, struct str v)
{
    size_t from = h->offset >= 0 ? (size_t)h->offset : (size_t)-h->offset;
    if (h->offset >= 0)
        v = str_skip(v, from);
    else if (v.n > from)
        v = str_skip(v, v.n - from);
    if (h->width == 0)
        return v;
    if (!h->pad) {
        size_t width = h->width > 0 ? (size_t)h->width : (size_t)-h->width;
        return h->width > 0 ? str_head(v, width) : str_head(v, v.n > width ? v.n - width : 0);
    }
    size_t zeros = h->width > 0 && (size_t)h->width > v.n ? (size_t)h->width - v.n : 0;
    if (zeros == 0 || zeros + v.n > VAR_RESULT_MAX)
        return v;
    char *p = arena_alloc(x->arena, zeros + v.n);
    memset(p, '0', zeros);
    memcpy(p + zeros, v.p, v.n);
    return str_make(p, zeros + v.n);
}

/* Of "{...}": what is inside, with braces in it in pairs. */
static bool take_braced(struct str *s, struct str *ret)
{
    size_t depth = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->p[i] == '{' && ++depth > NESTING_MAX)
            return false;
        if (s->p[i] == '}' && --depth == 0) {
            *ret = str_make(s->p + 1, i - 1);
            *s = str_skip(*s, i + 1);
            return true;
        }
    }
    return false;
}

/* 'text', "text" (with \ in front of what shall stand as it is), a number, or the name of a variable; name=value. */
static bool take_arg(struct var_ctx *x, struct str *s, struct var_arg *ret)
{
    struct buf text = buf_make(VAR_RESULT_MAX);
    struct var_value v;
    *s = str_trim(*s);
    *ret = (struct var_arg){ .name = STR(""), .text = STR("") };
    size_t word = 0;
    while (word < s->n && (ascii_is_alnum(s->p[word]) || s->p[word] == '_' || s->p[word] == ':' || s->p[word] == '-'))
        word++;
    struct str after = str_trim(str_skip(*s, word));
    if (word > 0 && after.n > 0 && after.p[0] == '=') {
        ret->name = str_head(*s, word);
        *s = str_trim(str_skip(after, 1));
        struct str name = ret->name;
        bool ok = take_arg(x, s, ret);
        ret->name = name;
        return ok;
    }
    char quote = s->n > 0 ? s->p[0] : '\0';
    if (quote != '\'' && quote != '"') {
        struct str bare = str_head(*s, word);
        *s = after;
        ret->text = bare;
        if (word == 0)
            return var_fail(x, "an argument is missing in");
        if (ascii_is_digit(bare.p[0]) || bare.p[0] == '-')
            return true;
        if (!var_by_name(x, bare, &v))
            return false;
        ret->text = v.s;
        return true;
    }
    size_t i = 1;
    for (; i < s->n && s->p[i] != quote; i++) {
        if (s->p[i] == '\\' && i + 1 < s->n)
            i++;
        buf_putc(&text, s->p[i]);
    }
    bool ok = i < s->n && !text.full;
    *s = str_trim(str_skip(*s, i + 1));
    ret->text = str_dup(x->arena, buf_str(&text));
    buf_done(&text);
    return ok || var_fail(x, "a quote is not closed in");
}

/* name or name(args) at the start of *s. */
static bool take_call(struct var_ctx *x, struct str *s, struct str *ret_name, struct var_arg args[VAR_ARGS_MAX], size_t *ret_n)
{
    size_t n = 0;
    *s = str_trim(*s);
    while (n < s->n && (ascii_is_alnum(s->p[n]) || s->p[n] == '_'))
        n++;
    *ret_name = str_head(*s, n);
    *s = str_trim(str_skip(*s, n));
    *ret_n = 0;
    if (!take_char(s, '('))
        return n > 0 || var_fail(x, "a name is missing in");
    *s = str_trim(*s);
    while (!take_char(s, ')')) {
        if (*ret_n == VAR_ARGS_MAX)
            return var_fail(x, "too many arguments in");
        if (*ret_n > 0 && !take_char(s, ','))
            return var_fail(x, "a ',' or ')' is missing in");
        if (!take_arg(x, s, &args[(*ret_n)++]))
            return false;
    }
    *s = str_trim(*s);
    return true;
}

/* What stands between the braces: a name of either generation, then filters. */
static bool evaluate(struct var_ctx *x, struct str text, struct var_value *v)
{
    struct var_arg args[VAR_ARGS_MAX];
    struct str first, rest, name;
    size_t n, filters = 0;
    bool piped = str_cut(text, '|', &first, &rest);
    if (!var_by_name(x, str_trim(first), v))
        return false;
    while (piped) {
        if (++filters > VAR_FILTERS_MAX)
            return var_fail(x, "too many filters in");
        if (!take_call(x, &rest, &name, args, &n) || !var_filter(x, name, args, n, v))
            return false;
        piped = take_char(&rest, '|');
        if (!piped && rest.n > 0)
            return var_fail(x, "a '|' is missing in");
    }
    return true;
}

/* One variable; *s stands behind its '%'. */
static bool take_variable(struct var_ctx *x, struct str *s, struct str *ret)
{
    struct shape h;
    struct var_value v = { .s = STR("") };
    struct str inner;
    if (!take_shape(x, s, &h))
        return false;
    if (s->n == 0)
        return var_fail(x, "nothing follows the '%' of");
    if (s->p[0] == '{') {
        if (!take_braced(s, &inner))
            return var_fail(x, "a brace is not closed in");
        if (!evaluate(x, inner, &v))
            return false;
    } else {
        if (!var_by_letter(x, s->p[0], &v))
            return false;
        *s = str_skip(*s, 1);
    }
    for (size_t i = 0; i < h.n; i++)
        if (!var_modify(x, h.modifiers[i], &h.offset, &h.width, &v))
            return false;
    struct buf hex = buf_make(2 * VAR_RESULT_MAX);
    if (v.is_bytes) {
        enc_hex(&hex, v.s);
        v.s = str_dup(x->arena, buf_str(&hex));
    }
    buf_done(&hex);
    *ret = cut_to_shape(x, &h, v.s);
    return ret->n <= VAR_RESULT_MAX || var_fail(x, "a value is too long in");
}

/* Text up to the next '%' into out ("%%" is a '%'); true: *s stands behind the '%' of a variable. */
static bool next_variable(struct str *s, struct buf *out)
{
    while (s->n > 0) {
        char c = s->p[0];
        *s = str_skip(*s, 1);
        if (c == '%' && !take_char(s, '%'))
            return true;
        buf_putc(out, c);
    }
    return false;
}

static bool expand(struct var_ctx *x, struct str pattern, var_escape escape, void *arg, struct buf *out)
{
    struct arena scratch = arena_make(SCRATCH_MAX);
    struct buf result = buf_make(VAR_RESULT_MAX);
    struct str value;
    bool ok = true;
    scratch.block_size = 1024;
    x->arena = &scratch;
    while (ok && next_variable(&pattern, &result)) {
        struct arena_mark mark = arena_mark(&scratch);
        ok = take_variable(x, &pattern, &value);
        if (ok && escape == NULL)
            buf_add(&result, value);
        else if (ok && !escape(&result, value, arg))
            ok = var_fail(x, "a value may not stand here in");
        arena_rewind(&scratch, mark);
    }
    if (ok && result.full)
        ok = var_fail(x, "the result is too long of");
    if (ok)
        buf_add(out, buf_str(&result));
    secret_wipe(result.p, x->uses_password ? result.n : 0);
    buf_done(&result);
    arena_done(&scratch);
    return ok;
}

bool var_expand(struct str pattern, const struct auth_vars *vars, var_escape escape, void *arg, struct buf *out, const char **ret_why)
{
    struct var_ctx x = { .vars = vars };
    bool ok = expand(&x, pattern, escape, arg, out);
    if (!ok)
        *ret_why = x.why;
    return ok;
}

bool var_check(struct str pattern, const char **ret_why)
{
    struct var_ctx x = { .vars = NULL };
    struct buf nothing = buf_make(VAR_RESULT_MAX);
    bool ok = expand(&x, pattern, NULL, NULL, &nothing);
    buf_done(&nothing);
    if (!ok)
        *ret_why = x.why;
    return ok;
}

bool var_uses_password(struct str pattern)
{
    struct var_ctx x = { .vars = NULL };
    struct buf nothing = buf_make(VAR_RESULT_MAX);
    (void)expand(&x, pattern, NULL, NULL, &nothing);
    buf_done(&nothing);
    return x.uses_password;
}

struct cutter {
    struct var_ctx x;
    struct arena *arena;
    void (*marker)(struct buf *out, unsigned n);
    struct buf *query;
    struct str *params;
    size_t n;
};

static bool has_variable(struct str s)
{
    struct buf nothing = buf_make(0);
    bool has = next_variable(&s, &nothing);
    buf_done(&nothing);
    return has;
}

/* 'text' at the start of *s: its inner text, a doubled quote in it being one. */
static bool take_quoted(struct cutter *c, struct str *s, struct buf *inner)
{
    char quote = s->p[0];
    for (size_t i = 1; i < s->n; i++) {
        if (s->p[i] == '\\')
            buf_putc(inner, s->p[i++]);
        else if (s->p[i] == quote && (i + 1 == s->n || s->p[i + 1] != quote)) {
            *s = str_skip(*s, i + 1);
            return true;
        } else if (s->p[i] == quote)
            i++;
        if (i < s->n)
            buf_putc(inner, s->p[i]);
    }
    return var_fail(&c->x, "a quote is not closed in");
}

static bool put_param(struct cutter *c, struct str inner)
{
    struct buf value = buf_make(VAR_RESULT_MAX);
    bool ok = false;
    if (str_chr(inner, '\\') >= 0)
        (void)var_fail(&c->x, "a backslash stands beside a variable in");
    else if (c->n == VAR_PARAMS_MAX)
        (void)var_fail(&c->x, "too many variables in");
    else
        ok = expand(&c->x, inner, NULL, NULL, &value);
    if (ok) {
        c->params[c->n++] = str_dup(c->arena, buf_str(&value));
        c->marker(c->query, (unsigned)c->n);
    }
    secret_wipe(value.p, value.n);
    buf_done(&value);
    return ok;
}

static bool put_quoted(struct cutter *c, struct str *s)
{
    struct str start = *s;
    struct buf inner = buf_make(VAR_RESULT_MAX);
    bool ok = take_quoted(c, s, &inner);
    if (ok && has_variable(buf_str(&inner)))
        ok = put_param(c, buf_str(&inner));
    else if (ok) {
        /* As it stands, but "%%" is a '%' everywhere. */
        struct str whole = str_head(start, start.n - s->n);
        (void)next_variable(&whole, c->query);
    }
    buf_done(&inner);
    return ok;
}

bool var_query(struct str pattern, const struct auth_vars *vars, struct arena *arena, void (*marker)(struct buf *out, unsigned n),
               struct buf *query, struct str *ret_params, size_t *ret_n, const char **ret_why)
{
    struct cutter c = { .x = { .vars = vars }, .arena = arena, .marker = marker, .query = query, .params = ret_params };
    bool ok = true;
    while (ok && pattern.n > 0) {
        char ch = pattern.p[0];
        if (ch == '\'' || ch == '"') {
            ok = put_quoted(&c, &pattern);
            continue;
        }
        pattern = str_skip(pattern, 1);
        if (ch == '%' && !take_char(&pattern, '%'))
            ok = var_fail(&c.x, "a variable outside quotes in");
        else
            buf_putc(query, ch);
    }
    if (ok && query->full)
        ok = var_fail(&c.x, "the result is too long of");
    if (ok)
        *ret_n = c.n;
    else
        *ret_why = c.x.why;
    return ok;
}
