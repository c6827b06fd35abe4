/* SPDX-License-Identifier: ISC */
#include "auth/db_conf.h"
#include "auth/scheme.h"
#include "auth/var.h"
#include "base/num.h"
#include <errno.h>
#include <unistd.h>

enum { NESTING_MAX = 8 };

/* What messages are about. */
struct reader { const char *parameter; struct str entry; struct arena *arena; struct err *err; };

static int refuse(const struct reader *r, const char *what, struct str which, const char *remedy)
{
    return err_set(r->err, ERR_CONFIG, "%s: entry \"%.*s\": %s \"%.*s\": %s", r->parameter, (int)MIN(r->entry.n, (size_t)80), r->entry.p, what,
                   (int)MIN(which.n, (size_t)60), which.p, remedy);
}

static bool is_separator(char c) { return c == ',' || ascii_is_space(c); }

/*
 * The next word of a list whose separators are commas and white space; braces
 * keep a word together. False: none is left, or (*ret_bad) a brace does not fit.
 */
static bool next_word(struct str *rest, struct str *ret_word, bool *ret_bad)
{
    size_t i = 0, depth = 0, start;
    while (i < rest->n && is_separator(rest->p[i]))
        i++;
    start = i;
    for (; i < rest->n && (depth > 0 || !is_separator(rest->p[i])); i++) {
        if (rest->p[i] == '{' && ++depth > NESTING_MAX)
            break;
        if (rest->p[i] == '}' && depth-- == 0)
            break;
    }
    *ret_bad = depth != 0;
    *ret_word = str_make(rest->p + start, i - start);
    *rest = str_skip(*rest, i);
    return !*ret_bad && ret_word->n > 0;
}

/* { text } without its braces and the white space inside them. */
static bool unbrace(struct str *s)
{
    if (s->n < 2 || s->p[0] != '{' || s->p[s->n - 1] != '}')
        return false;
    *s = str_trim(str_make(s->p + 1, s->n - 2));
    return true;
}

static bool set_rule(enum db_rule *rule, struct str value)
{
    static const char *const names[] = { [DB_RETURN] = "return", [DB_RETURN_OK] = "return-ok", [DB_RETURN_FAIL] = "return-fail",
                                         [DB_CONTINUE] = "continue", [DB_CONTINUE_OK] = "continue-ok", [DB_CONTINUE_FAIL] = "continue-fail" };
    for (size_t i = 0; i < N_ELEMS(names); i++)
        if (str_eqz(value, names[i])) {
            *rule = (enum db_rule)i;
            return true;
        }
    return false;
}

static bool set_skip(enum db_skip *skip, struct str value)
{
    static const struct { const char *name; enum db_skip skip; } names[] = {
        { "never", DB_SKIP_NEVER }, { "authenticated", DB_SKIP_AUTHENTICATED }, { "unauthenticated", DB_SKIP_UNAUTHENTICATED },
        { "found", DB_SKIP_AUTHENTICATED }, { "notfound", DB_SKIP_UNAUTHENTICATED },
    };
    for (size_t i = 0; i < N_ELEMS(names); i++)
        if (str_eqz(value, names[i].name)) {
            *skip = names[i].skip;
            return true;
        }
    return false;
}

static bool set_bool(bool *flag, struct str value)
{
    bool yes = str_eqz(value, "yes"), known = yes || str_eqz(value, "no");
    if (known)
        *flag = yes;
    return known;
}

static int set_template(const struct reader *r, struct str value, struct str *ret)
{
    const char *why;
    if (!var_check(value, &why))
        return refuse(r, why, value, "VARIABLES in authdb(5) lists those that there are");
    *ret = value;
    return 0;
}

static int set_fields(const struct reader *r, struct str name, struct str value, struct fields *f)
{
    struct str checked;
    if (set_template(r, value, &checked) < 0)
        return -1;
    return fields_parse_words(f, value) ? 0 : refuse(r, "too much in option", name, "use fewer fields");
}

