/* SPDX-License-Identifier: ISC
 *
 * NAME
 *     submitd - SMTP from our users (RFC 6409)
 *
 * DESCRIPTION
 *     The engine of smtpd for ports 587 (STARTTLS) and 465 (TLS from the first
 *     byte). A client must authenticate before MAIL (530 5.7.0); passwords are
 *     authd's affair. A user may send under the addresses that
 *     smtpd_sender_login_maps gives him, or else under his login name, alone or
 *     at one of our domains. Date, Message-ID and From are added when missing.
 *
 * SECURITY
 *     Runs as a user of its own in an empty root without capabilities. AUTH is
 *     offered only under TLS (or, if postern_auth_plaintext_loopback says so,
 *     on loopback addresses). It cannot name a user who did not log in here:
 *     qmgr records one only with authd's token.
 *
 * DIAGNOSTICS
 *     Logs as smtpd under the service's syslog_name. Failed logins are one
 *     warning each, in the form that fail2ban's filter for Postfix knows.
 */
#include "smtpsrv/host.h"

static int open_submitd(const struct daemon_ctx *d, struct err *err) { return host_open(SMTPSRV_SUBMIT, d, err); }

int main(int argc, char **argv)
{
    const struct param_table params = smtpsrv_params();
    const struct role_ops roles[] = {
        { .role = ROLE_SUBMITD, .params = &params, .conf = host_conf(), .before_drop = open_submitd, .start = host_start, .on_client = host_on_client,
          .max_clients = 2000, .on_peer = host_on_peer, .keys = daemon_keys, .on_drain = host_on_drain, .idle = host_idle },
    };
    return daemon_main(argc, argv, "submitd", roles, N_ELEMS(roles));
}
