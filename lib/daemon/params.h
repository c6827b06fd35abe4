/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in the frame of every daemon.
 */
#ifndef DAEMON_PARAMS_H
#define DAEMON_PARAMS_H

#define DAEMON_PARAMS(P)                                                                                         \
    P(BOOL, private_instance, "postern_private", "no", 0, 0,                                                     \
      "Run without change of user and root, below one directory, even when started by root.")                   \
    P(STR, queue_directory, "queue_directory", "/var/spool/postfix", 0, 0, "The mail queue.")                    \
    P(STR, syslog_name, "syslog_name", "postfix", 0, 0, "Prefix of the program name in log lines.")              \
    P(STR, empty_directory, "postern_empty_directory", "/var/lib/postern/empty", 0, 0,                           \
      "The root directory of processes that need no file; owned by root and empty.")                             \
    P(STR, log_user, "postern_log_user", "postern-log", 0, 0, "User of the log role.")                           \
    P(STR, smtpd_user, "postern_smtpd_user", "postern-smtpd", 0, 0, "User of smtpd and lmtpd.")                  \
    P(STR, submit_user, "postern_submit_user", "postern-submit", 0, 0, "User of submitd.")                       \
    P(STR, out_user, "postern_out_user", "postern-out", 0, 0, "User of the delivery to other hosts.")            \
    P(STR, login_user, "postern_login_user", "postern-login", 0, 0, "User of POP3 and IMAP before login.")       \
    P(STR, hub_user, "postern_hub_user", "postern-hub", 0, 0, "User of the hub and of anvil.")                                \
    P(STR, auth_user, "postern_auth_user", "postern-auth", 0, 0, "User of authd and its workers.")               \
    P(STR, lookup_user, "postern_lookup_user", "postern-lookup", 0, 0, "User of the lookup role.")               \
    P(STR, dns_user, "postern_dns_user", "postern-dns", 0, 0, "User of the resolver.")                           \
    P(STR, keys_user, "postern_keys_user", "postern-keys", 0, 0, "User of the process that keeps private keys.")
#endif
