/* SPDX-License-Identifier: ISC
 *
 * dovecot-sql.conf.ext and dovecot-ldap.conf.ext, connect= and lists of
 * attributes by themselves, and what values do to them: parses or is refused.
 */
#include "db/db_vars.h"
#include "db/ldap_conf.h"
#include "db/sql_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void attrs(struct str text, struct arena *a)
{
    const struct db_cell cell = { "uid", text, false };
    const struct auth_vars vars = { .user = STR("a@b") };
    struct ldap_attrs *list = ARENA_NEW(a, struct ldap_attrs);
    struct err err = { 0 };
    const char *why;
    if (ldap_attrs_parse(text, NULL, a, list, &err) != 0)
        return;
    ASSERT(list->wanted[0] != NULL);
    for (size_t i = 0; i < list->n; i++) {
        struct buf b = buf_make(VAR_RESULT_MAX);
        (void)ldap_attr_expand(list->rows[i].text, text, &cell, 1, &vars, &b, &why);
        buf_done(&b);
    }
}

static void escape(struct str text)
{
    struct buf b = buf_make(0);
    ASSERT(ldap_escape_filter(&b, text, NULL));
    for (size_t i = 0; i < b.n; i++)
        ASSERT(b.p[i] != '*' && b.p[i] != '(' && b.p[i] != ')' && b.p[i] != '\0');
    buf_reset(&b);
    if (ldap_escape_dn(&b, text, NULL))
        for (size_t i = 0; i < b.n; i++)
            ASSERT(b.p[i] != ',' && b.p[i] != '+' && b.p[i] != '=' && b.p[i] != '"');
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a = arena_make(16 << 20);
    struct str text = str_make(data, MIN(n, 8192));
    struct err err = { 0 };
    struct db_targets *t = ARENA_NEW(&a, struct db_targets);
    if (sql_conf_parse(text, &a, ARENA_NEW(&a, struct sql_conf), &err) != 0)
        ASSERT(err.text[0] != '\0');
    (void)ldap_conf_parse(text, &a, ARENA_NEW(&a, struct ldap_conf), &err);
    if (n > 0 && sql_connect_parse(data[0] % 2 == 0 ? "mysql" : data[0] % 3 == 0 ? "sqlite" : "pgsql", str_skip(text, 1), &a, t, &err) == 0)
        ASSERT(t->n > 0 && t->rows[0].label != NULL);
    struct auth_vars vars;
    (void)db_vars_parse(text, &a, &vars);
    attrs(text, &a);
    escape(text);
    arena_done(&a);
    return 0;
}
