/* SPDX-License-Identifier: ISC */
#include "proto/pop3_cmd.h"
#include "base/num.h"

enum args { ARGS_NONE, ARGS_TEXT, ARGS_MAY_TEXT, ARGS_NUMBER, ARGS_MAY_NUMBER, ARGS_TWO_NUMBERS };

static const struct { const char *name; enum args args; } rows[POP3_VERBS] = {
    [POP3_USER] = { "USER", ARGS_TEXT },         [POP3_PASS] = { "PASS", ARGS_TEXT },   [POP3_AUTH] = { "AUTH", ARGS_MAY_TEXT },
    [POP3_APOP] = { "APOP", ARGS_TEXT },         [POP3_CAPA] = { "CAPA", ARGS_NONE },   [POP3_STLS] = { "STLS", ARGS_NONE },
    [POP3_QUIT] = { "QUIT", ARGS_NONE },         [POP3_NOOP] = { "NOOP", ARGS_NONE },   [POP3_STAT] = { "STAT", ARGS_NONE },
    [POP3_LIST] = { "LIST", ARGS_MAY_NUMBER },   [POP3_RETR] = { "RETR", ARGS_NUMBER }, [POP3_DELE] = { "DELE", ARGS_NUMBER },
    [POP3_RSET] = { "RSET", ARGS_NONE },         [POP3_TOP] = { "TOP", ARGS_TWO_NUMBERS }, [POP3_UIDL] = { "UIDL", ARGS_MAY_NUMBER },
};

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

static bool parse_number(struct str s, struct pop3_cmd *cmd)
{
    cmd->has_number = num_parse_u32(s, INT32_MAX, &cmd->number) && cmd->number > 0;
    return cmd->has_number;
}

/* Clients that want all of a message ask for more lines than there can be. */
static bool parse_lines(struct str s, uint32_t *ret)
{
    uint64_t n;
    if (!num_parse_u64(s, UINT64_MAX, &n))
        return false;
    *ret = (uint32_t)MIN(n, (uint64_t)UINT32_MAX);
    return true;
}

static bool parse_args(struct str arg, struct pop3_cmd *cmd)
{
    struct str first, second;
    switch (rows[cmd->verb].args) {
    case ARGS_NONE: return arg.n == 0;
    case ARGS_TEXT: cmd->arg = arg; return arg.n > 0;
    case ARGS_MAY_TEXT: cmd->arg = arg; return true;
    case ARGS_MAY_NUMBER:
        if (arg.n == 0)
            return true;
        return parse_number(arg, cmd);
    case ARGS_NUMBER: return parse_number(arg, cmd);
    case ARGS_TWO_NUMBERS:
        return str_cut(arg, ' ', &first, &second) && parse_number(first, cmd) && parse_lines(second, &cmd->lines);
    }
    UNREACHABLE();
}

/* Blanks at the end are none of our business, except in a password. */
static struct str trim_end(struct str s)
{
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

enum pop3_parse pop3_cmd_parse(struct str line, struct pop3_cmd *ret)
{
    struct str name, arg;
    struct pop3_cmd cmd = { .verb = POP3_USER, .arg = STR("") };
    (void)str_cut(line, ' ', &name, &arg);
    while (cmd.verb < POP3_VERBS && !str_ieqz(name, rows[cmd.verb].name))
        cmd.verb++;
    if (cmd.verb == POP3_VERBS)
        return POP3_PARSE_UNKNOWN;
    if (cmd.verb != POP3_PASS)
        arg = trim_end(arg);
    if (has_control(arg) || !parse_args(arg, &cmd))
        return POP3_PARSE_BAD_ARG;
    *ret = cmd;
    return POP3_PARSE_OK;
}

void pop3_stuff(struct str text, void (*put)(void *arg, struct str piece), void *arg)
{
    bool line_is_open = text.n > 0 && text.p[text.n - 1] != '\n';
    if (text.n > 0 && text.p[0] == '.')
        put(arg, STR("."));
    while (text.n > 0) {
        ptrdiff_t at = str_find(text, STR("\n."));
        struct str piece = at < 0 ? text : str_head(text, (size_t)at + 1);
        put(arg, piece);
        text = str_skip(text, piece.n);
        if (text.n > 0)
            put(arg, STR("."));
    }
    put(arg, line_is_open ? STR("\r\n.\r\n") : STR(".\r\n"));
}

/* Bytes up to the end of the first line that is empty, all if there is none. */
static size_t header_size(struct str text)
{
    for (size_t at = 0; at < text.n;) {
        struct str line, rest;
        if (!str_cut(str_skip(text, at), '\n', &line, &rest))
            return text.n;
        at += line.n + 1;
        if (line.n == 0 || str_eqz(line, "\r"))
            return at;
    }
    return text.n;
}

size_t pop3_top(struct str text, uint32_t lines)
{
    size_t at = header_size(text);
    while (lines-- > 0 && at < text.n) {
        ptrdiff_t lf = str_chr(str_skip(text, at), '\n');
        if (lf < 0)
            return text.n;
        at += (size_t)lf + 1;
    }
    return at;
}
