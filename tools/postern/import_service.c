/* SPDX-License-Identifier: ISC
 *
 * Listeners: protocols and service sections become postern_mailbox_services
 * (master(8)) and postern_auth_listeners.
 */
#include "base/num.h"
#include "import.h"

/* inet_listeners that are there unless their port is 0. */
static const struct usual { const char *service, *listener, *protocol, *name, *port; } usual[] = {
    { "imap-login", "imap", "imap", "imap", "143" },
    { "imap-login", "imaps", "imap", "imaps", "993" },
    { "pop3-login", "pop3", "pop3", "pop3", "110" },
    { "pop3-login", "pop3s", "pop3", "pop3s", "995" },
};

static const struct { const char *name; enum import_grade grade; const char *text; } services[] = {
    { "quota-status", IMPORT_DECIDE, "smtpd gets no answer about quotas: take its check_policy_service out of smtpd's restrictions, or mail is deferred" },
    { "quota-warning", IMPORT_DIFFERS, "quotas are not enforced: nobody is warned" },
    { "managesieve-login", IMPORT_DECIDE, "ManageSieve is not served: users cannot change their Sieve scripts" },
    { "managesieve", IMPORT_DECIDE, "ManageSieve is not served: users cannot change their Sieve scripts" },
    { "submission-login", IMPORT_DECIDE, "submission is not a proxy here: use the services submission and submissions of master.cf" },
    { "submission", IMPORT_DECIDE, "submission is not a proxy here: use the services submission and submissions of master.cf" },
    { "director", IMPORT_DECIDE, "there is no director: users are not spread over servers" },
    { "replicator", IMPORT_DECIDE, "mailboxes are not replicated: the other server is no longer kept in step" },
    { "aggregator", IMPORT_DECIDE, "mailboxes are not replicated: the other server is no longer kept in step" },
    { "dict", IMPORT_DIFFERS, "dictionaries are of use for quotas, ACLs and METADATA only" },
    { "doveadm", IMPORT_DIFFERS, "there is no doveadm service: postern(1) and postfix(1) have the commands" },
    { "imap-postlogin", IMPORT_DECIDE, "no script is run after a login" },
    { "stats", IMPORT_NO_EFFECT, "counters are another system's" },
    { "old-stats", IMPORT_NO_EFFECT, "counters are another system's" },
    { "auth-worker", IMPORT_NO_EFFECT, "processes and their users are planned anew" },
    { "anvil", IMPORT_DIFFERS, "guessing is always limited: postern_auth parameters say how far" },
    { "log", IMPORT_NO_EFFECT, "internal to Dovecot" },
    { "config", IMPORT_NO_EFFECT, "internal to Dovecot" },
    { "ssl-params", IMPORT_NO_EFFECT, "internal to Dovecot" },
    { "indexer", IMPORT_NO_EFFECT, "internal to Dovecot" },
    { "indexer-worker", IMPORT_NO_EFFECT, "internal to Dovecot" },
    { "imap-hibernate", IMPORT_NO_EFFECT, "internal to Dovecot" },
    { "imap-urlauth-login", IMPORT_NO_EFFECT, "URLAUTH is not served" },
    { "imap-urlauth", IMPORT_NO_EFFECT, "URLAUTH is not served" },
    { "imap-urlauth-worker", IMPORT_NO_EFFECT, "URLAUTH is not served" },
    { "dns-client", IMPORT_NO_EFFECT, "internal to Dovecot" },
    { "dns_client", IMPORT_NO_EFFECT, "internal to Dovecot" },
    { "ipc", IMPORT_NO_EFFECT, "internal to Dovecot" },
};

static struct str child(const struct import *im, size_t at, const char *name)
{
    const struct dovecot_node *n = dovecot_find(&im->tree, at, name);
    if (n == NULL)      /* the second generation's long names */
        n = dovecot_find(&im->tree, at, str_printf(im->arena, "%.*s_%s", STR_FMT(im->tree.nodes[at].name), name).p);
    return n == NULL ? STR("") : n->value;
}

