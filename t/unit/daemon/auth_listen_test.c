/* SPDX-License-Identifier: ISC */
#include "daemon/auth_listen.h"
#include "base/buf.h"
#include "tap.h"

static const struct { const char *name, *text; bool ok; size_t n; const char *shown; } cases[] = {
    { "the default: a client socket and a userdb socket", AUTH_LISTEN_DEFAULT, true, 2,
      "unix:private/auth auth 666 - - no; unix:private/auth-userdb userdb 660 - - no; " },
    { "options in braces, the address first", "{ unix:private/auth, mode=0600, user=postfix, group=mail }", true, 1, "unix:private/auth auth 600 postfix mail no; " },
    { "options behind the address", "unix:private/auth { mode=0600, user=postfix }", true, 1, "unix:private/auth auth 600 postfix - no; " },
    { "options close behind the address", "unix:x/auth-master{type=userdb},inet:127.0.0.1:12345", true, 2,
      "unix:x/auth-master userdb 660 - - no; inet:127.0.0.1:12345 auth 666 - - no; " },
    { "a path names its type", "unix:/run/dovecot/auth-master unix:/run/dovecot/login/login unix:/run/x/auth-client", true, 3,
      "unix:/run/dovecot/auth-master master 600 - - no; unix:/run/dovecot/login/login login 666 - - no; unix:/run/x/auth-client auth 666 - - no; " },
    { "an address of version 6", "{ inet:[::1]:12345, type=master, trusted=yes }", true, 1, "inet:[::1]:12345 master 600 - - yes; " },
    { "every address, for clients", "inet:0.0.0.0:10001", true, 1, "inet:0.0.0.0:10001 auth 666 - - no; " },
    { "nothing: no socket at all", "", true, 0, "" },
    { "a host name is refused", "inet:localhost:12345", false, 0, NULL },
    { "port 0 is refused", "inet:127.0.0.1:0", false, 0, NULL },
    { "an address without port is refused", "inet:127.0.0.1", false, 0, NULL },
    { "a userdb socket that others can reach is refused", "{ inet:0.0.0.0:10001, type=userdb }", false, 0, NULL },
    { "a master socket that others can reach is refused", "{ inet:192.0.2.1:10001, type=master }", false, 0, NULL },
    { "a path without its kind is refused", "private/auth", false, 0, NULL },
    { "an empty path is refused", "unix:", false, 0, NULL },
    { "an unknown option is refused", "{ unix:private/auth, owner=postfix }", false, 0, NULL },
    { "an unknown type is refused", "{ unix:private/auth, type=client }", false, 0, NULL },
    { "a mode that is none is refused", "{ unix:private/auth, mode=rw }", false, 0, NULL },
    { "a mode with more than permissions is refused", "{ unix:private/auth, mode=4777 }", false, 0, NULL },
    { "a mode of two digits is refused", "{ unix:private/auth, mode=66 }", false, 0, NULL },
    { "a user with a slash is refused", "{ unix:private/auth, user=a/b }", false, 0, NULL },
    { "braces that do not end are refused", "{ unix:private/auth, mode=0600", false, 0, NULL },
    { "empty braces are refused", "{ }", false, 0, NULL },
};

static void show(const struct auth_listen *rows, size_t n, struct buf *out)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s %s %o %s %s %s; ", rows[i].socket, auth_listen_type_name(rows[i].type), (unsigned)rows[i].mode,
                   rows[i].user == NULL ? "-" : rows[i].user, rows[i].group == NULL ? "-" : rows[i].group, rows[i].trusted ? "yes" : "no");
}

int main(void)
{
    for (size_t i = 0; i < N_ELEMS(cases); i++) {
        struct arena a = arena_make(1 << 16);
        struct auth_listen rows[AUTH_LISTEN_MAX];
        struct err err = { 0 };
        struct buf out = buf_make(0);
        size_t n = 0;
        bool ok = auth_listen_parse(str_from(cases[i].text), &a, rows, &n, &err) == 0;
        if (ok)
            show(rows, n, &out);
        OK(ok == cases[i].ok && (!ok || (n == cases[i].n && str_eqz(buf_str(&out), cases[i].shown))), cases[i].name);
        OK(ok || strstr(err.text, "postern_auth_listeners") != NULL, "... and the error names the parameter");
        for (size_t cut = 0; cut < strlen(cases[i].text); cut++)
            (void)auth_listen_parse(str_make(cases[i].text, cut), &a, rows, &n, &err);
        buf_done(&out);
        arena_done(&a);
    }
    char many[600] = "";
    for (int i = 0; i < 17; i++)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "unix:private/a%d ", i);
    struct arena a = arena_make(1 << 16);
    struct auth_listen rows[AUTH_LISTEN_MAX];
    struct err err = { 0 };
    size_t n = 0;
    OK(auth_listen_parse(str_from(many), &a, rows, &n, &err) < 0, "more sockets than the limit are refused");
    arena_done(&a);
    return tap_done();
}
