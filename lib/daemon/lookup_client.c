/* SPDX-License-Identifier: ISC
 *
 * lookup_client.c - the system's users and groups for a confined process, by
 * way of the lookup role.
 */
#include "daemon/skeleton.h"
#include "ipc/helper.h"

enum { ANSWER_MS = 5000 };

static struct helper lookup;

void lookup_client_peer(const struct ipc_peer *peer, int fd)
{
    helper_attach(&lookup, daemon_chan(peer, fd, helper_ops(), &lookup));
}

int daemon_lookup(uint32_t table, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    const struct ipc_table_get ask = { .table = table, .key = key };
    union ipc_any answer;
    if (!helper_is_there(&lookup))
        daemon_need(ROLE_LOOKUP);
    enum chan_result r = helper_call(&lookup, IPC_TABLE_GET, &ask, IPC_TABLE_VALUE, ANSWER_MS, deadline_in(ANSWER_MS), a, &answer);
    if (r != CHAN_OK || answer.table_value.result > DAEMON_LOOKUP_TEMP) {
        (void)err_set(err, ERR_TEMP, "%s", r == CHAN_TIMEOUT ? "the lookup process did not answer in time" : "no lookup process");
        return DAEMON_LOOKUP_TEMP;
    }
    if (answer.table_value.result == DAEMON_LOOKUP_TEMP)
        (void)err_set(err, ERR_TEMP, "%.*s", STR_FMT(answer.table_value.value));
    else
        *ret_value = answer.table_value.value;
    return (int)answer.table_value.result;
}
