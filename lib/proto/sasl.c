/* SPDX-License-Identifier: ISC */
#include "proto/sasl.h"
#include "base/utf8.h"

static const char *const names[SASL_MECHS] = { [SASL_PLAIN] = "PLAIN", [SASL_LOGIN] = "LOGIN" };

enum sasl_mech sasl_mech_by_name(struct str name)
{
    unsigned i = 0;
    while (i < SASL_MECHS && !str_ieqz(name, names[i]))
        i++;
    return (enum sasl_mech)i;
}

const char *sasl_mech_name(enum sasl_mech mech) { return names[mech]; }

bool sasl_name_unescape(struct str in, struct arena *arena, struct str *ret)
{
    char *out = arena_alloc(arena, in.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        struct str code = str_head(str_skip(in, i + 1), 2);
        if (in.p[i] != '=') {
            out[n++] = in.p[i];
            continue;
        }
        if (!str_eqz(code, "2C") && !str_eqz(code, "3D"))
            return false;
        out[n++] = code.p[0] == '2' ? ',' : '=';
        i += 2;
    }
    *ret = str_make(out, n);
    return n > 0 && str_chr(*ret, '\0') < 0;
}

static bool name_is_fit(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n > 0 && s.n <= SASL_NAME_MAX && utf8_is_valid(s);
}

static bool password_is_fit(struct str s) { return s.n > 0 && s.n <= SASL_PASSWORD_MAX && str_chr(s, '\0') < 0; }

static enum sasl_step finish(struct sasl_server *s, struct str user, struct str password, struct arena *arena)
{
    if (!name_is_fit(user) || !password_is_fit(password))
        return SASL_FAILED;
    s->user = str_dup(arena, user);
    s->password = str_dup(arena, password);
    return SASL_DONE;
}

/* [authzid] NUL authcid NUL passwd (RFC 4616 §2). */
static enum sasl_step plain_step(struct sasl_server *s, const struct str *in, struct arena *arena, struct str *ret_challenge)
{
    if (in == NULL && s->stage++ == 0) {
        *ret_challenge = STR("");
        return SASL_CONTINUE;
    }
    struct str authzid, rest, user, password;
    if (in == NULL || in->n > SASL_MESSAGE_MAX || !str_cut(*in, '\0', &authzid, &rest) || !str_cut(rest, '\0', &user, &password))
        return SASL_FAILED;
    if (authzid.n > 0 && !str_eq(authzid, user))
        return SASL_FAILED;
    return finish(s, user, password, arena);
}

/* Clients look for exactly these two prompts. */
static enum sasl_step login_step(struct sasl_server *s, const struct str *in, struct arena *arena, struct str *ret_challenge)
{
    if (in == NULL) {
        *ret_challenge = STR("Username:");
        return s->stage == 0 ? SASL_CONTINUE : SASL_FAILED;
    }
    if (s->stage++ == 0) {
        if (!name_is_fit(*in))
            return SASL_FAILED;
        s->user = str_dup(arena, *in);
        *ret_challenge = STR("Password:");
        return SASL_CONTINUE;
    }
    return finish(s, s->user, *in, arena);
}

enum sasl_step sasl_server_step(struct sasl_server *s, const struct str *in, struct arena *arena, struct str *ret_challenge)
{
    switch (s->mech) {
    case SASL_PLAIN: return plain_step(s, in, arena, ret_challenge);
    case SASL_LOGIN: return login_step(s, in, arena, ret_challenge);
    case SASL_MECHS: break;
    }
    UNREACHABLE();
}

bool sasl_client_initial(struct sasl_client *c, struct buf *out) { return c->mech == SASL_PLAIN && sasl_client_step(c, out); }

bool sasl_client_step(struct sasl_client *c, struct buf *out)
{
    unsigned stage = c->stage++;
    switch (c->mech) {
    case SASL_PLAIN:
        buf_putc(out, '\0');
        buf_add(out, c->user);
        buf_putc(out, '\0');
        buf_add(out, c->password);
        return stage == 0;
    case SASL_LOGIN:
        buf_add(out, stage == 0 ? c->user : c->password);
        return stage < 2;
    case SASL_MECHS: break;
    }
    UNREACHABLE();
}