static int set_option(const struct reader *r, struct db_entry *e, struct str name, struct str value)
{
    static const char RULES[] = "use return, return-ok, return-fail, continue, continue-ok or continue-fail";
    static const char SKIPS[] = "use never, authenticated or unauthenticated (of a userdb: never, found or notfound)";
    if (str_eqz(name, "result_success"))
        return set_rule(&e->on_success, value) ? 0 : refuse(r, "result_success cannot be", value, RULES);
    if (str_eqz(name, "result_failure"))
        return set_rule(&e->on_failure, value) ? 0 : refuse(r, "result_failure cannot be", value, RULES);
    if (str_eqz(name, "result_internalfail"))
        return set_rule(&e->on_internalfail, value) ? 0 : refuse(r, "result_internalfail cannot be", value, RULES);
    if (str_eqz(name, "skip"))
        return set_skip(&e->skip, value) ? 0 : refuse(r, "skip cannot be", value, SKIPS);
    struct { const char *name; bool *flag; } flags[] = { { "deny", &e->deny }, { "master", &e->master }, { "pass", &e->pass } };
    for (size_t i = 0; i < N_ELEMS(flags); i++)
        if (str_eqz(name, flags[i].name))
            return set_bool(flags[i].flag, value) ? 0 : refuse(r, "a flag cannot be", value, "use yes or no");
    if (str_eqz(name, "username_format"))
        return set_template(r, value, &e->username_format);
    if (str_eqz(name, "default_fields"))
        return set_fields(r, name, value, &e->defaults);
    if (str_eqz(name, "override_fields"))
        return set_fields(r, name, value, &e->overrides);
    struct { const char *name; struct str *text; } texts[] = {
        { "default_pass_scheme", &e->default_scheme }, { "default_password_scheme", &e->default_scheme },
        { "mechanisms", &e->mechanisms }, { "services", &e->services }, { "username_filter", &e->username_filter },
        { "rehash", &e->rehash }, { "rehash_query", &e->rehash_query },
    };
    if (str_eqz(name, "rehash_rounds"))
        return num_parse_u32(value, UINT32_MAX, &e->rehash_rounds) ? 0 : refuse(r, "rehash_rounds cannot be", value, "write a number");
    for (size_t i = 0; i < N_ELEMS(texts); i++)
        if (str_eqz(name, texts[i].name)) {
            *texts[i].text = value;
            return 0;
        }
    return fields_set(&e->options, name, value) ? 0 : refuse(r, "too much in option", name, "use fewer options");
}

/* option=value, or { option = value with blanks }; a bare word is option=yes. */
static int take_option(const struct reader *r, struct db_entry *e, struct str word)
{
    struct str name, value;
    bool is_braced = unbrace(&word);
    bool has_value = str_cut(word, '=', &name, &value);
    name = str_trim(name);
    value = has_value ? str_trim(value) : STR("yes");
    if (name.n == 0 || (is_braced && !has_value))
        return refuse(r, "no option", word, "write option=value, or { option = value } when the value has blanks or commas");
    /* A value that is in braces itself: option={a b}. %{...} is no such thing. */
    if (value.n > 0 && value.p[0] == '{')
        (void)unbrace(&value);
    return set_option(r, e, name, value);
}

static int take_entry(struct reader *r, struct str text, struct db_entry *e)
{
    struct str word = text, rest = STR("");
    bool bad = false;
    *e = (struct db_entry){ .on_success = DB_RETURN_OK, .on_failure = DB_CONTINUE, .on_internalfail = DB_CONTINUE };
    e->options = e->defaults = e->overrides = fields_make(r->arena);
    e->username_format = e->default_scheme = e->mechanisms = e->services = e->username_filter = e->rehash = e->rehash_query = STR("");
    r->entry = text;
    if (unbrace(&text)) {
        rest = text;
        if (!next_word(&rest, &word, &bad))
            return refuse(r, "no database in", text, "write { driver:argument, option=value }");
    }
    (void)str_cut(word, ':', &e->driver, &e->arg);
    if (e->driver.n == 0 || str_chr(e->driver, '{') >= 0 || str_chr(e->driver, '=') >= 0)
        return refuse(r, "no database in", word, "write driver:argument, or { driver:argument, option=value }");
    while (next_word(&rest, &word, &bad))
        if (take_option(r, e, word) < 0)
            return -1;
    if (bad || rest.n > 0)
        return refuse(r, "a brace does not fit in", rest, "close each '{' with a '}'");
    return e->deny && e->master ? refuse(r, "deny and master in one entry of", e->driver, "make two entries of it") : 0;
}

