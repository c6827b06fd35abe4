/* SPDX-License-Identifier: ISC */
#include "daemon/auth_listen.h"
#include "base/num.h"
#include <arpa/inet.h>

#define PARAMETER "postern_auth_listeners"

static const struct { const char *name; mode_t mode; } types[] = {
    [AUTH_LISTEN_AUTH] = { "auth", 0666 }, [AUTH_LISTEN_LOGIN] = { "login", 0666 },
    [AUTH_LISTEN_USERDB] = { "userdb", 0660 }, [AUTH_LISTEN_MASTER] = { "master", 0600 },
};

const char *auth_listen_type_name(enum auth_listen_type t) { return types[t].name; }

static bool type_by_name(struct str name, enum auth_listen_type *ret)
{
    for (size_t i = 0; i < N_ELEMS(types); i++) {
        if (!str_eqz(name, types[i].name))
            continue;
        *ret = (enum auth_listen_type)i;
        return true;
    }
    return false;
}

static void type_by_path(struct str path, enum auth_listen_type *ret)
{
    ptrdiff_t slash = str_rchr(path, '/');
    struct str last = str_skip(path, (size_t)(slash + 1));
    ptrdiff_t dash = str_rchr(last, '-');
    if (!type_by_name(str_skip(last, (size_t)(dash + 1)), ret))
        *ret = AUTH_LISTEN_AUTH;
}

/* Numeric, so that one row is one socket. *ret_local: only this machine can reach it. */
static bool is_inet_address(struct str at, bool *ret_local)
{
    char host[64];
    uint8_t raw[16];
    uint32_t port;
    ptrdiff_t colon = str_rchr(at, ':');
    if (colon < 1 || !num_parse_u32(str_skip(at, (size_t)colon + 1), 65535, &port) || port == 0)
        return false;
    struct str h = str_head(at, (size_t)colon);
    if (h.n > 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
        h = str_make(h.p + 1, h.n - 2);
    if (!str_to_fixed(h, host, sizeof host))
        return false;
    *ret_local = str_starts(h, STR("127.")) || str_eqz(h, "::1");
    return inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1;
}

static int take_address(struct auth_listen *l, struct str word, struct arena *a, struct err *err)
{
    bool local = true;
    bool is_unix = str_starts(word, STR("unix:")) && word.n > 5;
    if (!is_unix && (!str_starts(word, STR("inet:")) || !is_inet_address(str_skip(word, 5), &local)))
        return err_set(err, ERR_CONFIG, PARAMETER ": \"%.*s\" is neither unix:PATH nor inet:ADDRESS:PORT with a numeric address", STR_FMT(word));
    l->socket = str_to_cstr(a, word);
    if (is_unix)
        type_by_path(str_skip(word, 5), &l->type);
    l->trusted = false;
    return 0;
}

static bool parse_mode(struct str text, mode_t *ret)
{
    unsigned mode = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '7' || mode > 0777)
            return false;
        mode = mode * 8 + (unsigned)(text.p[i] - '0');
    }
    *ret = mode;
    return text.n >= 3 && mode <= 0777;
}

static bool is_name(struct str s) { return s.n > 0 && s.n < 64 && str_chr(s, '/') < 0; }

static int take_option(struct auth_listen *l, struct str word, bool *has_mode, struct arena *a, struct err *err)
{
    struct str key, value;
    bool ok = str_cut(word, '=', &key, &value);
    if (ok && str_eqz(key, "type"))
        ok = type_by_name(value, &l->type);
    else if (ok && str_eqz(key, "mode"))
        ok = *has_mode = parse_mode(value, &l->mode);
    else if (ok && str_eqz(key, "user") && is_name(value))
        l->user = str_to_cstr(a, value);
    else if (ok && str_eqz(key, "group") && is_name(value))
        l->group = str_to_cstr(a, value);
    else if (ok && str_eqz(key, "trusted") && (str_eqz(value, "yes") || str_eqz(value, "no")))
        l->trusted = str_eqz(value, "yes");
    else
        ok = false;
    return ok ? 0 : err_set(err, ERR_CONFIG, PARAMETER ": %s: \"%.*s\" is not type=auth, login, userdb or master, mode=0660, user=NAME, group=NAME or "
                                             "trusted=yes", l->socket, STR_FMT(word));
}

static int finish(struct auth_listen *l, bool has_mode, struct err *err)
{
    bool local = true;
    if (!has_mode)
        l->mode = types[l->type].mode;
    if (strncmp(l->socket, "inet:", 5) != 0)
        return 0;
    (void)is_inet_address(str_from(l->socket + 5), &local);
    if (local || (l->type != AUTH_LISTEN_USERDB && l->type != AUTH_LISTEN_MASTER))
        return 0;
    return err_set(err, ERR_CONFIG, PARAMETER ": %s: a socket of type %s answers whoever can connect: only on 127.0.0.1 or ::1", l->socket,
                   types[l->type].name);
}

/* words: what the braces hold, or the address and what its braces hold. */
static int take_row(struct str first, struct str words, struct auth_listen *ret, struct arena *a, struct err *err)
{
    struct auth_listen l = { .type = AUTH_LISTEN_AUTH };
    struct str word;
    bool has_mode = false;
    int rc = first.n == 0 && !str_token(&words, ", \t\r\n", &first) ? err_set(err, ERR_CONFIG, PARAMETER ": empty braces") : take_address(&l, first, a, err);
    while (rc == 0 && str_token(&words, ", \t\r\n", &word))
        rc = take_option(&l, word, &has_mode, a, err);
    if (rc == 0)
        rc = finish(&l, has_mode, err);
    *ret = l;
    return rc;
}

/* What stands in braces at the front of *rest; an empty slice when there are none. False: no closing brace. */
static bool take_braces(struct str *rest, struct str *ret)
{
    *ret = STR("");
    struct str at = *rest;
    while (at.n > 0 && ascii_is_space(at.p[0]))
        at = str_skip(at, 1);
    if (at.n == 0 || at.p[0] != '{')
        return true;
    ptrdiff_t end = str_chr(at, '}');
    if (end < 0)
        return false;
    *ret = str_make(at.p + 1, (size_t)end - 1);
    *rest = str_skip(at, (size_t)end + 1);
    return true;
}

int auth_listen_parse(struct str text, struct arena *arena, struct auth_listen ret[AUTH_LISTEN_MAX], size_t *ret_n, struct err *err)
{
    struct str rest = str_dup(arena, text);
    size_t n = 0;
    for (;;) {
        while (rest.n > 0 && (ascii_is_space(rest.p[0]) || rest.p[0] == ','))
            rest = str_skip(rest, 1);
        if (rest.n == 0)
            break;
        size_t len = 0;
        while (len < rest.n && !ascii_is_space(rest.p[len]) && rest.p[len] != ',' && rest.p[len] != '{')
            len++;
        struct str first = str_head(rest, len), words;
        rest = str_skip(rest, len);
        if (!take_braces(&rest, &words))
            return err_set(err, ERR_CONFIG, PARAMETER ": no \"}\" after \"%.*s\"", (int)MIN(rest.n, (size_t)40), rest.p);
        if (n == AUTH_LISTEN_MAX)
            return err_set(err, ERR_CONFIG, PARAMETER ": more than %d sockets", AUTH_LISTEN_MAX);
        if (take_row(first, words, &ret[n], arena, err) < 0)
            return -1;
        n++;
    }
    *ret_n = n;
    return 0;
}
