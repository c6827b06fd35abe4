/* SPDX-License-Identifier: ISC
 *
 * schema_login.h - the reading half: tls, login, session, hub.
 *
 * Implicit TLS: tls accepts, handshakes, and gives login one end of a
 * socketpair (CLIENT). Most clients are greeted alike: login says how
 * (LOGIN_GREETING), tls greets them with the end of the handshake, and CLIENT
 * follows with what they say then. STARTTLS: login gives tls the socket (TLS_START) and
 * gets the end of a socketpair back (CLIENT). After login: login gives the
 * session zygote the stream and what was read ahead (SESSION_START). A session
 * process tells its zygote that it is free (SESSION_OVER), and may get another
 * login of the same account (SESSION_NEXT). The hub knows all sessions: zygotes
 * name theirs to it (HUB_JOIN, HUB_TURN) and hear of those of other zygotes
 * (HUB_OTHER), so that limits hold over reloads; those of a zygote that is gone
 * get another to name them to the next hub (HUB_ORPHAN). authd asks it for the
 * list, and has sessions ended (HUB_WHO, HUB_KICK).
 */
#ifndef IPC_SCHEMA_LOGIN_H
#define IPC_SCHEMA_LOGIN_H

#define IPC_MSG_CLIENT(F, T)                                                       \
    F(T, U32, ticket, 0, "of the TLS_START that this answers, 0 = a new connection") \
    F(T, STR, service, 64, "imap or pop3")                                         \
    F(T, STR, remote, 64, "client address, numeric")                               \
    F(T, STR, local, 64, "own address, numeric")                                   \
    F(T, U32, remote_port, 0, "client port")                                       \
    F(T, U32, local_port, 0, "own port")                                           \
    F(T, STR, tls, 200, "protocol and cipher, empty = failed")                     \
    F(T, STR, binding, 132, "channel binding data in base64 (tls.h), empty = none")  \
    F(T, STR, cert_user, 256, "name in the client's verified certificate, or empty") \
    F(T, BOOL, greeted, 0, "with login's last LOGIN_GREETING")                     \
    F(T, FD, stream, 0, "plaintext side")

#define IPC_MSG_LOGIN_GREETING(F, T)                                               \
    F(T, BOOL, binding, 0, "a mechanism wants channel binding data, which has its price") \
    F(T, STR, text, 1000, "for clients behind TLS 1.3 without a certificate; replaces the one before")

#define IPC_MSG_TLS_START(F, T)                                                    \
    F(T, U32, ticket, 0, "login's number, not 0")                                  \
    F(T, STR, service, 64, "imap or pop3")                                         \
    F(T, STR, remote, 64, "client address, numeric")                               \
    F(T, STR, local, 64, "own address, numeric")                                   \
    F(T, U32, remote_port, 0, "client port")                                       \
    F(T, U32, local_port, 0, "own port")                                           \
    F(T, FD, socket, 0, "client socket; nothing read ahead")

#define IPC_MSG_SESSION_START(F, T)                                                \
    F(T, U64, login_id, 0, "login's number, echoed in SESSION_STARTED")            \
    F(T, STR, service, 64, "imap or pop3")                                         \
    F(T, U64, auth_channel, 0, "peer_id of the login process as authd knows it")   \
    F(T, U32, auth_request, 0, "id of the successful AUTH request")                \
    F(T, STR, cookie, 64, "authd's for this request")                              \
    F(T, STR, remote, 64, "client address")                                        \
    F(T, STR, local, 64, "own address")                                            \
    F(T, STR, session_id, 64, "for logs")                                          \
    F(T, BOOL, tls, 0, "the client is behind TLS")                                 \
    F(T, STR, tag, 512, "IMAP tag of the command that logged in")                  \
    F(T, STR, read_ahead, 12800, "bytes already read from the client")              \
    F(T, FD, stream, 0, "the client")

#define IPC_MSG_SESSION_STARTED(F, T)                                              \
    F(T, U64, login_id, 0, "of the request")                                       \
    F(T, U32, pid, 0, "session process; 0 = refused")                              \
    F(T, STR, text, 400, "why it was refused")

#define IPC_MSG_SESSION_NEXT(F, T)                                                 \
    F(T, STR, remote, 64, "client address")                                        \
    F(T, STR, local, 64, "own address")                                            \
    F(T, STR, session_id, 64, "for logs")                                          \
    F(T, BOOL, tls, 0, "the client is behind TLS")                                 \
    F(T, STR, tag, 512, "IMAP tag of the command that logged in")                  \
    F(T, STR, read_ahead, 12800, "bytes already read from the client")              \
    F(T, FD, stream, 0, "the client")

#define IPC_MSG_SESSION_OVER(F, T)                                                 \
    F(T, U32, served, 0, "sessions that this process has served")

