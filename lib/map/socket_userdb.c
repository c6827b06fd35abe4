/* SPDX-License-Identifier: ISC
 *
 * socket_userdb.c - one question to an auth server (authd, Dovecot's auth-userdb),
 * in lines of proto/auth_proto.h.
 */
#include "map/socket_proto.h"
#include "proto/auth_proto.h"

void socket_userdb_hello(struct buf *out) { buf_puts(out, "VERSION\t1\t1\n"); }

void socket_userdb_request(struct str user, struct buf *out)
{
    auth_line_begin(out, "USER");
    auth_line_num(out, 1);
    auth_line_word(out, user);
    auth_line_field(out, "service", STR("lmtp"));
    auth_line_word(out, STR("postern-mail"));
    auth_line_end(out);
}

/* Words by which a server introduces itself. */
static bool is_greeting(struct str word)
{
    static const char *const words[] = { "VERSION", "SPID", "CUID", "COOKIE", "MECH", "DONE" };
    for (size_t i = 0; i < N_ELEMS(words); i++)
        if (str_eqz(word, words[i]))
            return true;
    return false;
}

/* The first line that is no greeting; *ret_rest is what follows its end. False: none is whole. */
static bool answer_line(struct str got, struct str *ret_line, struct str *ret_rest)
{
    struct str line, word, rest;
    while (str_cut(got, '\n', &line, &got)) {
        (void)str_cut(line, '\t', &word, &rest);
        if (is_greeting(word))
            continue;
        *ret_line = line;
        *ret_rest = got;
        return true;
    }
    return false;
}

int socket_userdb_complete(struct str got)
{
    struct str line, rest;
    if (answer_line(got, &line, &rest))
        return rest.n == 0 ? 1 : -1;
    return got.n > SOCKET_LINE_MAX ? -1 : 0;
}

/* maildir:PATH:OPTIONS and mbox:PATH:INBOX=FILE, as virtual_mailbox_maps has them. */
static bool put_mailbox(struct str mail, struct buf *value)
{
    struct str kind, rest, path, word;
    bool has_kind = str_cut(mail, ':', &kind, &rest);
    (void)str_cut(rest, ':', &path, &rest);
    bool maildir = str_eqz(kind, "maildir"), has_inbox = false;
    while (str_token(&rest, ":", &word))
        if (str_starts(word, STR("INBOX="))) {
            path = str_skip(word, 6);
            has_inbox = true;
        }
    if (!has_kind || path.n == 0 || path.p[0] != '/' || (!maildir && !(str_eqz(kind, "mbox") && has_inbox)))
        return false;
    buf_add(value, path);
    if (maildir && path.p[path.n - 1] != '/')
        buf_putc(value, '/');
    return true;
}

static enum map_result take_field(const struct auth_line *line, struct str field, struct buf *value)
{
    char name[64];
    struct str text;
    bool is_mailbox = str_eqz(field, "mailbox");
    if (!str_to_fixed(is_mailbox ? STR("mail") : field, name, sizeof name) || !auth_line_get(line, 3, name, &text)) {
        buf_printf(value, "the user has no %.*s", STR_FMT(field));
        return MAP_TEMP;
    }
    if (!is_mailbox) {
        buf_add(value, text);
        return MAP_FOUND;
    }
    if (put_mailbox(text, value))
        return MAP_FOUND;
    buf_puts(value, "mail= is neither maildir:/PATH nor mbox:PATH:INBOX=/FILE");
    return MAP_TEMP;
}

enum map_result socket_userdb_answer(struct str got, struct str field, struct buf *value)
{
    struct arena arena = arena_make(4 * AUTH_LINE_MAX);
    struct auth_line line;
    struct str text, rest;
    enum map_result result = MAP_TEMP;
    bool whole = answer_line(got, &text, &rest) && auth_line_parse(text, &arena, &line) && line.n >= 2 && str_eqz(line.fields[1], "1");
    if (whole && str_eqz(line.fields[0], "NOTFOUND"))
        result = MAP_NONE;
    else if (whole && line.n >= 3 && str_eqz(line.fields[0], "USER"))
        result = take_field(&line, field, value);
    else
        buf_puts(value, "the auth server cannot say");
    arena_done(&arena);
    return result;
}
