/* SPDX-License-Identifier: ISC
 *
 * params.h - what an administrator can tune in front of IMAP and POP3, once.
 */
#ifndef LOGIN_PARAMS_H
#define LOGIN_PARAMS_H
#include "conf/param.h"

#define LOGIN_PARAMS(P)                                                                                                    \
    P(BOOL, disable_plaintext, "postern_disable_plaintext_auth", "yes", 0, 0,                                              \
      "Refuse passwords over IMAP and POP3 connections without TLS.")                                                      \
    P(BOOL, plaintext_loopback, "postern_plaintext_auth_loopback", "no", 0, 0,                                             \
      "Take passwords without TLS from clients on this machine all the same.")                                             \
    P(SECS, timeout, "postern_login_timeout", "180s", 10, 3600,                                                            \
      "Close an IMAP or POP3 connection that has not logged in after this long.")                                          \
    P(SECS, command_timeout, "postern_login_command_timeout", "60s", 5, 3600,                                              \
      "Close an IMAP or POP3 connection whose next command before login is not complete after this long.")                \
    P(UINT, error_limit, "postern_login_error_limit", "20", 1, 1000,                                                       \
      "Close an IMAP or POP3 connection after this many refused commands before login.")                                   \
    P(UINT, junk_limit, "postern_login_command_limit", "100", 1, 10000,                                                    \
      "Close an IMAP or POP3 connection after this many commands without a login.")                                        \
    P(UINT, failure_limit, "postern_login_failure_limit", "10", 1, 100,                                                    \
      "Close an IMAP or POP3 connection after this many wrong passwords.")                                                 \
    P(UINT, client_limit, "postern_login_client_limit", "60", 0, 100000,                                                   \
      "Most IMAP or POP3 connections of one client address that have not logged in yet, in each login process; 0: no limit.") \
    P(STR, greeting, "postern_login_greeting", "Postern ready.", 0, 0,                                                     \
      "Text of the IMAP and POP3 greeting.")

#define SESSION_PARAMS(P)                                                                                                  \
    P(UINT, max_per_user_ip, "mail_max_userip_connections", "10", 0, 100000,                                               \
      "Most sessions of one protocol that one user may have from one address; 0: no limit.")                               \
    P(SECS, reuse_time, "postern_session_reuse_time", "10s", 0, 3600,                                                      \
      "How long a process whose session is over waits for another login of the same account; 0: it ends with its session.") \
    P(UINT, max_sessions, "postern_session_limit", "5000", 1, 1000000,                                                     \
      "Most sessions of one protocol at the same time.")

/* How the text of a refusal begins that the client may see. */
#define SESSION_LIMIT_TEXT "Maximum number of connections from user+IP exceeded"

struct session_conf { SESSION_PARAMS(PARAM_MEMBER) };

struct login_conf { LOGIN_PARAMS(PARAM_MEMBER) };
#endif
