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
        /* A width below zero leaves out that many at the end; where there are fewer, Dovecot takes all. */
        return h->width > 0 ? str_head(v, width) : v.n < width ? v : str_head(v, v.n - width);
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

static size_t word_length(struct str s, const char *also)
{
    size_t n = 0;
    while (n < s.n && (ascii_is_alnum(s.p[n]) || (s.p[n] != '\0' && strchr(also, s.p[n]) != NULL)))
        n++;
    return n;
}

/* 'text' or "text", with \ in front of what shall stand as it is. */
static bool take_quoted_arg(struct var_ctx *x, struct str *s, struct str *ret)
{
    struct buf text = buf_make(VAR_RESULT_MAX);
    char quote = s->p[0];
    size_t i = 1;
    for (; i < s->n && s->p[i] != quote; i++) {
        if (s->p[i] == '\\' && i + 1 < s->n)
            i++;
        buf_putc(&text, s->p[i]);
    }
    bool ok = i < s->n && !text.full;
    *s = str_trim(str_skip(*s, i + 1));
    *ret = str_dup(x->arena, buf_str(&text));
    buf_done(&text);
    return ok || var_fail(x, "a quote is not closed in");
}

/* A quoted text, a number, or the value of a variable. */
static bool take_operand(struct var_ctx *x, struct str *s, struct str *ret)
{
    struct var_value v;
    *s = str_trim(*s);
    if (s->n > 0 && (s->p[0] == '\'' || s->p[0] == '"'))
        return take_quoted_arg(x, s, ret);
    size_t n = word_length(*s, "_:-.");
    struct str bare = str_head(*s, n);
    *s = str_trim(str_skip(*s, n));
    if (n == 0)
        return var_fail(x, "an argument is missing in");
    *ret = bare;
    if (ascii_is_digit(bare.p[0]) || bare.p[0] == '-')
        return true;
    if (!var_by_name(x, bare, &v))
        return false;
    *ret = v.s;
    return true;
}

