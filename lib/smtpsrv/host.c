/* SPDX-License-Identifier: ISC */
#include "smtpsrv/host.h"
#include <unistd.h>
#include "auth/client.h"
#include "base/log.h"
#include "daemon/endpoint.h"
#include "map/map.h"
#include "smtpsrv/shared.h"

enum { AUTH_CONNECT_MS = 10000 };

static struct {
    struct smtpsrv_all conf;
    struct smtpsrv *srv;
    struct queue_client *queue;
    struct auth_client *auth;
    const char *auth_endpoint;      /* of someone else's auth server; NULL: authd */
    struct arena arena;
} host;

struct smtpsrv_all *host_conf(void) { return &host.conf; }

static void want_queue(void) { daemon_need(ROLE_QMGR); }
static void want_resolver(void) { daemon_need(ROLE_RESOLVER); }

/* The engine's lines under Postfix's names; its warnings as warnings. */
static void on_log(const char *program, struct str line)
{
    bool warning = str_starts(line, STR("warning: "));
    if (strchr(program, '/') != NULL)
        log_as(program, LOG_INFO_LEVEL, "%.*s", STR_FMT(line));
    else if (warning)
        log_warning("%.*s", STR_FMT(str_skip(line, 9)));
    else
        log_info("%.*s", STR_FMT(line));
}

static int connect_auth(void *arg)
{
    struct err err = { 0 };
    int fd = daemon_connect(arg, deadline_in(AUTH_CONNECT_MS), &err);
    if (fd < 0)
        log_warning("SASL: %s", err.text);
    return fd;
}

int host_open(enum smtpsrv_kind kind, const struct daemon_ctx *d, struct err *err)
{
    host.queue = queue_client_new(want_queue);
    map_set_users(daemon_lookup);
    map_set_connect(daemon_connect);
    bool auth = kind == SMTPSRV_SUBMIT || (kind == SMTPSRV_MX && host.conf.srv.sasl_enable);
    host.auth = auth ? auth_client_new() : NULL;
    host.arena = arena_make(1 << 20);
    struct str endpoint = auth ? endpoint_of_sasl(d->config, &host.arena) : STR("");
    host.auth_endpoint = endpoint.n == 0 ? NULL : str_to_cstr(&host.arena, endpoint);
    const struct smtpsrv_env env = {
        .kind = kind, .conf = &host.conf, .config = d->config, .service = d->service, .queue = host.queue, .auth = host.auth,
        .log = on_log, .want_resolver = want_resolver, .connect = daemon_connect,
    };
    host.srv = smtpsrv_open(&env, err);
    return host.srv == NULL ? -1 : 0;
}

void host_start(const struct daemon_ctx *d)
{
    daemon_need(ROLE_QMGR);
    if (d->role != ROLE_LMTPD)
        shared_expect(smtpsrv_limits(host.srv));
    if (host.auth == NULL)
        return;
    if (host.auth_endpoint == NULL) {
        daemon_need(ROLE_AUTHD);
        return;
    }
    char *arg;
    memcpy(&arg, &host.auth_endpoint, sizeof arg);
    auth_client_keep_connected(host.auth, connect_auth, arg);
}

void host_on_client(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    smtpsrv_serve(host.srv, fd, peer, local);
}

void host_on_peer(const struct ipc_peer *peer, int fd)
{
    switch ((int)peer->role) {
    case ROLE_QMGR:
        queue_client_attach(host.queue, daemon_chan(peer, fd, queue_client_ops(), host.queue));
        break;
    case ROLE_AUTHD:
        if (host.auth != NULL && host.auth_endpoint == NULL)
            auth_client_attach(host.auth, fd);
        else
            (void)close(fd);
        break;
    case ROLE_ANVIL:
        smtpsrv_anvil_attach(host.srv, daemon_chan(peer, fd, smtpsrv_anvil_ops(), smtpsrv_limits(host.srv)));
        break;
    case ROLE_RESOLVER:
        helper_attach(smtpsrv_resolver(host.srv), daemon_chan(peer, fd, helper_ops(), smtpsrv_resolver(host.srv)));
        break;
    default:
        (void)close(fd);
    }
}

void host_on_drain(void) { smtpsrv_drain(host.srv); }
bool host_idle(void) { return smtpsrv_sessions(host.srv) == 0; }
