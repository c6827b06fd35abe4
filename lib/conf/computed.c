/* SPDX-License-Identifier: ISC
 *
 * Defaults that are facts of this host. They are read once per configuration,
 * before a daemon gives up its rights. Name service is never asked: an
 * inet_interfaces entry that is a host name counts only as far as this host's
 * own interfaces are concerned (loopback), so that $mynetworks is rather too
 * small than too large.
 */
#include "conf/config.h"
#include "conf/computed_net.h"
#include <unistd.h>

static const char *host_name(struct config *c)
{
    char host[256] = { 0 };
    if (gethostname(host, sizeof host - 1) < 0 || host[0] == '\0')
        return "localhost.localdomain";
    if (strchr(host, '.') != NULL)
        return str_dup(&c->arena, str_from(host)).p;
    const struct config_item *domain = config_item(c, STR("mydomain"));
    bool set = domain != NULL && domain->raw != NULL;
    return str_printf(&c->arena, "%s.%s", host, set ? "$mydomain" : "localdomain").p;
}

static const char *domain_name(struct config *c)
{
    struct err err;
    const char *host = config_get(c, "myhostname", &err);
    const char *dot = host == NULL ? NULL : strchr(host, '.');
    return dot == NULL ? "localdomain" : dot + 1;
}

static const char *networks(struct config *c)
{
    struct err err;
    const char *style = config_get(c, "mynetworks_style", &err);
    const char *interfaces = config_get(c, "inet_interfaces", &err);
    const char *protocols = config_get(c, "inet_protocols", &err);
    struct buf out = buf_make(65536);
    computed_networks(style, interfaces, protocols, &out);
    const char *text = str_dup(&c->arena, buf_str(&out)).p;
    buf_done(&out);
    return text;
}

static const char *own_dir(struct config *c) { return c->dir; }
static const char *pid(struct config *c) { return str_printf(&c->arena, "%ld", (long)getpid()).p; }
static const char *version(struct config *c) { (void)c; return POSTERN_MAIL_VERSION; }

static const struct { struct str name; const char *(*get)(struct config *c); } computed[] = {
    { STR_INIT("myhostname"), host_name },
    { STR_INIT("mydomain"), domain_name },
    { STR_INIT("mynetworks"), networks },
    { STR_INIT("config_directory"), own_dir },
    { STR_INIT("process_id"), pid },
    { STR_INIT("mail_version"), version },
};

const char *config_computed(struct config *c, struct str name)
{
    struct config_item *item = config_item(c, name);
    if (item->computed != NULL)
        return item->computed;
    for (size_t i = 0; i < N_ELEMS(computed); i++) {
        if (!str_eq(computed[i].name, name))
            continue;
        if (item->computing)        /* it is defined by itself, for example mydomain by $myhostname by $mydomain */
            return "localdomain";
        item->computing = true;
        item->computed = computed[i].get(c);
        item->computing = false;
        return item->computed;
    }
    return NULL;
}
