/* SPDX-License-Identifier: ISC
 *
 * cmd_search.c - SEARCH and its extended results (RFC 4731).
 */
#include "search.h"

enum ret_opt { RET_MIN = 1, RET_MAX = 2, RET_ALL = 4, RET_COUNT = 8 };
struct results { uint32_t *numbers; size_t n; };

static bool take_return(struct imap_cur *c, unsigned *ret)
{
    static const struct imap_word words[] = {
        { "MIN", RET_MIN }, { "MAX", RET_MAX }, { "ALL", RET_ALL }, { "COUNT", RET_COUNT },
    };
    if (!imap_sp(c) || !imap_char(c, '('))
        return false;
    while (!imap_char(c, ')')) {
        unsigned bit = imap_word_bit(c, words, N_ELEMS(words));
        if (bit == 0)
            return false;
        *ret |= bit;
        (void)imap_sp(c);
    }
    *ret = *ret == 0 ? RET_ALL : *ret;
    return imap_sp(c);
}

static void put_search(struct session *s, const struct results *res)
{
    buf_puts(out(s), "* SEARCH");
    for (size_t i = 0; i < res->n; i++) {
        buf_putc(out(s), ' ');
        buf_u64(out(s), res->numbers[i]);
    }
    buf_puts(out(s), "\r\n");
}

static void put_esearch(struct session *s, const struct results *res, unsigned opts, bool uid)
{
    buf_puts(out(s), "* ESEARCH (TAG ");
    imap_put_string(out(s), s->tag);
    buf_puts(out(s), uid ? ") UID" : ")");
    if (res->n > 0 && (opts & RET_MIN) != 0)
        buf_printf(out(s), " MIN %u", res->numbers[0]);
    if (res->n > 0 && (opts & RET_MAX) != 0)
        buf_printf(out(s), " MAX %u", res->numbers[res->n - 1]);
    if (res->n > 0 && (opts & RET_ALL) != 0) {
        struct imap_range_writer w = { .out = out(s) };
        buf_puts(out(s), " ALL ");
        for (size_t i = 0; i < res->n; i++)
            imap_range_add(&w, res->numbers[i]);
        imap_range_end(&w);
    }
    if ((opts & RET_COUNT) != 0)
        buf_printf(out(s), " COUNT %zu", res->n);
    buf_puts(out(s), "\r\n");
}

static bool take_charset(struct imap_cur *c, struct str *ret)
{
    *ret = STR("UTF-8");
    return !imap_word(c, "CHARSET") || (imap_sp(c) && imap_astring(c, ret) && imap_sp(c));
}

struct reply cmd_search(struct session *s, struct imap_cur *c, bool uid)
{
    struct search_program *p = ARENA_NEW(&s->mem, struct search_program);
    unsigned opts = 0;
    struct str charset;
    const char *why;
    struct err err = { 0 };
    bool extended = imap_word(c, "RETURN");
    if (extended && !take_return(c, &opts))
        return reply_bad("Invalid SEARCH RETURN options.");
    if (!take_charset(c, &charset))
        return reply_bad("Invalid charset argument.");
    if (!imap_search_parse(c, p, &why))
        return reply_bad(why);
    struct search *se;
    struct reply r;
    if (!search_prepare(s, p, charset, &se, &r))
        return r;
    struct results res = { .numbers = ARENA_ARRAY(&s->mem, uint32_t, box_count(s->box) + 1) };
    enum store_result got = STORE_OK;
    for (size_t i = 0; i < box_count(s->box) && got == STORE_OK; i++)
        if (search_matches(se, i, &got, &err))
            res.numbers[res.n++] = uid ? box_msgs(s->box)[i].uid : (uint32_t)i + 1;
    search_done(se);
    if (got != STORE_OK)
        return reply_store(s, got, &err);
    if (extended)
        put_esearch(s, &res, opts, uid);
    else
        put_search(s, &res);
    return reply_ok("Search completed.");
}
