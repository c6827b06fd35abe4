/* SPDX-License-Identifier: ISC */
#include "daemon/role_table.h"
#include "os/priv.h"
#include <linux/capability.h>

#define B(upper) ROLE_BIT(upper)
#define CAPS_BECOME (PRIV_CAP(SETUID) | PRIV_CAP(SETGID))
#define SYSTEM_FILES "/etc /usr /lib /lib64 /bin /sbin /run /var/lib /dev /proc /sys $config_directory $data_directory"
/* Names, certificates, client configuration and plugins of the database libraries. */
#define DB_CLIENT_FILES "/etc /lib /lib64 /usr/lib /usr/share/ca-certificates /usr/local/share/ca-certificates /usr/share/mysql " \
                        "/usr/share/zoneinfo /run/systemd/resolve /dev/null /dev/urandom"

static const struct role_row rows[ROLE_COUNT] = {
    [ROLE_MASTER] = { .role = ROLE_MASTER, .program = "master", .user = "", .root = ROOT_HOST, .caps = ~UINT64_C(0),
        .sandbox = SANDBOX_NONE, .paths = PATHS_ALL, .start = START_ALONE, .log_name = "master",
        .sentence = "starts, limits, restarts and drains the others; parses no network byte" },
    [ROLE_BROKER] = { .role = ROLE_BROKER, .program = "broker", .user = "$mail_owner", .groups = GROUPS_OWN, .root = ROOT_QUEUE,
        .sandbox = SANDBOX_LOOKUP, .paths = PATHS_LISTED, .read = SYSTEM_FILES, .write = "", .start = START_ONE, .log_name = "broker",
        .sentence = "hands out connected sockets to the endpoints that a service's configuration names" },
    [ROLE_LOG] = { .role = ROLE_LOG, .program = "logd", .user = "$postern_log_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_NET, .paths = PATHS_LISTED, .start = START_ONE, .log_name = "postlog",
        .listeners = "log socket of all processes", .sentence = "writes everyone's log lines" },
    [ROLE_SMTPD] = { .role = ROLE_SMTPD, .program = "smtpd", .user = "$postern_smtpd_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_NET, .paths = PATHS_LISTED, .start = START_SERVICE, .log_name = "smtpd",
        .peers = B(QMGR) | B(AUTHD) | B(BROKER) | B(LOOKUP) | B(RESOLVER) | B(ROUTER) | B(KEYS),
        .listeners = "inet smtp and other smtpd services", .sentence = "SMTP from the world" },
    [ROLE_LMTPD] = { .role = ROLE_LMTPD, .program = "smtpd", .user = "$postern_smtpd_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_NET, .paths = PATHS_LISTED, .start = START_SERVICE, .log_name = "dovecot",
        .peers = B(QMGR) | B(BROKER) | B(LOOKUP) | B(RESOLVER) | B(ROUTER),
        .listeners = "private/dovecot-lmtp", .sentence = "LMTP for local mailboxes" },
    [ROLE_SUBMITD] = { .role = ROLE_SUBMITD, .program = "submitd", .user = "$postern_submit_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_NET, .paths = PATHS_LISTED, .start = START_SERVICE, .log_name = "smtpd",
        .peers = B(QMGR) | B(AUTHD) | B(BROKER) | B(LOOKUP) | B(RESOLVER) | B(ROUTER) | B(KEYS),
        .listeners = "inet submission, smtps", .sentence = "SMTP from users, who must authenticate" },
    [ROLE_PICKUP] = { .role = ROLE_PICKUP, .program = "pickup", .user = "$mail_owner", .root = ROOT_MAILDROP,
        .sandbox = SANDBOX_FILES, .paths = PATHS_LISTED, .read = "", .write = ".", .start = START_ONE, .log_name = "pickup",
        .peers = B(QMGR) | B(BROKER) | B(LOOKUP) | B(ROUTER) | B(RESOLVER),
        .listeners = "public/pickup", .sentence = "mail left in maildrop by sendmail" },
    [ROLE_QMGR] = { .role = ROLE_QMGR, .program = "qmgr", .user = "$mail_owner", .root = ROOT_QUEUE,
        .sandbox = SANDBOX_FILES, .paths = PATHS_LISTED, .read = "", .write = "$queue_directory $data_directory",
        .start = START_ALONE, .log_name = "qmgr",
        .peers = B(OUT) | B(ROUTER) | B(BOUNCE) | B(AUTHD),
        .listeners = "public/qmgr, public/showq", .sentence = "the only owner of the queue: commits, schedules, retries" },
    [ROLE_OUT] = { .role = ROLE_OUT, .program = "deliver-out", .user = "$postern_out_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_CLIENT, .paths = PATHS_LISTED, .start = START_ONE, .log_name = "smtp",
        .peers = B(QMGR) | B(RESOLVER) | B(LOOKUP) | B(BROKER) | B(KEYS),
        .sentence = "delivers to other hosts: smtp, relay, lmtp, error, retry, discard" },
    [ROLE_BOUNCE] = { .role = ROLE_BOUNCE, .program = "deliver-bounce", .user = "$postern_out_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_NET, .paths = PATHS_LISTED, .start = START_ONE, .log_name = "bounce", .peers = B(QMGR),
        .sentence = "composes bounces and notices" },
    [ROLE_ROUTER] = { .role = ROLE_ROUTER, .program = "deliver-router", .user = "$mail_owner", .groups = GROUPS_OWN, .root = ROOT_QUEUE,
        .sandbox = SANDBOX_LOOKUP, .paths = PATHS_LISTED, .read = SYSTEM_FILES " /var/spool /var/mail /home", .write = "", .start = START_ONE,
        .log_name = "local", .peers = B(QMGR) | B(ACTOR) | B(LOOKUP) | B(BROKER) | B(HUB),
        .sentence = "expands aliases and .forward into actions" },
    [ROLE_ACTOR] = { .role = ROLE_ACTOR, .program = "deliver-actor", .user = "", .root = ROOT_HOST, .caps = CAPS_BECOME,
        .sandbox = SANDBOX_NONE, .paths = PATHS_ALL, .start = START_NEEDED, .log_name = "local", .peers = B(ROUTER),
        .sentence = "waits as root for one BECOME, then does single actions as that user" },
    [ROLE_TLS] = { .role = ROLE_TLS, .program = "tls-proxy", .user = "$postern_login_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_NET, .paths = PATHS_LISTED, .start = START_SERVICE, .log_name = "dovecot", .peers = B(LOGIN) | B(KEYS),
        .listeners = "inet imaps, pop3s", .sentence = "TLS and byte pumping; knows no protocol" },
    [ROLE_LOGIN] = { .role = ROLE_LOGIN, .program = "imap-login", .user = "$postern_login_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_NET, .paths = PATHS_LISTED, .start = START_SERVICE, .log_name = "dovecot",
        .peers = B(TLS) | B(SESSION) | B(AUTHD) | B(HUB),
        .listeners = "inet imap, pop3", .sentence = "everything before login (imap-login, pop3-login)" },
    [ROLE_SESSION] = { .role = ROLE_SESSION, .program = "imapd", .user = "", .root = ROOT_HOST, .caps = CAPS_BECOME,
        .sandbox = SANDBOX_FORKER, .paths = PATHS_ALL, .start = START_ONE, .log_name = "dovecot",
        .peers = B(LOGIN) | B(AUTHD) | B(HUB),
        .sentence = "waits as root; forks one process per login, which becomes the user and confines itself (imapd, pop3d)" },
    [ROLE_HUB] = { .role = ROLE_HUB, .program = "hub", .user = "$postern_hub_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_NET, .paths = PATHS_LISTED, .start = START_ALONE, .log_name = "dovecot",
        .peers = B(LOGIN) | B(SESSION) | B(ROUTER) | B(AUTHD),
        .sentence = "knows all sessions: tells them what changed, and zygotes and authd who is there" },
    [ROLE_AUTHD] = { .role = ROLE_AUTHD, .program = "authd", .user = "$postern_auth_user", .root = ROOT_HOST,
        .sandbox = SANDBOX_FILES, .paths = PATHS_LISTED, .read = "/etc /usr/share/zoneinfo $config_directory $data_directory", .write = "",
        .start = START_ALONE, .log_name = "dovecot",
        .peers = B(SMTPD) | B(SUBMITD) | B(LOGIN) | B(SESSION) | B(WORKER) | B(QMGR) | B(LOOKUP),
        .listeners = "postern_auth_listeners (private/auth, private/auth-userdb)", .sentence = "the one authority for passwords" },
    [ROLE_WORKER] = { .role = ROLE_WORKER, .program = "auth-worker", .user = "$postern_auth_user", .groups = GROUPS_SHADOW, .root = ROOT_HOST,
        .sandbox = SANDBOX_WORKER, .paths = PATHS_LISTED, .read = SYSTEM_FILES, .write = "/run /dev", .start = START_NEEDED,
        .log_name = "dovecot", .peers = B(AUTHD), .sentence = "PAM: asks modules that may block for as long as they like" },
    [ROLE_AUTHDB] = { .role = ROLE_AUTHDB, .program = "auth-db", .user = "$postern_auth_user", .root = ROOT_HOST,
        .sandbox = SANDBOX_LOOKUP, .paths = PATHS_LISTED, .read = DB_CLIENT_FILES, .write = "", .start = START_NEEDED,
        .log_name = "dovecot", .peers = B(AUTHD), .sentence = "asks SQL and LDAP servers about users, one question at a time" },
    [ROLE_HASH] = { .role = ROLE_HASH, .program = "auth-hash", .user = "$postern_auth_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_NET, .paths = PATHS_LISTED, .start = START_NEEDED, .log_name = "dovecot", .peers = B(AUTHD),
        .sentence = "slow password hashes, one process per processor" },
    [ROLE_LOOKUP] = { .role = ROLE_LOOKUP, .program = "lookup", .user = "$postern_lookup_user", .root = ROOT_HOST,
        .sandbox = SANDBOX_LOOKUP, .paths = PATHS_LISTED, .read = SYSTEM_FILES, .write = "", .start = START_ONE, .log_name = "proxymap",
        .peers = 0, .sentence = "tables that block (proxy, unix, sql) for the others; never verifiers" },
    [ROLE_RESOLVER] = { .role = ROLE_RESOLVER, .program = "resolver", .user = "$postern_dns_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_CLIENT, .paths = PATHS_LISTED, .start = START_ONE, .log_name = "resolver",
        .sentence = "DNS for all" },
    [ROLE_ANVIL] = { .role = ROLE_ANVIL, .program = "anvil", .user = "$postern_hub_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_NET, .paths = PATHS_LISTED, .start = START_ONE, .log_name = "anvil", .peers = B(SMTPD) | B(SUBMITD),
        .sentence = "counts connections and events of SMTP clients, for all processes of a service" },
    [ROLE_KEYS] = { .role = ROLE_KEYS, .program = "keys", .user = "$postern_keys_user", .root = ROOT_EMPTY,
        .sandbox = SANDBOX_NET, .paths = PATHS_LISTED, .start = START_ONE, .log_name = "keys", .peers = B(KEYS),
        .sentence = "holds the private keys of certificates and the keys of session tickets: signs, and gives none out" },
};

