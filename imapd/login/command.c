/* SPDX-License-Identifier: ISC */
#include "command.h"
#include "base/num.h"

static int64_t deadline_of(const struct login_client *c)
{
    return MIN(c->deadline, deadline_in((int64_t)c->conf->command_timeout * 1000));
}

bool args_at_end(const struct args *a) { return a->rest.n == 0; }

/* After a literal the command goes on with the next line. */
static bool next_line(struct args *a)
{
    struct str line;
    if (conn_read_line(a->client->conn, LOGIN_LINE_MAX, deadline_of(a->client), &line) != READ_OK)
        return false;
    a->rest = str_dup(a->client->arena, line);
    return true;
}

/* "{n}" or "{n+}" at the end of the line. */
static bool parse_literal(struct str s, size_t *ret_n, bool *ret_sync)
{
    if (s.n < 3 || s.p[0] != '{' || s.p[s.n - 1] != '}')
        return false;
    struct str num = str_make(s.p + 1, s.n - 2);
    *ret_sync = num.p[num.n - 1] != '+';
    if (!*ret_sync)
        num.n--;
    return num_parse_size(num, UINT32_MAX, ret_n);
}

/* WAITS. Throw n bytes away. */
static bool discard(struct login_client *c, size_t n)
{
    int64_t deadline = deadline_of(c);
    while (n > 0) {
        struct str got;
        if (conn_fill(c->conn, 1, deadline, &got) != READ_OK)
            return false;
        size_t take = MIN(got.n, n);
        conn_consume(c->conn, take);
        n -= take;
    }
    return true;
}

static enum arg_result read_literal(struct args *a, size_t n, bool sync, struct str *ret)
{
    struct login_client *c = a->client;
    struct str got;
    if (n > LITERAL_MAX) {
        bool can_go_on = sync || (n <= DISCARD_MAX && discard(c, n) && next_line(a) && args_skip(a));
        return can_go_on ? ARG_TOO_BIG : ARG_GONE;
    }
    if (sync)
        conn_puts(c->conn, "+ OK\r\n");
    if (conn_fill(c->conn, n, deadline_of(c), &got) != READ_OK)
        return ARG_GONE;
    *ret = str_dup(c->arena, str_head(got, n));
    conn_consume(c->conn, n);
    if (!next_line(a))
        return ARG_GONE;
    return str_chr(*ret, '\0') >= 0 ? ARG_BAD : ARG_OK;
}

/* quoted: any but CR, LF, NUL; backslash before " and itself. */
static enum arg_result read_quoted(struct args *a, struct str *ret)
{
    char *out = arena_alloc(a->client->arena, a->rest.n);
    size_t n = 0, i = 1;
    for (; i < a->rest.n && a->rest.p[i] != '"'; i++) {
        if (a->rest.p[i] == '\\' && (++i == a->rest.n || (a->rest.p[i] != '"' && a->rest.p[i] != '\\')))
            return ARG_BAD;
        if (a->rest.p[i] == '\0')
            return ARG_BAD;
        out[n++] = a->rest.p[i];
    }
    if (i >= a->rest.n)
        return ARG_BAD;
    a->rest = str_skip(a->rest, i + 1);
    *ret = str_make(out, n);
    return ARG_OK;
}

static bool is_astring_char(char c) { return (unsigned char)c > 0x20 && c != 0x7f && strchr("(){%*\"\\", c) == NULL; }

static enum arg_result read_atom(struct args *a, struct str *ret)
{
    size_t n = 0;
    while (n < a->rest.n && is_astring_char(a->rest.p[n]))
        n++;
    if (n == 0)
        return ARG_BAD;
    *ret = str_head(a->rest, n);
    a->rest = str_skip(a->rest, n);
    return ARG_OK;
}

enum arg_result args_string(struct args *a, struct str *ret)
{
    size_t n;
    bool sync;
    if (args_at_end(a))
        return ARG_NONE;
    if (a->rest.p[0] != ' ')
        return ARG_BAD;
    a->rest = str_skip(a->rest, 1);
    if (parse_literal(a->rest, &n, &sync))
        return read_literal(a, n, sync, ret);
    if (a->rest.n > 0 && a->rest.p[0] == '"')
        return read_quoted(a, ret);
    return read_atom(a, ret);
}

bool args_skip(struct args *a)
{
    struct arena_mark mark = arena_mark(a->client->arena);
    for (unsigned literals = 0; literals < 64; literals++) {
        size_t n;
        bool sync;
        ptrdiff_t at = str_rchr(a->rest, '{');
        if (at < 0 || !parse_literal(str_skip(a->rest, (size_t)at), &n, &sync)) {
            a->rest = STR("");
            return true;
        }
        if (n > LITERAL_MAX)
            return false;
        if (sync)
            conn_puts(a->client->conn, "+ OK\r\n");
        arena_rewind(a->client->arena, mark);
        if (!discard(a->client, n) || !next_line(a))
            return false;
    }
    return false;
}
