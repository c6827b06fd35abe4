/* SPDX-License-Identifier: ISC */
#include "tap.h"
#include "event/loop.h"
#include "intake/expand.h"

#define ROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct all, k, resolve.m, name, def, lo, hi, doc)
#define IROW(k, m, name, def, lo, hi, doc) PARAM_ROW(struct all, k, intake.m, name, def, lo, hi, doc)
struct all { struct resolve_conf resolve; struct intake_conf intake; };
static const struct param rows[] = { RESOLVE_PARAMS(ROW) INTAKE_PARAMS(IROW) };

static struct all conf;
static struct config *config;
static struct resolve *resolve;
static struct expand *expand;
static struct arena arena = { .limit = 1 << 24 };

static bool open_all(const char *more)
{
    static const char base[] = "myhostname = mx.our.test\nmydomain = our.test\nmyorigin = our.test\nmydestination = our.test, mx.our.test\ninet_interfaces = 192.0.2.1\n"
                               "compatibility_level = 3.6\nalias_maps =\nlocal_recipient_maps =\n";
    const struct param_table params = { rows, N_ELEMS(rows) };
    struct err err = { 0 };
    struct buf text = buf_make(0);
    buf_puts(&text, base);
    buf_puts(&text, more);
    config = config_parse("/nonexistent", "main.cf", buf_str(&text), &err);
    buf_done(&text);
    bool ok = config != NULL && config_fill(config, &params, &conf, &err) == 0 && (resolve = resolve_open(&conf.resolve, config, &err)) != NULL &&
              (expand = expand_open(&conf.intake, &conf.resolve, resolve, config, &err)) != NULL;
    if (!ok)
        printf("# %s\n", err.text);
    return ok;
}

static void close_all(void)
{
    expand_close(expand);
    resolve_close(resolve);
    config_free(config);
    expand = NULL;
    resolve = NULL;
    config = NULL;
}

static const struct { const char *name, *conf, *in, *out; } rewrites[] = {
    { "a full address stays", "", "a@b.test", "a@b.test" },
    { "the null address stays", "", "", "" },
    { "myorigin is added", "", "a", "a@our.test" },
    { "or not", "append_at_myorigin = no\n", "a", "a" },
    { "mydomain is added where that is configured", "append_dot_mydomain = yes\n", "a@host", "a@host.our.test" },
    { "and is not by default", "", "a@host", "a@host" },
    { "a trailing dot goes", "", "a@b.test.", "a@b.test" },
    { "site!user", "", "b.test!a", "a@b.test" },
    { "site!user, not configured", "swap_bangpath = no\n", "b.test!a", "b.test!a@our.test" },
    { "user%domain", "", "a%b.test", "a@b.test" },
    { "user%domain, not configured", "allow_percent_hack = no\n", "a%b.test", "a%b.test@our.test" },
    { "both only without a domain", "", "a%b.test@c.test", "a%b.test@c.test" },
};

