/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in imapd.
 */
#ifndef IMAPD_PARAMS_H
#define IMAPD_PARAMS_H

#define IMAPD_PARAMS(P)                                                                         \
    P(SECS, idle_timeout, "imapd_idle_timeout", "1800s", 1800, 86400,                           \
      "Close a session that sends no command for this long; RFC 3501 asks for at least 30 minutes.") \
    P(SECS, keepalive, "imapd_idle_notify_interval", "120s", 10, 1740,                          \
      "Send a line to a client in IDLE this often, so that the connection stays open.")         \
    P(SIZE, message_limit, "imapd_message_size_limit", "51200000", 1024, 2147483647,            \
      "Largest message that APPEND takes.")                                                     \
    P(UINT, error_limit, "imapd_error_limit", "20", 1, 1000,                                    \
      "Close a session after this many commands in a row that were no commands.")               \
    P(STR, mail_location, "mail_location", "maildir:~/Maildir", 0, 0,                           \
      "Where the mail of a user is whose entry does not say it.")                               \
    P(STR, special_use, "mailbox_special_use", "", 0, 0,                                        \
      "Mailboxes with a purpose, as \"Sent=\\Sent, Junk=\\Junk\"; empty for the usual five names.") \
    P(STR, capability_extra, "imapd_capability", "", 0, 0,                                      \
      "Words added to the capabilities after login.")
#endif