static bool has_word(struct str list, const char *word)
{
    struct str w;
    while (str_token(&list, " \t,", &w))
        if (str_eqz(w, word))
            return true;
    return false;
}

static void add_service(struct import *im, const char *entry)
{
    buf_printf(&im->services, "%s%s", im->services.n > 0 ? ", " : "", entry);
}

/* The section of a listener; SIZE_MAX: not there. */
static size_t find_listener(const struct import *im, const char *service, const char *listener)
{
    const struct dovecot_tree *t = &im->tree;
    for (size_t i = 0; i < t->n; i = t->nodes[i].end) {
        if (!str_eqz(t->nodes[i].name, "service") || !str_eqz(t->nodes[i].arg, service))
            continue;
        for (size_t k = i + 1; k < t->nodes[i].end; k = t->nodes[k].end)
            if (str_eqz(t->nodes[k].name, "inet_listener") && str_eqz(t->nodes[k].arg, listener))
                return k;
    }
    return SIZE_MAX;
}

/* An entry per address: "imaps" or "{ imaps, port=10993, address=127.0.0.1 }". */
static void put_inet(struct import *im, const char *name, const char *usual_port, struct str port, struct str addresses)
{
    struct str address;
    const char *with_port = port.n == 0 || str_eqz(port, usual_port) ? "" : str_printf(im->arena, ", port=%.*s", STR_FMT(port)).p;
    bool any = false;
    while (str_token(&addresses, " \t,", &address)) {
        any = true;
        bool all = str_eqz(address, "*") || str_eqz(address, "::") || str_eqz(address, "0.0.0.0");
        add_service(im, all ? str_printf(im->arena, *with_port == '\0' ? "%s%s" : "{ %s%s }", name, with_port).p
                            : str_printf(im->arena, "{ %s%s, address=%.*s }", name, with_port, STR_FMT(address)).p);
    }
    if (!any)
        add_service(im, str_printf(im->arena, *with_port == '\0' ? "%s%s" : "{ %s%s }", name, with_port).p);
}

static void usual_listener(struct import *im, const struct usual *u)
{
    size_t at = find_listener(im, u->service, u->listener);
    struct str port = STR(""), addresses = STR(""), ssl = STR("");
    if (at != SIZE_MAX) {
        port = child(im, at, "port");
        addresses = child(im, at, im->is_24 ? "listen" : "address");
        ssl = child(im, at, "ssl");
    }
    bool tls = strlen(u->name) == 5;        /* imaps, pop3s */
    if (ssl.n > 0 && dovecot_is_yes(ssl) != tls)
        import_note(im, IMPORT_DECIDE, &im->tree.nodes[at], "the listener's name and its ssl setting do not fit together: TLS goes by the name here");
    if (!str_eqz(port, "0"))
        put_inet(im, u->name, u->port, port, addresses);
}

/* Listeners with names of their own. */
static void other_listeners(struct import *im, size_t service, const char *family)
{
    const struct dovecot_tree *t = &im->tree;
    for (size_t i = service + 1; i < t->nodes[service].end; i = t->nodes[i].end) {
        const struct dovecot_node *n = &t->nodes[i];
        bool is_usual = false;
        for (size_t k = 0; k < N_ELEMS(usual); k++)
            is_usual |= str_eqz(n->arg, usual[k].listener);
        if (!str_eqz(n->name, "inet_listener") || is_usual || str_eqz(child(im, i, "port"), "0"))
            continue;
        bool tls = dovecot_is_yes(child(im, i, "ssl"));
        if (dovecot_is_yes(child(im, i, "haproxy")))
            import_note(im, IMPORT_DECIDE, n, "HAProxy's protocol is not read here: clients would be seen with the proxy's address, and refused");
        put_inet(im, str_printf(im->arena, "%s%s", family, tls ? "s" : "").p, "", child(im, i, "port"), child(im, i, im->is_24 ? "listen" : "address"));
    }
}