int db_conf_parse(const char *parameter, struct str text, struct arena *arena, struct db_entry *ret_entries, size_t *ret_n, struct err *err)
{
    struct reader r = { .parameter = parameter, .arena = arena, .err = err };
    struct str rest = str_dup(arena, text), word;
    size_t n = 0;
    bool bad;
    while (next_word(&rest, &word, &bad)) {
        if (n == DB_ENTRIES_MAX)
            return err_set(err, ERR_CONFIG, "%s: more than %d entries: join some of the databases", parameter, DB_ENTRIES_MAX);
        if (take_entry(&r, word, &ret_entries[n++]) < 0)
            return -1;
    }
    struct str near = rest.n > 0 ? rest : word;
    if (bad || rest.n > 0)
        return err_set(err, ERR_CONFIG, "%s: a brace does not fit near \"%.*s\": close each '{' with a '}'", parameter, (int)MIN(near.n, (size_t)60), near.p);
    *ret_n = n;
    return 0;
}

enum argument { NOTHING, A_FILE, ANYTHING };
enum rehash { FIXED, IN_FILE, BY_QUERY };       /* how a new stored password is written, if at all */

static const struct kind {
    const char *name;
    bool is_passdb, is_userdb, any_options;
    enum argument argument;
    enum rehash rehash;
    const char *suffix, *remedy;
} kinds[] = {
    { "passwd-file", true, true, false, A_FILE, IN_FILE, "", "create it, with a line name:{SCHEME}password for each user" },
    { "app-password", true, false, false, A_FILE, FIXED, "", NULL },      /* may be missing */
    { "lmdb", true, true, false, A_FILE, FIXED, ".lmdb", "make it with postmap lmdb:FILE" },
    { "static", true, true, true, NOTHING, FIXED, NULL, NULL },
    { "prefetch", false, true, false, NOTHING, FIXED, NULL, NULL },
    { "passwd", false, true, false, NOTHING, FIXED, NULL, NULL },
    { "pam", true, false, false, NOTHING, FIXED, NULL, NULL },
    { "sql", true, true, true, ANYTHING, BY_QUERY, NULL, NULL },
    { "ldap", true, true, true, ANYTHING, FIXED, NULL, NULL },
};

static void any_marker(struct buf *out, unsigned n)
{
    (void)n;
    buf_putc(out, '?');
}

static int check_rehash_query(const struct reader *r, struct str query)
{
    struct arena scratch = arena_make(1 << 20);
    struct fields none = fields_make(&scratch);
    const struct auth_vars vars = { .user = STR("a@b"), .passdb = &none, .userdb = &none };
    struct str params[VAR_PARAMS_MAX];
    struct buf text = buf_make(VAR_RESULT_MAX);
    const char *why = "";
    size_t n;
    bool ok = str_find(query, STR("%{rehash")) >= 0;
    int rc = ok ? 0 : refuse(r, "no '%{rehash}' in", query, "write UPDATE ... SET password = '%{rehash}' WHERE ... '%u'");
    if (ok && (!var_check(query, &why) || !var_query(query, &vars, &scratch, any_marker, &text, params, &n, &why)))
        rc = refuse(r, why, query, "put each variable in quotes; VARIABLES in authdb(5) lists those that there are");
    buf_done(&text);
    arena_done(&scratch);
    return rc;
}

static int check_rehash(const struct reader *r, const struct kind *k, const struct db_entry *e, bool is_userdb)
{
    if (e->rehash.n == 0)
        return e->rehash_rounds == 0 && e->rehash_query.n == 0 ? 0 : refuse(r, "rehash is missing in", e->driver, "write rehash=SCHEME, or remove rehash_rounds and rehash_query");
    if (is_userdb || e->deny)
        return refuse(r, is_userdb ? "rehash in a user database" : "rehash with deny in", e->driver, "it is for passwords: remove it");
    if (k->rehash == FIXED)
        return refuse(r, "no new password can be stored in", e->driver, "rehash is for passwd-file and sql: remove it");
    const char *why = scheme_rehash_refusal(e->rehash, e->rehash_rounds);
    if (why != NULL)
        return refuse(r, "rehash cannot be", e->rehash, str_printf(r->arena, "%s: use BLF-CRYPT, SHA512-CRYPT, CRYPT or ARGON2ID", why).p);
    if (k->rehash == IN_FILE)
        return e->rehash_query.n == 0 ? 0 : refuse(r, "rehash_query in", e->driver, "the file is written: remove it");
    return e->rehash_query.n > 0 ? check_rehash_query(r, e->rehash_query)
                                 : refuse(r, "rehash_query is missing in", e->driver, "write { rehash_query = UPDATE ... SET password = '%{rehash}' WHERE ... '%u' }");
}

