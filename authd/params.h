/* SPDX-License-Identifier: ISC
 *
 * params.h - everything an administrator can tune in authd, once.
 */
#ifndef AUTHD_PARAMS_H
#define AUTHD_PARAMS_H
#include "conf/param.h"

#define AUTHD_USERNAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_@"

#define AUTHD_PARAMS(P)                                                                                                             \
    P(STR, passdb, "postern_passdb", "", 0, 0,                                                                                      \
      "Where passwords are checked, in order: passwd-file:/path (Dovecot's format) and pam; empty: passwd-file:$config_directory/passwd in a private instance, pam otherwise.") \
    P(STR, mechanisms, "postern_auth_mechanisms", "plain login", 0, 0,                                                              \
      "SASL mechanisms that authd offers: plain, login.")                                                                           \
    P(STR, username_chars, "postern_auth_username_chars", AUTHD_USERNAME_CHARS, 0, 0,                                               \
      "Characters that a user name may have; names are folded to lower case.")                                                      \
    P(SECS, failure_delay, "postern_auth_failure_delay", "2s", 0, 5,                                                                \
      "How long the answer to a wrong password is held back; addresses that fail again wait longer.")                              \
    P(SECS, cache_ttl, "postern_auth_cache_ttl", "5m", 0, 86400,                                                                    \
      "How long a password that was right is known without asking the back end again; 0 turns the cache off.")                      \
    P(UINT, cache_size, "postern_auth_cache_size", "10000", 0, 10000000,                                                            \
      "Most users in the cache of passwords that were right.")                                                                      \
    P(UINT, worker_limit, "postern_auth_worker_limit", "8", 1, 1000,                                                                \
      "Most processes that ask PAM at once.")                                                                                        \
    P(UINT, hash_limit, "postern_auth_hash_limit", "0", 0, 1000,                                                                    \
      "Most processes that compute slow password hashes at once; 0: as many as there are processors.")                             \
    P(UINT, queue_limit, "postern_auth_queue_limit", "1000", 1, 100000,                                                             \
      "Most checks that may wait for PAM, and as many for a hash; beyond it, logins get a temporary error, those of the busiest client network first.") \
    P(BOOL, allow_weak_schemes, "postern_auth_allow_weak_schemes", "no", 0, 0,                                                      \
      "Let passwords in that are stored as MD5, MD5-CRYPT, SMD5, HMAC-MD5, PLAIN-MD4, PLAIN-MD5, LDAP-MD5 or DES-CRYPT.")             \
    P(STR, mail_location, "postern_mail_location", "maildir:~/Maildir", 0, 0,                                                       \
      "Where a user's mail is: maildir:PATH or mbox:PATH:INBOX=PATH, with ~/ and %h home, %u user, %n local part, %d domain.")      \
    P(STR, mail_home, "postern_mail_home", "", 0, 0,                                                                                \
      "Home directory of passwd-file users whose entry has none; %u, %n and %d as in postern_mail_location.")                       \
    P(UINT, mail_uid, "postern_mail_uid", "0", 0, 4294967294,                                                                       \
      "Numeric uid of passwd-file users whose entry has none; 0: they cannot open a mailbox.")                                      \
    P(UINT, mail_gid, "postern_mail_gid", "0", 0, 4294967294,                                                                       \
      "Numeric gid of passwd-file users whose entry has none; 0: they cannot open a mailbox.")                                      \
    P(UINT, first_valid_uid, "postern_first_valid_uid", "500", 1, 4294967294,                                                       \
      "Users with a lower uid cannot open a mailbox.")

struct authd_conf { AUTHD_PARAMS(PARAM_MEMBER) };
#endif
