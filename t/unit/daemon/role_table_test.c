/* SPDX-License-Identifier: ISC */
#include "daemon/role_table.h"
#include "ipc/codec.h"
#include "os/priv.h"
#include "tap.h"
#include <linux/capability.h>

#define NETWORK_ROLES (ROLE_BIT(SMTPD) | ROLE_BIT(LMTPD) | ROLE_BIT(SUBMITD) | ROLE_BIT(TLS) | ROLE_BIT(LOGIN))

static void test_rows(void)
{
    bool complete = true, channels = true, confined = true, network = true, speaks = true;
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        const struct role_row *row = role_row((enum role)r);
        if (row == NULL)
            continue;
        complete &= row->role == (enum role)r && row->sentence != NULL && row->user != NULL && row->log_name != NULL;
        if (row->user[0] != '\0')
            confined &= row->caps == 0 && row->sandbox != SANDBOX_NONE && row->paths == PATHS_LISTED;
        if ((NETWORK_ROLES >> r & 1) != 0)
            network &= row->root == ROOT_EMPTY && row->sandbox == SANDBOX_NET && row->groups == GROUPS_NONE && row->read == NULL;
        for (unsigned o = 0; o < ROLE_COUNT; o++) {
            channels &= role_may_talk((enum role)r, (enum role)o) == role_may_talk((enum role)o, (enum role)r);
        }
    }
    /* Every message of the schema has a pair of roles that may have a channel (master's and the tools' apart). */
    for (unsigned t = 0; t < IPC_TYPE_COUNT; t++) {
        const struct ipc_message *m = ipc_message(t);
        bool possible = ((m->senders | m->receivers) & (ROLE_BIT(MASTER) | ROLE_BIT(TOOL))) != 0;
        for (unsigned a = 0; a < ROLE_COUNT; a++)
            for (unsigned b = 0; b < ROLE_COUNT; b++)
                /* A role that talks to itself: a zygote and the processes it forked. */
                possible |= ipc_may_send((enum role)a, (enum role)b, t) && (a == b || role_may_talk((enum role)a, (enum role)b));
        if (!possible)
            printf("# %s has no channel\n", m->name);
        speaks &= possible;
    }
    OK(complete, "every row is complete");
    OK(channels, "a channel is allowed from both sides or from none");
    OK(confined, "who has a user of its own keeps no capability, has a filter and listed paths");
    OK(network, "who reads the network before login has an empty root, no file, no group, no new socket");
    OK(speaks, "every message has a channel that it can cross");
}

static void test_pairs(void)
{
    OK(!role_may_talk(ROLE_SMTPD, ROLE_ACTOR) && !role_may_talk(ROLE_SMTPD, ROLE_SESSION) && !role_may_talk(ROLE_SMTPD, ROLE_WORKER),
       "smtpd reaches nobody who becomes a user or reads passwords");
    OK(!role_may_talk(ROLE_LOGIN, ROLE_QMGR) && !role_may_talk(ROLE_TLS, ROLE_AUTHD) && !role_may_talk(ROLE_TLS, ROLE_SESSION),
       "login reaches no queue, tls neither passwords nor mail");
    OK(!role_may_talk(ROLE_OUT, ROLE_AUTHD) && !role_may_talk(ROLE_OUT, ROLE_ACTOR), "who talks to foreign hosts reaches neither passwords nor mailboxes");
    OK(role_may_talk(ROLE_QMGR, ROLE_OUT) && role_may_talk(ROLE_ROUTER, ROLE_ACTOR) && role_may_talk(ROLE_LOGIN, ROLE_SESSION), "the path of a mail is there");
    OK(!role_may_talk(ROLE_TOOL, ROLE_QMGR) && role_row(ROLE_TOOL) == NULL, "tools have no channel of master's");
}

int main(void)
{
    test_rows();
    test_pairs();
    return tap_done();
}
