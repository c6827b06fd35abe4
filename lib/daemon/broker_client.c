/* SPDX-License-Identifier: ISC
 *
 * broker_client.c - the way from a confined process to endpoints outside: by
 * index into the list that both sides made from the configuration.
 */
#include "base/enc.h"
#include "daemon/endpoint.h"
#include "daemon/skeleton.h"
#include "ipc/helper.h"
#include <errno.h>

enum { BROKER_ABSENT_MS = 60000 };

static struct {
    struct endpoint_list endpoints;
    struct helper helper;
} broker;

void broker_client_init(const struct daemon_ctx *ctx)
{
    struct err err = { 0 };
    /* Beyond its limit the list is cut; what is missing is then refused by name. */
    (void)endpoint_list_fill(&broker.endpoints, ctx->config, &err);
}

void broker_client_peer(const struct ipc_peer *peer, int fd)
{
    helper_attach(&broker.helper, daemon_chan(peer, fd, helper_ops(), &broker.helper));
}

int daemon_connect(const char *endpoint, int64_t deadline, struct err *err)
{
    int index = endpoint_find(&broker.endpoints, str_from(endpoint));
    if (index < 0)
        return err_set(err, ERR_CONFIG, "%s: no parameter of this service names this endpoint", endpoint);
    struct ipc_broker_connect ask = { .endpoint = (uint32_t)index, .check = crc32c(0, endpoint, strlen(endpoint)) };
    struct arena a = arena_make(4096);
    union ipc_any answer;
    enum chan_result r = helper_call(&broker.helper, IPC_BROKER_CONNECT, &ask, IPC_BROKER_CONNECTED, BROKER_ABSENT_MS, deadline, &a, &answer);
    arena_done(&a);
    if (r != CHAN_OK)
        return err_set(err, ERR_TEMP, "%s: %s", endpoint, r == CHAN_TIMEOUT ? "timed out" : "there is no broker");
    if (answer.broker_connected.socket >= 0)
        return answer.broker_connected.socket;
    errno = (int)answer.broker_connected.sys;
    return err_sys(err, ERR_TEMP, "connect to %s", endpoint);
}
