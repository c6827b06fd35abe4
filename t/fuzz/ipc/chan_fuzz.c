/* SPDX-License-Identifier: ISC
 *
 * chan_fuzz.c - a channel whose peer sends anything, in pieces. The first byte
 * chooses the peer's role and where the input is cut.
 */
#include "ipc/chan.h"
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static unsigned closed;
static void on_message(struct chan *c, enum ipc_type type, uint32_t id, void *msg)
{
    (void)id;
    (void)msg;
    ASSERT(ipc_may_send(chan_peer_role(c), ROLE_QMGR, type));
}
static void on_closed(struct chan *c)
{
    (void)c;
    ASSERT(closed++ == 0);
}

static void feed(int fd, const uint8_t *p, size_t n)
{
    if (n > 0 && send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return;
    loop_turn(0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct chan_ops ops = { .on_message = on_message, .on_closed = on_closed };
    static bool ready;
    int sv[2];
    if (!ready)
        loop_init();
    ready = true;
    if (n < 1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sv) != 0)
        return 0;
    closed = 0;
    enum role peer = (enum role)(data[0] % ROLE_COUNT);
    size_t cut = 1 + (n - 1) * (data[0] >> 4) / 16;
    struct chan *c = chan_new(sv[1], ROLE_QMGR, peer, &ops, NULL);
    feed(sv[0], data + 1, cut - 1);
    feed(sv[0], data + cut, n - cut);
    (void)close(sv[0]);
    loop_turn(0);
    loop_turn(0);
    ASSERT(closed == 1);
    chan_free(c);
    return 0;
}
