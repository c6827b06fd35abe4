/* SPDX-License-Identifier: ISC
 *
 * ldap_conf.h - a dovecot-ldap.conf.ext read into what is asked of which host.
 *
 * Missing keys are what they are in Dovecot 2.3. pass_attrs and user_attrs are
 * lists of
 *
 *   attr              the attribute's value is the field of the same name
 *   attr=field        ... the field "field"
 *   attr=field=text   %$ in text is the value
 *   =field=text       %{ldap:attr} in text are values; variables, too
 *   !attr             asked for, so that a %{ldap:attr} has it, and no field
 *
 * Variables in a filter are escaped by RFC 4515, those in a base or a DN by
 * RFC 4514. Refuses: protocol 2, an attribute whose value
 * is followed as a DN (@attr), and what it does not know. Pure.
 */
#ifndef DB_LDAP_CONF_H
#define DB_LDAP_CONF_H
#include "db/sql_conf.h"

enum { LDAP_ATTRS_MAX = 32 };

/* "" attr: static. template "" and has_template false: the value itself. */
struct ldap_attr { const char *attr; struct str field, text; bool has_text, no_field; };
struct ldap_attrs {
    struct ldap_attr rows[LDAP_ATTRS_MAX];
    size_t n;
    const char *wanted[LDAP_ATTRS_MAX * 2 + 1];     /* what the server is asked for; NULL-terminated, never empty */
};

struct ldap_conf {
    struct db_targets targets;
    const char *dn, *scope;
    struct str dnpass, base;
    bool auth_bind;
    bool sasl_bind;
    struct db_sasl sasl;                            /* how the reader binds, with sasl_bind */
    struct str bind_dn;                             /* auth_bind_userdn; "" = search first */
    struct str pass_filter, user_filter, iterate_filter, default_scheme;
    struct ldap_attrs pass, user, iterate;
};

int ldap_conf_parse(struct str text, struct arena *arena, struct ldap_conf *ret, struct err *err);
/* without: a field that is left out ("password" of binds), or NULL. */
int ldap_attrs_parse(struct str text, const char *without, struct arena *arena, struct ldap_attrs *ret, struct err *err);

/* RFC 4515 section 3 and RFC 4514 section 2.4: for var_expand(). False: a NUL or invalid UTF-8 has no place in a DN. */
bool ldap_escape_filter(struct buf *out, struct str value, void *arg);
bool ldap_escape_dn(struct buf *out, struct str value, void *arg);
/*
 * A field's text with value for %$ and the row's values for %{ldap:attr} and
 * %{ldap:attr:default}; the rest of the text by var_expand(). Values are put
 * in as they are and never read as text. False and *ret_why.
 */
bool ldap_attr_expand(struct str text, struct str value, const struct db_cell *cells, size_t n, const struct auth_vars *vars,
                      struct buf *out, const char **ret_why);
/* The first value of an attribute, NULL: none. Names of attributes are compared without regard to case. */
const struct db_cell *ldap_cell_find(const struct db_cell *cells, size_t n, struct str attr);
#endif