static bool take_arg(struct var_ctx *x, struct str *s, struct var_arg *ret)
{
    *s = str_trim(*s);
    *ret = (struct var_arg){ .name = STR(""), .text = STR("") };
    size_t n = word_length(*s, "_");
    struct str after = str_trim(str_skip(*s, n));
    if (n > 0 && after.n > 0 && after.p[0] == '=') {
        ret->name = str_head(*s, n);
        *s = str_skip(after, 1);
    }
    return take_operand(x, s, &ret->text);
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

static bool expand(struct var_ctx *x, struct str pattern, var_escape escape, void *arg, struct buf *out);

/* 2.3's %{if;value;op;value;yes;no}: each part is a pattern, "\;" is no end of it. */
static bool old_if(struct var_ctx *x, struct str rest, struct var_value *v)
{
    struct str parts[5];
    for (size_t n = 0; n < N_ELEMS(parts); n++) {
        struct buf raw = buf_make(VAR_RESULT_MAX), out = buf_make(VAR_RESULT_MAX);
        size_t i = 0, depth = 0;
        for (; i < rest.n && (depth > 0 || rest.p[i] != ';'); i++) {
            depth += rest.p[i] == '{';
            depth -= rest.p[i] == '}' && depth > 0;
            if (rest.p[i] == '\\' && i + 1 < rest.n)
                i++;
            buf_putc(&raw, rest.p[i]);
        }
        bool last = n + 1 == N_ELEMS(parts), fits = last ? i == rest.n : i < rest.n;
        /* The inner call has an arena of its own; nesting ends with that of the braces. */
        struct var_ctx inner = { .vars = x->vars };
        bool ok = !raw.full && fits && expand(&inner, buf_str(&raw), NULL, NULL, &out);
        x->uses_password |= inner.uses_password;
        parts[n] = str_dup(x->arena, buf_str(&out));
        buf_done(&raw);
        buf_done(&out);
        if (!ok)
            return var_fail(x, fits ? inner.why : "if wants value;comparison;value;yes;no in");
        rest = str_skip(rest, i + 1);
    }
    bool yes;
    if (!var_compare(x, parts[0], parts[1], parts[2], &yes))
        return false;
    *v = (struct var_value){ .s = parts[yes ? 3 : 4], .is_set = true };
    return true;
}

/* 2.3's %{sha256;rounds=2,salt=x,format=base64,truncate=n:variable}. *ret_is: it was one. */
static bool old_hash(struct var_ctx *x, struct str text, struct var_value *v, bool *ret_is)
{
    static const char *const names[] = { "md5", "sha1", "sha256", "sha384", "sha512" };
    struct var_arg args[VAR_ARGS_MAX];
    struct str name, variable, options = STR(""), word, format = STR("hex"), bits = STR("");
    size_t n = 0, known = 0;
    *ret_is = false;
    if (!str_cut(text, ':', &name, &variable))
        return false;
    (void)str_cut(name, ';', &name, &options);
    while (known < N_ELEMS(names) && !str_eqz(name, names[known]))
        known++;
    if (known == N_ELEMS(names))
        return false;
    *ret_is = true;
    while (str_token(&options, ",;", &word)) {
        struct var_arg a;
        (void)str_cut(word, '=', &a.name, &a.text);
        if (str_eqz(a.name, "format"))
            format = a.text;
        else if (str_eqz(a.name, "truncate"))
            bits = a.text;
        else if (n < VAR_ARGS_MAX)
            args[n++] = a;
    }
    struct var_arg cut = { .name = STR("bits"), .text = bits };
    if (!var_by_name(x, variable, v) || !var_filter(x, name, args, n, v) || (bits.n > 0 && !var_filter(x, STR("truncate"), &cut, 1, v)))
        return false;
    if (str_eqz(format, "base64"))
        return var_filter(x, STR("base64"), NULL, 0, v);
    if (!var_filter(x, STR("hexlify"), NULL, 0, v))
        return false;
    /* Dovecot's hexuc writes small letters, too. */
    return str_eqz(format, "hexuc") || str_eqz(format, "hex") || var_fail(x, "unknown format in");
}

/* The value that a pipe begins with; *s is moved behind it. */
static bool take_first(struct var_ctx *x, struct str *s, struct var_value *v)
{
    struct var_arg args[VAR_ARGS_MAX];
    struct str name, after = *s;
    size_t n;
    *v = (struct var_value){ .s = STR("") };
    size_t word = word_length(*s, "_");
    if (var_starts(str_head(*s, word)) && word < s->n && s->p[word] == '(') {
        if (!take_call(x, &after, &name, args, &n) || !var_filter(x, name, args, n, v))
            return false;
        *s = after;
        return true;
    }
    /* A name, and what belongs to it behind a ':': up to a pipe or an operator between blanks. */
    size_t end = 0;
    while (end < s->n && s->p[end] != '|' && !(ascii_is_space(s->p[end]) && end + 1 < s->n && strchr("+-*/%|", s->p[end + 1]) != NULL))
        end++;
    name = str_trim(str_head(*s, end));
    *s = str_trim(str_skip(*s, end));
    return var_by_name(x, name, v);
}

/* What stands between the braces: a name or function of either generation, then filters and arithmetic. */
static bool evaluate(struct var_ctx *x, struct str text, struct var_value *v)
{
    struct var_arg args[VAR_ARGS_MAX];
    struct str name, right;
    size_t n, steps = 0;
    bool is_hash, ok;
    text = str_trim(text);
    if (str_starts(text, STR("if;")))
        return old_if(x, str_skip(text, 3), v);
    ok = old_hash(x, text, v, &is_hash);
    if (is_hash)
        return ok;
    ok = take_first(x, &text, v);
    while (ok && text.n > 0) {
        char op = text.p[0];
        text = str_skip(text, 1);
        if (++steps > VAR_FILTERS_MAX)
            ok = var_fail(x, "too many filters in");
        else if (op == '|')
            ok = take_call(x, &text, &name, args, &n) && var_filter(x, name, args, n, v);
        else if (strchr("+-*/%", op) != NULL && op != '\0')
            ok = take_operand(x, &text, &right) && var_calculate(x, op, right, v);
        else
            ok = var_fail(x, "a '|' is missing in");
    }
    return ok && (v->s.n <= VAR_RESULT_MAX || var_fail(x, "a value is too long in"));
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
