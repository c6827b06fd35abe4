/* SPDX-License-Identifier: ISC
 *
 * step.c - what a database's step says in the log, and fields with variables.
 */
#include "chain.h"
#include <stdarg.h>

void db_step_say(struct db_step *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    s->text = str_printf(s->query->arena, "%s", text).p;
}

void db_log_level(const struct db_step *s, enum log_level level, const char *text)
{
    struct str session = s->query->vars.session;
    const char *open = session.n > 0 ? ",<" : "", *close = session.n > 0 ? ">" : "";
    log_as("dovecot", level, "auth: %s(%.*s,%.*s%s%.*s%s): %s", s->db->driver->name, STR_FMT(s->vars.user), STR_FMT(s->vars.remote), open,
           STR_FMT(session), close, text);
}

void db_log(const struct db_step *s, const char *text) { db_log_level(s, LOG_INFO_LEVEL, text); }

bool db_set_template(struct db_step *s, struct fields *f, struct str name, struct str pattern)
{
    static const char *const paths[] = { "home", "mail", "mail_path", "userdb_home", "userdb_mail", "userdb_mail_path" };
    struct buf out = buf_make(VAR_RESULT_MAX);
    const char *why;
    bool is_path = false;
    for (size_t i = 0; i < N_ELEMS(paths); i++)
        is_path |= str_eqz(name, paths[i]);
    bool ok = var_expand(pattern, &s->vars, is_path ? account_escape : NULL, &s->vars, &out, &why);
    if (ok)
        (void)fields_set(f, name, buf_str(&out));
    else
        db_step_say(s, "%.*s: %s \"%.*s\"", STR_FMT(name), why, (int)MIN(pattern.n, (size_t)100), pattern.p);
    buf_done(&out);
    return ok;
}

bool db_found_field(struct db_step *s, struct str name, struct str value)
{
    if (str_chr(value, '%') >= 0)
        return db_set_template(s, &s->found, name, value);
    (void)fields_set(&s->found, name, value);
    return true;
}

bool db_set_templates(struct db_step *s, const struct fields *templates)
{
    for (size_t i = 0; i < templates->n; i++)
        if (!db_set_template(s, &s->found, templates->rows[i].name, templates->rows[i].value))
            return false;
    return true;
}
