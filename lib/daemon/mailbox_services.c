/* SPDX-License-Identifier: ISC */
#include "daemon/mailbox_services.h"
#include "base/num.h"
#include "conf/lex.h"
#include <arpa/inet.h>

#define PARAMETER "postern_mailbox_services"

/* port 0: a UNIX socket. */
static const struct kind { const char *name, *command, *family; uint32_t port; } kinds[] = {
    { "imap", "imap-login", "imap", 143 },
    { "imaps", "tls-proxy", "imap", 993 },
    { "pop3", "pop3-login", "pop3", 110 },
    { "pop3s", "tls-proxy", "pop3", 995 },
    { "lmtp", "lmtpd", "", 24 },
    { "dovecot-lmtp", "lmtpd", "", 0 },
};

/* One entry while it is read. */
struct entry { const struct kind *kind; uint32_t port; struct str address, path; struct mailbox_service service; };

static int refuse(struct str entry, struct str what, const char *why, struct err *err)
{
    return err_set(err, ERR_CONFIG, PARAMETER ": %.*s: \"%.*s\" %s", (int)MIN(entry.n, (size_t)80), entry.p, (int)MIN(what.n, (size_t)80), what.p, why);
}

static bool parse_mode(struct str text, mode_t *ret)
{
    mode_t mode = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '7' || mode > 0777)
            return false;
        mode = mode * 8 + (mode_t)(text.p[i] - '0');
    }
    *ret = mode;
    return text.n >= 3 && mode > 0 && mode <= 0777;
}

static bool parse_address(struct str text, struct str *ret)
{
    char z[64];
    uint8_t raw[16];
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = str_make(text.p + 1, text.n - 2);
    *ret = text;
    return str_to_fixed(text, z, sizeof z) && (inet_pton(AF_INET, z, raw) == 1 || inet_pton(AF_INET6, z, raw) == 1);
}

static bool parse_path(struct str text, struct str *ret)
{
    *ret = text;
    return text.n > 0 && text.n < 108 && str_find(text, STR("..")) < 0;
}

static bool is_name(struct str s) { return s.n > 0 && s.n < 64 && str_chr(s, '/') < 0; }

static int take_option(struct entry *e, struct str whole, struct str word, struct arena *a, struct err *err)
{
    static const char INET[] = "is none of port=1 to 65535 and address=NUMERIC", UNIX[] = "is none of path=PATH, mode=0600, user=NAME, group=NAME";
    struct str key, value;
    bool inet = e->kind->port != 0;
    bool ok = str_cut(word, '=', &key, &value);
    key = str_trim(key);
    value = str_trim(value);
    if (ok && inet && str_eqz(key, "port"))
        ok = num_parse_u32(value, 65535, &e->port) && e->port > 0;
    else if (ok && inet && str_eqz(key, "address"))
        ok = parse_address(value, &e->address);
    else if (ok && !inet && str_eqz(key, "path"))
        ok = parse_path(value, &e->path);
    else if (ok && !inet && str_eqz(key, "mode"))
        ok = parse_mode(value, &e->service.mode);
    else if (ok && !inet && str_eqz(key, "user") && is_name(value))
        e->service.user = str_to_cstr(a, value);
    else if (ok && !inet && str_eqz(key, "group") && is_name(value))
        e->service.group = str_to_cstr(a, value);
    else
        ok = false;
    return ok ? 0 : refuse(whole, word, inet ? INET : UNIX, err);
}

static void finish(struct entry *e, struct arena *a)
{
    struct mailbox_service *s = &e->service;
    s->name = e->kind->name;
    s->command = e->kind->command;
    s->family = e->kind->family;
    s->is_inet = e->kind->port != 0;
    bool six = str_chr(e->address, ':') >= 0;
    if (s->is_inet)
        s->socket = str_printf(a, six ? "inet:[%.*s]:%u" : "inet:%.*s:%u", STR_FMT(e->address), e->port).p;
    else
        s->socket = str_printf(a, "unix:%.*s", STR_FMT(e->path)).p;
}

/* *ret_named: false for the word "auth". */
static int take_entry(struct str word, struct mailbox_service *ret, bool *ret_named, struct arena *a, struct err *err)
{
    struct entry e = { .address = STR(""), .path = STR("private/dovecot-lmtp") };
    struct str rest = word, name, option;
    size_t i = 0;
    *ret_named = false;
    if (!lex_unbrace(&rest))
        return refuse(word, word, "has a brace that does not fit", err);
    if (!str_token(&rest, ", \t\r\n", &name))
        return refuse(word, word, "names no service", err);
    if (str_eqz(name, "auth") && str_trim(rest).n == 0)
        return 0;
    while (i < N_ELEMS(kinds) && !str_eqz(name, kinds[i].name))
        i++;
    if (i == N_ELEMS(kinds))
        return refuse(word, name, "is an unknown service: use auth, imap, imaps, pop3, pop3s, lmtp or dovecot-lmtp", err);
    e.kind = &kinds[i];
    e.port = kinds[i].port;
    while (str_token(&rest, ", \t\r\n", &option))
        if (take_option(&e, word, option, a, err) < 0)
            return -1;
    finish(&e, a);
    *ret = e.service;
    *ret_named = true;
    return 0;
}

int mailbox_services_parse(struct str text, struct arena *arena, struct mailbox_service ret[MAILBOX_SERVICES_MAX], size_t *ret_n, struct err *err)
{
    struct str rest = str_dup(arena, text), word;
    size_t n = 0;
    while (lex_word(&rest, ", \t\r\n", &word)) {
        bool named;
        if (n == MAILBOX_SERVICES_MAX)
            return err_set(err, ERR_CONFIG, PARAMETER ": more than %d entries", MAILBOX_SERVICES_MAX);
        if (take_entry(word, &ret[n], &named, arena, err) < 0)
            return -1;
        for (size_t i = 0; named && i < n; i++)
            if (strcmp(ret[i].socket, ret[n].socket) == 0)
                return refuse(word, str_from(ret[n].socket), "is there twice: name each port once", err);
        n += named;
    }
    *ret_n = n;
    return 0;
}
