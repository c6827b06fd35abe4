/* SPDX-License-Identifier: ISC
 *
 * session.h - the session zygote: a process that waits as root, forks once per
 * login, and whose child becomes the user before it reads a client byte.
 *
 *   login    --SESSION_START{stream, cookie, ...}-->  zygote
 *   zygote   --AUTH_REQUEST{channel, id, cookie}--->  authd
 *   zygote   <--AUTH_USER{user, uid, gid, home, mail}-- authd
 *   zygote   fork: groups, gid, uid for good; every descriptor but the client's
 *            and the log's closed; Landlock to home and mail; seccomp; run()
 *   login    <--SESSION_STARTED{pid}--------------- zygote
 *
 * When the session is over, its process waits for a while for another login of
 * the very same account (children.h), which then takes the place of the fork.
 *
 * The zygote parses no byte of a client and opens no mailbox. It has one
 * thread, and touches little memory: what it holds before the fork, every
 * session holds too.
 */
#ifndef LOGIN_SESSION_H
#define LOGIN_SESSION_H
#include "conf/param.h"
#include "daemon/daemon.h"

/* Who logged in, and how; valid until run() returns. */
struct session_login {
    int fd;                     /* the client's stream: nonblocking; run() takes it and closes it */
    const char *user;           /* canonical name */
    const char *home;           /* "" if there is none */
    const char *mail;           /* location: maildir:PATH or mbox:PATH:INBOX=PATH */
    const char *remote, *local; /* numeric addresses */
    const char *session_id;
    bool tls;
    struct str tag;             /* IMAP: of the command that logged in, to be answered by run(); POP3: empty */
    struct str read_ahead;      /* what the client sent after that command: comes before what is read from fd */
    const struct daemon_ctx *daemon;
    int hub;                    /* line.h; readable: another session or a delivery changed this user's mail. Read empty here or by the loop. -1: poll instead */
};

/* The session's waits end with a cancellation: has the administrator ended it (postern auth kick), or is the system stopping? */
bool session_is_kicked(void);
/* Tell the user's other sessions that something was changed. Never waits. */
void session_tell(const struct session_login *login);

struct session_ops {
    const char *service;        /* "imap", "pop3": others are refused */
    const struct param_table *params;
    void *conf;                 /* filled before anything is started */
    /*
     * In the child, on a fiber, as the user, confined (files below home and mail
     * only; no new socket, no exec). Called again for another login of the same
     * account, so it keeps nothing. SIGTERM cancels the fiber; so does the hub's
     * LINE_KICK when the loop sees it. Has the log under its own identity:
     * log_as("dovecot", level, "imap(user)<pid><session>: ...").
     */
    void (*run)(const struct session_login *login);
};

int session_zygote_main(int argc, char **argv, const char *program, const struct session_ops *ops);
#endif
