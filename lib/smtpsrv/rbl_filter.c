/* SPDX-License-Identifier: ISC
 *
 * rbl_filter.c - "127.0.0.[2..4;9]": which of a list's answers count.
 */
#include "smtpsrv/rule.h"
#include "base/num.h"

static bool take_octet(struct str *in, unsigned *ret)
{
    uint64_t v;
    if (!num_take_u64(in, 255, &v))
        return false;
    *ret = (unsigned)v;
    return true;
}

static bool take_char(struct str *in, char c)
{
    if (in->n == 0 || in->p[0] != c)
        return false;
    *in = str_skip(*in, 1);
    return true;
}

/* "N" or "[N;N..N]". *ret_hit: value is one of them. */
static bool take_part(struct str *in, unsigned value, bool *ret_hit)
{
    bool many = take_char(in, '[');
    *ret_hit = false;
    do {
        unsigned low, high;
        if (!take_octet(in, &low))
            return false;
        high = low;
        if (many && str_starts(*in, STR(".."))) {
            *in = str_skip(*in, 2);
            if (!take_octet(in, &high) || high < low)
                return false;
        }
        *ret_hit |= value >= low && value <= high;
    } while (many && take_char(in, ';'));
    return !many || take_char(in, ']');
}

static bool parse(struct str text, const uint8_t addr[4], bool *ret_hit)
{
    bool all = true, hit;
    for (int i = 0; i < 4; i++) {
        if ((i > 0 && !take_char(&text, '.')) || !take_part(&text, addr[i], &hit))
            return false;
        all &= hit;
    }
    *ret_hit = all;
    return text.n == 0;
}

bool rbl_filter_matches(struct str filter, const uint8_t addr[4])
{
    bool hit = false;
    return parse(filter, addr, &hit) && hit;
}

bool rbl_filter_is_valid(struct str arg)
{
    static const uint8_t any[4];
    struct str zone, filter;
    bool hit;
    return !str_cut(arg, '=', &zone, &filter) || parse(filter, any, &hit);
}
