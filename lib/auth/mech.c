/* SPDX-License-Identifier: ISC */
#include "auth/mech.h"
#include "base/enc.h"
#include "base/utf8.h"
#include "proto/sasl_oauth.h"

bool mech_name_is_fit(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n > 0 && s.n <= SASL_NAME_MAX && utf8_is_valid(s);
}

static bool password_is_fit(struct str s) { return s.n > 0 && s.n <= SASL_PASSWORD_MAX && str_chr(s, '\0') < 0; }

/* An identity to act for that is the own one is none. */
static void set_authzid(struct mech_run *m, struct str authzid) { m->authzid = str_eq(authzid, m->user) ? STR("") : str_dup(m->arena, authzid); }

static enum mech_step ask_password(struct mech_run *m, struct str authzid, struct str user, struct str password)
{
    if (!mech_name_is_fit(user) || !password_is_fit(password) || (authzid.n > 0 && !mech_name_is_fit(authzid)))
        return MECH_FAILED;
    m->user = str_dup(m->arena, user);
    m->password = str_dup(m->arena, password);
    set_authzid(m, authzid);
    return MECH_ASK;
}

/* Mechanisms whose client speaks first: an empty challenge asks it to. */
static bool must_prompt(struct mech_run *m, const struct str *in, struct str *ret_out)
{
    if (in != NULL || m->stage++ > 0)
        return false;
    *ret_out = STR("");
    return true;
}

/* [authzid] NUL authcid NUL passwd (RFC 4616 §2). */
static enum mech_step plain_step(struct mech_run *m, const struct str *in, struct str *ret_out)
{
    struct str authzid, rest, user, password;
    if (must_prompt(m, in, ret_out))
        return MECH_CONTINUE;
    if (in == NULL || in->n > SASL_MESSAGE_MAX || !str_cut(*in, '\0', &authzid, &rest) || !str_cut(rest, '\0', &user, &password))
        return MECH_FAILED;
    return ask_password(m, authzid, user, password);
}

/* Clients look for exactly these two prompts. */
static enum mech_step login_step(struct mech_run *m, const struct str *in, struct str *ret_out)
{
    if (in == NULL) {
        *ret_out = STR("Username:");
        return m->stage == 0 ? MECH_CONTINUE : MECH_FAILED;
    }
    if (m->stage++ == 0) {
        if (!mech_name_is_fit(*in))
            return MECH_FAILED;
        m->user = str_dup(m->arena, *in);
        *ret_out = STR("Password:");
        return MECH_CONTINUE;
    }
    return ask_password(m, STR(""), m->user, *in);
}

/* The message is whom to act for; who it is, the certificate says. */
static enum mech_step external_step(struct mech_run *m, const struct str *in, struct str *ret_out)
{
    if (must_prompt(m, in, ret_out))
        return MECH_CONTINUE;
    if (in == NULL || !mech_name_is_fit(m->cert_user) || (in->n > 0 && !mech_name_is_fit(*in)))
        return MECH_FAILED;
    m->user = str_dup(m->arena, m->cert_user);
    set_authzid(m, *in);
    return MECH_ASK;
}

static enum mech_step oauth_step(struct mech_run *m, const struct str *in, bool (*parse)(struct str, struct arena *, struct oauth_message *), struct str *ret_out)
{
    struct oauth_message msg;
    if (must_prompt(m, in, ret_out))
        return MECH_CONTINUE;
    /* stage 2: the client has seen why, and said whatever it said. */
    if (in == NULL || m->stage == 2 || !parse(*in, m->arena, &msg) || (msg.user.n > 0 && !mech_name_is_fit(msg.user)))
        return MECH_FAILED;
    m->user = str_dup(m->arena, msg.user);
    m->token = str_dup(m->arena, msg.token);
    return MECH_ASK;
}

static enum mech_step bearer_step(struct mech_run *m, const struct str *in, struct str *ret_out) { return oauth_step(m, in, oauth_bearer_parse, ret_out); }
static enum mech_step xoauth2_step(struct mech_run *m, const struct str *in, struct str *ret_out) { return oauth_step(m, in, oauth_xoauth2_parse, ret_out); }

enum mech_step mech_token_refused(struct mech_run *m, const char *status, struct str *ret_out)
{
    struct buf json = buf_make(0);
    oauth_put_error(&json, status, m->scope, m->discovery);
    *ret_out = str_dup(m->arena, buf_str(&json));
    buf_done(&json);
    m->stage = 2;
    return MECH_CONTINUE;
}

#define SCRAM_ROW(row_name, hash, binding)                                                                                          \
    { .name = row_name, .flags = binding ? "mutual-auth\tchannel-binding" : "mutual-auth", .need = NEED_SECRET, .binds = binding, \
      .step = mech_scram_step, .secret = mech_scram_secret, .digest = hash }

/* The strongest first: clients that take the first they know are served best. PLAIN and LOGIN come before, as everywhere. */
static const struct mech_row rows[] = {
    { .name = "PLAIN", .flags = "plaintext", .need = NEED_PASSWORD, .is_plaintext = true, .step = plain_step },
    { .name = "LOGIN", .flags = "plaintext", .need = NEED_PASSWORD, .is_plaintext = true, .step = login_step },
    SCRAM_ROW("SCRAM-SHA-256-PLUS", "SHA256", true),
    SCRAM_ROW("SCRAM-SHA-256", "SHA256", false),
    SCRAM_ROW("SCRAM-SHA-1-PLUS", "SHA1", true),
    SCRAM_ROW("SCRAM-SHA-1", "SHA1", false),
    { .name = "XOAUTH2", .flags = "plaintext", .need = NEED_TOKEN, .is_plaintext = true, .step = xoauth2_step },
    { .name = "OAUTHBEARER", .flags = "plaintext", .need = NEED_TOKEN, .is_plaintext = true, .step = bearer_step },
    { .name = "EXTERNAL", .flags = "", .need = NEED_CERT, .step = external_step },
    { .name = "CRAM-MD5", .flags = "dictionary\tactive", .need = NEED_SECRET, .step = mech_cram_step, .secret = mech_cram_secret },
};

const struct mech_row *mech_at(size_t i) { return i < N_ELEMS(rows) ? &rows[i] : NULL; }

const struct mech_row *mech_find(struct str name)
{
    for (size_t i = 0; i < N_ELEMS(rows); i++)
        if (str_ieqz(name, rows[i].name))
            return &rows[i];
    return NULL;
}

enum mech_step mech_step(struct mech_run *m, const struct str *in, struct str *ret_out)
{
    if (m->stage == 0)
        m->user = m->authzid = m->password = m->token = STR("");
    *ret_out = STR("");
    return m->row->step(m, in, ret_out);
}

enum mech_step mech_secret(struct mech_run *m, struct str name, struct str stored, struct str *ret_out)
{
    *ret_out = STR("");
    return m->row->secret(m, name, stored, ret_out);
}

/* The slice points into the arena of the exchange: writing there is ours to do. */
static void wipe_str(struct str s)
{
    void *p;
    memcpy(&p, &s.p, sizeof p);
    if (s.n > 0)
        secret_wipe(p, s.n);
}

void mech_wipe(struct mech_run *m)
{
    wipe_str(m->password);
    wipe_str(m->token);
    wipe_str(m->plaintext);
    secret_wipe(m->stored_key, sizeof m->stored_key);
    secret_wipe(m->server_key, sizeof m->server_key);
}
