/* SPDX-License-Identifier: ISC */
#include "base/log.h"
#include "login/internal.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

static struct login_state state;

struct login_state *login_state(void) { return &state; }

#define ROW(kind, member, name, def, lo, hi, doc) PARAM_ROW(struct login_conf, kind, member, name, def, lo, hi, doc)
static const struct param rows[] = { LOGIN_PARAMS(ROW) };
static const struct param_table params = { rows, N_ELEMS(rows) };

/* Numeric; an IPv4 client of an IPv6 socket is shown as what it is. */
static uint32_t numeric(const struct sockaddr_storage *from, char *out, size_t cap)
{
    const struct sockaddr_in *in = (const void *)from;
    const struct sockaddr_in6 *in6 = (const void *)from;
    (void)snprintf(out, cap, "unknown");
    if (from->ss_family == AF_INET) {
        (void)inet_ntop(AF_INET, &in->sin_addr, out, (socklen_t)cap);
        return ntohs(in->sin_port);
    }
    if (from->ss_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        (void)inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], out, (socklen_t)cap);
    else
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, out, (socklen_t)cap);
    return ntohs(in6->sin6_port);
}

static void on_client(int fd, const struct sockaddr_storage *peer, const struct sockaddr_storage *local)
{
    struct login_client c = { .conn = conn_new(fd, LOGIN_LINE_MAX) };
    c.remote_port = numeric(peer, c.remote, sizeof c.remote);
    c.local_port = numeric(local, c.local, sizeof c.local);
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
