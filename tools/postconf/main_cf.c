/* SPDX-License-Identifier: ISC
 *
 * Parameters of main.cf: listing them, and what is set in vain.
 */
#include "base/log.h"
#include "postconf.h"

static const char *value_of(struct options *o, const char *name, struct err *err)
{
    const char *raw = o->defaults ? config_default(o->config, name) : config_raw(o->config, name);
    if (raw == NULL)
        raw = config_default(o->config, name);
    if (raw == NULL || !o->expand)
        return raw;
    struct buf out = buf_make(0);
    const char *value = NULL;
    if (config_expand(o->config, str_from(raw), &out, err) == 0)
        value = str_dup(&o->arena, str_trim(buf_str(&out))).p;
    else
        log_fatal("%s: %s", name, err->text);
    buf_done(&out);
    return value;
}

/* Does text use $name, ${name...} or $(name...)? */
static bool text_uses(const char *text, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = strchr(text, '$'); p != NULL; p = strchr(p + 1, '$')) {
        const char *at = p + 1 + (p[1] == '{' || p[1] == '(');
        while (at > p + 1 && ascii_is_space(*at))
            at++;
        if (strncmp(at, name, n) == 0 && !ascii_is_alnum(at[n]) && at[n] != '_')
            return true;
    }
    return false;
}

/* A restriction class is used by its name alone. */
static bool is_class(struct options *o, const char *name)
{
    struct err err;
    const char *list = config_get(o->config, "smtpd_restriction_classes", &err);
    struct str rest = str_from(list == NULL ? "" : list), word;
    while (str_token(&rest, ", \t", &word))
        if (str_eqz(word, name))
            return true;
    return false;
}

static bool is_used(struct options *o, const struct service_list *services, const char *name)
{
    const char *other;
    for (size_t pos = 0; config_each(o->config, &pos, &other);)
        if (strcmp(other, name) != 0 && text_uses(config_raw(o->config, other), name))
            return true;
    for (size_t i = 0; i < services->n; i++) {
        const struct service *s = &services->rows[i];
        for (size_t j = 0; j < s->n_overrides; j++)
            if (text_uses(s->overrides[j], name))
                return true;
        if (text_uses(s->words, name))
            return true;
    }
    return is_class(o, name);
}

void warn_unused(struct options *o, const struct service_list *services)
{
    const char *name, *text;
    for (size_t i = 0; (text = config_warning(o->config, i)) != NULL; i++)
        log_warning("%s", text);
    for (size_t pos = 0; config_each(o->config, &pos, &name);)
        if (config_default(o->config, name) == NULL && !is_used(o, services, name))
            log_warning("%s/main.cf: unused parameter: %s=%s", config_dir(o->config), name, config_raw(o->config, name));
}

static bool is_listed(const struct options *o, const char *name)
{
    bool own_dir = strcmp(name, "config_directory") == 0 && strcmp(config_dir(o->config), "/etc/postfix") != 0;
    return !o->set_only || own_dir || config_raw(o->config, name) != NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct known *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static void list_all(struct options *o, const struct service_list *services, const known_vec *derived, struct err *err)
{
    known_vec all = { 0 };
    const char *name;
    if (o->builtin)
        registry_all(&all);
    for (size_t i = 0; o->service && i < derived->n; i++)
        vec_push(&all, derived->p[i]);
    for (size_t pos = 0; o->user && !o->defaults && config_each(o->config, &pos, &name);) {
        const struct known k = { name, NULL };
        if (config_default(o->config, name) == NULL && is_used(o, services, name))
            vec_push(&all, k);
    }
    if (all.n > 0)
        qsort(all.p, all.n, sizeof *all.p, by_name);
    for (size_t i = 0; i < all.n; i++)
        if (is_listed(o, all.p[i].name))
            print_setting(o, all.p[i].name, value_of(o, all.p[i].name, err));
    vec_done(&all);
}

int list_main(struct options *o, int n, char **names, struct err *err)
{
    struct service_list services = { 0 };
    known_vec derived = { 0 };
    registry_register(o->config);
    if (service_load(o->config, &services, err) < 0)
        services = (struct service_list){ 0 };      /* as Postfix: main.cf can be asked without a master.cf */
    registry_services(o, &services, &derived);
    if (n == 0)
        list_all(o, &services, &derived, err);
    for (int i = 0; i < n; i++) {
        const char *value = value_of(o, names[i], err);
        if (value == NULL || (config_default(o->config, names[i]) == NULL && !is_used(o, &services, names[i])))
            log_warning("%s: unknown parameter", names[i]);
        else if (is_listed(o, names[i]))
            print_setting(o, names[i], value);
    }
    if (!o->defaults)
        warn_unused(o, &services);
    vec_done(&derived);
    return 0;
}
