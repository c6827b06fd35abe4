/* SPDX-License-Identifier: ISC */
#include "conf/expand.h"
#include "base/num.h"

struct expansion {
    const struct expand_source *src;
    unsigned depth, steps;
    struct err *err;
};

static int expand(struct expansion *x, struct str text, struct buf *out);

/* Level text "major[.minor[.patch]]" as one number, so that 3.10 > 3.9. */
bool expand_level(struct str text, uint64_t *ret_level)
{
    uint64_t part[3] = { 0 };
    struct str rest = str_trim(text);
    for (size_t i = 0; i < 3; i++) {
        if (!num_take_u64(&rest, 0xfffff, &part[i]))
            return false;
        if (rest.n == 0)
            break;
        if (rest.p[0] != '.' || i == 2)
            return false;
        rest = str_skip(rest, 1);
    }
    *ret_level = part[0] << 40 | part[1] << 20 | part[2];
    return true;
}

static struct str skip_space(struct str s)
{
    while (s.n > 0 && ascii_is_space(s.p[0]))
        s = str_skip(s, 1);
    return s;
}

/* Length of the bracketed text at the start of s, brackets included; 0 when it is not closed. */
static size_t bracketed(struct str s, char open, char close)
{
    size_t depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == open)
            depth++;
        else if (s.p[i] == close && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* "{text}" at the start of *s, which is moved past it. */
static bool take_braced(struct str *s, struct str *ret)
{
    *s = skip_space(*s);
    size_t n = s->n > 0 && s->p[0] == '{' ? bracketed(*s, '{', '}') : 0;
    if (n == 0)
        return false;
    *ret = str_make(s->p + 1, n - 2);
    *s = skip_space(str_skip(*s, n));
    return true;
}

enum op { OP_EQ, OP_NE, OP_LE, OP_GE, OP_LT, OP_GT };
static const struct { struct str text; enum op op; } ops[] = {
    { STR_INIT("=="), OP_EQ }, { STR_INIT("!="), OP_NE }, { STR_INIT("<="), OP_LE },
    { STR_INIT(">="), OP_GE }, { STR_INIT("<"), OP_LT }, { STR_INIT(">"), OP_GT },
};

static bool op_holds(enum op op, int cmp)
{
    switch (op) {
    case OP_EQ: return cmp == 0;
    case OP_NE: return cmp != 0;
    case OP_LE: return cmp <= 0;
    case OP_GE: return cmp >= 0;
    case OP_LT: return cmp < 0;
    case OP_GT: return cmp > 0;
    }
    UNREACHABLE();
}

static int compare(struct expansion *x, struct str a, struct str b, bool level, int *ret_cmp)
{
    uint64_t na, nb;
    if (level) {
        if (!expand_level(a, &na) || !expand_level(b, &nb))
            return err_set(x->err, ERR_CONFIG, "bad compatibility level: \"%.*s\" or \"%.*s\" (a level looks like 3.6)", STR_FMT(a), STR_FMT(b));
    } else if (!num_parse_u64(a, UINT64_MAX, &na) || !num_parse_u64(b, UINT64_MAX, &nb)) {
        *ret_cmp = str_cmp(a, b);
        return 0;
    }
    *ret_cmp = na < nb ? -1 : na > nb;
    return 0;
}

/* "{a} op {b}" at the start of *s, which is moved past it. */
static int relation(struct expansion *x, struct str *s, bool *ret)
{
    struct str left, right;
    size_t i = 0;
    bool level = false;
    if (!take_braced(s, &left))
        return err_set(x->err, ERR_CONFIG, "a '{' is not closed in \"%.*s\"", STR_FMT(*s));
    while (i < N_ELEMS(ops) && !str_starts(*s, ops[i].text))
        i++;
    if (i == N_ELEMS(ops))
        return err_set(x->err, ERR_CONFIG, "== != < <= > or >= expected at \"%.*s\"", STR_FMT(*s));
    *s = str_skip(*s, ops[i].text.n);
    if (str_starts(*s, STR("level"))) {
        level = true;
        *s = str_skip(*s, 5);
    }
    if (!take_braced(s, &right))
        return err_set(x->err, ERR_CONFIG, "{value} expected after %s at \"%.*s\"", ops[i].text.p, STR_FMT(*s));
    struct buf a = buf_make(EXPAND_SIZE_MAX), b = buf_make(EXPAND_SIZE_MAX);
    int cmp = 0, rc = -1;
    if (expand(x, left, &a) == 0 && expand(x, right, &b) == 0)
        rc = compare(x, str_trim(buf_str(&a)), str_trim(buf_str(&b)), level, &cmp);
    buf_done(&a);
    buf_done(&b);
    if (rc == 0)
        *ret = op_holds(ops[i].op, cmp);
    return rc;
}

static bool is_name_byte(char c)
{
    return ascii_is_alnum(c) || c == '_' || c == '.';
}

/* What follows the test: "", "?text", ":text" or "?{text}:{other}". */
static int choose(struct expansion *x, struct str s, bool truth, struct buf *out)
{
    bool when = s.p[0] == '?';
    struct str body = str_skip(s, 1), text = body, first, after = skip_space(body);
    if (take_braced(&after, &first)) {
        if (after.n == 0) {
            text = first;
        } else if (!when || after.p[0] != ':') {
            return err_set(x->err, ERR_CONFIG, "unexpected text \"%.*s\" in ${...}", STR_FMT(after));
        } else {
            struct str other, tail = str_skip(after, 1);
            if (!take_braced(&tail, &other) || tail.n > 0)
                return err_set(x->err, ERR_CONFIG, "{text} expected after ':' in \"%.*s\"", STR_FMT(after));
            return expand(x, truth ? first : other, out);
        }
    }
    return truth == when ? expand(x, text, out) : 0;
}

static int value_of(struct expansion *x, struct str name, struct buf *out)
{
    struct str value;
    if (!x->src->lookup(x->src->user, name, &value))
        return 0;
    if (x->src->values_are_final) {
        buf_add(out, value);
        return 0;
    }
    int rc = expand(x, value, out);
    return rc == 0 || x->err->kind == ERR_LIMIT ? rc : err_prefix(x->err, "$%.*s", STR_FMT(name));
}

/* The inside of ${...} or $(...). */
static int bracket(struct expansion *x, struct str s, struct buf *out)
{
    bool truth = false;
    s = skip_space(s);
    if (s.n > 0 && s.p[0] == '{') {
        if (relation(x, &s, &truth) < 0)
            return -1;
        if (s.n > 0 && (s.p[0] == '?' || s.p[0] == ':'))
            return choose(x, s, truth, out);
        if (s.n > 0)
            return err_set(x->err, ERR_CONFIG, "'?' or ':' expected at \"%.*s\"", STR_FMT(s));
        buf_puts(out, truth ? "bool:true" : "");
        return 0;
    }
    size_t n = 0;
    while (n < s.n && is_name_byte(s.p[n]))
        n++;
    struct str name = str_head(s, n), rest = skip_space(str_skip(s, n));
    if (n == 0)
        return err_set(x->err, ERR_CONFIG, "a name is missing in \"${%.*s}\"", STR_FMT(s));
    if (rest.n == 0)
        return value_of(x, name, out);
    if (rest.p[0] != '?' && rest.p[0] != ':')
        return err_set(x->err, ERR_CONFIG, "'?' or ':' expected at \"%.*s\"", STR_FMT(rest));
    struct buf value = buf_make(EXPAND_SIZE_MAX);
    int rc = value_of(x, name, &value);
    truth = value.n > 0;
    buf_done(&value);
    return rc < 0 ? rc : choose(x, rest, truth, out);
}

/* One $thing at the start of *s, which is moved past it. */
static int dollar(struct expansion *x, struct str *s, struct buf *out)
{
    char c = s->n > 1 ? s->p[1] : '\0';
    if (c == '$') {
        buf_putc(out, '$');
        *s = str_skip(*s, 2);
        return 0;
    }
    if (c == '{' || c == '(') {
        struct str at = str_skip(*s, 1);
        size_t n = bracketed(at, c, c == '{' ? '}' : ')');
        if (n == 0)
            return err_set(x->err, ERR_CONFIG, "a '%c' is not closed in \"%.*s\"", c, (int)MIN(s->n, 60), s->p);
        *s = str_skip(at, n);
        return bracket(x, str_make(at.p + 1, n - 2), out);
    }
    size_t n = 1;
    while (n < s->n && (ascii_is_alnum(s->p[n]) || s->p[n] == '_'))
        n++;
    struct str name = str_make(s->p + 1, n - 1);
    if (name.n == 0)
        return err_set(x->err, ERR_CONFIG, "a name is missing after '$' (a plain dollar sign is written $$)");
    *s = str_skip(*s, n);
    return value_of(x, name, out);
}

static int expand(struct expansion *x, struct str text, struct buf *out)
{
    if (x->depth >= EXPAND_DEPTH_MAX)
        return err_set(x->err, ERR_LIMIT, "$name within $name more than %d deep: does a parameter refer to itself?", EXPAND_DEPTH_MAX);
    if (++x->steps > EXPAND_STEPS_MAX)
        return err_set(x->err, ERR_LIMIT, "more than %d $names in one value", EXPAND_STEPS_MAX);
    x->depth++;
    int rc = 0;
    while (rc == 0 && text.n > 0) {
        ptrdiff_t at = str_chr(text, '$');
        buf_add(out, str_head(text, at < 0 ? text.n : (size_t)at));
        text = str_skip(text, at < 0 ? text.n : (size_t)at);
        if (text.n > 0)
            rc = dollar(x, &text, out);
        if (rc == 0 && (out->full || out->n > EXPAND_SIZE_MAX))
            rc = err_set(x->err, ERR_LIMIT, "the expanded text is larger than %d bytes", EXPAND_SIZE_MAX);
    }
    x->depth--;
    return rc;
}

int expand_text(const struct expand_source *src, struct str text, struct buf *out, struct err *err)
{
    struct expansion x = { .src = src, .err = err };
    return expand(&x, text, out);
}
