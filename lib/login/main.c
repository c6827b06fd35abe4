/* SPDX-License-Identifier: ISC */
#include "base/log.h"
#include "login/internal.h"
#include "os/net.h"
#include <unistd.h>

static struct login_state state;

struct login_state *login_state(void) { return &state; }

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct login_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { LOGIN_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

static void on_client(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    struct login_client c = { .conn = conn_new(fd, LOGIN_LINE_MAX) };
    c.remote_port = net_port(peer);
    c.local_port = net_port(local);
    (void)net_text(peer, c.remote);
    (void)net_text(local, c.local);
    login_run(&c);
}

static void on_peer(const struct ipc_peer *peer, int fd)
{
    switch (peer->role) {
    case ROLE_AUTHD: auth_client_attach(state.auth, fd); return;
    case ROLE_TLS: login_add_tls(peer, fd); return;
    case ROLE_SESSION: login_add_session(peer, fd); return;
    default: close(fd); return;
    }
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    (void)d, (void)err;
    state.auth = auth_client_new();
    login_expect_tls();
    return 0;
}

static bool idle(void) { return state.n_streams == 0; }

int login_main(int argc, char **argv, const struct login_protocol *protocol)
{
    static const struct role_ops roles[] = {
        { .role = ROLE_LOGIN, .params = &params, .conf = &state.conf, .before_drop = before_drop, .on_client = on_client,
          .max_clients = LOGIN_CLIENTS_MAX, .on_peer = on_peer, .idle = idle },
    };
    state.protocol = protocol;
    return daemon_main(argc, argv, protocol->ident, roles, N_ELEMS(roles));
}
