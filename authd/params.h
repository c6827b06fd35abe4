/* SPDX-License-Identifier: ISC
 *
 * params.h - everything an administrator can tune in authd, once.
 */
#ifndef AUTHD_PARAMS_H
#define AUTHD_PARAMS_H
#include "conf/param.h"
#include "daemon/auth_listen.h"

#define AUTHD_USERNAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_@"

#define AUTHD_PARAMS(P)                                                                                                             \
    AUTH_LISTEN_PARAM(P)                                                                                                            \
    P(STR, passdb, "postern_passdb", "", 0, 0,                                                                                      \
      "Where passwords are checked, in order: driver:argument or { driver:argument, option=value }, of passwd-file, lmdb, static, pam, sql and ldap; authdb(5) has the options. Empty: passwd-file:$config_directory/passwd in a private instance, pam otherwise.") \
    P(STR, userdb, "postern_userdb", "", 0, 0,                                                                                      \
      "Who users are once their password was right, in order: passwd-file, lmdb, static, prefetch, passwd, sql and ldap, written as in postern_passdb. Empty: each of postern_passdb says it of its own users, and passwd of those of pam.") \
    P(STR, mechanisms, "postern_auth_mechanisms", "plain login", 0, 0,                                                              \
      "SASL mechanisms that authd offers: plain, login, scram-sha-256, scram-sha-1 (both with their -PLUS where TLS allows), xoauth2, oauthbearer, external, cram-md5.") \
    P(BOOL, username_from_cert, "postern_auth_ssl_username_from_cert", "no", 0, 0,                                                  \
      "The common name in a client's verified certificate is its user name, for SASL EXTERNAL.")                                   \
    P(STR, username_chars, "postern_auth_username_chars", AUTHD_USERNAME_CHARS, 0, 0,                                               \
      "Characters that a user name may have; empty: all.")                                                                          \
    P(STR, username_format, "postern_auth_username_format", "%Lu", 0, 0,                                                            \
      "How a user name is written before databases are asked, with the variables of authdb(5): %Lu folds to lower case, %Ln drops the domain.") \
    P(STR, username_translation, "postern_auth_username_translation", "", 0, 0,                                                     \
      "Characters of user names to be replaced, in pairs of old and new: \"#@/@\" makes # and / an @.")                             \
    P(STR, default_realm, "postern_auth_default_realm", "", 0, 0,                                                                   \
      "Domain of user names that have none.")                                                                                       \
    P(STR, master_separator, "postern_auth_master_user_separator", "*", 0, 0,                                                       \
      "Character of \"user*master\": log in as user with the password of a master user, of a database with master=yes. Empty: none.") \
    P(BOOL, verbose, "auth_verbose", "no", 0, 0,                                                                                    \
      "Log each wrong password and unknown user in authd's words, too: which database refused whom. Without it a failure is one line, that of the service that the client spoke to.") \
    P(SECS, failure_delay, "postern_auth_failure_delay", "2s", 0, 5,                                                                \
      "How long the answer to a wrong password is held back; addresses that fail again wait longer.")                              \
    P(UINT, guess_limit, "postern_auth_guess_limit", "300", 0, 1000000,                                                             \
      "Most wrong passwords that are checked for one client address (IPv6: /64) in an hour, all services together; one in five of them is for users who are known there. 0: no limit.") \
    P(UINT, network_guess_limit, "postern_auth_network_guess_limit", "1500", 0, 10000000,                                           \
      "Most wrong passwords that are checked for one network (IPv4 /24, IPv6 /48) in an hour; 0: no limit.")                        \
    P(STR, trusted_networks, "postern_auth_trusted_networks", "", 0, 0,                                                             \
      "Addresses and networks, separated by commas, whose wrong passwords are not counted: a webmail server that limits guessing by itself.") \
    P(SECS, cache_ttl, "postern_auth_cache_ttl", "5m", 0, 86400,                                                                    \
      "How long a password that was right is known without asking the back end again; 0 turns the cache off.")                      \
    P(UINT, cache_size, "postern_auth_cache_size", "10000", 0, 10000000,                                                            \
      "Most users in the cache of passwords that were right.")                                                                      \
    P(UINT, worker_limit, "postern_auth_worker_limit", "8", 1, 1000,                                                                \
      "Most processes that ask PAM at once.")                                                                                        \
    P(UINT, auth_db_processes, "postern_auth_db_processes", "4", 1, 100,                                                            \
      "Most processes that ask one SQL or LDAP database at once.")                                                                  \
    P(STR, module_directory, "postern_module_directory", "", 0, 0,                                                                  \
      "Where the modules of databases (postern-pgsql.so ...) are; empty: next to the program.")                                     \
    P(UINT, hash_limit, "postern_auth_hash_limit", "0", 0, 1000,                                                                    \
      "Most processes that compute slow password hashes at once; 0: as many as there are processors.")                             \
    P(UINT, queue_limit, "postern_auth_queue_limit", "1000", 1, 100000,                                                             \
      "Most checks that may wait for PAM, and as many for a hash; beyond it, logins get a temporary error, those of the busiest client network first.") \
    P(BOOL, allow_weak_schemes, "postern_auth_allow_weak_schemes", "no", 0, 0,                                                      \
      "Let passwords in that are stored as MD5, MD5-CRYPT, SMD5, HMAC-MD5, PLAIN-MD4, PLAIN-MD5, LDAP-MD5 or DES-CRYPT.")             \
    P(STR, app_password_file, "postern_app_password_file", "$config_directory/app-passwords", 0, 0,                                 \
      "App passwords, made by \"postern user app-add\": asked before postern_passdb, which must still know the user. It may be missing; empty: none.") \
    P(STR, mail_location, "postern_mail_location", "maildir:~/Maildir", 0, 0,                                                       \
      "Where a user's mail is: maildir:PATH or mbox:PATH:INBOX=PATH, with ~/ and %h home, %u user, %n local part, %d domain and the other variables of authdb(5).") \
    P(STR, mail_home, "postern_mail_home", "", 0, 0,                                                                                \
      "Home directory of users whose databases name none; variables as in postern_mail_location.")                                  \
    P(STR, mail_uid, "postern_mail_uid", "0", 0, 0,                                                                                 \
      "User, by name or number, of users whose databases name none; 0: they cannot open a mailbox.")                                \
    P(STR, mail_gid, "postern_mail_gid", "0", 0, 0,                                                                                 \
      "Group, by name or number, of users whose databases name none; 0: they cannot open a mailbox.")                               \
    P(UINT, first_valid_uid, "postern_first_valid_uid", "500", 1, 4294967294,                                                       \
      "Users with a lower uid cannot open a mailbox.")

struct authd_conf { AUTHD_PARAMS(PARAM_MEMBER) };
#endif