static const struct { const char *name, *conf, *sender, *in; enum address_class class; const char *recipient, *transport, *nexthop; bool routed; } routes[] = {
    { "our own domain", "", "", "u@our.test", CLASS_LOCAL, "u@our.test", "local", "mx.our.test", false },
    { "our own address", "", "", "u@[192.0.2.1]", CLASS_LOCAL, "u@[192.0.2.1]", "local", "mx.our.test", false },
    { "another's address", "", "", "u@[192.0.2.2]", CLASS_DEFAULT, "u@[192.0.2.2]", "smtp", "[192.0.2.2]", false },
    { "the world", "", "", "u@ext.test", CLASS_DEFAULT, "u@ext.test", "smtp", "ext.test", false },
    { "relayhost", "relayhost = [gw.test]:587\n", "", "u@ext.test", CLASS_DEFAULT, "u@ext.test", "smtp", "[gw.test]:587", false },
    { "relay_domains and below", "relay_domains = r.test\n", "", "u@sub.r.test", CLASS_RELAY, "u@sub.r.test", "relay", "sub.r.test", false },
    { "virtual mailboxes", "virtual_mailbox_domains = v.test\nvirtual_transport = lmtp:unix:private/dovecot-lmtp\n", "", "u@v.test", CLASS_VIRTUAL_MAILBOX, "u@v.test", "lmtp", "unix:private/dovecot-lmtp", false },
    { "virtual aliases end in an error", "virtual_alias_domains = al.test\n", "", "u@al.test", CLASS_VIRTUAL_ALIAS, "u@al.test", "error", "5.1.1 User unknown", false },
    { "default_transport with a next hop", "default_transport = uucp:gw\n", "", "u@ext.test", CLASS_DEFAULT, "u@ext.test", "uucp", "gw", false },
    { "local_transport", "local_transport = lmtp:unix:x/y\n", "", "u@our.test", CLASS_LOCAL, "u@our.test", "lmtp", "unix:x/y", false },
    { "transport_maps, the address", "transport_maps = inline:{u@ext.test=smtp:[h.test]}\n", "", "u@ext.test", CLASS_DEFAULT, "u@ext.test", "smtp", "[h.test]", false },
    { "transport_maps, the domain", "transport_maps = inline:{ext.test=slow:}\n", "", "u@ext.test", CLASS_DEFAULT, "u@ext.test", "slow", "ext.test", false },
    { "transport_maps, an extension left out", "recipient_delimiter = +\ntransport_maps = inline:{u@ext.test=x:y}\n", "", "u+e@ext.test", CLASS_DEFAULT, "u+e@ext.test", "x", "y", false },
    { "transport_maps, everything", "transport_maps = inline:{*=gw:all}\n", "", "u@ext.test", CLASS_DEFAULT, "u@ext.test", "gw", "all", false },
    { "a sender's own relay", "sender_dependent_relayhost_maps = inline:{@s.test=[r.test]}\n", "a@s.test", "u@ext.test", CLASS_DEFAULT, "u@ext.test", "smtp", "[r.test]", false },
    { "a sender's own transport", "sender_dependent_default_transport_maps = inline:{a@s.test=own:}\n", "a@s.test", "u@ext.test", CLASS_DEFAULT, "u@ext.test", "own", "ext.test", false },
    { "user%domain at ours is the other domain, and routed", "", "", "v%ext.test@our.test", CLASS_DEFAULT, "v@ext.test", "smtp", "ext.test", true },
    { "so is user@domain@ours", "", "", "v@ext.test@our.test", CLASS_DEFAULT, "v@ext.test", "smtp", "ext.test", true },
    { "and site!user@ours", "", "", "ext.test!v@our.test", CLASS_DEFAULT, "v@ext.test", "smtp", "ext.test", true },
    { "and over two of ours", "", "", "v%ext.test%our.test@our.test", CLASS_DEFAULT, "v@ext.test", "smtp", "ext.test", true },
};

static void test_rewrite(void)
{
    for (size_t i = 0; i < N_ELEMS(rewrites); i++) {
        bool ok = open_all(rewrites[i].conf);
        OK(ok && str_eqz(resolve_rewrite(resolve, str_from(rewrites[i].in), &arena), rewrites[i].out), rewrites[i].name);
        close_all();
    }
}

static void test_routes(void)
{
    for (size_t i = 0; i < N_ELEMS(routes); i++) {
        struct resolved r = { 0 };
        struct err err = { 0 };
        bool ok = open_all(routes[i].conf) && resolve_address(resolve, str_from(routes[i].sender), str_from(routes[i].in), &arena, &r, &err) == RESOLVE_OK &&
                  r.class == routes[i].class && str_eqz(r.recipient, routes[i].recipient) && str_eqz(r.transport, routes[i].transport) &&
                  str_eqz(r.nexthop, routes[i].nexthop) && r.routed == routes[i].routed;
        if (!ok)
            printf("# class %d <%.*s> %.*s:%.*s routed %d\n", (int)r.class, STR_FMT(r.recipient), STR_FMT(r.transport), STR_FMT(r.nexthop), r.routed);
        OK(ok, routes[i].name);
        close_all();
    }
}

