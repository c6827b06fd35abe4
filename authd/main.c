/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     authd - the one authority for passwords
 *
 * DESCRIPTION
 *     Answers Dovecot's auth protocol: on private/auth for a Postfix or Exim
 *     next door, and over channels from master for smtpd, submitd, imap-login
 *     and pop3-login. Passwords are checked against passwd-files (Dovecot's
 *     format, read again when they change) and PAM; PAM in auth-worker processes,
 *     slow hashes in auth-hash processes, one per processor. A right password is remembered for a while, by a
 *     keyed hash.
 *
 *     For its OK a submission process gets an identity token for qmgr, a login
 *     process a cookie; with the cookie a session zygote asks, once and within
 *     10 s, who the user is.
 *
 * SECURITY
 *     Runs as its own user with no capability. It alone holds verifiers; it
 *     parses text from login and submission processes, which it does not
 *     trust, and never bytes from the network itself. The answer to a failure is held
 *     back on a timer, for longer when the same address fails again; a user who
 *     does not exist costs the same time and gets the same bytes as a wrong
 *     password. No user with uid or gid 0 or below postern_first_valid_uid is
 *     ever named to a session.
 *
 * DIAGNOSTICS
 *     Failures are logged at once as "dovecot: auth: BACKEND(user,address): reason".
 */
#include "authd.h"
#include "os/proc.h"
#include "os/sandbox.h"
#include <fcntl.h>
#include <unistd.h>

static struct authd state;

struct authd *authd(void) { return &state; }

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct authd_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { AUTHD_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

static int open_file(struct passdb *db, const char *path, struct err *err)
{
    struct str dir = str_from(path);
    ptrdiff_t slash = str_rchr(dir, '/');
    char parent[4096];
    if (path[0] != '/' || !str_to_fixed(str_head(dir, slash == 0 ? 1 : (size_t)slash), parent, sizeof parent))
        return err_set(err, ERR_CONFIG, "postern_passdb: passwd-file needs an absolute path, not \"%s\"", path);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_CONFIG, "postern_passdb: %s", parent);
    daemon_allow_path(parent, SANDBOX_READ);
    db->path = path;
    db->file = passwd_file_open(fd, path + slash + 1, path, err);
    return db->file == NULL ? err_prefix(err, "postern_passdb: passwd-file") : 0;
}

static int add_passdb(struct str word, struct err *err)
{
    struct passdb *db = &state.passdbs[state.n_passdbs];
    if (state.n_passdbs++ == PASSDBS_MAX)
        return err_set(err, ERR_CONFIG, "postern_passdb: more than %d entries", PASSDBS_MAX);
    if (str_eqz(word, "pam")) {
        db->is_pam = true;
        return 0;
    }
    if (!str_starts(word, STR("passwd-file:")))
        return err_set(err, ERR_CONFIG, "postern_passdb: \"%.*s\" is neither pam nor passwd-file:/path", STR_FMT(word));
    struct str path = str_skip(word, 12);
    char *z = xcalloc(1, path.n + 1);
    memcpy(z, path.p, path.n);
    return open_file(db, z, err);
}

static int open_passdbs(const struct daemon_ctx *d, struct err *err)
{
    struct buf own = buf_make(0);
    struct str rest = str_from(state.conf.passdb), word;
    if (rest.n == 0 && d->private_instance) {
        buf_printf(&own, "passwd-file:%s/passwd", d->config_dir);
        rest = buf_str(&own);
    } else if (rest.n == 0) {
        rest = STR("pam");
    }
    int rc = 0;
    while (rc == 0 && str_token(&rest, ", \t", &word))
        rc = add_passdb(word, err);
    buf_done(&own);
    return rc;
}

