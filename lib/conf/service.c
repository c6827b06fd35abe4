/* SPDX-License-Identifier: ISC */
#include "conf/service.h"
#include "base/num.h"
#include "conf/config.h"
#include "conf/lex.h"

static const char blanks[] = " \t\r\n\v\f";
static const char *const type_names[] = {
    [SERVICE_INET] = "inet", [SERVICE_UNIX] = "unix", [SERVICE_FIFO] = "fifo",
    [SERVICE_PASS] = "pass", [SERVICE_UNIX_DGRAM] = "unix-dgram",
};

struct reader {
    struct config *config;
    const char *file;
    unsigned line;
    struct err *err;
    uint32_t process_limit;
    bool chroot_default;
    VEC(struct service) rows;
};

const char *service_type_name(enum service_type type)
{
    return type_names[type];
}

bool service_split_inet(const char *name, struct arena *a, const char **ret_host, const char **ret_port)
{
    struct str s = str_from(name), host = STR(""), port = s;
    ptrdiff_t colon = str_rchr(s, ':');
    if (colon >= 0) {
        host = str_head(s, (size_t)colon);
        port = str_skip(s, (size_t)colon + 1);
    }
    if (host.n > 0 && host.p[0] == '[') {
        if (host.p[host.n - 1] != ']')
            return false;
        host = str_make(host.p + 1, host.n - 2);
    }
    if (port.n == 0)
        return false;
    *ret_host = str_to_cstr(a, host);
    *ret_port = str_to_cstr(a, port);
    return true;
}

static int complain(struct reader *r, const char *field, struct str value, const char *remedy)
{
    return err_set(r->err, ERR_CONFIG, "%s: line %u: bad %s: \"%.*s\" (%s)", r->file, r->line, field, STR_FMT(value), remedy);
}

static int read_type(struct reader *r, struct str word, struct service *s)
{
    for (size_t i = 0; i < N_ELEMS(type_names); i++) {
        if (str_eqz(word, type_names[i])) {
            s->type = (enum service_type)i;
            return 0;
        }
    }
    return complain(r, "transport type", word, "inet, unix, fifo, pass or unix-dgram is needed");
}

static int read_bool(struct reader *r, const char *field, struct str word, bool def, bool *ret)
{
    if (!str_eqz(word, "y") && !str_eqz(word, "n") && !str_eqz(word, "-"))
        return complain(r, field, word, "y, n or - is needed");
    *ret = str_eqz(word, "-") ? def : str_eqz(word, "y");
    return 0;
}

static int read_wakeup(struct reader *r, struct str word, struct service *s)
{
    if (str_eqz(word, "-"))
        return 0;
    struct str digits = word;
    s->wakeup_if_used = str_ends(word, STR("?"));
    if (s->wakeup_if_used)
        digits.n--;
    if (!num_parse_u32(digits, UINT32_MAX, &s->wakeup))
        return complain(r, "wakeup time", word, "seconds, possibly with ? at the end, or - is needed");
    return 0;
}

static int read_max_proc(struct reader *r, struct str word, struct service *s)
{
    if (str_eqz(word, "-"))
        s->max_proc = r->process_limit;
    else if (!num_parse_u32(word, INT32_MAX, &s->max_proc))
        return complain(r, "process limit", word, "a number (0: no limit) or - is needed");
    return 0;
}

static int read_name(struct reader *r, struct str word, struct service *s)
{
    const char *host, *port;
    s->name = str_to_cstr(&r->config->arena, word);
    if (s->type == SERVICE_INET && !service_split_inet(s->name, &r->config->arena, &host, &port))
        return complain(r, "service name", word, "port, host:port or [address]:port is needed");
    if (s->type != SERVICE_INET && (str_chr(word, '/') >= 0 || str_eqz(word, "..") || str_eqz(word, ".")))
        return complain(r, "service name", word, "a socket name has no slash");
    return 0;
}

static int read_fields(struct reader *r, struct str *rest, struct service *s)
{
    static const char *const names[] = { "service name", "transport type", "private flag", "unprivileged flag",
                                         "chroot flag", "wakeup time", "process limit" };
    struct str f[N_ELEMS(names)];
    for (size_t i = 0; i < N_ELEMS(names); i++) {
        if (!str_token(rest, blanks, &f[i]))
            return err_set(r->err, ERR_CONFIG, "%s: line %u: missing \"%s\" field; a service has eight fields", r->file, r->line, names[i]);
        s->fields[i] = str_to_cstr(&r->config->arena, f[i]);
    }
    if (read_type(r, f[1], s) < 0 || read_name(r, f[0], s) < 0)
        return -1;
    if (read_bool(r, names[2], f[2], s->type != SERVICE_INET, &s->is_private) < 0
        || read_bool(r, names[3], f[3], true, &s->unprivileged) < 0
        || read_bool(r, names[4], f[4], r->chroot_default, &s->chroot) < 0)
        return -1;
    return read_wakeup(r, f[5], s) < 0 ? -1 : read_max_proc(r, f[6], s);
}

