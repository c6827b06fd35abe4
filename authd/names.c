/* SPDX-License-Identifier: ISC
 *
 * names.c - user names: as the client wrote them, as databases know them, as
 * databases say they are.
 */
#include "chain.h"

static struct str translate(struct arena *a, struct str user)
{
    struct str table = str_from(authd()->conf.username_translation);
    char *p = arena_copy(a, user.n > 0 ? user.p : "", user.n);
    for (size_t i = 0; i < user.n; i++)
        for (size_t k = 0; k + 1 < table.n; k += 2)
            if (user.p[i] == table.p[k]) {
                p[i] = table.p[k + 1];
                break;
            }
    return str_make(p, user.n);
}

static bool has_allowed_chars(struct str user)
{
    struct str allowed = str_from(authd()->conf.username_chars);
    for (size_t i = 0; i < user.n; i++)
        if (user.p[i] == '\0' || (allowed.n > 0 && str_chr(allowed, user.p[i]) < 0))
            return false;
    return true;
}

/* One name: realm, translation, characters, format. */
static bool make_canonical(struct db_query *q, struct str user, struct str *ret, const char **why)
{
    struct str realm = str_from(authd()->conf.default_realm);
    struct buf out = buf_make(1024);
    struct auth_vars vars = q->vars;
    *why = "Username is empty or too long";
    if (user.n == 0 || user.n > DB_NAME_MAX)
        return false;
    if (realm.n > 0 && str_chr(user, '@') < 0)
        user = str_printf(q->arena, "%.*s@%.*s", STR_FMT(user), STR_FMT(realm));
    vars.user = translate(q->arena, user);
    *why = "Username contains disallowed characters";
    if (!has_allowed_chars(vars.user))
        return false;
    struct str format = str_from(authd()->conf.username_format);
    bool ok = format.n == 0 || var_expand(format, &vars, NULL, NULL, &out, why);
    if (ok && format.n > 0)
        vars.user = str_dup(q->arena, buf_str(&out));
    buf_done(&out);
    if (ok && (vars.user.n == 0 || vars.user.n > DB_NAME_MAX)) {
        *why = "Username is empty or too long";
        return false;
    }
    *ret = vars.user;
    return ok;
}

static void chain_make(struct db_query *q)
{
    q->chain = ARENA_NEW(q->arena, struct chain_state);
    q->chain->let_in_by = SIZE_MAX;
    q->chain->untold = VERDICT_MATCH;
    q->passdb = q->userdb = fields_make(q->arena);
    q->vars.passdb = &q->passdb;
    q->vars.userdb = &q->userdb;
    q->stored = STR("");
}

bool db_canonical(struct db_query *q, const char **ret_why)
{
    struct str user = q->vars.user, login = q->vars.login_user;
    struct str separator = str_from(authd()->conf.master_separator);
    /* Only with a password: a name that is taken on trust shall not name two. */
    bool may_split = separator.n > 0 && login.n == 0 && (q->kind == DB_VERIFY || q->kind == DB_SECRET);
    ptrdiff_t at = may_split ? str_chr(user, separator.p[0]) : -1;
    bool is_master = at >= 0;
    if (q->chain == NULL)
        chain_make(q);
    if (q->chain->is_canonical)
        return true;
    if (q->vars.original_user.n == 0)
        q->vars.original_user = user;
    if (is_master) {
        login = str_head(user, (size_t)at);
        user = str_skip(user, (size_t)at + 1);
    }
    if (!make_canonical(q, user, &user, ret_why))
        return false;
    if ((is_master || login.n > 0) && !make_canonical(q, login, &login, ret_why))
        return false;
    /* Who asks to be himself asks for nothing. */
    q->vars.login_user = str_eq(login, user) ? STR("") : login;
    q->vars.user = user;
    q->chain->as_master = q->vars.login_user.n > 0;
    q->chain->is_canonical = true;
    return true;
}

/* Names that a passdb gives the user, as they are: "user" the whole, "username" and "domain" a part of it. */
void chain_take_names(struct db_query *q, struct db_step *s)
{
    struct str user = fields_get(&s->found, "user"), name = fields_get(&s->found, "username"), domain = fields_get(&s->found, "domain");
    struct str local, rest;
    if (user.n == 0)
        user = q->vars.user;
    (void)str_cut(user, '@', &local, &rest);
    if (name.n > 0 && str_chr(name, '@') >= 0)
        user = name;
    else if (name.n > 0 || domain.n > 0) {
        rest = domain.n > 0 ? domain : rest;
        local = name.n > 0 ? name : local;
        user = str_printf(q->arena, "%.*s%s%.*s", STR_FMT(local), rest.n > 0 ? "@" : "", STR_FMT(rest));
    }
    if (user.n <= DB_NAME_MAX && str_chr(user, '\0') < 0)
        q->vars.user = user;
    fields_remove(&s->found, "user");
    fields_remove(&s->found, "username");
    fields_remove(&s->found, "domain");
}
