/* SPDX-License-Identifier: ISC
 *
 * db_account.c - what the userdbs said, with the defaults of main.cf, made
 * into an account: ids, home directory, mail location; the rest goes along.
 */
#include "authd.h"
#include "db.h"

enum { PATH_TEXT_MAX = 1024, EXTRA_MAX = 12 << 10 };

static bool take_id(const struct db_query *q, const char *name, const char *fallback, bool is_group, uint32_t *ret_id, bool *ret_has, const char **why)
{
    struct str text = fields_get(&q->userdb, name);
    if (text.n == 0)
        text = str_from(fallback);
    *ret_has = text.n > 0 && !str_eqz(text, "0");
    if (!*ret_has || db_id(text, is_group, ret_id))
        return true;
    *why = str_printf(q->arena, "%s=%.*s is neither a number nor a %s of this machine", name, (int)MIN(text.n, (size_t)60), text.p,
                      is_group ? "group" : "user").p;
    return false;
}

/* "" where the home is needed and nobody knows it. */
static bool expand_path(struct db_query *q, struct str pattern, struct str *ret, const char **why)
{
    struct buf out = buf_make(PATH_TEXT_MAX);
    bool needs_home = str_find(pattern, STR("~/")) >= 0 || str_find(pattern, STR("%h")) >= 0 || str_find(pattern, STR("%{home")) >= 0;
    bool is_known = !needs_home || q->vars.home.n > 0, ok = !is_known || account_expand(pattern, &q->vars, &out, why);
    *ret = ok ? str_dup(q->arena, buf_str(&out)) : STR("");
    buf_done(&out);
    return ok;
}

/* mail=, or the pair mail_driver= and mail_path= of Dovecot 2.4. */
static struct str mail_pattern(const struct db_query *q)
{
    struct str mail = fields_get(&q->userdb, "mail"), driver = fields_get(&q->userdb, "mail_driver"), path = fields_get(&q->userdb, "mail_path");
    if (mail.n > 0)
        return mail;
    if (path.n > 0)
        return str_printf(q->arena, "%.*s:%.*s", STR_FMT(driver.n > 0 ? driver : STR("maildir")), STR_FMT(path));
    return str_from(authd()->conf.mail_location);
}

static struct str rest_of(struct db_query *q)
{
    static const char *const taken[] = { "uid", "gid", "home", "mail", "mail_driver", "mail_path", "user", "system_groups" };
    struct fields rest = fields_make(q->arena);
    struct buf out = buf_make(EXTRA_MAX);
    (void)fields_import(&rest, &q->userdb, STR(""));
    for (size_t i = 0; i < N_ELEMS(taken); i++)
        fields_remove(&rest, taken[i]);
    fields_put_line(&rest, &out);
    struct str s = str_dup(q->arena, buf_str(&out));
    buf_done(&out);
    return s;
}

bool db_account(struct db_query *q, const char **ret_why)
{
    const struct authd_conf *conf = &authd()->conf;
    struct account a = { .user = q->vars.user, .groups = fields_get(&q->userdb, "system_groups"), .master = q->vars.master_user };
    bool has_uid, has_gid;
    if (fields_get(&q->userdb, "user").n > 0)
        a.user = fields_get(&q->userdb, "user");
    if (!take_id(q, "uid", conf->mail_uid, false, &a.uid, &has_uid, ret_why) || !take_id(q, "gid", conf->mail_gid, true, &a.gid, &has_gid, ret_why))
        return false;
    a.has_ids = has_uid && has_gid;
    a.home = fields_get(&q->userdb, "home");
    if (a.home.n == 0 && !expand_path(q, str_from(conf->mail_home), &a.home, ret_why))
        return false;
    q->vars.home = a.home;
    *ret_why = "no mail location";
    if (!expand_path(q, mail_pattern(q), &a.mail, ret_why))
        return false;
    a.extra = rest_of(q);
    *ret_why = "name, home, mail or groups are too long";
    if (a.user.n > DB_NAME_MAX || a.home.n > PATH_TEXT_MAX || a.groups.n > 2048)
        return false;
    if (authd()->private_instance) {
        a.has_ids = true;
        a.uid = (uint32_t)geteuid();
        a.gid = (uint32_t)getegid();
        a.groups = STR("");
    }
    q->account = account_dup(q->arena, &a);
    return true;
}
