/* SPDX-License-Identifier: ISC
 *
 * answers.c - what OK and FAIL say of a user beside the name: the passdb's
 * fields, in the words that Dovecot's clients know.
 */
#include "authd.h"
#include "socks.h"

/* For the checks of the chain, or with a meaning of their own in an answer. */
static bool is_internal(struct str name)
{
    static const char *const names[] = {
        "user", "username", "domain", "password", "password_noscheme", "nopassword", "nopasswd", "allow_nets", "allow_real_nets", "nodelay", "delay_until",
        "noauthenticate", "login_user", "master", "passdb_import", "check_client_fp", "check_client_cert_fp", "check_client_pubkey_fp", "mechanisms", "user_disabled", "pass_expired", "fail",
        "code", "token", "cookie", "resp", "original_user", "auth_user",
    };
    for (size_t i = 0; i < N_ELEMS(names); i++)
        if (str_eqz(name, names[i]))
            return true;
    return str_starts(name, STR("userdb_"));
}

void answer_passdb_fields(const struct fields *said, bool is_client, struct arena *arena, struct str *ret)
{
    struct fields shown = fields_make(arena);
    struct buf line = buf_make(2 * FIELDS_BYTES_MAX);
    *ret = STR("");
    if (said->n == 0)
        return;
    for (size_t i = 0; i < said->n; i++) {
        struct str value = said->rows[i].value;
        if (is_internal(said->rows[i].name))
            continue;
        (void)fields_set(&shown, said->rows[i].name, value);
        /* Login processes look for the words alone. */
        if (is_client && fields_is_true(said, "proxy") && str_eqz(said->rows[i].name, "proxy"))
            shown.rows[shown.n - 1].is_bare = true;
        if (said->rows[i].is_bare)
            shown.rows[shown.n - 1].is_bare = true;
    }
    fields_put_line(&shown, &line);
    *ret = str_dup(arena, buf_str(&line));
    buf_done(&line);
}

/* The name that came in, where another one went on. */
static struct str name_before(const struct db_query *q)
{
    if (q->vars.master_user.n > 0)
        return q->vars.master_user;
    return str_eq(q->vars.original_user, q->vars.user) ? STR("") : q->vars.original_user;
}

void answer_fill(struct auth_answer *a, struct db_query *q)
{
    bool is_split = q->vars.login_user.n > 0;   /* a master login that was refused */
    a->user = q->vars.user;
    a->original_user = is_split ? STR("") : name_before(q);
    a->auth_user = q->vars.master_user;
    if (a->verb != AUTH_ANSWER_OK)
        return;
    answer_passdb_fields(&q->passdb, true, q->arena, &a->extra);
}
