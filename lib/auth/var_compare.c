/* SPDX-License-Identifier: ISC */
#include "auth/var_int.h"
#include "base/num.h"

enum { LESS = 1, EQUAL = 2, MORE = 4 };
static const struct { const char *name; bool numeric; unsigned when; } comparisons[] = {
    { "==", true, EQUAL }, { "!=", true, LESS | MORE }, { "<", true, LESS }, { "<=", true, LESS | EQUAL }, { ">", true, MORE }, { ">=", true, MORE | EQUAL },
    { "eq", false, EQUAL }, { "ne", false, LESS | MORE }, { "lt", false, LESS }, { "le", false, LESS | EQUAL }, { "gt", false, MORE }, { "ge", false, MORE | EQUAL },
};

bool var_compare(struct var_ctx *x, struct str a, struct str op, struct str b, bool *ret)
{
    if (str_eqz(op, "*") || str_eqz(op, "!*")) {
        *ret = str_glob(b, a) == (op.n == 1);
        return true;
    }
    for (size_t i = 0; i < N_ELEMS(comparisons); i++) {
        int64_t na = 0, nb = 0;
        if (!str_eqz(op, comparisons[i].name))
            continue;
        int order = comparisons[i].numeric ? 0 : str_cmp(a, b);
        if (comparisons[i].numeric && x->vars != NULL) {
            if (!num_parse_i64(a, INT64_MIN, INT64_MAX, &na) || !num_parse_i64(b, INT64_MIN, INT64_MAX, &nb))
                return var_fail(x, "a value is no number in");
            order = na < nb ? -1 : na > nb;
        }
        *ret = (comparisons[i].when & (order < 0 ? LESS : order == 0 ? EQUAL : MORE)) != 0;
        return true;
    }
    return var_fail(x, "unknown comparison in");
}

/* The bytes of a hash may stand for a number, of its last eight bytes, to be divided with a rest. */
bool var_calculate(struct var_ctx *x, char op, struct str right, struct var_value *v)
{
    int64_t a = 0, b = 1, r = 0;
    if (x->vars == NULL)
        return true;
    if (!num_parse_i64(right, INT32_MIN, INT32_MAX, &b))
        return var_fail(x, "a value is no number in");
    if ((op == '/' || op == '%') && b == 0)
        return var_fail(x, "a division by zero in");
    if (v->is_bytes && op == '%' && b > 0) {
        uint64_t n = 0;
        struct str last = str_skip(v->s, v->s.n > 8 ? v->s.n - 8 : 0);
        for (size_t i = 0; i < last.n; i++)
            n = n << 8 | (uint8_t)last.p[i];
        r = (int64_t)(n % (uint64_t)b);
    } else {
        /* Within these bounds nothing overflows. */
        if (!num_parse_i64(v->s, -(INT64_C(1) << 31), INT64_C(1) << 32, &a))
            return var_fail(x, "a value is no number in");
        r = op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : op == '/' ? a / b : a % b;
    }
    var_set(v, str_printf(x->arena, "%lld", (long long)r));
    return true;
}
