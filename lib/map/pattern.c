/* SPDX-License-Identifier: ISC */
#include "map/pattern.h"
#include "base/num.h"

int pattern_split(struct str *text, struct str *ret_pattern, struct str *ret_flags, struct err *err)
{
    struct str s = *text;
    char delimiter = s.p[0];
    if (ascii_is_alnum(delimiter) || ascii_is_space(delimiter) || delimiter == '\\')
        return err_set(err, ERR_CONFIG, "a pattern between delimiters is needed, for example /pattern/");
    size_t i = 1;
    while (i < s.n && s.p[i] != delimiter)
        i += s.p[i] == '\\' && i + 1 < s.n ? 2 : 1;
    if (i >= s.n)
        return err_set(err, ERR_CONFIG, "no closing delimiter %c", delimiter);
    if (i > PATTERN_MAX)
        return err_set(err, ERR_CONFIG, "pattern longer than %d bytes", PATTERN_MAX);
    *ret_pattern = str_make(s.p + 1, i - 1);
    s = str_skip(s, i + 1);
    size_t n = 0;
    while (n < s.n && !ascii_is_space(s.p[n]) && s.p[n] != '!')
        n++;
    *ret_flags = str_head(s, n);
    *text = str_skip(s, n);
    return 0;
}

/* The next piece of a result: plain text, or a group with *ret_group >= 0. */
static int next_piece(struct str *rest, struct str *ret_text, int *ret_group, struct err *err)
{
    struct str s = *rest;
    uint64_t n;
    *ret_group = -1;
    if (s.p[0] != '$') {
        ptrdiff_t at = str_chr(s, '$');
        *ret_text = str_head(s, at < 0 ? s.n : (size_t)at);
        *rest = str_skip(s, ret_text->n);
        return 0;
    }
    if (s.n > 1 && s.p[1] == '$') {
        *ret_text = str_head(s, 1);
        *rest = str_skip(s, 2);
        return 0;
    }
    char open = s.n > 1 ? s.p[1] : '\0', close = open == '{' ? '}' : open == '(' ? ')' : '\0';
    s = str_skip(s, close == '\0' ? 1 : 2);
    if (!num_take_u64(&s, PATTERN_GROUPS, &n) || (close != '\0' && (s.n == 0 || s.p[0] != close)))
        return err_set(err, ERR_CONFIG, "bad $number in the result (a plain dollar sign is written $$)");
    *rest = str_skip(s, close == '\0' ? 0 : 1);
    *ret_group = (int)n;
    return 0;
}

int pattern_check_result(struct str result, unsigned groups, struct err *err)
{
    struct str text;
    int group;
    while (result.n > 0) {
        if (next_piece(&result, &text, &group, err) < 0)
            return -1;
        if (group > (int)groups)
            return err_set(err, ERR_CONFIG, "$%d in the result, but the pattern has %u groups", group, groups);
    }
    return 0;
}

static void match_job(struct job *job)
{
    struct pattern_lookup *l = container_of(job, struct pattern_lookup, job);
    l->found = rules_run(l->rules, l->match, l, &l->bad, &l->err);
}

static void put_result(struct buf *out, const struct pattern_lookup *l)
{
    struct str rest = l->found->result, text;
    struct err err;
    int n;
    while (rest.n > 0 && next_piece(&rest, &text, &n, &err) == 0)
        buf_add(out, n < 0 ? text : l->group(l, (unsigned)n));
}

enum map_result pattern_lookup(struct map *m, struct pattern_lookup *l, struct arena *a, struct str *ret_value, struct err *err)
{
    if (fiber_current() != NULL)
        offload_run(&l->job, match_job);
    else
        match_job(&l->job);
    if (l->bad) {
        *err = l->err;
        (void)err_prefix(err, "%s", m->spec);
        return MAP_TEMP;
    }
    if (l->found == NULL)
        return MAP_NONE;
    struct buf out = buf_make(PATTERN_RESULT_MAX);
    put_result(&out, l);
    *ret_value = str_dup(a, buf_str(&out));
    buf_done(&out);
    return MAP_FOUND;
}