static int choose_mechs(struct err *err)
{
    struct str rest = str_from(state.conf.mechanisms), word;
    while (str_token(&rest, ", \t", &word)) {
        enum sasl_mech m = sasl_mech_by_name(word);
        if (m == SASL_MECHS)
            return err_set(err, ERR_CONFIG, "postern_auth_mechanisms: \"%.*s\" is not one of: plain, login", STR_FMT(word));
        if (state.n_mechs == SASL_MECHS)
            return err_set(err, ERR_CONFIG, "postern_auth_mechanisms: a mechanism is named twice");
        state.mechs[state.n_mechs][0] = sasl_mech_name(m);
        state.mechs[state.n_mechs++][1] = "plaintext";
    }
    return state.n_mechs > 0 ? 0 : err_set(err, ERR_CONFIG, "postern_auth_mechanisms: names no mechanism");
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    state.private_instance = d->private_instance;
    state.cpus = proc_cpus();
    return choose_mechs(err) < 0 || open_passdbs(d, err) < 0 ? -1 : 0;
}

static void say_bad_lines(void)
{
    for (size_t i = 0; i < state.n_passdbs; i++) {
        size_t first, bad = state.passdbs[i].is_pam ? 0 : passwd_file_bad_lines(state.passdbs[i].file, &first);
        if (bad > 0)
            log_warning("%s: %zu lines are not entries, the first is line %zu", state.passdbs[i].path, bad, first);
    }
}

/* The first login shall not wait for a process to start. */
static void warm_pools(void)
{
    for (size_t i = 0; i < state.n_passdbs; i++) {
        if (state.passdbs[i].is_pam)
            pool_warm(POOL_PAM);
        else if (passwd_file_slow_sample(state.passdbs[i].file).n > 0)
            pool_warm(POOL_HASH);
    }
}

static void start(const struct daemon_ctx *d)
{
    (void)d;
    state.cache = auth_cache_new(state.conf.cache_size, (int64_t)state.conf.cache_ttl * 1000);
    state.penalty = penalty_new();
    state.handover = handover_new();
    say_bad_lines();
    if (!keys_start())
        log_fatal("no randomness for the key of identity tokens");
    warm_pools();
}

static void on_peer(const struct ipc_peer *peer, int fd)
{
    switch (peer->role) {
    case ROLE_SMTPD:
    case ROLE_LMTPD:
    case ROLE_SUBMITD: (void)stream_new(fd, STREAM_SMTP, peer->peer_id, NULL, NULL); return;
    case ROLE_LOGIN: (void)stream_new(fd, STREAM_LOGIN, peer->peer_id, NULL, NULL); return;
    case ROLE_SESSION: session_peer(peer, fd); return;
    case ROLE_QMGR: qmgr_peer(peer, fd); return;
    case ROLE_WORKER: pool_add(POOL_PAM, peer, fd); return;
    case ROLE_HASH: pool_add(POOL_HASH, peer, fd); return;
    default: break;
    }
    log_warning("a peer of role %s has no business here", role_name((enum role)peer->role));
    close(fd);
}

struct visit { struct cond over; bool closed; };

static void on_visit_over(void *arg)
{
    struct visit *v = arg;
    v->closed = true;
    cond_signal(&v->over);
}

/* private/auth: the fiber only holds the client's place among max_clients. */
static void on_client(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    static uint64_t last_id = UINT64_C(1) << 32;
    struct visit v = { .closed = false };
    (void)peer, (void)local;
    struct stream *s = stream_new(fd, STREAM_PUBLIC, ++last_id, on_visit_over, &v);
    while (!v.closed)
        if (cond_wait(&v.over, FOREVER) == WAIT_CANCELLED && !v.closed)
            stream_close(s);
}

static void on_drain(void) { stream_drain_public(); }

static bool idle(void) { return state.n_requests == 0; }

int main(int argc, char **argv)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_AUTHD, .params = &params, .conf = &state.conf, .before_drop = before_drop, .start = start, .on_client = on_client,
          .max_clients = 2000, .on_peer = on_peer, .on_drain = on_drain, .idle = idle },
    };
    return daemon_main(argc, argv, "authd", roles, N_ELEMS(roles));
}
