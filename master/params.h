/* SPDX-License-Identifier: ISC */
#ifndef MASTER_PARAMS_H
#define MASTER_PARAMS_H
#include "daemon/auth_listen.h"

#define MASTER_PARAMS(P)                                                                                        \
    AUTH_LISTEN_PARAM(P)                                                                                        \
    P(STR, data_directory, "data_directory", "/var/lib/postfix", 0, 0, "Files that daemons keep for themselves.") \
    P(STR, mail_owner, "mail_owner", "postfix", 0, 0, "The user that owns the queue.")                          \
    P(STR, setgid_group, "setgid_group", "postdrop", 0, 0, "The group that may leave mail in maildrop.")        \
    P(STR, inet_interfaces, "inet_interfaces", "all", 0, 0, "Addresses that mail is received on.")              \
    P(STR, inet_protocols, "inet_protocols", "all", 0, 0, "ipv4, ipv6, or all.")                                \
    P(STR, maillog_file, "maillog_file", "", 0, 0, "File for log lines; empty = the system's log.")             \
    P(STR, mail_version, "mail_version", "3.10.0", 0, 0, "Version that is shown to others.")                    \
    P(STR, mailbox_services, "postern_mailbox_services", "", 0, 0,                                              \
      "Services of the mailbox half that run without a line in master.cf: imap, imaps, pop3, pop3s, lmtp, dovecot-lmtp, or { imaps, port=10993, address=127.0.0.1 }, { dovecot-lmtp, path=PATH, mode=0600, user=NAME, group=NAME }.") \
    P(UINT, processes, "postern_service_processes", "2", 1, 64, "Processes of each network service.")           \
    P(UINT, actor_limit, "postern_actor_limit", "50", 1, 10000, "Most processes that act as users at once.")    \
    P(UINT, auth_db_processes, "postern_auth_db_processes", "4", 1, 100, "Most processes that ask one SQL or LDAP database at once.") \
    P(UINT, worker_limit, "postern_auth_worker_limit", "8", 1, 1000, "Most processes that ask PAM at once.") \
    P(UINT, hash_limit, "postern_auth_hash_limit", "0", 0, 1000, "Most processes that compute slow password hashes at once; 0: as many as there are processors.") \
    P(SECS, stop_grace, "postern_stop_grace", "5s", 1, 3600, "Time that sessions have to finish when the system stops.")
#endif