static int read_override(struct reader *r, struct str word, struct str *ret)
{
    struct str name, value, text = word;
    const char *why = "a brace is not closed";
    if (!lex_unbrace(&text) || !lex_name_value(text, &name, &value, &why))
        return err_set(r->err, ERR_CONFIG, "%s: line %u: -o %.*s: %s; use -o name=value or -o { name = value }",
                       r->file, r->line, STR_FMT(word), why);
    *ret = str_printf(&r->config->arena, "%.*s=%.*s", STR_FMT(name), STR_FMT(value));
    return 0;
}

typedef VEC(const char *) words_vec;

static const char *const *keep_words(struct reader *r, words_vec *v)
{
    const char *const *kept = arena_copy(&r->config->arena, v->p == NULL ? (const void *)"" : v->p, v->n * sizeof *v->p);
    vec_done(v);
    return kept;
}

/* -v, -vv, -o x=y, -ox=y; 0: it was none of them. */
static int read_option(struct reader *r, struct str word, struct str *rest, struct service *s, words_vec *overrides)
{
    if (word.n > 1 && word.p[0] == '-' && word.p[1] == 'v' && str_eqz(str_skip(word, 2), word.n == 2 ? "" : "v")) {
        s->verbose += (unsigned)word.n - 1;
        return 1;
    }
    if (!str_starts(word, STR("-o")))
        return 0;
    struct str text = str_skip(word, 2), assignment;
    if (text.n == 0 && !lex_word(rest, blanks, &text))
        return err_set(r->err, ERR_CONFIG, "%s: line %u: nothing follows -o", r->file, r->line);
    if (read_override(r, text, &assignment) < 0)
        return -1;
    vec_push(overrides, assignment.p);
    return 1;
}

static int read_words(struct reader *r, struct str rest, struct service *s)
{
    struct str word;
    words_vec overrides = { 0 }, args = { 0 };
    int rc = 0;
    bool options = true;
    while (rc >= 0 && lex_word(&rest, blanks, &word)) {
        options = options && word.p[0] == '-';
        rc = options ? read_option(r, word, &rest, s, &overrides) : 0;
        if (rc == 0 && !lex_unbrace(&word))
            rc = err_set(r->err, ERR_CONFIG, "%s: line %u: \"%.*s\": a brace is not closed", r->file, r->line, STR_FMT(word));
        else if (rc == 0)
            vec_push(&args, str_to_cstr(&r->config->arena, word));
    }
    s->n_overrides = overrides.n;
    s->n_args = args.n;
    s->overrides = keep_words(r, &overrides);
    s->args = keep_words(r, &args);
    return rc < 0 ? -1 : 0;
}

static void add_row(struct reader *r, const struct service *s)
{
    for (size_t i = 0; i < r->rows.n; i++) {
        struct service *old = &r->rows.p[i];
        if (old->type == s->type && strcmp(old->name, s->name) == 0) {
            *old = *s;
            return;
        }
    }
    vec_push(&r->rows, *s);
}

static int read_service(struct reader *r, struct str rest)
{
    struct service s = { .line = r->line };
    struct str command;
    if (read_fields(r, &rest, &s) < 0)
        return -1;
    s.words = str_to_cstr(&r->config->arena, str_trim(rest));
    if (!lex_word(&rest, blanks, &command))
        return err_set(r->err, ERR_CONFIG, "%s: line %u: missing \"command\" field; a service has eight fields", r->file, r->line);
    if (str_chr(command, '/') >= 0)
        return complain(r, "command name", command, "a program's name without directories is needed");
    s.command = str_to_cstr(&r->config->arena, command);
    if (read_words(r, rest, &s) < 0)
        return -1;
    add_row(r, &s);
    return 0;
}

static int reader_init(struct reader *r)
{
    const char *limit = config_get(r->config, "default_process_limit", r->err);
    if (limit == NULL)
        return -1;
    if (!num_parse_u32(str_from(limit), INT32_MAX, &r->process_limit))
        return err_set(r->err, ERR_CONFIG, "%s: default_process_limit = %s: a number is needed",
                       config_where(r->config, "default_process_limit"), limit);
    r->chroot_default = config_level(r->config) < PARAM_LEVEL(1, 0);
    return 0;
}

int service_parse(struct config *c, const char *name, struct str text, struct service_list *ret, struct err *err)
{
    struct reader r = { .config = c, .file = name, .err = err };
    struct lexer lx = lex_make(text);
    struct lex_line line;
    int rc = reader_init(&r);
    while (rc == 0 && lex_next(&lx, &line)) {
        r.line = line.first;
        if (line.orphan)
            rc = err_set(err, ERR_CONFIG, "%s: line %u: a service line must not start with white space", name, line.first);
        else
            rc = read_service(&r, line.text);
    }
    lex_done(&lx);
    if (rc == 0) {
        ret->rows = arena_copy(&c->arena, r.rows.p == NULL ? (const void *)"" : r.rows.p, r.rows.n * sizeof *r.rows.p);
        ret->n = r.rows.n;
        ret->file = name;
    }
    vec_done(&r.rows);
    return rc;
}

int service_load(struct config *c, struct service_list *ret, struct err *err)
{
    struct buf text = buf_make(0);
    const char *path = str_printf(&c->arena, "%s/master.cf", config_dir(c)).p;
    int rc = lex_read_file(path, CONFIG_FILE_MAX, &text, err);
    if (rc == 0)
        rc = service_parse(c, path, buf_str(&text), ret, err);
    buf_done(&text);
    return rc;
}
