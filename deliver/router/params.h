/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in local delivery, once.
 * Routing itself (RESOLVE) has its rows in intake/params.h.
 */
#ifndef ROUTER_PARAMS_H
#define ROUTER_PARAMS_H

#define ROUTER_PARAMS(P)                                                                                              \
    P(STR, syslog_name, "syslog_name", "postfix", 0, 0, "Prefix of the program name in log lines.")                   \
    P(STR, mail_owner, "mail_owner", "postfix", 0, 0, "Owner of the queue; never a recipient of pipe(8) commands.")   \
    P(STR, mailbox_base, "virtual_mailbox_base", "", 0, 0, "Directory that virtual_mailbox_maps results are below.")  \
    P(STR, mailbox_maps, "virtual_mailbox_maps", "", 0, 0, "Mailboxes of virtual_mailbox_domains.")                   \
    P(STR, uid_maps, "virtual_uid_maps", "", 0, 0, "Tables from addresses to the uid of their mailbox.")              \
    P(STR, gid_maps, "virtual_gid_maps", "", 0, 0, "Tables from addresses to the gid of their mailbox.")              \
    P(UINT, minimum_uid, "virtual_minimum_uid", "100", 0, UINT32_MAX, "Smaller results of virtual_uid_maps are refused.") \
    P(SIZE, virtual_limit, "virtual_mailbox_limit", "51200000", 0, UINT64_MAX / 2, "Largest virtual mailbox file or message, 0 = any.") \
    P(SIZE, local_limit, "mailbox_size_limit", "51200000", 0, UINT64_MAX / 2, "Largest local mailbox file or message, 0 = any.") \
    P(STR, recipient_delimiter, "recipient_delimiter", "", 0, 0, "Characters that begin an address extension.")       \
    P(STR, mydestination, "mydestination", "$myhostname, localhost.$mydomain, localhost", 0, 0,                       \
      "Domains whose addresses are local users and aliases.")                                                         \
    P(STR, mydomain, "mydomain", "", 0, 0, "Domain of this host.")                                                    \
    P(STR, myhostname, "myhostname", "", 0, 0, "Name of this host.")                                                  \
    P(STR, myorigin, "myorigin", "$myhostname", 0, 0, "Domain of addresses without one.")                             \
    P(STR, alias_maps, "alias_maps", "lmdb:/etc/aliases", 0, 0, "Tables of local aliases.")                           \
    P(STR, home_mailbox, "home_mailbox", "", 0, 0, "Mailbox below the home directory; with a final / it is a Maildir.") \
    P(STR, mail_spool_directory, "mail_spool_directory", "/var/mail", 0, 0,                                           \
      "Where mailboxes lie when home_mailbox is empty; with a final / they are Maildirs.")                            \
    P(STR, mailbox_command, "mailbox_command", "", 0, 0, "Command that delivers to local users.")                     \
    P(STR, default_privs, "default_privs", "nobody", 0, 0, "User for commands and files that aliases name.")          \
    P(RAW, forward_path, "forward_path", "$home/.forward${recipient_delimiter}${extension}, $home/.forward", 0, 0,    \
      "Files of a user that say where its mail goes.")                                                                \
    P(STR, luser_relay, "luser_relay", "", 0, 0, "Where mail for unknown local users goes.")                          \
    P(STR, allow_commands, "allow_mail_to_commands", "alias, forward", 0, 0, "Where |command is allowed.")            \
    P(STR, allow_files, "allow_mail_to_files", "alias, forward", 0, 0, "Where /file is allowed.")                     \
    P(SECS, command_time_limit, "command_time_limit", "1000s", 1, 86400, "Longest run of a command.")                 \
    P(UINT, duplicate_limit, "duplicate_filter_limit", "1000", 1, 100000, "Most destinations that one recipient may become.") \
    P(UINT, include_depth, "postern_alias_depth_limit", "100", 1, 1000, "Deepest nesting of aliases, includes and .forward files.") \
    P(UINT, actors_per_user, "postern_actors_per_user", "4", 1, 100, "Most processes that deliver for one user at a time.") \
    P(SECS, actor_idle, "postern_actor_idle", "60s", 1, 86400, "A delivery process without work ends after this.")
#endif
