/* SPDX-License-Identifier: ISC
 *
 * ldap_attrs.c - pass_attrs and user_attrs, and what values do to variables.
 */
#include "base/utf8.h"
#include "db/ldap_conf.h"

/* ---- escaping ---- */

static void put_hex(struct buf *out, char c)
{
    static const char digits[] = "0123456789abcdef";
    buf_putc(out, '\\');
    buf_putc(out, digits[(uint8_t)c >> 4]);
    buf_putc(out, digits[(uint8_t)c & 15]);
}

/* RFC 4515 section 3: * ( ) \ and NUL; everything that is not ASCII as well, which is allowed. */
bool ldap_escape_filter(struct buf *out, struct str value, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '*' || c == '(' || c == ')' || c == '\\' || (uint8_t)c < 0x20 || (uint8_t)c >= 0x7f)
            put_hex(out, c);
        else
            buf_putc(out, c);
    }
    return true;
}

/* RFC 4514 section 2.4, as hexadecimal pairs throughout: no position has a rule of its own then. */
bool ldap_escape_dn(struct buf *out, struct str value, void *arg)
{
    (void)arg;
    if (!utf8_is_valid(value))
        return false;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\0')
            return false;
        if (strchr("\"+,;<>\\#= ", c) != NULL || (uint8_t)c < 0x20 || (uint8_t)c >= 0x7f)
            put_hex(out, c);
        else
            buf_putc(out, c);
    }
    return true;
}

/* ---- values into texts ---- */

const struct db_cell *ldap_cell_find(const struct db_cell *cells, size_t n, struct str attr)
{
    for (size_t i = 0; i < n; i++)
        if (str_ieqz(attr, cells[i].name) && !cells[i].is_null)
            return &cells[i];
    return NULL;
}

/* The next %$ or %{ldap:...} of *text: the part before it, its attribute ("" = %$) and default. False: there is none, *ret_before is all. */
static bool next_value(struct str *text, struct str *ret_before, struct str *ret_attr, struct str *ret_default)
{
    struct str s = *text;
    for (size_t i = 0; i + 1 < s.n; i++) {
        if (s.p[i] != '%')
            continue;
        struct str here = str_skip(s, i);
        ptrdiff_t end = str_chr(here, '}');
        if (s.p[i + 1] == '$') {
            *ret_attr = *ret_default = STR("");
            *text = str_skip(here, 2);
        } else if (str_starts(here, STR("%{ldap:")) && end > 0) {
            (void)str_cut(str_make(here.p + 7, (size_t)end - 7), ':', ret_attr, ret_default);
            *text = str_skip(here, (size_t)end + 1);
        } else {
            i += s.p[i + 1] == '%';
            continue;
        }
        *ret_before = str_head(s, i);
        return true;
    }
    *ret_before = s;
    *text = STR("");
    return false;
}

bool ldap_attr_expand(struct str text, struct str value, const struct db_cell *cells, size_t n, const struct auth_vars *vars,
                      struct buf *out, const char **ret_why)
{
    struct str before, attr, def;
    for (bool more = true; more;) {
        more = next_value(&text, &before, &attr, &def);
        if (before.n > 0 && !var_expand(before, vars, NULL, NULL, out, ret_why))
            return false;
        if (!more)
            break;
        const struct db_cell *c = attr.n == 0 ? NULL : ldap_cell_find(cells, n, attr);
        buf_add(out, attr.n == 0 ? value : c == NULL ? def : c->value);
    }
    return true;
}

/* ---- lists of attributes ---- */

static int want(struct ldap_attrs *a, size_t *n, struct str attr, struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < *n; i++)
        if (str_ieqz(attr, a->wanted[i]))
            return 0;
    if (*n + 1 >= N_ELEMS(a->wanted) || attr.n == 0 || (a->wanted[*n] = str_to_cstr(arena, attr)) == NULL)
        return err_set(err, ERR_CONFIG, "too many attributes, or one without a name");
    a->wanted[++*n] = NULL;
    return 0;
}

static int want_of_text(struct ldap_attrs *a, size_t *n, struct str text, struct arena *arena, struct err *err)
{
    struct str before, attr, def;
    const char *why;
    int rc = 0;
    for (bool more = true; rc == 0 && more;) {
        more = next_value(&text, &before, &attr, &def);
        if (!var_check(before, &why))
            rc = err_set(err, ERR_CONFIG, "%s", why);
        else if (more && attr.n > 0)
            rc = want(a, n, attr, arena, err);
    }
    return rc;
}

static int take_attr(struct ldap_attrs *a, size_t *n_wanted, struct str item, const char *without, struct arena *arena, struct err *err)
{
    struct ldap_attr row = { .attr = "" };
    struct str attr, field, text = STR("");
    bool has_field = str_cut(item, '=', &attr, &field);
    if (attr.n > 0 && attr.p[0] == '@')
        return err_set(err, ERR_CONFIG, "\"%.*s\": values that are followed as a DN (@) are not looked up; use a filter", (int)MIN(item.n, 60), item.p);
    row.no_field = attr.n > 0 && attr.p[0] == '!';
    attr = row.no_field ? str_skip(attr, 1) : attr;
    field = !has_field ? attr : field;
    row.has_text = has_field && str_cut(field, '=', &field, &text);
    row.has_text |= has_field && attr.n == 0;
    row.text = str_dup(arena, text);
    row.field = str_dup(arena, field);
    if (field.n == 0 || field.n > FIELD_NAME_MAX)
        return err_set(err, ERR_CONFIG, "\"%.*s\" has no field name", (int)MIN(item.n, 60), item.p);
    if (without != NULL && str_eqz(field, without))
        return 0;
    if (attr.n > 0 && want(a, n_wanted, attr, arena, err) != 0)
        return -1;
    if (a->n == LDAP_ATTRS_MAX)
        return err_set(err, ERR_CONFIG, "more than %d attributes", LDAP_ATTRS_MAX);
    row.attr = attr.n == 0 ? "" : str_to_cstr(arena, attr);
    a->rows[a->n++] = row;
    return want_of_text(a, n_wanted, text, arena, err);
}

/* A comma inside %{...} belongs to the item. */
static struct str cut_item(struct str *rest)
{
    size_t n = 0;
    for (unsigned depth = 0; n < rest->n && (rest->p[n] != ',' || depth > 0); n++) {
        if (rest->p[n] == '{' && n > 0 && rest->p[n - 1] == '%')
            depth = 1;
        else if (rest->p[n] == '}')
            depth = 0;
    }
    struct str item = str_head(*rest, n);
    *rest = str_skip(*rest, MIN(n + 1, rest->n));
    return str_trim(item);
}

int ldap_attrs_parse(struct str text, const char *without, struct arena *arena, struct ldap_attrs *ret, struct err *err)
{
    struct ldap_attrs *a = ARENA_NEW(arena, struct ldap_attrs);
    size_t n_wanted = 0;
    int rc = 0;
    while (rc == 0 && text.n > 0) {
        struct str item = cut_item(&text);
        if (item.n > 0)
            rc = take_attr(a, &n_wanted, item, without, arena, err);
    }
    /* No attribute: RFC 4511 section 4.5.1.8's "1.1", since an empty list would mean all of them. */
    if (rc == 0 && n_wanted == 0)
        a->wanted[0] = "1.1";
    if (rc == 0)
        *ret = *a;
    return rc;
}