const struct role_row *role_row(enum role role)
{
    return (unsigned)role < ROLE_COUNT && rows[role].program != NULL ? &rows[role] : NULL;
}

bool role_may_talk(enum role a, enum role b)
{
    const struct role_row *x = role_row(a), *y = role_row(b);
    return x != NULL && y != NULL && ((x->peers >> b & 1) != 0 || (y->peers >> a & 1) != 0);
}

static const char *const root_names[] = { "host", "empty", "host (cwd: queue)", "maildrop" };
static const char *const group_names[] = { "-", "own", "shadow" };
static const char *const start_names[] = { ">= 2 per service", "1 per service", "1", "on demand" };

static void print_caps(uint64_t caps, struct buf *out)
{
    if (caps == ~UINT64_C(0))
        buf_puts(out, "all");
    else
        buf_puts(out, caps == 0 ? "-" : "SETUID SETGID");
}

static void print_peers(enum role role, struct buf *out)
{
    size_t before = out->n;
    for (unsigned r = 0; r < ROLE_COUNT; r++)
        if (role_may_talk(role, (enum role)r))
            buf_printf(out, "%s%s", out->n == before ? "" : " ", role_name((enum role)r));
    if (out->n == before)
        buf_puts(out, "-");
}

static void print_paths(const struct role_row *r, struct buf *out)
{
    if (r->paths == PATHS_ALL) {
        buf_puts(out, "not used");
        return;
    }
    bool none = true;
    if (r->read != NULL && r->read[0] != '\0') {
        buf_printf(out, "read `%s`", r->read);
        none = false;
    }
    if (r->write != NULL && r->write[0] != '\0') {
        buf_printf(out, "%swrite `%s`", none ? "" : "; ", r->write);
        none = false;
    }
    if (none)
        buf_puts(out, "no path");
}

void role_table_print(struct buf *out)
{
    buf_puts(out, "| role | program | user | groups | root | capabilities | seccomp | Landlock | processes | channels to | listeners | does |\n"
                  "|---|---|---|---|---|---|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < ROLE_COUNT; i++) {
        const struct role_row *r = role_row((enum role)i);
        if (r == NULL)
            continue;
        buf_printf(out, "| %s | %s | %s | %s | %s | ", role_name(r->role), r->program, r->user[0] == '\0' ? "root" : r->user,
                   group_names[r->groups], root_names[r->root]);
        print_caps(r->caps, out);
        buf_printf(out, " | %s | ", sandbox_class_name(r->sandbox));
        print_paths(r, out);
        buf_printf(out, " | %s | ", start_names[r->start]);
        print_peers(r->role, out);
        buf_printf(out, " | %s | %s |\n", r->listeners == NULL ? "-" : r->listeners, r->sentence);
    }
}
