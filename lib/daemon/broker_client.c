/* SPDX-License-Identifier: ISC
 *
 * broker_client.c - the way from a confined process to endpoints outside: by
 * index into the list that both sides made from the configuration.
 */
#include "base/enc.h"
#include "daemon/endpoint.h"
#include "daemon/skeleton.h"
#include <errno.h>

static struct {
    struct endpoint_list endpoints;
    struct chan *chan;
    struct cond arrived;
} broker;

void broker_client_init(const struct daemon_ctx *ctx)
{
    struct err err = { 0 };
    /* Beyond its limit the list is cut; what is missing is then refused by name. */
    (void)endpoint_list_fill(&broker.endpoints, ctx->config, &err);
}

static void on_closed(struct chan *c)
{
    if (broker.chan == c)
        broker.chan = NULL;
    chan_free(c);
}

static const struct chan_ops ops = { .on_closed = on_closed };

void broker_client_peer(const struct ipc_peer *peer, int fd)
{
    /* The newest one serves; an older one ends by itself, and calls in flight with it. */
    struct chan *c = daemon_chan(peer, fd, &ops, NULL);
    struct chan *old = broker.chan;
    broker.chan = c;
    chan_free(old);
    cond_broadcast(&broker.arrived);
}

int daemon_connect(const char *endpoint, int64_t deadline, struct err *err)
{
    int index = endpoint_find(&broker.endpoints, str_from(endpoint));
    if (index < 0)
        return err_set(err, ERR_CONFIG, "%s: no parameter of this service names this endpoint", endpoint);
    while (broker.chan == NULL)
        if (cond_wait(&broker.arrived, deadline) != WAIT_OK)
            return err_set(err, ERR_TEMP, "%s: no broker", endpoint);
    struct ipc_broker_connect ask = { .endpoint = (uint32_t)index, .check = crc32c(0, endpoint, strlen(endpoint)) };
    struct arena a = arena_make(4096);
    enum ipc_type type;
    union ipc_any answer;
    enum chan_result r = chan_call(broker.chan, IPC_BROKER_CONNECT, &ask, IPC_BROKER_CONNECTED, IPC_TYPE_COUNT, deadline, &a, &type, &answer);
    arena_done(&a);
    if (r != CHAN_OK)
        return err_set(err, ERR_TEMP, "%s: %s", endpoint, r == CHAN_TIMEOUT ? "timed out" : "the broker went away");
    if (answer.broker_connected.socket >= 0)
        return answer.broker_connected.socket;
    errno = (int)answer.broker_connected.sys;
    return err_sys(err, ERR_TEMP, "connect to %s", endpoint);
}
