/* SPDX-License-Identifier: ISC */
#include "auth/app_password.h"
#include "auth/passwd_file.h"
#include "base/num.h"
#include "os/rand.h"

enum { GROUP = 5, FIELDS = 8 };

/* No letter that looks like another one. */
static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";

bool app_password_parse(struct str line, struct app_password *ret)
{
    struct str f[FIELDS], word, name, value;
    struct app_password a = { .services = STR(""), .networks = STR("") };
    if (line.n > APP_LINE_MAX || str_chr(line, '\0') >= 0 || (line.n > 0 && line.p[0] == '#'))
        return false;
    for (size_t i = 0; i + 1 < FIELDS; i++)
        (void)str_cut(line, ':', &f[i], &line);
    f[FIELDS - 1] = line;
    a.user = f[0];
    a.stored = f[1];
    a.name = f[4];
    while (str_token(&f[FIELDS - 1], " \t\r", &word)) {
        (void)str_cut(word, '=', &name, &value);
        bool ok = true;
        if (str_eqz(name, "services"))
            a.services = value;
        else if (str_eqz(name, "allow_nets"))
            a.networks = value;
        else if (str_eqz(name, "expires"))
            ok = num_parse_i64(value, 0, INT64_MAX / 2, &a.expires);
        else if (str_eqz(name, "created"))
            ok = num_parse_i64(value, 0, INT64_MAX / 2, &a.created);
        else
            ok = false;     /* a restriction that is not understood is not left out */
        if (!ok)
            return false;
    }
    if (a.user.n == 0 || a.user.n > 255 || !str_starts(a.stored, STR("{")) || !app_password_name_good(a.name))
        return false;
    *ret = a;
    return true;
}

void app_password_put(const struct app_password *a, struct buf *out)
{
    buf_printf(out, "%.*s:%.*s:::%.*s:::created=%lld", STR_FMT(a->user), STR_FMT(a->stored), STR_FMT(a->name), (long long)a->created);
    if (a->services.n > 0)
        buf_printf(out, " services=%.*s", STR_FMT(a->services));
    if (a->networks.n > 0)
        buf_printf(out, " allow_nets=%.*s", STR_FMT(a->networks));
    if (a->expires > 0)
        buf_printf(out, " expires=%lld", (long long)a->expires);
}

bool app_password_name_good(struct str name)
{
    if (name.n == 0 || name.n > APP_NAME_MAX || name.p[0] == ' ' || name.p[name.n - 1] == ' ')
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_is_alnum(name.p[i]) && (name.p[i] == '\0' || strchr("._- ", name.p[i]) == NULL))
            return false;
    return true;
}

bool app_password_services_good(struct str services)
{
    static const char *const known[] = { "imap", "pop3", "smtp", "sieve" };
    struct str word;
    bool good = services.n > 0 && str_chr(services, ' ') < 0;
    while (good && str_token(&services, ",", &word)) {
        bool found = false;
        for (size_t i = 0; i < N_ELEMS(known); i++)
            found |= str_eqz(word, known[i]);
        good = found;
    }
    return good;
}

void app_password_make(struct buf *out)
{
    uint8_t random[APP_PASSWORD_LETTERS];
    rand_bytes(random, sizeof random);
    for (size_t i = 0; i < APP_PASSWORD_LETTERS; i++) {
        if (i > 0 && i % GROUP == 0)
            buf_putc(out, '-');
        buf_putc(out, alphabet[random[i] % 32]);
    }
}

bool app_password_normal(struct str typed, char ret[APP_PASSWORD_LETTERS])
{
    char text[APP_PASSWORD_LETTERS];
    size_t n = 0;
    for (size_t i = 0; i < typed.n; i++) {
        char c = ascii_lower(typed.p[i]);
        if (c == '-' || c == ' ')
            continue;
        if (n == sizeof text || c == '\0' || strchr(alphabet, c) == NULL)
            return false;
        text[n++] = c;
    }
    if (n != sizeof text)
        return false;
    memcpy(ret, text, sizeof text);
    return true;
}

static bool has_service(struct str list, struct str service)
{
    struct str word, wanted = str_eqz(service, "submission") ? STR("smtp") : service;
    while (str_token(&list, ",", &word))
        if (str_eq(word, wanted))
            return true;
    return false;
}

const char *app_password_refusal(const struct app_password *a, struct str service, struct str remote, int64_t now)
{
    if (a->expires > 0 && now >= a->expires)
        return "has expired";
    if (a->services.n > 0 && !has_service(a->services, service))
        return "is not for this service";
    if (!allow_nets_match(a->networks, remote))
        return "is not for this network";
    return NULL;
}