static const struct { const char *name, *conf, *in; enum expand_result want; const char *out; } expansions[] = {
    { "an address that is no alias", "", "a@b.test", EXPAND_OK, "a@b.test;" },
    { "an alias", "virtual_alias_maps = inline:{a@b.test=c@d.test}\n", "a@b.test", EXPAND_OK, "c@d.test;" },
    { "a list", "virtual_alias_maps = inline:{{a@b.test=c@d.test, e@f.test, c@d.test}}\n", "a@b.test", EXPAND_OK, "c@d.test;e@f.test;" },
    { "an alias of an alias", "virtual_alias_maps = inline:{{a@b.test=c} {c@our.test=d@e.test}}\n", "a@b.test", EXPAND_OK, "d@e.test;" },
    { "a bare name for our own domain", "virtual_alias_maps = inline:{root=admin@e.test}\n", "root@our.test", EXPAND_OK, "admin@e.test;" },
    { "but for no other", "virtual_alias_maps = inline:{root=admin@e.test}\n", "root@ext.test", EXPAND_OK, "root@ext.test;" },
    { "a whole domain", "virtual_alias_maps = inline:{@b.test=@d.test}\n", "a@b.test", EXPAND_OK, "a@d.test;" },
    { "an extension is kept", "recipient_delimiter = +\nvirtual_alias_maps = inline:{a@b.test=c@d.test}\n", "a+x@b.test", EXPAND_OK, "c+x@d.test;" },
    { "an alias to itself and another", "virtual_alias_maps = inline:{{a@b.test=a@b.test, c@d.test}}\n", "a@b.test", EXPAND_OK, "a@b.test;c@d.test;" },
    { "a loop ends", "virtual_alias_maps = inline:{{a@b.test=c@d.test} {c@d.test=a@b.test}}\n", "a@b.test", EXPAND_OK, "" },
    { "more than may be", "virtual_alias_expansion_limit = 2\nvirtual_alias_maps = inline:{{a@b.test=c@d.test, e@f.test, g@h.test}}\n", "a@b.test", EXPAND_TOO_MANY, NULL },
    { "canonical_maps", "canonical_maps = inline:{a@b.test=n@b.test}\n", "a@b.test", EXPAND_OK, "n@b.test;" },
    { "recipient_canonical_maps first", "recipient_canonical_maps = inline:{a@b.test=m@b.test}\ncanonical_maps = inline:{{m@b.test=n@b.test} {a@b.test=x@b.test}}\n", "a@b.test", EXPAND_OK, "n@b.test;" },
    { "a table that is down", "virtual_alias_maps = fail:down\n", "a@b.test", EXPAND_TEMP, NULL },
};

static void test_expansions(void)
{
    for (size_t i = 0; i < N_ELEMS(expansions); i++) {
        struct expand_list list = { 0 };
        struct err err = { 0 };
        struct buf got = buf_make(0);
        bool ok = open_all(expansions[i].conf) && expand_recipient(expand, str_from(expansions[i].in), &arena, &list, &err) == expansions[i].want;
        for (size_t k = 0; k < list.addrs.n; k++)
            buf_printf(&got, "%.*s;", STR_FMT(list.addrs.p[k]));
        if (!ok || (expansions[i].out != NULL && !str_eqz(buf_str(&got), expansions[i].out)))
            printf("# %s %s\n", buf_cstr(&got), err.text);
        OK(ok && (expansions[i].out == NULL || str_eqz(buf_str(&got), expansions[i].out)), expansions[i].name);
        buf_done(&got);
        vec_done(&list.addrs);
        close_all();
    }
}

static void test_senders(void)
{
    struct str out;
    struct err err = { 0 };
    OK(open_all("masquerade_domains = our.test\nmasquerade_exceptions = root\n") &&
       expand_sender(expand, STR("a@host.our.test"), &arena, &out, &err) == EXPAND_OK && str_eqz(out, "a@our.test") &&
       expand_sender(expand, STR("root@host.our.test"), &arena, &out, &err) == EXPAND_OK && str_eqz(out, "root@host.our.test"), "masquerading, and its exceptions");
    close_all();
    OK(open_all("propagate_unmatched_extensions = canonical, virtual, alias, forward, include, generic\n"), "every word of propagate_unmatched_extensions is known");
    close_all();
    OK(!open_all("sender_canonical_classes = envelope_sender, nobody\n"), "a class that is none is refused at the start");
    close_all();
    OK(open_all("sender_canonical_maps = inline:{a=A.User@our.test}\nsender_canonical_classes = header_sender\n") &&
       expand_sender(expand, STR("a"), &arena, &out, &err) == EXPAND_OK && str_eqz(out, "a@our.test"), "sender_canonical_classes without the envelope");
    close_all();
    OK(open_all("sender_canonical_maps = inline:{a=A.User@our.test}\n") && expand_sender(expand, STR("a"), &arena, &out, &err) == EXPAND_OK &&
       str_eqz(out, "A.User@our.test") && expand_sender(expand, STR(""), &arena, &out, &err) == EXPAND_OK && out.n == 0, "sender_canonical_maps; the null sender stays null");
    close_all();
}

int main(void)
{
    loop_init();
    test_rewrite();
    test_routes();
    test_expansions();
    test_senders();
    arena_done(&arena);
    return tap_done();
}