static int check_file(const struct reader *r, const struct kind *k, const struct db_entry *e)
{
    struct str fixed = e->arg;
    ptrdiff_t percent = str_chr(e->arg, '%');
    char path[4096];
    const char *why;
    if (e->arg.n < 2 || e->arg.p[0] != '/' || e->arg.p[e->arg.n - 1] == '/')
        return refuse(r, "no absolute path", e->arg, "write the path of a file, from / on");
    if (percent >= 0 && !str_eqz(e->driver, "passwd-file"))
        return refuse(r, "variables in", e->arg, "write the path of one file");
    if (!var_check(e->arg, &why))
        return refuse(r, why, e->arg, "VARIABLES in authdb(5) lists those that there are");
    /* A file per domain or user: what can be looked at is the directory. */
    if (percent >= 0)
        fixed = str_head(e->arg, (size_t)str_rchr(str_head(e->arg, (size_t)percent), '/'));
    bool has_suffix = percent >= 0 || str_ends(e->arg, str_from(k->suffix));
    if (!str_to_fixed(fixed, path, sizeof path - 8))
        return refuse(r, "too long a path", e->arg, "use a shorter one");
    struct buf name = buf_make(sizeof path);
    buf_printf(&name, "%s%s", path, has_suffix ? "" : k->suffix);
    bool is_there = fixed.n == 0 || k->remedy == NULL || access(buf_cstr(&name), F_OK) == 0;
    int rc = is_there ? 0 : refuse(r, strerror(errno), buf_str(&name), percent >= 0 ? "create the directory" : k->remedy);
    buf_done(&name);
    return rc;
}

int db_conf_check(const char *parameter, const struct db_entry *e, bool is_userdb, struct err *err)
{
    struct buf name = buf_make(256);
    const struct kind *k = kinds;
    struct arena scratch = arena_make(64 << 10);
    buf_printf(&name, "%.*s%s%.*s", STR_FMT(e->driver), e->arg.n > 0 ? ":" : "", STR_FMT(e->arg));
    struct reader r = { .parameter = parameter, .entry = buf_str(&name), .arena = &scratch, .err = err };
    int rc = 0;
    while (k < kinds + N_ELEMS(kinds) && !str_eqz(e->driver, k->name))
        k++;
    if (k == kinds + N_ELEMS(kinds))
        rc = refuse(&r, "there is no database", e->driver, "use one of passwd-file, app-password, lmdb, static, prefetch, passwd, pam, sql, ldap");
    else if (!(is_userdb ? k->is_userdb : k->is_passdb))
        rc = refuse(&r, is_userdb ? "no user database is" : "no password database is", e->driver,
                    is_userdb ? "name it in postern_passdb" : "name it in postern_userdb");
    else if (is_userdb && (e->deny || e->master || e->pass))
        rc = refuse(&r, "deny, master or pass of a user database", e->driver, "they are for postern_passdb: remove them");
    else if (!k->any_options && e->options.n > 0)
        rc = refuse(&r, "unknown option", e->options.rows[0].name, "remove it; OPTIONS in authdb(5) lists those that there are");
    else if (k->argument == NOTHING && e->arg.n > 0)
        rc = refuse(&r, "an argument to", e->driver, str_eqz(e->driver, "static") ? "fields are options: write { static:, name=value }" : "remove it");
    else if (k->argument == A_FILE)
        rc = check_file(&r, k, e);
    if (rc == 0)
        rc = check_rehash(&r, k, e, is_userdb);
    arena_done(&scratch);
    buf_done(&name);
    return rc;
}
