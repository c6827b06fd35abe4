/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     authd - the one authority for passwords
 *
 * DESCRIPTION
 *     Answers Dovecot's auth protocol: on the sockets of
 *     postern_auth_listeners for neighbours, and over channels from master for
 *     smtpd, submitd, imap-login and pop3-login. Users and passwords come from the databases of
 *     postern_passdb and postern_userdb (authdb(5)), asked in order; slow hashes
 *     in auth-hash processes, PAM in auth-worker processes. A right password is
 *     remembered for a while, by a keyed hash. SCRAM and CRAM-MD5 are proven here
 *     against what is stored; OAuth tokens by the keys of
 *     postern_oauth2_local_keys, or by auth-worker at an introspection end.
 *
 *     For its OK a submission process gets an identity token for qmgr, a login
 *     process a cookie; with the cookie a session zygote asks, once and within
 *     10 s, who the user is.
 *
 *     A socket of type auth is for clients: a Postfix or an Exim next door
 *     (smtpd_sasl_path, server_socket). One of type login is, too, and a client
 *     of a master socket may take its logins over (REQUEST, once, within a
 *     minute, with the connection's cookie). Sockets of type userdb answer USER,
 *     PASS and LIST; of type master also REQUEST and CACHE-FLUSH. UNIX sockets
 *     have owner, group and mode; TCP listeners of the latter two types exist on
 *     loopback only.
 *
 *     `postern auth` asks on private/auth-control who guesses passwords, and
 *     clears what is held against an address or a user. It lists and ends live
 *     sessions, too, which authd asks the hub for.
 *
 * SECURITY
 *     Runs as its own user with no capability. It alone holds verifiers; it
 *     parses text from login and submission processes, which it does not
 *     trust, and never bytes from the network itself. The answer to a failure is held
 *     back on a timer, for longer when the same address fails again; a user who
 *     does not exist costs the same time and gets the same bytes as a wrong
 *     password. A neighbour is believed what it says of addresses, but neither
 *     no-penalty nor certificates unless its listener is trusted=yes. A userdb
 *     socket of mode 0666 tells a stranger of his own uid only. A connection
 *     without handshake ends after 30 s; when there are too many, the longest
 *     idle one makes room. It writes no file but what it keeps in data_directory and, where an
 *     entry of postern_passdb has rehash=, the password file, in a directory that is its own and
 *     the only one that it may write in. No user with uid or gid 0 or below postern_first_valid_uid is
 *     ever named to a session.
 *
 * DIAGNOSTICS
 *     A failure is the line of the service that the client spoke to; with
 *     auth_verbose also "dovecot: auth: BACKEND(user,address): reason", at once.
 *     What breaks the protocol ends its connection: "auth client (SOCKET N):
 *     reason: connection closed", "auth master client (SOCKET, pid N): ...".
 */
#include "authd.h"
#include "db_remote.h"
#include "abuse.h"
#include "control.h"
#include "control_hub.h"
#include "db.h"
#include "mechs.h"
#include "oauth.h"
#include "socks.h"
#include "rehash.h"
#include "os/proc.h"
#include <pwd.h>
#include <unistd.h>

enum { HANDOVER_PATIENCE_MS = 1000 };

static struct authd state;

struct authd *authd(void) { return &state; }

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct authd_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { AUTHD_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

static uid_t own_uid(const struct daemon_ctx *d, struct err *err)
{
    const char *name = d->private_instance ? NULL : config_get(d->config, "postern_auth_user", err);
    const struct passwd *pw = name == NULL ? NULL : getpwnam(name);
    return pw == NULL ? geteuid() : pw->pw_uid;
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    const char *data = config_get(d->config, "data_directory", err);
    if (data == NULL)
        return -1;
    abuse_open(data);
    tokens_open(data);
    control_open(d->queue_directory);
    state.private_instance = d->private_instance;
    state.uid = own_uid(d, err);
    state.cpus = proc_cpus();
    return mechs_open(data, err) < 0 || oauth_open(d, err) < 0 || socks_open(d, state.conf.auth_listeners, err) < 0 || db_open_all(d->private_instance, d->config_dir, err) < 0 ? -1 : 0;
}

/* The first login shall not wait for a process to start. */
static void warm_pools(void)
{
    for (size_t i = 0; i < db_passdbs()->n; i++) {
        if (db_passdbs()->rows[i].driver == db_pam())
            pool_warm(POOL_PAM);
        else if (verify_is_slow(&db_passdbs()->rows[i]))
            pool_warm(POOL_HASH);
    }
}

static void start(const struct daemon_ctx *d)
{
    (void)d;
    state.cache = auth_cache_new(state.conf.cache_size, (int64_t)state.conf.cache_ttl * 1000);
    abuse_start();
    control_start();
    state.handover = handover_new();
    if (!tokens_start())
        log_fatal("no randomness for the key of identity tokens");
    warm_pools();
}

static void on_peer(const struct ipc_peer *peer, int fd)
{
    switch (peer->role) {
    case ROLE_SMTPD:
    case ROLE_LMTPD:
    case ROLE_SUBMITD: stream_new(fd, STREAM_SMTP, peer->peer_id); return;
    case ROLE_LOGIN: stream_new(fd, STREAM_LOGIN, peer->peer_id); return;
    case ROLE_SESSION: session_peer(peer, fd); return;
    case ROLE_QMGR: qmgr_peer(peer, fd); return;
    case ROLE_HUB: control_hub_peer(peer, fd); return;
    case ROLE_AUTHDB: db_remote_peer(peer, fd); return;
    case ROLE_WORKER: pool_add(POOL_PAM, peer, fd); return;
    case ROLE_HASH: pool_add(POOL_HASH, peer, fd); return;
    default: break;
    }
    log_warning("a peer of role %s has no business here", role_name((enum role)peer->role));
    close(fd);
}

static void on_client(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    (void)peer, (void)local;
    socks_serve(fd);
}

static void on_drain(void)
{
    state.handover_by = deadline_in(HANDOVER_PATIENCE_MS);
    abuse_stop();
    control_stop();
    stream_drain_public();
    master_drain();
}

/* Logins whose sessions have not asked yet are over with this process. */
static bool idle(void)
{
    bool handed_over = handover_pending(state.handover) == 0 || loop_now() >= state.handover_by;
    return state.n_requests == 0 && rehash_count() == 0 && handed_over;
}

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_AUTHD, .params = &params, .conf = &state.conf, .before_drop = before_drop, .start = start, .on_client = on_client,
          .max_clients = AUTHD_CLIENTS_MAX, .on_peer = on_peer, .on_drain = on_drain, .idle = idle },
    };
    return daemon_main(argc, argv, "authd", roles, N_ELEMS(roles));
}