/* A socket's name as we have it: Dovecot's base_dir stands before relative ones. */
static struct str socket_path(struct import *im, struct str path)
{
    const struct dovecot_node *base = dovecot_find(&im->tree, SIZE_MAX, "base_dir");
    if (path.n > 0 && path.p[0] == '/')
        return path;
    struct str dir = base == NULL ? STR("/run/dovecot") : base->value;
    return str_printf(im->arena, "%.*s/%.*s", STR_FMT(dir), STR_FMT(path));
}

static void put_rights(struct import *im, size_t at, struct buf *b)
{
    static const char *const names[] = { "mode", "user", "group" };
    for (size_t i = 0; i < N_ELEMS(names); i++) {
        struct str value = child(im, at, names[i]);
        if (value.n > 0 && value.p[0] != '$')
            buf_printf(b, ", %s=%.*s", names[i], STR_FMT(value));
    }
}

/* ---- the sections ---- */

/* Dovecot's own user of a section and its limits: planned anew here. */
static void processes(struct import *im, size_t at, bool sessions)
{
    const struct dovecot_tree *t = &im->tree;
    uint32_t number;
    for (size_t i = at + 1; i < t->nodes[at].end; i = t->nodes[i].end) {
        const struct dovecot_node *n = &t->nodes[i];
        if (n->is_section)
            continue;
        if (str_eqz(n->name, "executable"))
            import_note(im, IMPORT_DECIDE, n, "no script is run after a login, and no other program for a service");
        else if (sessions && str_eqz(n->name, "process_limit") && num_parse_u32(n->value, 1000000, &number) && number > 0)
            import_set(im, "postern_session_limit", n->value, n);
        else if (str_eqz(n->name, "chroot") || str_eqz(n->name, "extra_groups") || str_eqz(n->name, "privileged_group"))
            import_note(im, IMPORT_DIFFERS, n, "each role's user, groups and root are fixed");
        else
            import_note(im, IMPORT_NO_EFFECT, n, "processes and their limits are planned anew");
    }
}

static void auth_sockets(struct import *im, size_t at)
{
    const struct dovecot_tree *t = &im->tree;
    for (size_t i = at + 1; i < t->nodes[at].end; i = t->nodes[i].end) {
        const struct dovecot_node *n = &t->nodes[i];
        bool inet = str_eqz(n->name, "inet_listener");
        struct str addresses = child(im, i, im->is_24 ? "listen" : "address"), address = STR(""), port = child(im, i, "port"), mode = child(im, i, "mode");
        if (!n->is_section || str_eqz(port, "0") || str_eqz(mode, "0") || str_eqz(mode, "00"))
            continue;
        struct buf *b = &im->listeners;
        const char *sep = b->n > 0 ? ", " : "";
        if (inet) {
            if (!str_token(&addresses, " \t,", &address))
                import_note(im, IMPORT_DECIDE, n, "a socket on all addresses becomes one on 127.0.0.1: name the address that other hosts use in postern_auth_listeners");
            if (address.n == 0 || str_eqz(address, "*") || str_eqz(address, "::"))
                address = STR("127.0.0.1");
            buf_printf(b, str_chr(address, ':') >= 0 ? "%s{ inet:[%.*s]:%.*s, type=auth }" : "%s{ inet:%.*s:%.*s, type=auth }", sep, STR_FMT(address), STR_FMT(port));
        } else if (str_eqz(n->name, "unix_listener")) {
            buf_printf(b, "%s{ unix:%.*s", sep, STR_FMT(socket_path(im, n->arg)));
            put_rights(im, i, b);
            buf_puts(b, " }");
        }
    }
}

