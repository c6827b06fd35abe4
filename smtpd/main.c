/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     smtpd - SMTP from the world, LMTP for local mailboxes
 *
 * DESCRIPTION
 *     Speaks SMTP (RFC 5321) with PIPELINING, SIZE, 8BITMIME, SMTPUTF8, DSN,
 *     CHUNKING, STARTTLS, ENHANCEDSTATUSCODES and, where configured, AUTH, with
 *     many clients per process. Applies smtpd_*_restrictions, rewrites and
 *     routes addresses, expands virtual aliases, and hands each message to
 *     qmgr. The role lmtpd is the same engine with LHLO (RFC 2033) behind
 *     private/dovecot-lmtp: it takes mail for our own domains only.
 *
 * SECURITY
 *     Runs as a user of its own in an empty root without capabilities. Tables
 *     and TLS keys are opened before the privileges are dropped and before any
 *     network byte is read. It owns no file and cannot read the queue: large
 *     messages are written through a descriptor that qmgr opened.
 *     Mail for other domains is taken from mynetworks and authenticated
 *     clients only, whatever the restriction lists leave out. Only CR LF . CR
 *     LF ends a message, and no input makes two messages of one.
 *
 * DIAGNOSTICS
 *     Logs as postfix/smtpd, and as postfix/cleanup what Postfix's cleanup
 *     would say. A restriction that is not known, a table or certificate that
 *     cannot be opened end the process at start with one line that names them.
 */
#include "smtpsrv/host.h"

static int open_smtpd(const struct daemon_ctx *d, struct err *err) { return host_open(SMTPSRV_MX, d, err); }
static int open_lmtpd(const struct daemon_ctx *d, struct err *err) { return host_open(SMTPSRV_LMTP, d, err); }

int main(int argc, char **argv)
{
    const struct param_table params = smtpsrv_params();
    const struct role_ops roles[] = {
        { .role = ROLE_SMTPD, .params = &params, .conf = host_conf(), .before_drop = open_smtpd, .start = host_start, .on_client = host_on_client,
          .max_clients = 2000, .on_peer = host_on_peer, .keys = daemon_keys, .on_drain = host_on_drain, .idle = host_idle },
        { .role = ROLE_LMTPD, .params = &params, .conf = host_conf(), .before_drop = open_lmtpd, .start = host_start, .on_client = host_on_client,
          .max_clients = 2000, .on_peer = host_on_peer, .on_drain = host_on_drain, .idle = host_idle },
    };
    return daemon_main(argc, argv, "smtpd", roles, N_ELEMS(roles));
}
