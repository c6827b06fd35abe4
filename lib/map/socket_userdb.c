/* SPDX-License-Identifier: ISC
 *
 * socket_userdb.c - one question to an auth server (authd, Dovecot's auth-userdb):
 * lines of words with TABs between them, \\001 in front of what a word cannot hold.
 */
#include "map/socket_proto.h"

void socket_userdb_hello(struct buf *out) { buf_puts(out, "VERSION\t1\t1\n"); }

static const char plain[] = "\t\n\r\001", escaped[] = "tnr1";

void socket_userdb_request(struct str user, struct buf *out)
{
    buf_puts(out, "USER\t1\t");
    for (size_t i = 0; i < user.n; i++) {
        const char *p = user.p[i] == '\0' ? NULL : strchr(plain, user.p[i]);
        if (p != NULL)
            buf_putc(out, '\001');
        buf_putc(out, p != NULL ? escaped[p - plain] : user.p[i]);
    }
    buf_puts(out, "\tservice=lmtp\tpostern-mail\n");
}

static void unescape(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '\001' || i + 1 == s.n) {
            buf_putc(out, s.p[i]);
            continue;
        }
        char c = s.p[++i];
        const char *p = c == '\0' ? NULL : strchr(escaped, c);
        buf_putc(out, c == '0' ? '\0' : p != NULL ? plain[p - escaped] : c);
    }
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

static enum map_result take_field(struct str fields, struct str field, struct buf *value)
{
    bool is_mailbox = str_eqz(field, "mailbox");
    struct str word, name, text, wanted = is_mailbox ? STR("mail") : field;
    while (fields.n > 0) {
        (void)str_cut(fields, '\t', &word, &fields);
        if (!str_cut(word, '=', &name, &text) || !str_eq(name, wanted))
            continue;
        struct buf plain_text = buf_make(SOCKET_ANSWER_MAX);
        unescape(&plain_text, text);
        bool ok = true;
        if (is_mailbox)
            ok = put_mailbox(buf_str(&plain_text), value);
        else
            buf_add(value, buf_str(&plain_text));
        buf_done(&plain_text);
        if (!ok)
            buf_puts(value, "mail= is neither maildir:/PATH nor mbox:PATH:INBOX=/FILE");
        return ok ? MAP_FOUND : MAP_TEMP;
    }
    buf_printf(value, "the user has no %.*s", STR_FMT(field));
    return MAP_TEMP;
}

enum map_result socket_userdb_answer(struct str got, struct str field, struct buf *value)
{
    struct str line, rest, verb, id, user;
    if (!answer_line(got, &line, &rest))
        return MAP_TEMP;
    (void)str_cut(line, '\t', &verb, &line);
    (void)str_cut(line, '\t', &id, &line);
    if (!str_eqz(id, "1") || (!str_eqz(verb, "USER") && !str_eqz(verb, "NOTFOUND"))) {
        buf_puts(value, "the auth server cannot say");
        return MAP_TEMP;
    }
    if (str_eqz(verb, "NOTFOUND"))
        return MAP_NONE;
    (void)str_cut(line, '\t', &user, &line);
    return take_field(line, field, value);
}
