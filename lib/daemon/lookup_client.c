/* SPDX-License-Identifier: ISC
 *
 * lookup_client.c - the system's users and groups for a confined process, by
 * way of the lookup role.
 */
#include "daemon/skeleton.h"

enum { ANSWER_MS = 5000 };

static struct {
    struct chan *chan;
    struct cond arrived;
} lookup;

static void on_closed(struct chan *c)
{
    if (lookup.chan == c)
        lookup.chan = NULL;
    chan_free(c);
}

static const struct chan_ops ops = { .on_closed = on_closed };

void lookup_client_peer(const struct ipc_peer *peer, int fd)
{
    struct chan *c = daemon_chan(peer, fd, &ops, NULL);
    struct chan *old = lookup.chan;
    lookup.chan = c;
    chan_free(old);
    cond_broadcast(&lookup.arrived);
}

static bool have_channel(int64_t deadline)
{
    if (lookup.chan == NULL)
        daemon_need(ROLE_LOOKUP);
    while (lookup.chan == NULL)
        if (cond_wait(&lookup.arrived, deadline) != WAIT_OK)
            return false;
    return true;
}

int daemon_lookup(uint32_t table, struct str key, struct arena *a, struct str *ret_value, struct err *err)
{
    const struct ipc_table_get ask = { .table = table, .key = key };
    enum ipc_type type;
    union ipc_any answer;
    int64_t deadline = deadline_in(ANSWER_MS);
    if (!have_channel(deadline)) {
        (void)err_set(err, ERR_TEMP, "no lookup process");
        return DAEMON_LOOKUP_TEMP;
    }
    enum chan_result r = chan_call(lookup.chan, IPC_TABLE_GET, &ask, IPC_TABLE_VALUE, IPC_TYPE_COUNT, deadline, a, &type, &answer);
    if (r != CHAN_OK || answer.table_value.result > DAEMON_LOOKUP_TEMP) {
        (void)err_set(err, ERR_TEMP, "%s", r == CHAN_TIMEOUT ? "the lookup process did not answer in time" : "the lookup process went away");
        return DAEMON_LOOKUP_TEMP;
    }
    if (answer.table_value.result == DAEMON_LOOKUP_TEMP)
        (void)err_set(err, ERR_TEMP, "%.*s", STR_FMT(answer.table_value.value));
    else
        *ret_value = answer.table_value.value;
    return (int)answer.table_value.result;
}