static void lmtp_sockets(struct import *im, size_t at)
{
    const struct dovecot_tree *t = &im->tree;
    for (size_t i = at + 1; i < t->nodes[at].end; i = t->nodes[i].end) {
        const struct dovecot_node *n = &t->nodes[i];
        if (str_eqz(n->name, "inet_listener") && !str_eqz(child(im, i, "port"), "0"))
            put_inet(im, "lmtp", "24", child(im, i, "port"), child(im, i, im->is_24 ? "listen" : "address"));
        if (!str_eqz(n->name, "unix_listener") || str_eqz(child(im, i, "mode"), "0"))
            continue;
        struct buf b = buf_make(0);
        buf_printf(&b, "{ dovecot-lmtp, path=%.*s", STR_FMT(socket_path(im, n->arg)));
        put_rights(im, i, &b);
        buf_puts(&b, " }");
        add_service(im, buf_cstr(&b));
        buf_done(&b);
    }
}

void import_service(struct import *im, size_t at)
{
    struct str name = im->tree.nodes[at].arg;
    bool login = str_eqz(name, "imap-login") || str_eqz(name, "pop3-login"), session = str_eqz(name, "imap") || str_eqz(name, "pop3");
    bool lmtp = str_eqz(name, "lmtp"), auth = str_eqz(name, "auth");
    if (auth)
        auth_sockets(im, at);
    if (login || session || lmtp || auth) {
        processes(im, at, session);     /* imap-login's and lmtp's listeners follow the protocols */
        return;
    }
    for (size_t i = 0; i < N_ELEMS(services); i++)
        if (str_eqz(name, services[i].name)) {
            import_note(im, services[i].grade, &im->tree.nodes[at], services[i].text);
            return;
        }
    import_note(im, IMPORT_DIFFERS, &im->tree.nodes[at], "this service is not run");
}

void import_protocols(struct import *im, size_t at)
{
    const struct dovecot_node *n = &im->tree.nodes[at];
    struct str rest, word;
    im->protocols = rest = import_list(im, at);
    while (str_token(&rest, " \t,", &word)) {
        if (str_eqz(word, "sieve"))
            import_note_of(im, IMPORT_DECIDE, n, STR("protocols: sieve"), "ManageSieve is not served: users cannot change their Sieve scripts");
        else if (str_eqz(word, "submission"))
            import_note_of(im, IMPORT_DECIDE, n, STR("protocols: submission"), "submission is not a proxy here: use the services submission and submissions of master.cf");
        else if (!str_eqz(word, "imap") && !str_eqz(word, "pop3") && !str_eqz(word, "lmtp") && word.p[0] != '$' && !str_eqz(word, "none"))
            import_note_of(im, IMPORT_DECIDE, n, str_printf(im->arena, "protocols: %.*s", STR_FMT(word)), "this protocol is not served");
    }
}

void import_services_end(struct import *im)
{
    const struct dovecot_tree *t = &im->tree;
    for (size_t i = 0; i < N_ELEMS(usual); i++)
        if (has_word(im->protocols, usual[i].protocol))
            usual_listener(im, &usual[i]);
    for (size_t i = 0; i < t->n; i = t->nodes[i].end) {
        if (!str_eqz(t->nodes[i].name, "service"))
            continue;
        if (str_eqz(t->nodes[i].arg, "imap-login") && has_word(im->protocols, "imap"))
            other_listeners(im, i, "imap");
        if (str_eqz(t->nodes[i].arg, "pop3-login") && has_word(im->protocols, "pop3"))
            other_listeners(im, i, "pop3");
        if (str_eqz(t->nodes[i].arg, "lmtp") && has_word(im->protocols, "lmtp"))
            lmtp_sockets(im, i);
    }
    if (im->services.n > 0)
        import_set(im, "postern_mailbox_services", buf_str(&im->services), NULL);
    if (im->listeners.n > 0)
        import_set(im, "postern_auth_listeners", buf_str(&im->listeners), NULL);
}
