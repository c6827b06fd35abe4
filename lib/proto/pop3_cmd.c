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

const char *pop3_verb_name(enum pop3_verb verb) { return verb < POP3_VERBS ? rows[verb].name : "?"; }

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
        return str_cut(arg, ' ', &first, &second) && parse_number(first, cmd) && num_parse_u32(second, INT32_MAX, &cmd->lines);
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

/* Where the run of bytes that need no change ends. */
static size_t plain_run(struct str s)
{
    const char *lf = memchr(s.p, '\n', s.n), *cr = memchr(s.p, '\r', lf == NULL ? s.n : (size_t)(lf - s.p));
    return cr != NULL ? (size_t)(cr - s.p) : lf != NULL ? (size_t)(lf - s.p) : s.n;
}

void pop3_stuff(struct pop3_stuff *s, struct str in, struct buf *out)
{
    while (in.n > 0) {
        char c = in.p[0];
        if (c == '\n') {
            buf_puts(out, "\r\n");
            *s = (struct pop3_stuff){ 0 };
            in = str_skip(in, 1);
            continue;
        }
        if (s->after_cr) {
            /* A lone CR stays what it is. */
            buf_putc(out, '\r');
            s->after_cr = false;
            s->in_line = true;
        }
        if (c == '\r') {
            s->after_cr = true;
            in = str_skip(in, 1);
            continue;
        }
        if (!s->in_line && c == '.')
            buf_putc(out, '.');
        s->in_line = true;
        size_t n = plain_run(in);
        buf_add(out, str_head(in, n));
        in = str_skip(in, n);
    }
}

void pop3_stuff_end(struct pop3_stuff *s, struct buf *out)
{
    if (s->after_cr)
        buf_putc(out, '\r');
    if (s->in_line || s->after_cr)
        buf_puts(out, "\r\n");
    buf_puts(out, ".\r\n");
    *s = (struct pop3_stuff){ 0 };
}
