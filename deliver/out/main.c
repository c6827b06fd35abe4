/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     deliver-out - deliver mail to other hosts
 *
 * DESCRIPTION
 *     One process serves all transports of master.cf whose command is smtp,
 *     lmtp, error or discard, each with its own -o; smtp, relay, lmtp, error,
 *     retry and discard are there even if master.cf lacks them.
 *
 *     qmgr sends orders (DELIVER, DELIVER_RCPT). Each runs on a fiber with one
 *     connection, which waits a few seconds for the next order to the same
 *     destination. Every recipient ends in one RESULT, which is kept until
 *     qmgr has written it down (RESULT_ACK); a new qmgr is told what is in
 *     flight and gets those results again.
 *
 * SECURITY
 *     Runs as postern_out_user in an empty root: connections over IPv4 and
 *     IPv6, and nothing of the file system. It reads what remote servers send.
 *     It holds the relay passwords of its tables and, while it delivers, the
 *     messages. UNIX sockets (LMTP) come from the broker.
 *
 * DIAGNOSTICS
 *     One line per recipient, under the name of Postfix's program:
 *     ID: to=<R>, relay=HOST[IP]:PORT, delay=, delays=, dsn=, status= (text).
 */
#include "out.h"
#include "map/map.h"
#include <unistd.h>

static void on_closed(struct chan *c)
{
    order_qmgr_gone(c);
    chan_free(c);
}

static const struct chan_ops qmgr_ops = { .on_message = order_message, .on_closed = on_closed };

static void on_peer(const struct ipc_peer *peer, int fd)
{
    if (peer->role == ROLE_QMGR)
        (void)daemon_chan(peer, fd, &qmgr_ops, NULL);
    else if (peer->role == ROLE_RESOLVER)
        dns_peer(peer, fd);
    else
        (void)close(fd);
}

static int before_drop(const struct daemon_ctx *d, struct err *err)
{
    orders_init();
    map_set_connect(daemon_connect);
    return transports_open(d, err);
}

static void start(const struct daemon_ctx *d)
{
    (void)d;
    map_set_users(daemon_lookup);
    map_set_connect(daemon_connect);
}

static bool is_idle(void) { return orders_idle() && pool_idle(); }

static const struct role_ops roles[] = {
    { .role = ROLE_OUT, .before_drop = before_drop, .start = start, .on_peer = on_peer, .keys = daemon_keys, .on_drain = pool_drain, .idle = is_idle },
};

int main(int argc, char **argv) { return daemon_main(argc, argv, "smtp", roles, N_ELEMS(roles)); }
