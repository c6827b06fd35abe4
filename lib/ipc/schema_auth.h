/* SPDX-License-Identifier: ISC
 *
 * schema_auth.h - authd's own channels. Login and submission processes speak
 * Dovecot's auth protocol to it (lib/auth), over a channel of bytes, not frames.
 */
#ifndef IPC_SCHEMA_AUTH_H
#define IPC_SCHEMA_AUTH_H

#define IPC_MSG_AUTH_REQUEST(F, T)                                                 \
    F(T, U64, auth_channel, 0, "peer_id of the process that authenticated")        \
    F(T, U32, auth_request, 0, "its request id")                                   \
    F(T, STR, cookie, 64, "one shot, within 10 s")

#define IPC_MSG_AUTH_USER(F, T)                                                    \
    F(T, BOOL, found, 0, "false = refused")                                        \
    F(T, STR, user, 256, "canonical name")                                         \
    F(T, U32, uid, 0, "of the mailbox")                                            \
    F(T, U32, gid, 0, "of the mailbox")                                            \
    F(T, STR, groups, 2048, "supplementary gids, separated by blanks")             \
    F(T, STR, home, 1024, "home directory")                                        \
    F(T, STR, mail, 1024, "mail location: maildir:PATH or mbox:PATH:INBOX=PATH")

#define IPC_MSG_VERIFY(F, T)                                                       \
    F(T, STR, backend, 64, "pam, pam-account, passwd; hash; a new verifier of the scheme in VERDICT's text: make, scram") \
    F(T, STR, user, 256, "name to verify")                                         \
    F(T, STR, password, 1024, "as the client gave it")                             \
    F(T, STR, scheme, 64, "scheme of the verifier, with its suffix, or empty")     \
    F(T, STR, verifier, 2048, "stored hash, or empty: the back end knows; scram: the salt") \
    F(T, U32, rounds, 0, "make, scram: of the new verifier, 0 = the scheme's own number") \
    F(T, STR, remote, 64, "client address")                                        \
    F(T, STR, service, 64, "imap, pop3, smtp")

enum auth_verdict {
    VERDICT_MATCH = 1,      /* the password is right, and the account may be used */
    VERDICT_MISMATCH = 2,
    VERDICT_UNKNOWN = 3,    /* no such user */
    VERDICT_DISABLED = 4,   /* the password is right, the account may not be used */
    VERDICT_EXPIRED = 5,
    VERDICT_TEMPFAIL = 6,   /* the back end did not say */
};

#define IPC_MSG_VERDICT(F, T)                                                      \
    F(T, U32, verdict, 0, "enum auth_verdict")                                          \
    F(T, STR, text, 400, "for the log")                                            \
    F(T, BOOL, has_ids, 0, "the back end knows the system user: the fields below") \
    F(T, U32, uid, 0, "of the system user")                                        \
    F(T, U32, gid, 0, "primary group")                                             \
    F(T, STR, groups, 2048, "supplementary gids, separated by blanks")             \
    F(T, STR, home, 1024, "home directory")

#define IPC_MSG_INTROSPECT(F, T)                                                   \
    F(T, STR, token, 12288, "access token that the introspection end is asked about")

#define IPC_MSG_INTROSPECTED(F, T)                                                 \
    F(T, U32, verdict, 0, "1 = it holds, 2 = refused, 3 = nobody could say")       \
    F(T, STR, user, 256, "whose it is, if it holds")                               \
    F(T, STR, text, 400, "for the log, if it does not")

#define IPC_MSG_TOKEN_KEY(F, T)                                                    \
    F(T, STR, key, 64, "MAC key of identity tokens, shared by authd and qmgr")     \
    F(T, U32, serial, 0, "of the key")

enum db_ask_kind {
    DB_ASK_VERIFY = 1,      /* passdb: may this user in? */
    DB_ASK_LOOKUP = 2,      /* passdb: what is stored */
    DB_ASK_USER = 3,        /* userdb */
    DB_ASK_LIST = 4,        /* userdb: DB_ROW for each user, then DB_END */
    DB_ASK_REHASH = 5,      /* passdb: store `rehash` in the place of `old` */
};

#define IPC_MSG_DB_ASK(F, T)                                                       \
    F(T, U32, entry, 0, "which entry of postern_passdb or postern_userdb")         \
    F(T, BOOL, is_userdb, 0, "of postern_userdb")                                  \
    F(T, U32, kind, 0, "enum db_ask_kind")                                         \
    F(T, STR, vars, 16384, "what is known of the request: fields of a line (lib/db/db_vars.h)") \
    F(T, STR, password, 1024, "as the client gave it, where the database is to see it") \
    F(T, STR, old, 2048, "DB_ASK_REHASH: {SCHEME}data that must be stored now")    \
    F(T, STR, rehash, 2048, "DB_ASK_REHASH: {SCHEME}data")

#define IPC_MSG_DB_ANSWER(F, T)                                                    \
    F(T, U32, verdict, 0, "enum auth_verdict")                                     \
    F(T, BOOL, has_stored, 0, "the database holds a password: verify it")          \
    F(T, STR, stored, 2048, "{SCHEME}data")                                        \
    F(T, STR, fields, 20480, "what was said of the user: fields of a line")        \
    F(T, STR, text, 400, "for the log")

#define IPC_MSG_DB_ROW(F, T)                                                       \
    F(T, STR, user, 256, "a user of the list")

#define IPC_MSG_DB_END(F, T)                                                       \
    F(T, BOOL, complete, 0, "false = something went wrong")                        \
    F(T, STR, text, 400, "for the log")

#define IPC_AUTH_MESSAGES(M)                                                       \
    M(AUTH_REQUEST, auth_request, ROLE_BIT(SESSION), ROLE_BIT(AUTHD))              \
    M(AUTH_USER, auth_user, ROLE_BIT(AUTHD), ROLE_BIT(SESSION))                    \
    M(DB_ASK, db_ask, ROLE_BIT(AUTHD), ROLE_BIT(AUTHDB))                           \
    M(DB_ANSWER, db_answer, ROLE_BIT(AUTHDB), ROLE_BIT(AUTHD))                     \
    M(DB_ROW, db_row, ROLE_BIT(AUTHDB), ROLE_BIT(AUTHD))                           \
    M(DB_END, db_end, ROLE_BIT(AUTHDB), ROLE_BIT(AUTHD))                           \
    M(VERIFY, verify, ROLE_BIT(AUTHD), ROLE_BIT(WORKER) | ROLE_BIT(HASH))          \
    M(VERDICT, verdict, ROLE_BIT(WORKER) | ROLE_BIT(HASH), ROLE_BIT(AUTHD))        \
    M(INTROSPECT, introspect, ROLE_BIT(AUTHD), ROLE_BIT(WORKER))                   \
    M(INTROSPECTED, introspected, ROLE_BIT(WORKER), ROLE_BIT(AUTHD))               \
    M(TOKEN_KEY, token_key, ROLE_BIT(AUTHD), ROLE_BIT(QMGR))
#endif