/* What a byte on the line means: login/line.h. A zygote names its processes to each hub that it meets, then says HUB_TOLD. */
#define IPC_MSG_HUB_JOIN(F, T)                                                     \
    F(T, STR, mail, 1024, "root directory of the user's mail; empty: unknown")     \
    F(T, U32, pid, 0, "session process")                                           \
    F(T, STR, service, 64, "imap or pop3")                                         \
    F(T, STR, user, 256, "canonical name")                                         \
    F(T, STR, remote, 64, "client address")                                        \
    F(T, STR, session_id, 64, "for logs")                                          \
    F(T, U64, since, 0, "when its session began, in seconds of the epoch")         \
    F(T, BOOL, live, 0, "it serves a session, and does not wait for one")          \
    F(T, FD, line, 0, "the hub's end of a socketpair to the session")

/* A process whose zygote is gone, for the others of its service: they name it to the next hub. */
#define IPC_MSG_HUB_ORPHAN(F, T) IPC_MSG_HUB_JOIN(F, T)

#define IPC_MSG_HUB_TURN(F, T)                                                     \
    F(T, U32, pid, 0, "session process that was named before")                     \
    F(T, BOOL, live, 0, "it has another session now; false: its session is over")  \
    F(T, STR, remote, 64, "client address of that session")                        \
    F(T, STR, session_id, 64, "for logs")                                          \
    F(T, U64, since, 0, "when it began")

#define IPC_MSG_HUB_TOLD(F, T)                                                     \
    F(T, STR, service, 64, "imap or pop3: all processes of the sender are named")

#define IPC_MSG_HUB_OTHER(F, T)                                                    \
    F(T, U32, pid, 0, "session process of the receiver's service that another zygote made") \
    F(T, STR, user, 256, "canonical name")                                         \
    F(T, STR, remote, 64, "client address")                                        \
    F(T, BOOL, live, 0, "it has this session; false: no more")

#define IPC_MSG_HUB_KNOWN(F, T)                                                    \
    F(T, U32, sessions, 0, "all others have been named; live sessions of all services")

#define IPC_MSG_HUB_WHO(F, T)                                                      \
    F(T, STR, user, 256, "wildcards of a user name; empty: all")                   \
    F(T, U64, after, 0, "number of the last session that was listed before, 0 = from the first on")

#define IPC_MSG_HUB_LIST(F, T)                                                     \
    F(T, STR, text, 65536, "lines of words as in auth_proto.h: user, service, address, pid, since, session") \
    F(T, U64, after, 0, "to be asked with for more, 0 = that was all")

#define IPC_MSG_HUB_KICK(F, T)                                                     \
    F(T, STR, user, 256, "wildcards of a user name")                               \
    F(T, STR, remote, 64, "sessions from this address or network only; empty: from all")

#define IPC_MSG_HUB_KICKED(F, T)                                                   \
    F(T, U32, sessions, 0, "how many were told to end")

#define IPC_MSG_HUB_NEWS(F, T)                                                     \
    F(T, STR, mail, 1024, "root directory of mail that was delivered to")

#define IPC_LOGIN_MESSAGES(M)                                                      \
    M(HUB_JOIN, hub_join, ROLE_BIT(SESSION), ROLE_BIT(HUB))                        \
    M(HUB_ORPHAN, hub_orphan, ROLE_BIT(HUB), ROLE_BIT(SESSION))                    \
    M(HUB_TURN, hub_turn, ROLE_BIT(SESSION), ROLE_BIT(HUB))                        \
    M(HUB_TOLD, hub_told, ROLE_BIT(SESSION), ROLE_BIT(HUB))                        \
    M(HUB_OTHER, hub_other, ROLE_BIT(HUB), ROLE_BIT(SESSION))                      \
    M(HUB_KNOWN, hub_known, ROLE_BIT(HUB), ROLE_BIT(SESSION))                      \
    M(HUB_WHO, hub_who, ROLE_BIT(AUTHD), ROLE_BIT(HUB))                            \
    M(HUB_LIST, hub_list, ROLE_BIT(HUB), ROLE_BIT(AUTHD))                          \
    M(HUB_KICK, hub_kick, ROLE_BIT(AUTHD), ROLE_BIT(HUB))                          \
    M(HUB_KICKED, hub_kicked, ROLE_BIT(HUB), ROLE_BIT(AUTHD))                      \
    M(HUB_NEWS, hub_news, ROLE_BIT(ROUTER), ROLE_BIT(HUB))                         \
    M(CLIENT, client, ROLE_BIT(TLS), ROLE_BIT(LOGIN))                              \
    M(LOGIN_GREETING, login_greeting, ROLE_BIT(LOGIN), ROLE_BIT(TLS))              \
    M(TLS_START, tls_start, ROLE_BIT(LOGIN), ROLE_BIT(TLS))                        \
    M(SESSION_NEXT, session_next, ROLE_BIT(SESSION), ROLE_BIT(SESSION))            \
    M(SESSION_OVER, session_over, ROLE_BIT(SESSION), ROLE_BIT(SESSION))            \
    M(SESSION_START, session_start, ROLE_BIT(LOGIN), ROLE_BIT(SESSION))            \
    M(SESSION_STARTED, session_started, ROLE_BIT(SESSION), ROLE_BIT(LOGIN))
#endif
